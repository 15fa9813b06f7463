//! What is told of the figures: a row for each case and server, and how much many routes cost beside few. It must never
//! leave out a figure that was measured.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::measure::Cost;

/// What one case costs on one server.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub case: String,
    /// A backend, or a peer's name.
    pub server: String,
    #[serde(flatten)]
    pub cost: Cost,
}

pub fn head() -> String {
    format!(
        "{:12} {:12} {:>12} {:>11} {:>9}  system calls, each per request",
        "case", "server", "instructions", "allocations", "bytes"
    )
}

pub fn row(Row { case, server, cost }: &Row) -> String {
    let number = |figure: Option<f64>, digits| {
        figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.digits$}"))
    };
    let (instructions, bytes) = (number(cost.instructions, 0), number(cost.bytes, 0));
    let allocations = number(cost.allocations, 2);
    let calls = calls(&cost.syscalls);
    format!("{case:12} {server:12} {instructions:>12} {allocations:>11} {bytes:>9}  {calls}")
}

fn calls(calls: &BTreeMap<String, f64>) -> String {
    if calls.is_empty() {
        return "-".to_owned();
    }
    let each: Vec<String> = calls.iter().map(|(name, count)| format!("{name} {count:.2}")).collect();
    format!("{:.2} ({})", calls.values().sum::<f64>(), each.join(", "))
}

/// Instructions with many routes over those with few, on each server that was measured with both.
pub fn ratios(rows: &[Row]) -> Vec<String> {
    let of = |case: &str, server: &str| {
        let row = rows.iter().find(|row| row.case == case && row.server == server)?;
        row.cost.instructions
    };
    let ratio = |row: &Row| {
        let (few, many) = (of("routes-10", &row.server)?, of("routes-1000", &row.server)?);
        Some(format!("{}: 1,000 routes cost {:.2} times the instructions of 10", row.server, many / few))
    };
    rows.iter().filter(|row| row.case == "routes-1000").filter_map(ratio).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(case: &str, instructions: f64) -> Row {
        let syscalls = [("read", 1.0), ("futex", 0.25)].map(|(name, count)| (name.to_owned(), count)).into();
        let cost = Cost { instructions: Some(instructions), syscalls, ..Cost::default() };
        Row { case: case.to_owned(), server: "mio".to_owned(), cost }
    }

    #[test]
    fn a_row() {
        let text = row(&example("plaintext", 9876.54));
        let words: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(words, ["plaintext", "mio", "9877", "-", "-", "1.25", "(futex", "0.25,", "read", "1.00)"]);
    }

    #[test]
    fn many_routes_over_few() {
        let rows = [example("routes-10", 100.0), example("routes-1000", 150.0)];
        assert_eq!(ratios(&rows), ["mio: 1,000 routes cost 1.50 times the instructions of 10"]);
        assert_eq!(ratios(&rows[1..]), [""; 0]);
    }
}
