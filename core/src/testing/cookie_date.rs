//! The dates of cookies, which are read more freely than any other: RFC 6265 §5.1.1, step by step.

use std::time::SystemTime;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// The time that `text` names; `None` where it is no date.
pub(super) fn parse(text: &[u8]) -> Option<SystemTime> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    let tokens =
        text.split(|byte| matches!(byte, 0x09 | 0x20..=0x2f | 0x3b..=0x40 | 0x5b..=0x60 | 0x7b..=0x7e));
    for token in tokens.filter(|token| !token.is_empty()) {
        if time.is_none() && time_of_day(token).is_some() {
            time = time_of_day(token);
        } else if day.is_none() && number(token, 1, 2).is_some() {
            day = number(token, 1, 2);
        } else if month.is_none() && month_of_year(token).is_some() {
            month = month_of_year(token);
        } else if year.is_none() {
            year = number(token, 2, 4);
        }
    }
    let ((hour, minute, second), (day, _), month, (year, _)) = (time?, day?, month?, year?);
    let year = match year {
        0..=69 => year + 2000,
        70..=99 => year + 1900,
        year => year,
    };
    if year < 1601 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // A year before 1970, where `httpdate` begins, is one of the same length.
    let leaps = |year: u32| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let like = if year >= 1970 {
        year
    } else if leaps(year) {
        1972
    } else {
        1970
    };
    // `httpdate` has the calendar. It wants the day of the week, which counts for nothing here: one of them is right, unless
    // there is no such day.
    let time = DAYS.into_iter().find_map(|weekday| {
        let date = format!("{weekday}, {day:02} {month} {like:04} {hour:02}:{minute:02}:{second:02} GMT");
        httpdate::parse_http_date(&date).ok()
    })?;
    Some(if year < 1970 { SystemTime::UNIX_EPOCH } else { time })
}

/// The digits that `token` begins with, `min` to `max` of them, and what follows.
fn number(token: &[u8], min: usize, max: usize) -> Option<(u32, &[u8])> {
    let count = token.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = token.split_at(count);
    let digits = std::str::from_utf8(digits).ok().filter(|_| (min..=max).contains(&count))?;
    Some((digits.parse().ok()?, rest))
}

fn time_of_day(token: &[u8]) -> Option<(u32, u32, u32)> {
    let (hour, rest) = number(token, 1, 2)?;
    let (minute, rest) = number(rest.strip_prefix(b":")?, 1, 2)?;
    let (second, _) = number(rest.strip_prefix(b":")?, 1, 2)?;
    Some((hour, minute, second))
}

fn month_of_year(token: &[u8]) -> Option<&'static str> {
    let begin = token.get(..3)?;
    MONTHS.into_iter().find(|month| month.as_bytes().eq_ignore_ascii_case(begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_browsers_do() {
        let same = "Sun, 06 Nov 1994 08:49:37 GMT";
        for text in [
            same,
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06-Nov-1994 08:49:37 GMT",
            "06 november 94 8:49:37",
            "1994 06 nov 08:49:37",
            "Sat, 06 Nov 1994 08:49:37 UTC+1",
        ] {
            // Three of digits are no day, so that a year may come first.
            let time = parse(text.as_bytes()).map(httpdate::fmt_http_date);
            assert_eq!(time.as_deref(), Some(same), "{text}");
        }
        let year =
            |text: &str| parse(text.as_bytes()).map(|time| httpdate::fmt_http_date(time)[12..16].to_owned());
        assert_eq!(year("1 Jan 69 0:0:0").as_deref(), Some("2069"));
        assert_eq!(year("1 Jan 70 0:0:0").as_deref(), Some("1970"));
        assert_eq!(year("29 Feb 1604 0:0:0").as_deref(), Some("1970"), "long over");
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "tomorrow",
            "6 Nov 1994",
            "Nov 1994 08:49:37",
            "6 Nov 1600 08:49:37",
            "6 Nov 1994 24:00:00",
            "6 Nov 1994 23:60:00",
            "6 Nov 1994 23:59:60",
            "31 Feb 2024 00:00:00",
            "30 Feb 1604 00:00:00",
            "32 Jan 2024 00:00:00",
            "0 Jan 2024 00:00:00",
            "6 Nov 19941 08:49:37",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
