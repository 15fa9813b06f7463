//! Figures and their bars: judged, printed as a table, written as JSON. It measures nothing.

use std::{fmt::Write, fs, io, path::Path};

use serde_json::{Value, json};
use trijet::Backend;

/// What a figure has to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bar {
    /// Just printed.
    None,
    /// Exactly this.
    Is(f64),
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
}

/// Whether noise of the machine can change a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A count: the same on any machine, and always judged.
    Count,
    /// A time or an amount: judged in the full form alone.
    Measure,
}

#[derive(Clone, Debug)]
struct Figure {
    name: String,
    value: f64,
    bar: Bar,
    kind: Kind,
}

impl Figure {
    /// By how much the bar is missed.
    fn missed_by(&self) -> Option<f64> {
        let missed = match self.bar {
            Bar::None => return None,
            Bar::Is(wanted) => (self.value - wanted).abs(),
            Bar::AtMost(most) => self.value - most,
            Bar::AtLeast(least) => least - self.value,
        };
        // A figure that is no number is missed, too.
        (missed > 0.0 || missed.is_nan()).then_some(missed)
    }
}

/// The figures of one load on one backend.
#[derive(Clone, Debug)]
pub struct Report {
    load: String,
    backend: Backend,
    is_full: bool,
    figures: Vec<Figure>,
    remarks: Vec<String>,
}

impl Report {
    /// An empty report.
    pub fn new(load: &str, backend: Backend, is_full: bool) -> Self {
        Self { load: load.to_owned(), backend, is_full, figures: Vec::new(), remarks: Vec::new() }
    }

    /// Adds a count, which is judged in every form.
    pub fn count(&mut self, name: &str, value: u64, bar: Bar) {
        self.figures.push(Figure { name: name.to_owned(), value: value as f64, bar, kind: Kind::Count });
    }

    /// Adds a time or an amount, which is judged in the full form.
    pub fn measure(&mut self, name: &str, value: f64, bar: Bar) {
        self.figures.push(Figure { name: name.to_owned(), value, bar, kind: Kind::Measure });
    }

    /// Adds a sentence.
    pub fn remark(&mut self, text: impl Into<String>) {
        self.remarks.push(text.into());
    }

    /// Whether every figure that is judged meets its bar.
    pub fn is_met(&self) -> bool {
        self.figures.iter().all(|figure| !self.judges(figure) || figure.missed_by().is_none())
    }

    fn judges(&self, figure: &Figure) -> bool {
        self.is_full || figure.kind == Kind::Count
    }

    /// The rows of the table.
    pub fn table(&self) -> String {
        let mut table = String::new();
        let mut name = format!("{} · {}", self.load, self.backend);
        for figure in &self.figures {
            let bar = match figure.bar {
                Bar::None => String::new(),
                Bar::Is(wanted) => format!("= {}", plain(wanted)),
                Bar::AtMost(most) => format!("≤ {}", plain(most)),
                Bar::AtLeast(least) => format!("≥ {}", plain(least)),
            };
            let judged = match (figure.bar, figure.missed_by()) {
                (Bar::None, _) => String::new(),
                (_, None) => "met".to_owned(),
                (_, Some(by)) if self.judges(figure) => format!("MISSED by {}", plain(by)),
                (_, Some(_)) => "not judged".to_owned(),
            };
            let value = plain(figure.value);
            _ = writeln!(table, "{name:<22} {:<46} {value:>10}  {bar:<9} {judged}", figure.name);
            name.clear();
        }
        for remark in &self.remarks {
            _ = writeln!(table, "{:<22} {remark}", "");
        }
        table
    }

    /// Writes it as JSON into `folder`.
    ///
    /// # Errors
    /// Those of the system.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let figures: Vec<Value> = self
            .figures
            .iter()
            .map(|figure| {
                let (relation, bar) = match figure.bar {
                    Bar::None => (None, None),
                    Bar::Is(bar) => (Some("is"), Some(bar)),
                    Bar::AtMost(bar) => (Some("at most"), Some(bar)),
                    Bar::AtLeast(bar) => (Some("at least"), Some(bar)),
                };
                json!({
                    "name": figure.name,
                    "value": figure.value,
                    "relation": relation,
                    "bar": bar,
                    "judged": self.judges(figure),
                    "missed_by": figure.missed_by(),
                })
            })
            .collect();
        let report = json!({
            "load": self.load,
            "backend": self.backend.name(),
            "form": if self.is_full { "full" } else { "short" },
            "met": self.is_met(),
            "figures": figures,
            "remarks": self.remarks,
        });
        fs::create_dir_all(folder)?;
        fs::write(folder.join(format!("{}-{}.json", self.load, self.backend)), format!("{report:#}\n"))
    }
}

/// A number without digits that say nothing.
fn plain(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_bar_is_told_with_its_distance() {
        let mut report = Report::new("churn", Backend::Mio, true);
        report.count("answers", 9, Bar::Is(10.0));
        report.measure("p99, ms", 12.5, Bar::AtMost(10.0));
        assert!(report.table().contains("MISSED by 1\n"), "{}", report.table());
        assert!(report.table().contains("MISSED by 2.50"), "{}", report.table());
        assert!(!report.is_met());
    }

    #[test]
    fn the_short_form_judges_counts_alone() {
        let mut report = Report::new("churn", Backend::Mio, false);
        report.measure("p99, ms", f64::NAN, Bar::AtMost(10.0));
        assert!(report.is_met());
        report.count("answers", 9, Bar::AtLeast(10.0));
        assert!(!report.is_met());
    }
}
