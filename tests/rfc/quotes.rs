//! Compares the quotes of the table with the texts of the RFCs, which are not in the tree.

use std::{collections::HashMap, fs, path::Path};

use crate::row::{Row, quotes};

/// The sections of an RFC by their numbers, each without white space.
type Sections = HashMap<String, String>;

/// Each quote that its section does not have, with the sections that do.
pub(crate) fn faults(subjects: &[(&str, Vec<Row>)], folder: &Path) -> Vec<String> {
    let texts: HashMap<&str, Sections> =
        ["RFC 9110", "RFC 9112"].map(|name| (name, sections(&read(folder, name)))).into();
    let mut faults = Vec::new();
    for row in subjects.iter().flat_map(|(_, rows)| rows) {
        let (rfc, number) = row.section.split_once(" §").expect("an RFC and a section");
        let sections = &texts[rfc];
        for quote in quotes(row.rule) {
            if !sections.get(number).is_some_and(|text| holds(text, quote)) {
                let mut others: Vec<_> = sections
                    .iter()
                    .filter(|(_, text)| holds(text, quote))
                    .map(|(number, _)| number)
                    .collect();
                others.sort();
                faults.push(format!("{}: {}: “{quote}”; found in {others:?}", row.name, row.section));
            }
        }
    }
    faults
}

fn read(folder: &Path, name: &str) -> String {
    let path = folder.join(name.to_lowercase().replace(' ', "") + ".txt");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn holds(text: &str, quote: &str) -> bool {
    let mut rest = text;
    quote.split('…').map(squeezed).all(|part| match rest.split_once(&part) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

/// A heading is a line of a number, two spaces and a title; one in the table of contents is indented.
fn sections(text: &str) -> Sections {
    let mut sections = Sections::new();
    let mut number = None;
    for line in text.lines() {
        let heading = line.split_once(".  ").map(|(number, _)| number).filter(|number| is_number(number));
        match (heading, &number) {
            (Some(heading), _) => number = Some(heading.to_owned()),
            (None, Some(number)) => *sections.entry(number.clone()).or_default() += &squeezed(line),
            (None, None) => {}
        }
    }
    sections
}

/// `9.3.2`, or `C.2.2` in an appendix.
fn is_number(text: &str) -> bool {
    let mut parts = text.split('.');
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_letter = |part: &str| part.len() == 1 && part.bytes().all(|byte| byte.is_ascii_uppercase());
    parts.next().is_some_and(|first| is_digits(first) || is_letter(first)) && parts.all(is_digits)
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect()
}
