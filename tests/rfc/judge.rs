//! Compares what came with what a row allows.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{
    common::response::{Ending, Response, fields},
    row::{Check, Cut, End, Expected, Row, shortened},
};

/// All that the server sent, and what went wrong on the way.
pub(crate) struct Got {
    pub(crate) bytes: Vec<u8>,
    pub(crate) fault: Option<String>,
}

/// What is wrong with the answer to `row`, with everything that is needed to see why.
pub(crate) fn fault(row: &Row, cut: Cut, got: &Got) -> Option<String> {
    let fault = match &got.fault {
        Some(fault) => Some(fault.clone()),
        None => judge(row, &got.bytes).err(),
    }?;
    let Row { name, section, level, rule, .. } = row;
    Some(format!(
        "{name} ({section}, {level:?}, sent as {cut:?})\n  {rule}\n  {fault}\n{}  < {}",
        row.shown(),
        shortened(&got.bytes)
    ))
}

fn judge(row: &Row, mut rest: &[u8]) -> Result<(), String> {
    let mut closes = false;
    for (index, expected) in row.answers.iter().enumerate() {
        if rest.is_empty() {
            return Err(format!("answer {} of {} did not come", index + 1, row.answers.len()));
        }
        if closes {
            return Err(format!("answer {index} announced a close, and more follows"));
        }
        let line = &rest[..find(rest, b"\r\n").unwrap_or(rest.len())];
        let response = take_response(&mut rest, expected.is_to_head)?;
        closes = response.closes();
        check(&response, line, expected).map_err(|fault| format!("answer {}: {fault}", index + 1))?;
    }
    if !rest.is_empty() {
        return Err(format!("more than the {} answers expected", row.answers.len()));
    }
    if row.end == End::Closed && !closes && !row.answers.is_empty() {
        return Err("the close is not announced".into());
    }
    Ok(())
}

fn check(response: &Response, line: &[u8], expected: &Expected) -> Result<(), String> {
    if !expected.statuses.contains(&response.status) {
        return Err(format!("{} where {:?} is allowed", response.status, expected.statuses));
    }
    for check in &expected.checks {
        let is_met = match check {
            Check::Field(name, value) => {
                let mut values = response.headers.iter().filter(|(field, _)| field == name);
                values.next().is_some_and(|(_, first)| first == value) && values.next().is_none()
            }
            Check::Has(name) => response.header(name).is_some(),
            Check::StatusLine(expected) => line == expected.as_bytes(),
            Check::FixedDate => response.header("date").is_some_and(is_fixed_date),
            Check::Explanation => {
                response.header("content-type").is_some_and(|kind| kind.starts_with("text/plain"))
                    && response.body.len() > 10
            }
            Check::Lacks(name) => response.header(name).is_none(),
            Check::Body(body) => response.body == *body,
            Check::NoTrailer(name) => response.trailers.iter().all(|(field, _)| field != name),
            Check::Trailer(name, value) => {
                response.trailers.iter().any(|(field, held)| field == name && held == value)
            }
        };
        if !is_met {
            return Err(format!("not so: {check:?}"));
        }
    }
    Ok(())
}

/// RFC 9110 §5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`, with every digit and space in its place.
fn is_fixed_date(date: &str) -> bool {
    const FORM: &str = "aaa, 00 aaa 0000 00:00:00 GMT";
    let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let fits = |(form, sent): (char, char)| match form {
        '0' => sent.is_ascii_digit(),
        'a' => sent.is_ascii_alphabetic(),
        exact => exact == sent,
    };
    date.len() == FORM.len()
        && FORM.chars().zip(date.chars()).all(fits)
        && days.contains(&&date[..3])
        && months.contains(&&date[8..11])
}

/// Takes one response off the front.
fn take_response(rest: &mut &[u8], is_to_head: bool) -> Result<Response, String> {
    let end = find(rest, b"\r\n\r\n").ok_or("a head without an end")? + 4;
    let head = take(rest, end)?;
    let parsed = catch_unwind(|| {
        let response = Response::parse(head);
        let ending = if is_to_head { Ending::Length(0) } else { response.ending() };
        (response, ending)
    });
    let (mut response, ending) = parsed.map_err(|_| "not a proper response head")?;
    match ending {
        Ending::Length(length) => {
            response.body = take(rest, usize::try_from(length).unwrap_or(usize::MAX))?.to_vec();
        }
        Ending::Close => response.body = take(rest, rest.len())?.to_vec(),
        Ending::Chunked => loop {
            let size = usize::from_str_radix(take_line(rest)?, 16).map_err(|_| "not a chunk size")?;
            if size == 0 {
                let mut lines = Vec::new();
                while let line @ [_, ..] = take_line(rest)?.as_bytes() {
                    lines.push(String::from_utf8_lossy(line));
                }
                let parsed = catch_unwind(AssertUnwindSafe(|| fields(lines.iter().map(|line| &line[..]))));
                response.trailers = parsed.map_err(|_| "not proper trailers")?;
                break;
            }
            response.body.extend_from_slice(take(rest, size)?);
            if !take_line(rest)?.is_empty() {
                return Err("a chunk is longer than its size".into());
            }
        },
    }
    Ok(response)
}

fn take<'b>(rest: &mut &'b [u8], count: usize) -> Result<&'b [u8], String> {
    let (taken, after) = rest.split_at_checked(count).ok_or("the answer is not whole")?;
    *rest = after;
    Ok(taken)
}

fn take_line<'b>(rest: &mut &'b [u8]) -> Result<&'b str, String> {
    let end = find(rest, b"\r\n").ok_or("a line without an end")?;
    let line = take(rest, end + 2)?;
    std::str::from_utf8(&line[..end]).map_err(|_| "a line that is no text".into())
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
