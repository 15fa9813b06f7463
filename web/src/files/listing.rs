//! The page that lists a folder. Every name in it is text that somebody else chose: escaped where it is shown,
//! percent-encoded where it is a link.

use std::{fmt::Write, io};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::{
    fd::OwnedFd,
    fs::{Dir, FileType},
};

use super::{
    DotFiles,
    open::{Opened, Root},
    path,
};

/// The most names of one page: more would be a page that nobody can read, of many megabytes.
const NAMES_MAX: usize = 10_000;

/// What a segment of a path holds as it is: RFC 3986 §2.3.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The page for `folder`, which lies at `path` in the root. It names what would be served.
pub(super) fn page(root: &Root, folder: &OwnedFd, path: &str, dots: DotFiles) -> io::Result<String> {
    let mut folders = Vec::new();
    let mut files = Vec::new();
    let mut is_whole = true;
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        // `.` and `..` are among what is no name.
        if path::check(name, dots).is_err() {
            continue;
        }
        if folders.len() + files.len() == NAMES_MAX {
            is_whole = false;
            break;
        }
        match entry.file_type() {
            FileType::RegularFile => files.push(name.to_owned()),
            FileType::Directory => folders.push(name.to_owned()),
            // Where it leads, and whether it may; some file systems do not tell the type either.
            FileType::Symlink | FileType::Unknown => {
                let whole = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
                match root.look_up(&whole) {
                    Ok(Opened::File(..)) => files.push(name.to_owned()),
                    Ok(Opened::Folder(_)) => folders.push(name.to_owned()),
                    Err(_) => {}
                }
            }
            _ => {}
        }
    }
    folders.sort_unstable();
    files.sort_unstable();
    Ok(render(path, &folders, &files, is_whole))
}

fn render(path: &str, folders: &[String], files: &[String], is_whole: bool) -> String {
    let mut page = String::from("<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>/");
    escape(&mut page, path);
    page += "</title></head><body>\n<h1>/";
    escape(&mut page, path);
    page += "</h1>\n<ul>\n";
    if !path.is_empty() {
        page += "<li><a href=\"../\">../</a></li>\n";
    }
    let folders = folders.iter().map(|name| (name, "/"));
    for (name, slash) in folders.chain(files.iter().map(|name| (name, ""))) {
        // With `./` before it, no name is taken for a scheme.
        _ = write!(page, "<li><a href=\"./{}{slash}\">", utf8_percent_encode(name, SEGMENT));
        escape(&mut page, name);
        page += slash;
        page += "</a></li>\n";
    }
    page += "</ul>\n";
    if !is_whole {
        page += "<p>There are more.</p>\n";
    }
    page += "</body></html>\n";
    page
}

fn escape(page: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => *page += "&amp;",
            '<' => *page += "&lt;",
            '>' => *page += "&gt;",
            '"' => *page += "&quot;",
            '\'' => *page += "&#39;",
            other => page.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text() {
        let folders = ["a&b".to_owned()];
        let files = ["<script>alert(1)</script>".to_owned(), "\"'x: y?#%.txt".to_owned(), "ä".to_owned()];
        let page = render("<i>/b", &folders, &files, false);
        assert!(!page.contains("<script") && !page.contains("<i>"), "{page}");
        for row in [
            "<h1>/&lt;i&gt;/b</h1>",
            "<li><a href=\"../\">../</a></li>",
            "<li><a href=\"./a%26b/\">a&amp;b/</a></li>",
            "<li><a href=\"./%3Cscript%3Ealert%281%29%3C%2Fscript%3E\">&lt;script&gt;alert(1)&lt;/script&gt;</a></li>",
            "<li><a href=\"./%22%27x%3A%20y%3F%23%25.txt\">&quot;&#39;x: y?#%.txt</a></li>",
            "<li><a href=\"./%C3%A4\">ä</a></li>",
            "<p>There are more.</p>",
        ] {
            assert!(page.contains(row), "{row}\n{page}");
        }
        assert!(!render("", &[], &[], true).contains("../"));
    }
}
