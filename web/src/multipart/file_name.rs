//! [`safe_file_name`]: what is left of a client's file name once it can do no harm.

/// The most bytes of a safe name: most file systems take 255, and an app may want to add to it.
const BYTES_MAX: usize = 120;

/// A name for display and for storage, made of one that a client chose: its last component, without what a file system, a
/// shell or a terminal would take for more than a letter. `None` where nothing is left.
///
/// It is one component, of at most 120 bytes, that begins with no dot and ends with none, and is no device of Windows. It
/// is **not unique**, and says nothing of what is in the file: two clients may choose the same. Best store files under
/// names of your own, and keep this one beside them.
///
/// ```
/// use trijet_web::multipart::safe_file_name;
///
/// assert_eq!(safe_file_name("../../etc/passwd").as_deref(), Some("passwd"));
/// assert_eq!(safe_file_name("C:\\photos\\us: 1.jpg").as_deref(), Some("us_ 1.jpg"));
/// assert_eq!(safe_file_name(".."), None);
/// ```
pub fn safe_file_name(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let safe: String = last.chars().filter(|character| !is_invisible(*character)).map(harmless).collect();
    // A dash at the beginning would be taken for an option.
    let safe = safe.trim_matches([' ', '.']).trim_start_matches(['-', ' ', '.']);
    let mut safe = shortened(safe);
    if safe.is_empty() {
        return None;
    }
    if is_device(&safe) {
        safe.insert(0, '_');
    }
    Some(safe)
}

/// What has a meaning of its own in a path, a shell or a drive's name on some system.
fn harmless(character: char) -> char {
    match character {
        '<' | '>' | ':' | '"' | '|' | '?' | '*' | '\'' | '`' | '$' | '&' | ';' | '!' | '%' => '_',
        other if other.is_whitespace() => ' ',
        other => other,
    }
}

/// What changes how the rest is shown, and is not seen itself: `gpj.exe` must not be shown as `exe.jpg`.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}' | '\u{e0000}'..='\u{e0fff}')
}

/// At most [`BYTES_MAX`], with the extension kept where that is a short one.
fn shortened(name: &str) -> String {
    let cut = |text: &str, bytes: usize| {
        let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
        text[..end.unwrap_or_default()].trim_end_matches([' ', '.']).to_owned()
    };
    if name.len() <= BYTES_MAX {
        return name.to_owned();
    }
    match name.rsplit_once('.') {
        Some((stem, extension)) if extension.len() <= 10 => {
            format!("{}.{extension}", cut(stem, BYTES_MAX - extension.len() - 1))
        }
        _ => cut(name, BYTES_MAX),
    }
}

/// A device of Windows, whatever its extension.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered = |prefix: &str| {
        let number = stem.strip_prefix(prefix);
        number
            .is_some_and(|number| matches!(number, "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9"))
    };
    matches!(&*stem, "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$")
        || numbered("COM")
        || numbered("LPT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_harmless_component() {
        let long = format!("{}.jpeg", "\u{fc}".repeat(300));
        let rows: [(&str, Option<&str>); 29] = [
            ("a.txt", Some("a.txt")),
            ("J\u{fc}rgen 1.png", Some("J\u{fc}rgen 1.png")),
            ("", None),
            (".", None),
            ("..", None),
            ("...", None),
            (" . . ", None),
            ("/", None),
            ("a/", None),
            ("a\\", None),
            ("../a", Some("a")),
            ("..\\..\\a", Some("a")),
            ("/etc/passwd", Some("passwd")),
            ("C:\\a.txt", Some("a.txt")),
            ("C:a.txt", Some("C_a.txt")),
            (".htaccess", Some("htaccess")),
            ("a.txt. .", Some("a.txt")),
            ("a\0.txt", Some("a.txt")),
            ("a\r\nb", Some("ab")),
            ("a\u{1b}[31m", Some("a[31m")),
            ("a\u{202e}gpj.exe", Some("agpj.exe")),
            ("\u{feff}\u{200b}", None),
            ("a:b*c?\"d\"<e>|f", Some("a_b_c__d__e__f")),
            ("$(reboot); `x` & 'y'", Some("_(reboot)_ _x_ _ _y_")),
            ("CON", Some("_CON")),
            ("nul.tar.gz", Some("_nul.tar.gz")),
            ("lpt1 .txt", Some("_lpt1 .txt")),
            ("console", Some("console")),
            ("--rf .a-b", Some("rf .a-b")),
        ];
        for (name, expected) in rows {
            assert_eq!(safe_file_name(name).as_deref(), expected, "{name:?}");
        }
        let short = safe_file_name(&long).unwrap();
        assert!(short.len() <= BYTES_MAX && short.ends_with("\u{fc}.jpeg"), "{short}");
        assert!(safe_file_name(&"x".repeat(1000)).unwrap().len() == BYTES_MAX);
        assert_eq!(safe_file_name(&format!("{}.", " ".repeat(1000))), None);
    }
}
