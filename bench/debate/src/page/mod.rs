//! The page: words that stand here, and figures that all come from the results. Where a sentence is true only for some
//! figures, the figures choose it. Each claim has a file; this one has the frame, and what they share.

mod counter;
mod fairness;
mod five;
mod four;
mod handover;
mod one;
mod six;
mod three;
mod two;
mod words;

use std::{
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
};

use kit::{
    chart::{Chart, Entry},
    machine::{self, Machine},
};

use crate::{
    claims,
    handover::Report,
    results::{Claim, Results, Run},
    rule::{self, judge},
};
pub use words::set_ms;
use words::{jain, list, ms, number, thousands};

type Section = fn(&Claim, &mut Page);

const SECTIONS: [(&str, Section); 7] = [
    ("claim1", one::write),
    ("claim2", two::write),
    ("counter", counter::write),
    ("claim3", three::write),
    ("claim4", four::write),
    ("claim5", five::write),
    ("claim6", six::write),
];

/// The file of the results.
///
/// # Errors
/// Where there is no folder for it.
pub fn file(out: &Path) -> io::Result<PathBuf> {
    let folder = out.join("debate");
    fs::create_dir_all(&folder)?;
    Ok(folder.join("debate.json"))
}

/// Writes the page and its pictures. Results of what the repository does not have are named, as nobody could look at it.
///
/// # Errors
/// Where the results cannot be read, or the page cannot be written.
pub fn write(out: &Path) -> io::Result<()> {
    let results = Results::read(&file(out)?)?;
    for (name, claim) in &results.claims {
        if machine::has_commit(&claim.machine.commit) == Some(false) {
            eprintln!(
                "{name} was measured at {}, which this repository does not have: measure it anew",
                claim.machine.commit
            );
        }
    }
    let page = Page::made(&results, Report::read(out)?.as_ref());
    for (name, picture) in &page.pictures {
        fs::write(out.join("debate").join(name), picture)?;
    }
    fs::write(out.join("debate.md"), page.text)
}

/// The text as it grows, and the pictures.
#[derive(Default)]
struct Page {
    text: String,
    pictures: Vec<(String, String)>,
}

impl Page {
    fn made(results: &Results, report: Option<&Report>) -> Self {
        let mut page = Self::default();
        page.head(results);
        for (name, section) in SECTIONS {
            if let Some(claim) = results.claims.get(name) {
                section(claim, &mut page);
                page.every_run(claim);
            }
            if name == "counter" {
                handover::write(report, &mut page);
            }
        }
        page.method();
        page
    }

    fn head(&mut self, results: &Results) {
        self.paragraph("<!-- Written by `just debate` from docs/debate/debate.json. Change bench/debate/src/page instead. -->");
        self.paragraph("# The debate: what waiting costs");
        self.paragraph(
            "What does “async” buy? A thread that waits for a remote database serves nobody else; an event loop does. Threads \
             stop scaling somewhere. And yet blocking servers won simple benchmarks. People have argued about this for \
             years, mostly with servers that differed in everything. Trijet runs one and the same app on threads, on an event loop \
             and on Tokio, so that for once nothing differs but the way of waiting. Below, each claim is put to the test; \
             `just debate` repeats it on your machine.",
        );
        let Some(claim) = results.claims.values().next() else { return };
        let machines: Vec<&Machine> = results.claims.values().map(|claim| &claim.machine).collect();
        let machine = &claim.machine;
        let same = |of: fn(&Machine) -> &String| machines.iter().all(|other| of(other) == of(machine));
        let commit = if same(|machine| &machine.commit) {
            machine.commit.as_str()
        } else {
            "several commits (see each claim)"
        };
        self.paragraph(&format!(
            "**Measured on** {}, {} cores, {:.0} GiB of memory, Linux {}, {}; Trijet at `{commit}`. Server, database and load generator \
             are processes of their own and share these cores, over the loopback interface. {}",
            machine.processor, machine.cores, machine.memory_gib, machine.kernel, machine.compiler,
            disturbance(results),
        ));
        if results.claims.values().any(|claim| !claim.is_full) {
            self.paragraph("> **A short run**: windows of a fraction of a second, which show that everything works. Its figures say little.");
        }
    }

    fn paragraph(&mut self, text: &str) {
        _ = write!(self.text, "{text}\n\n");
    }

    fn title(&mut self, name: &str, question: &str) {
        self.paragraph(&format!("## {name}: {question}"));
    }

    fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        self.text += &line(&head.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>());
        // All but the first column are figures.
        let rule: Vec<String> =
            (0..head.len()).map(|column| if column == 0 { "---" } else { "---:" }.to_owned()).collect();
        self.text += &line(&rule);
        for row in rows {
            self.text += &line(row);
        }
        self.text.push('\n');
    }

    fn picture(&mut self, name: &str, chart: &Chart) {
        self.pictures.push((format!("{name}.svg"), chart.svg()));
        self.paragraph(&format!("![{}](debate/{name}.svg)", chart.title));
    }

    /// What a claim has come to; then who paid for it, and what of it is in doubt.
    fn answer(&mut self, claim: &Claim, text: &str) {
        self.paragraph(&format!("**Answer.** {}", text.trim_end()));
        self.paragraph(&format!("**Fairness.** {}", fairness::told(claim)));
        if let Some(doubt) = doubt(claim) {
            self.paragraph(&format!("**In doubt.** {doubt}"));
        }
        let missing = missing(claim);
        if !missing.is_empty() {
            self.paragraph(&format!(
                "> **To be measured anew**: these results are of a program that did not keep all of its settings with them ({}).",
                list(&missing)
            ));
        }
    }

    /// What stands beside each figure, for those who want to check.
    fn every_run(&mut self, claim: &Claim) {
        let machine = &claim.machine;
        let (disturbed, not_judged) = claim.doubtful();
        _ = write!(
            self.text,
            "<details>\n<summary>Every run of this claim ({} runs in {:.0} s, {disturbed} disturbed †, {not_judged} not judged ‡), with what stands beside each \
             figure</summary>\n\n",
            claim.runs.len(),
            claim.took_s,
        );
        self.paragraph(&format!(
            "Measured {} at `{}`, load average {:.2} before the first run.",
            machine.date, machine.commit, machine.load_before
        ));
        for note in &claim.notes {
            _ = writeln!(self.text, "- {note}");
        }
        if !claim.notes.is_empty() {
            self.text.push('\n');
        }
        let head = [
            "run",
            "answers/s",
            "p50",
            "p99",
            "max",
            "in flight",
            "λ·W",
            "at the database (most)",
            "answers per connection (min / median / max)",
            "Jain",
            "starved",
            "threads",
            "resident MiB (most)",
            "switches/answer",
            "CPU µs/answer",
            "server, generator, others (cores)",
        ];
        let rows: Vec<Vec<String>> = claim.runs.iter().map(every).collect();
        self.table(&head, &rows);
        self.paragraph("</details>");
    }

    fn method(&mut self) {
        self.paragraph("## How this was measured");
        self.paragraph(&format!(
            "- **Latency counts from when a request was due**, not from when the generator got round to sending it: a server that \
             stands still for a second is charged for all that was due in it (no coordinated omission). Requests that were \
             never answered count with the time that they had waited.\n\
             - **“Open”** loads are due at a rate, whatever becomes of them. In **“closed”** ones each connection asks again as soon as \
             it was answered, so that the number under way is fixed.\n\
             - **Little's law** ties the requests under way to answers a second × latency (λ·W). Both are measured; where \
             they differ, somebody was left out, and the mean latency of those who were answered is not the whole story.\n\
             - **Answers per connection**, Jain's index (1: all had the same; 1/n: one had all) and the number of starved connections \
             show who paid for a good average.\n\
             - **CPU, switches and memory** are those of the server's process alone, from `/proc`, between the first and the last moment \
             of the window.\n\
             - {}\n\
             - {}\n\
             - The **database** answers each query after the delay that the query names, from one thread, by a timer of the kernel.",
            fairness::rule(),
            rule::words(),
        ));
        self.paragraph(
            "`just debate` runs everything; `just debate claim3 mio` a part, into the build folder; `just debate --peers` builds Rocket, Gotham \
             and Iron first; `just handover` measures the hand-over. The source is in `bench/debate`.",
        );
    }
}

fn disturbance(results: &Results) -> String {
    let runs: usize = results.claims.values().map(|claim| claim.runs.len()).sum();
    let each = results.claims.values().map(Claim::doubtful);
    let (disturbed, not_judged) = each.fold((0, 0), |sum, claim| (sum.0 + claim.0, sum.1 + claim.1));
    let judged = match disturbed {
        0 => format!("None of the {runs} runs was seen to be disturbed"),
        _ => format!("**{disturbed} of {runs} runs were disturbed** by something else (†)"),
    };
    match not_judged {
        0 => format!("{judged}."),
        _ => format!(
            "{judged}; **{not_judged} were too short to tell** (‡). They are marked where every run is listed."
        ),
    }
}

/// How much of a claim was disturbed, or could not be judged.
fn doubt(claim: &Claim) -> Option<String> {
    let all = claim.runs.len();
    let words = |count: usize, words: &str| (count > 0).then(|| format!("{count} of {all} runs {words}"));
    let (disturbed, not_judged) = claim.doubtful();
    let parts = [
        words(disturbed, "were disturbed by something else (†)"),
        words(not_judged, "were too short to tell whether they were disturbed (‡)"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("{}.", list(&parts)))
}

/// Settings that this program tells of, and that the results do not have.
fn missing(claim: &Claim) -> Vec<String> {
    claims::settings(&claim.name)
        .into_keys()
        .filter(|name| !claim.figures.contains_key(name))
        .map(|name| format!("`{name}`"))
        .collect()
}

/// A run with all that stands beside its figure.
fn every(run: &Run) -> Vec<String> {
    let (case, used, came) = (&run.case, &run.server, run.came());
    let mut name = format!("{}{}", name(&case.server), judge(run).mark());
    if let Some(workers) = case.workers {
        _ = write!(name, ", {workers} worker{}", if workers == 1 { "" } else { "s" });
    }
    if let Some(threads) = case.threads {
        _ = write!(name, ", {threads} thread{}", if threads == 1 { "" } else { "s" });
    }
    _ = write!(name, ", `{}` × {}", case.target, case.connections);
    if !case.variant.is_empty() {
        _ = write!(name, ", {}", case.variant);
    }
    let database = run.database.as_ref().map_or_else(|| "–".to_owned(), |asked| thousands(asked.most as f64));
    let each = &came.each;
    vec![
        name,
        number(came.rate),
        ms(came.latency.p50_ms),
        ms(came.latency.p99_ms),
        ms(came.latency.max_ms),
        number(came.in_flight),
        number(came.in_flight_by_law),
        database,
        format!("{} / {} / {}", each.min, each.median, each.max),
        jain(each.jain),
        each.starved.to_string(),
        used.threads.to_string(),
        number(used.resident_most_mib),
        number(used.switches_per_answer),
        number(used.cpu_us_per_answer),
        format!("{:.2}, {:.2}, {:.2}", used.cores, run.generator_cores, run.other_cores),
    ]
}

const ORANGE: &str = "#d9772b";
const TEAL: &str = "#1a9988";
const BLUE: &str = "#5b7fde";
const GREY: &str = "#8b949e";
/// Three steps of one quantity, from few to many.
const STEPS: [&str; 3] = ["#c2455f", "#d9a02b", "#1a9988"];

/// The colour of a server, the same on each picture.
fn colour(server: &str) -> &'static str {
    match server {
        "threaded" => ORANGE,
        "mio" => TEAL,
        "tokio" => BLUE,
        "iron" => "#b5525c",
        "rocket" => "#a56fc4",
        "gotham" => "#7d8b3d",
        _ => GREY,
    }
}

/// The name of a server, as it is written.
fn name(server: &str) -> &'static str {
    match server {
        "threaded" => "threaded",
        "mio" => "mio",
        "tokio" => "Tokio",
        "iron" => "Iron",
        "rocket" => "Rocket",
        "gotham" => "Gotham",
        _ => "other",
    }
}

fn entry(name: &str, colour: &'static str) -> Entry {
    Entry { name: name.to_owned(), colour, is_dashed: false }
}

/// The servers of these runs, each once, in their order.
fn servers<'a>(runs: impl IntoIterator<Item = &'a Run>) -> Vec<&'a str> {
    let mut servers: Vec<&str> = Vec::new();
    for run in runs {
        if !servers.contains(&run.case.server.as_str()) {
            servers.push(&run.case.server);
        }
    }
    servers
}

fn servers_entries<'a>(runs: impl IntoIterator<Item = &'a Run>) -> Vec<Entry> {
    servers(runs).into_iter().map(|server| entry(name(server), colour(server))).collect()
}

/// When the last of a burst was answered; `None` where one was not.
fn last_ms(run: &Run) -> Option<f64> {
    run.came().one_by_one_ms.iter().copied().try_fold(0.0, |last: f64, one| Some(last.max(one?)))
}

/// As [`last_ms`], as words.
fn last(run: Option<&Run>) -> String {
    match run {
        None => "–".to_owned(),
        Some(run) => {
            last_ms(run).map_or_else(|| format!("not within {}", ms(run.outcome.window_s * 1e3)), ms)
        }
    }
}

/// How often a sentence's condition holds: `all`, `none` or how many.
fn how_many(holds: impl IntoIterator<Item = bool>) -> (usize, usize) {
    holds.into_iter().fold((0, 0), |(right, all), holds| (right + usize::from(holds), all + 1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::sample;

    /// No figure of the page that the repository has was typed: the results give it again, letter by letter.
    #[test]
    fn the_page_is_what_the_results_make_of_it() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let Ok(text) = fs::read_to_string(docs.join("debate.md")) else { return };
        let results = Results::read(&docs.join("debate/debate.json")).unwrap();
        let page = Page::made(&results, Report::read(&docs).unwrap().as_ref());
        assert!(page.text == text, "docs/debate.md is not what `debate page` writes");
        for (name, picture) in page.pictures {
            assert!(fs::read_to_string(docs.join("debate").join(&name)).unwrap() == picture, "{name}");
        }
    }

    /// A short run that others had most of is not called undisturbed.
    #[test]
    fn what_could_not_be_judged_is_said() {
        let mut short = sample::run("second", "mio");
        (short.outcome.window_s, short.other_cores) = (0.2, 0.72);
        let mut late = sample::run("second", "mio");
        late.other_cores = 0.72;
        let claim = sample::claim("claim2", vec![sample::run("second", "mio"), short, late]);
        assert_eq!(
            doubt(&claim).unwrap(),
            "1 of 3 runs were disturbed by something else (†) and 1 of 3 runs were too short to tell whether they were disturbed (‡)."
        );
        let marks: Vec<&str> = claim.runs.iter().map(|run| judge(run).mark()).collect();
        assert_eq!(marks, ["", " ‡", " †"]);
        let results = Results { claims: BTreeMap::from([("claim2".to_owned(), claim)]) };
        let text = disturbance(&results);
        assert!(text.contains("1 of 3 runs were disturbed") && text.contains("1 were too short"), "{text}");
    }

    #[test]
    fn results_without_their_settings_are_to_be_measured_anew() {
        let mut claim = sample::claim("claim6", Vec::new());
        assert!(missing(&claim).is_empty());
        claim.figures.clear();
        assert_eq!(missing(&claim), ["`rate`"]);
    }

    /// Every setting comes from the results: another one there is another one on the page.
    #[test]
    fn a_setting_that_changes_changes_the_page() {
        for (name, section) in SECTIONS {
            let text = |change: &str| {
                let mut claim = sample::claim(name, Vec::new());
                if let Some(value) = claim.figures.get_mut(change) {
                    *value *= 3.0;
                }
                let kept = [
                    sample::run("rates", "threaded").threads(64).variant("250 due"),
                    sample::run("idle", "threaded").asks("/hello", 10),
                    sample::run("hand-over", "threaded").variant("async"),
                    sample::run("second", "mio").workers(1).variant("behind /query/fn/200"),
                    sample::run("2017", "iron").workers(16),
                    sample::run("flights", "mio").workers(1).asks("/", 9_000).delay(1_000),
                    sample::run("flights", "threaded")
                        .threads(512)
                        .asks("/", 9_000)
                        .delay(1_000)
                        .variant("default"),
                ];
                claim.runs.extend(kept);
                let mut page = Page::default();
                section(&claim, &mut page);
                page.text
            };
            for setting in claims::settings(name).into_keys() {
                assert_ne!(text(&setting), text("nothing"), "{name}: {setting}");
            }
        }
    }
}
