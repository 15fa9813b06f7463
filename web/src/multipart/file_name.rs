//! [`safe_file_name`]: what is left of a client's file name once it can do no harm.

/// The most bytes of a safe name: most file systems take 255, and an app may want to add to it.
const BYTES_MAX: usize = 120;

/// A name for display and for storage, made of one that a client chose: its last component, without what a file system, a
/// shell or a terminal would take for more than a letter. `None` where nothing is left.
///
/// It is one component, of at most 120 bytes, that begins with no dot and ends with none, and is no device of Windows. Of the
/// characters that are not letters or digits, those of ASCII are replaced but for the space and `.`, `-`, `_`, `+`, `,`, `@`
/// and `(`, `)`, `[`, `]`, so a shell needs the name in quotes. It is **not unique**, and says nothing of what is in the file: two clients may choose the same. Best store files under
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
    let safe = safe.trim_end_matches([' ', '.']).trim_start_matches(['-', ' ', '.']);
    if safe.is_empty() {
        return None;
    }
    // Cut first: what is left may be a device only then.
    let safe = shortened(safe, BYTES_MAX);
    if is_device(&safe) {
        return Some(format!("_{}", shortened(&safe, BYTES_MAX - 1)));
    }
    Some(safe)
}

/// What has a meaning of its own in a path, a shell or a drive's name on some system.
fn harmless(character: char) -> char {
    match character {
        ' ' | '.' | '-' | '_' | '+' | ',' | '@' | '(' | ')' | '[' | ']' => character,
        other if other.is_ascii_alphanumeric() => other,
        other if other.is_ascii() => '_',
        other if other.is_whitespace() => ' ',
        other => other,
    }
}

/// What changes how the rest is shown, and is not seen itself: `gpj.exe` must not be shown as `exe.jpg`.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{2800}' | '\u{3164}' | '\u{ffa0}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}' | '\u{e0000}'..='\u{e0fff}')
}

/// At most so many bytes, with the extension kept where that is a short one.
fn shortened(name: &str, bytes_max: usize) -> String {
    let cut = |text: &str, bytes: usize| {
        let end = (0..=bytes).rev().find(|end| text.is_char_boundary(*end));
        text[..end.unwrap_or_default()].trim_end_matches([' ', '.']).to_owned()
    };
    if name.len() <= bytes_max {
        return name.to_owned();
    }
    match name.rsplit_once('.') {
        Some((stem, extension)) if extension.len() <= 10 => {
            format!("{}.{extension}", cut(stem, bytes_max - extension.len() - 1))
        }
        _ => cut(name, bytes_max),
    }
}

/// A device of Windows, whatever its extension. The digits of the ports may be raised.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let is_port = |number: &str| {
        let mut characters = number.chars();
        let first = characters.next();
        first.is_some_and(|first| matches!(first, '0'..='9' | '\u{b9}' | '\u{b2}' | '\u{b3}'))
            && characters.next().is_none()
    };
    // `$` has become `_` here.
    matches!(&*stem, "CON" | "PRN" | "AUX" | "NUL" | "CONIN_" | "CONOUT_" | "CLOCK_")
        || ["COM", "LPT"].into_iter().any(|port| stem.strip_prefix(port).is_some_and(is_port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_harmless_component() {
        let long = format!("{}.jpeg", "\u{fc}".repeat(300));
        let rows: [(&str, Option<&str>); 39] = [
            ("COM\u{b9}.txt", Some("_COM\u{b9}.txt")),
            ("lpt\u{b2}", Some("_lpt\u{b2}")),
            ("COM10.txt", Some("COM10.txt")),
            ("~root {a,b} #x ^y a=b", Some("_root _a,b_ _x _y a_b")),
            ("(x) [a-z], b+c_d@e", Some("(x) [a-z], b+c_d@e")),
            ("\u{3164}", None),
            ("\u{2800}.\u{34f}", None),
            ("a\u{3164}.exe", Some("a.exe")),
            ("x\u{180e}y\u{85}z", Some("xyz")),
            ("a.txt::$DATA", Some("a.txt___DATA")),
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
        // The underscore counts too, also before what is a device only once it is cut.
        for device in [
            format!("CON.{}", "x".repeat(116)),
            format!("CON.{}", "x".repeat(300)),
            format!("CON{}.txt", " ".repeat(300)),
            format!("aux.{}.jpeg", "\u{fc}".repeat(300)),
        ] {
            let safe = safe_file_name(&device).unwrap();
            assert!(safe.len() <= BYTES_MAX && safe.starts_with('_'), "{} bytes: {safe}", safe.len());
            assert_eq!(safe_file_name(&safe).as_ref(), Some(&safe), "it is safe already");
        }
    }
}
