//! `Range`: RFC 9110 §14. Pure. Whatever is asked for, what is sent is never longer than the file and a few part heads.

use std::ops::Range;

/// What is sent of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Selection {
    /// All of it: the field says nothing that could be followed (RFC 9110 §14.2 has it ignored then).
    Whole,
    /// In the order in which they were asked for. None is empty, and no two touch.
    Parts(Vec<Range<u64>>),
    /// None of them begins inside the file: 416.
    Unsatisfiable,
}

/// The most ranges of one request. Readers of documents ask for a few; who asks for more gets the whole file, as
/// RFC 9110 §14.2 allows.
const RANGES_MAX: usize = 64;

/// Ranges that are closer than this are sent as one: a part's head is longer (RFC 9110 §15.3.7.2).
const GAP: u64 = 80;

/// What the value of `Range` selects of `length` bytes.
pub(super) fn select(value: &[u8], length: u64) -> Selection {
    let Some(set) = value.split_at_checked(6).filter(|(unit, _)| unit.eq_ignore_ascii_case(b"bytes=")) else {
        return Selection::Whole;
    };
    let mut parts: Vec<Range<u64>> = Vec::new();
    let mut count = 0;
    let mut has_suffix = false;
    for spec in set.1.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
        // RFC 9110 §5.6.1.2: empty elements are skipped.
        if spec.is_empty() {
            continue;
        }
        count += 1;
        let spec = if count > RANGES_MAX { None } else { parse(spec) };
        let range = match spec {
            None => return Selection::Whole,
            Some(Spec::From(first)) => first..length,
            Some(Spec::Between(first, last)) => first..last.saturating_add(1).min(length),
            Some(Spec::Suffix(count)) => {
                has_suffix |= count > 0;
                length.saturating_sub(count)..length
            }
        };
        if !range.is_empty() {
            add(&mut parts, range);
        }
    }
    match parts.len() {
        0 if count == 0 => Selection::Whole,
        // A suffix of an empty file is all of it, and no `Content-Range` can say so.
        0 if has_suffix => Selection::Whole,
        0 => Selection::Unsatisfiable,
        _ => Selection::Parts(parts),
    }
}

/// Adds a range, as one with those that it touches: RFC 9110 §15.3.7.2 lets a server do so.
fn add(parts: &mut Vec<Range<u64>>, mut range: Range<u64>) {
    let mut place = parts.len();
    // It grows as it swallows others, and may touch more then.
    while let Some(index) = parts.iter().position(|part| touches(part, &range)) {
        let part = parts.remove(index);
        range = part.start.min(range.start)..part.end.max(range.end);
        place = place.min(index);
    }
    parts.insert(place.min(parts.len()), range);
}

fn touches(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start <= other.end.saturating_add(GAP) && other.start <= one.end.saturating_add(GAP)
}

/// RFC 9110 §14.1.1.
enum Spec {
    From(u64),
    Between(u64, u64),
    Suffix(u64),
}

fn parse(spec: &[u8]) -> Option<Spec> {
    let dash = spec.iter().position(|byte| *byte == b'-')?;
    let (first, last) = (&spec[..dash], &spec[dash + 1..]);
    match (first.is_empty(), last.is_empty()) {
        (true, true) => None,
        (true, false) => Some(Spec::Suffix(number(last)?)),
        (false, true) => Some(Spec::From(number(first)?)),
        (false, false) => {
            let (first, last) = (number(first)?, number(last)?);
            // RFC 9110 §14.1.1: else it is invalid.
            (first <= last).then_some(Spec::Between(first, last))
        }
    }
}

/// Digits alone. What is larger than any file is as good as the largest number.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        Some(number.saturating_mul(10).saturating_add(digit))
    })
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "one range is what is expected, not its numbers")]
mod tests {
    use super::{Selection::*, *};

    #[test]
    fn ranges_of_a_thousand_bytes() {
        let rows: &[(&str, Selection)] = &[
            ("bytes=0-0", Parts(vec![0..1])),
            ("bytes=0-499", Parts(vec![0..500])),
            ("bytes=500-", Parts(vec![500..1000])),
            ("bytes=-1", Parts(vec![999..1000])),
            ("bytes=-1000", Parts(vec![0..1000])),
            ("bytes=-5000", Parts(vec![0..1000])),
            ("bytes=999-5000", Parts(vec![999..1000])),
            ("bytes=0-", Parts(vec![0..1000])),
            ("BYTES=0-0", Parts(vec![0..1])),
            ("bytes= 0-0 , 500-500\t,", Parts(vec![0..1, 500..501])),
            ("bytes=,,0-0,,", Parts(vec![0..1])),
            // Their order is kept.
            ("bytes=900-909,0-9", Parts(vec![900..910, 0..10])),
            ("bytes=0-9,900-909,400-409", Parts(vec![0..10, 900..910, 400..410])),
            // Overlapping, touching and close ones become one.
            ("bytes=0-9,5-19", Parts(vec![0..20])),
            ("bytes=0-9,10-19", Parts(vec![0..20])),
            ("bytes=0-9,90-99", Parts(vec![0..100])),
            ("bytes=0-9,91-99", Parts(vec![0..10, 91..100])),
            ("bytes=0-9,900-909,5-905", Parts(vec![0..910])),
            ("bytes=500-509,0-9,700-709,505-705", Parts(vec![500..710, 0..10])),
            ("bytes=0-,0-,0-,0-", Parts(vec![0..1000])),
            // Those that can be satisfied are.
            ("bytes=5000-,0-9", Parts(vec![0..10])),
            ("bytes=-0,0-9", Parts(vec![0..10])),
            ("bytes=1000-", Unsatisfiable),
            ("bytes=1000-2000", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=1000-,2000-,-0", Unsatisfiable),
            // Huge numbers.
            ("bytes=18446744073709551615-", Unsatisfiable),
            ("bytes=18446744073709551616-18446744073709551617", Unsatisfiable),
            ("bytes=99999999999999999999999999999999-", Unsatisfiable),
            ("bytes=0-99999999999999999999999999999999", Parts(vec![0..1000])),
            ("bytes=-99999999999999999999999999999999", Parts(vec![0..1000])),
            ("bytes=0-18446744073709551615", Parts(vec![0..1000])),
            ("bytes=0000000000000000000000000000000000001-1", Parts(vec![1..2])),
            // What cannot be read is ignored, all of it.
            ("", Whole),
            ("bytes", Whole),
            ("bytes=", Whole),
            ("bytes=,", Whole),
            ("bytes=-", Whole),
            ("bytes=--1", Whole),
            ("bytes=a-b", Whole),
            ("bytes=0", Whole),
            ("bytes=9-0", Whole),
            ("bytes=0-9,9-0", Whole),
            ("bytes=0-9;500-509", Whole),
            ("bytes=+0-9", Whole),
            ("bytes=0-+9", Whole),
            ("bytes=0x0-9", Whole),
            ("bytes=0 - 9", Whole),
            ("bytes=0-9-19", Whole),
            ("bytes =0-9", Whole),
            ("bytes:0-9", Whole),
            ("items=0-9", Whole),
            ("0-9", Whole),
        ];
        for (value, expected) in rows {
            assert_eq!(select(value.as_bytes(), 1000), *expected, "{value}");
        }
    }

    #[test]
    fn an_empty_file() {
        for (value, expected) in [
            ("bytes=0-", Unsatisfiable),
            ("bytes=0-0", Unsatisfiable),
            ("bytes=-1", Whole),
            ("bytes=-0", Unsatisfiable),
        ] {
            assert_eq!(select(value.as_bytes(), 0), expected, "{value}");
        }
    }

    #[test]
    fn as_many_as_there_may_be() {
        let list = |count: u64| {
            let specs: Vec<String> = (0..count).map(|n| format!("{}-{}", n * 1000, n * 1000)).collect();
            format!("bytes={}", specs.join(","))
        };
        let Parts(parts) = select(list(64).as_bytes(), 1 << 30) else { panic!("64 are served") };
        assert_eq!(parts.len(), 64);
        assert_eq!(select(list(65).as_bytes(), 1 << 30), Whole);
        assert_eq!(select(list(1000).as_bytes(), 1 << 30), Whole);
    }

    /// Whatever is asked for, what is sent is no longer than the file.
    #[test]
    fn parts_never_overlap() {
        let mut seed = 7_u64;
        let mut next = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for _ in 0..2000 {
            let length = next(5000);
            let specs: Vec<String> = (0..next(40) + 1)
                .map(|_| {
                    let first = next(6000);
                    format!("{first}-{}", first + next(300))
                })
                .collect();
            let value = format!("bytes={}", specs.join(","));
            if let Parts(mut parts) = select(value.as_bytes(), length) {
                parts.sort_by_key(|part| part.start);
                assert!(parts.iter().all(|part| part.start < part.end && part.end <= length), "{value}");
                assert!(parts.windows(2).all(|pair| pair[0].end + GAP < pair[1].start), "{value}");
            }
        }
    }
}
