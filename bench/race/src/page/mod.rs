//! The page: figures that all come from the results, in tables, charts and sentences, and words that stand here. Where a
//! sentence is true only for some figures, the figures choose it. It must never say more than a table does.

mod explained;
mod picture;
mod repeatable;
mod section;
mod summary;
mod tables;
mod words;

use std::{
    collections::BTreeSet,
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{costs::Costs, results::Results, scenarios};
use words::{code, list};

/// The file of the results.
pub fn file(out: &Path) -> io::Result<PathBuf> {
    Ok(folder(out)?.join("race.json"))
}

fn folder(out: &Path) -> io::Result<PathBuf> {
    let folder = out.join("performance");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Writes the page and its pictures.
pub fn write(out: &Path) -> io::Result<()> {
    let folder = folder(out)?;
    let page = Page::made(&Results::read(&file(out)?)?, &Costs::read(&folder)?);
    for (name, picture) in &page.pictures {
        fs::write(folder.join(name), picture)?;
    }
    fs::write(out.join("performance.md"), page.text)
}

/// The text as it grows, and the pictures.
#[derive(Default)]
struct Page {
    text: String,
    pictures: Vec<(String, String)>,
}

impl Page {
    fn made(results: &Results, costs: &Costs) -> Self {
        let mut page = Self::default();
        page.head(results);
        summary::write(&mut page, results);
        for scenario in &scenarios::ALL {
            if let Some(measured) = results.scenarios.get(scenario.name) {
                section::write(&mut page, scenario, measured, results);
            }
        }
        repeatable::write(&mut page, costs);
        if let Some(builds) = &results.builds {
            tables::build(&mut page, builds);
        }
        page.method();
        page
    }

    fn head(&mut self, results: &Results) {
        self.paragraph(
            "<!-- Written by `just race` from docs/performance/race.json and bench/costs/baseline.json; `just race page` writes it again. \
             Change bench/race/src/page instead. -->",
        );
        self.paragraph("# Performance: Trijet beside others");
        self.paragraph(
            "Every figure is the median of the rounds, with the least and the most in brackets. The rounds are interleaved: all servers one after the \
             other, then all again. **Ratios are to the floor of the same round**: `floor-epoll` for event loops, `floor-threads` for what gives a \
             connection a thread. A floor sends one fixed response and parses nothing; no server can be expected to reach it. The server has one \
             processor, with one worker or as many threads as there are connections, and the load has the other. **Two servers whose ranges overlap are \
             called equal.**",
        );
        self.paragraph(
            "No figure was typed: tables, charts and sentences have theirs from the results, and where a sentence holds for some figures only, the figures \
             choose it. What was typed are the words on how the code works. They name what has a part in a figure, and do not \
             say how large that part is.",
        );
        let commits: BTreeSet<&str> =
            results.scenarios.values().map(|measured| measured.machine.commit.as_str()).collect();
        if !commits.is_empty() {
            let commits: Vec<String> = commits.into_iter().map(code).collect();
            self.paragraph(&format!(
                "**The race was run at {}.** What the code has become since is in none of its figures, whatever the words say of it.",
                list(&commits)
            ));
        }
        if results.scenarios.values().any(|measured| measured.is_short) {
            self.paragraph("> **A short run**, which shows that everything works. Its figures say little.");
        }
    }

    fn paragraph(&mut self, text: &str) {
        _ = write!(self.text, "{}\n\n", text.trim_end());
    }

    fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        self.text += &line(&head.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>());
        // All but the first column are figures.
        let rule = |column| if column == 0 { "---" } else { "---:" }.to_owned();
        self.text += &line(&(0..head.len()).map(rule).collect::<Vec<_>>());
        rows.iter().for_each(|row| self.text += &line(row));
        self.text.push('\n');
    }

    fn method(&mut self) {
        self.paragraph("## How this was measured");
        self.paragraph(
            "- **Each figure has a process of its own**: the server is started, asked once, with the answer compared byte by byte, warmed up, \
             measured and ended. Every connection asks again as soon as it was answered.\n\
             - **CPU** is what the server's process spent (`/proc`), user and system, within the same window.\n\
             - **‡ marks a load client that used 0.9 of its processor or more**: the server might have had more to give; its CPU for an answer still \
             compares. **†**: something else kept more than 0.15 of a processor busy in some round.\n\
             - **Jain's index** of the answers on each connection (1: all had the same) is the least of the rounds, and **starved** are connections \
             without an answer in the window, the most of the rounds.\n\
             - **“ahead”, “equal”, “behind”**: equal is where nothing that is shown is apart: the ranges of the rounds overlap, those of the answers a \
             second and, among servers of one kind, those of the shares of the floor of the same round. The table compares answers a second; the best peer of \
             a kind is the one with the best median share.\n\
             - **Bytes** are those of a whole answer; servers add header fields of their own.",
        );
        self.text.push_str(
            "`just race` repeats it; `just race json axum trijet-mio` a part, into the build folder. The source is in `bench/race`.\n",
        );
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::results::{Measured, Run};

    #[test]
    fn the_page_has_what_was_left_out_and_nothing_that_was_not_measured() {
        let run = Run { server: "axum".to_owned(), rate: 400.0, cpu_us: 2_500.0, ..Run::default() };
        let mut measured = Measured { rounds: 1, runs: vec![run], ..Measured::default() };
        measured.left_out.insert("nginx".to_owned(), "it is not installed".to_owned());
        let scenarios = BTreeMap::from([("json".to_owned(), measured)]);
        let page = Page::made(&Results { scenarios, ..Results::default() }, &Costs::default());
        let text = &page.text;
        assert!(text.contains("nginx is left out: it is not installed."));
        assert!(text.contains("## JSON") && !text.contains("## Upload") && !text.contains("## Building"));
        // Without a floor there is no ratio, and no chart.
        assert!(text.contains("| axum | 400 | – | 2,500 | – |"), "{text}");
        assert!(page.pictures.is_empty() && !text.contains("!["), "{text}");
    }

    /// No figure of the page that the repository has was typed: the results give it again, letter by letter. Nor has it a
    /// picture that the results do not make.
    #[test]
    fn the_page_is_what_the_results_make_of_it() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let Ok(text) = fs::read_to_string(docs.join("performance.md")) else { return };
        let folder = docs.join("performance");
        let results = Results::read(&folder.join("race.json")).unwrap();
        let page = Page::made(&results, &Costs::read(&folder).unwrap());
        assert!(page.text == text, "docs/performance.md is not what `race page` writes");
        for (name, picture) in &page.pictures {
            let there = fs::read_to_string(folder.join(name)).unwrap_or_default();
            assert!(there == *picture, "docs/performance/{name} is not what `race page` writes");
        }
        for entry in fs::read_dir(&folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let is_made = page.pictures.iter().any(|(made, _)| *made == name);
            assert!(is_made || !name.ends_with(".svg"), "docs/performance/{name} is no picture of the page");
        }
    }
}
