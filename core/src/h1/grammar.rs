//! Which bytes may stand where, as runs: how many of a kind a text begins with. They are looked for in tables, or
//! eight bytes at a time. Nothing here decides what another byte means.

/// A table of the bytes for which `$is` holds.
macro_rules! table {
    ($is:ident) => {{
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            table[byte] = $is(byte as u8);
            byte += 1;
        }
        table
    }};
}

static TOKEN: [bool; 256] = table!(is_tchar);
static REG_NAME: [bool; 256] = table!(is_reg_name_char);
static TARGET: [bool; 256] = table!(is_target_char);

/// RFC 9110 §5.6.2.
const fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// RFC 3986 §3.2.2 `reg-name`, without its escapes.
const fn is_reg_name_char(byte: u8) -> bool {
    is_unreserved(byte) || is_sub_delim(byte)
}

/// RFC 3986 §3.3 `pchar` without its escapes, `/`, and what browsers send raw (WHATWG URL: `[ ] | ^ { }`).
const fn is_target_char(byte: u8) -> bool {
    is_reg_name_char(byte) || matches!(byte, b':' | b'@' | b'/' | b'[' | b']' | b'|' | b'^' | b'{' | b'}')
}

/// RFC 3986 §2.3.
pub(super) const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// RFC 3986 §2.2.
pub(super) const fn is_sub_delim(byte: u8) -> bool {
    matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}

pub(super) fn is_token_byte(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

/// Bytes of a token.
#[inline]
pub(super) fn token_run(text: &[u8]) -> usize {
    run(text, &TOKEN)
}

/// Bytes of a registered name that need no look behind them.
pub(super) fn reg_name_run(text: &[u8]) -> usize {
    run(text, &REG_NAME)
}

/// Bytes of a path or a query that need no look behind them.
pub(super) fn target_run(text: &[u8]) -> usize {
    run(text, &TARGET)
}

/// Four at a time, for half the instructions.
#[inline]
fn run(text: &[u8], table: &[bool; 256]) -> usize {
    let is_of_kind = |byte: u8| table[usize::from(byte)];
    let mut end = 0;
    while let Some(&[a, b, c, d]) = text[end..].first_chunk() {
        if !(is_of_kind(a) & is_of_kind(b) & is_of_kind(c) & is_of_kind(d)) {
            break;
        }
        end += 4;
    }
    while end < text.len() && is_of_kind(text[end]) {
        end += 1;
    }
    end
}

/// Bytes that are neither white space nor controls.
pub(super) fn visible_run(text: &[u8]) -> usize {
    run_above(text, b' ' + 1)
}

/// Bytes of a field's value, RFC 9110 §5.5: all but controls, of which a tab is allowed.
#[inline]
pub(super) fn value_run(text: &[u8]) -> usize {
    let mut end = 0;
    loop {
        end += run_above(&text[end..], b' ');
        if text.get(end) != Some(&b'\t') {
            return end;
        }
        end += 1;
    }
}

/// Bytes that are at least `least`, and not DEL. Eight at a time: a header value is read at about an instruction a byte.
fn run_above(text: &[u8], least: u8) -> usize {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    const DELS: u64 = u64::from_ne_bytes([0x7f; 8]);
    let mut end = 0;
    while let Some(eight) = text[end..].first_chunk() {
        let word = u64::from_le_bytes(*eight);
        // The high bit of each byte below `least`, and of each DEL. A borrow sets wrong ones behind a right one only.
        let below = word.wrapping_sub(ONES * u64::from(least)) & !word;
        let dels = word ^ DELS;
        let dels = dels.wrapping_sub(ONES) & !dels;
        let found = (below | dels) & HIGHS;
        if found != 0 {
            return end + found.trailing_zeros() as usize / 8;
        }
        end += 8;
    }
    while end < text.len() && text[end] >= least && text[end] != 0x7f {
        end += 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_at_the_first_other_byte_wherever_it_stands() {
        type Run = fn(&[u8]) -> usize;
        type IsOfKind = fn(u8) -> bool;
        let kinds: [(Run, IsOfKind); 5] = [
            (token_run, is_tchar),
            (reg_name_run, is_reg_name_char),
            (target_run, is_target_char),
            (visible_run, |byte| byte > b' ' && byte != 0x7f),
            (value_run, |byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f)),
        ];
        for (run, is_of_kind) in kinds {
            for byte in 0..=u8::MAX {
                for place in 0..20 {
                    for behind in [b'a', 0, b'\r', 0x7f, 0xff] {
                        let mut text = [b'a'; 24];
                        text[place] = byte;
                        text[place + 1..].fill(behind);
                        let expected = text.iter().position(|&byte| !is_of_kind(byte)).unwrap_or(text.len());
                        assert_eq!(run(&text), expected, "{byte:#x} at {place}, then {behind:#x}");
                    }
                }
            }
        }
    }
}
