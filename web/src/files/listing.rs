//! The page that lists a folder. Every name in it is text that somebody else chose: escaped where it is shown,
//! percent-encoded where it is a link. It is held whole while it is sent, so that it has to be small.

use rustix::{
    fd::OwnedFd,
    fs::{Dir, FileType},
};

use super::{
    DotFiles,
    open::{self, Fault, Opened, Root},
    path,
};

/// The most names of one page: more is nothing that anybody reads.
const NAMES_MAX: usize = 1_000;

/// The most entries that are looked at for one page, whatever they are: each may be a link that has to be followed.
const ENTRIES_MAX: usize = 10_000;

/// About the most that one page has. A thousand names as people give them take half of it, a thousand of the longest
/// would take some megabytes.
const PAGE_BYTES_MAX: usize = 128 << 10;

/// The page for `folder`, which lies at `path` in the root. Of names and kinds, it names what would be served; whether
/// a file may be read is not looked at.
pub(super) fn page(root: &Root, folder: &OwnedFd, path: &str, dots: DotFiles) -> Result<String, Fault> {
    let mut folders = Vec::new();
    let mut files = Vec::new();
    let mut is_whole = true;
    for (count, entry) in Dir::read_from(folder).map_err(open::fault)?.enumerate() {
        let entry = entry.map_err(open::fault)?;
        if count == ENTRIES_MAX {
            is_whole = false;
            break;
        }
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
                    Err(Fault::NotFound) => {}
                    // Without a descriptor, nobody knows: no list is better than one that lacks it.
                    Err(fault) => return Err(fault),
                }
            }
            _ => {}
        }
    }
    folders.sort_unstable();
    files.sort_unstable();
    Ok(render(path, &folders, &files, is_whole))
}

fn render(path: &str, folders: &[String], files: &[String], mut is_whole: bool) -> String {
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
        if page.len() >= PAGE_BYTES_MAX {
            is_whole = false;
            break;
        }
        // With `./` before it, no name is taken for a scheme.
        page += "<li><a href=\"./";
        path::spelled(name).for_each(|piece| escape(&mut page, piece));
        page += slash;
        page += "\">";
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
            "<li><a href=\"./a&amp;b/\">a&amp;b/</a></li>",
            "<li><a href=\"./%3Cscript%3Ealert(1)%3C/script%3E\">&lt;script&gt;alert(1)&lt;/script&gt;</a></li>",
            "<li><a href=\"./%22&#39;x:%20y%3F%23%25.txt\">&quot;&#39;x: y?#%.txt</a></li>",
            "<li><a href=\"./%C3%A4\">ä</a></li>",
            "<p>There are more.</p>",
        ] {
            assert!(page.contains(row), "{row}\n{page}");
        }
        assert!(!render("", &[], &[], true).contains("../"));
    }

    #[test]
    fn a_page_is_small() {
        let names = |count: usize, name: &str| -> Vec<String> {
            (0..count).map(|n| format!("{name}{n:04}")).collect()
        };
        let page = render("", &[], &names(NAMES_MAX, "a name as people give them "), true);
        assert!(page.contains("0999</a>") && !page.contains("There are more."), "{}", page.len());
        let page = render("", &names(NAMES_MAX, &"\"".repeat(251)), &[], true);
        assert!(page.len() < PAGE_BYTES_MAX + 4096, "{}", page.len());
        assert!(page.ends_with("</ul>\n<p>There are more.</p>\n</body></html>\n"));
    }
}
