//! When a run is not to be trusted. The terminal and the page ask here, and the page's own words about it are made of the
//! same constants, so that there is one rule. It knows figures alone: what was measured before the rule changed is judged anew.

use crate::results::Run;

/// What may be kept busy by others, in cores.
pub const OTHER_CORES: f64 = 0.15;
/// The shortest window in which that is judged. The system counts the time of processes and processors in ticks, of which the bound
/// has seven in such a window; in a shorter one, the rounding of five counts is as large as the bound.
pub const WINDOW_S: f64 = 0.5;
/// A tick, in milliseconds.
pub const TICK_MS: f64 = 10.0;
/// How late the generator may be, at the 99th percentile.
const LATE_MS: f64 = 5.0;
/// Where the latency is long, a little more of it says the same: so much of its own 99th percentile may be the generator's.
const LATE_SHARE: f64 = 0.1;

/// Whether a figure is about the server.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Undisturbed,
    /// Something else has worked meanwhile.
    Disturbed(String),
    /// The window was too short to tell.
    NotJudged,
}

impl Verdict {
    /// What a run's name is marked with.
    pub fn mark(&self) -> &'static str {
        match self {
            Self::Undisturbed => "",
            Self::Disturbed(_) => " †",
            Self::NotJudged => " ‡",
        }
    }
}

/// Judges a run by its figures.
pub fn judge(run: &Run) -> Verdict {
    let is_long = run.outcome.window_s >= WINDOW_S;
    let mut reasons = Vec::new();
    if is_long && run.other_cores > OTHER_CORES {
        reasons.push(format!("others kept {:.2} cores busy", run.other_cores));
    }
    // Lateness is measured by a clock, and means the same in every window.
    let late = run
        .outcome
        .flows
        .iter()
        .filter(|flow| flow.late_p99_ms > LATE_MS && flow.late_p99_ms > LATE_SHARE * flow.latency.p99_ms)
        .map(|flow| flow.late_p99_ms)
        .fold(0.0, f64::max);
    if late > 0.0 {
        reasons.push(format!("the generator was {late:.1} ms late"));
    }
    match (reasons.is_empty(), is_long) {
        (false, _) => Verdict::Disturbed(reasons.join("; ")),
        (true, false) => Verdict::NotJudged,
        (true, true) => Verdict::Undisturbed,
    }
}

/// The rule, for readers.
pub fn words() -> String {
    format!(
        "**A run is called disturbed** (†) where anything beside server, database and generator kept more than {OTHER_CORES} of a core busy, \
         or where the generator itself was late: at the 99th percentile by more than {LATE_MS} ms and by more than {:.0} % of the latency. In windows of less \
         than {WINDOW_S} s the first cannot be told, as the system counts processor time in steps of {TICK_MS} ms: unless the generator was late, such a run is **not \
         judged** (‡).",
        LATE_SHARE * 100.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn run(window_s: f64, other_cores: f64, late_ms: f64, p99_ms: f64) -> Run {
        let mut run = sample::run("part", "mio");
        (run.outcome.window_s, run.other_cores) = (window_s, other_cores);
        run.outcome.flows[0].late_p99_ms = late_ms;
        run.outcome.flows[0].latency.p99_ms = p99_ms;
        run
    }

    #[test]
    fn each_bound_is_the_one_that_the_page_names() {
        let others = Verdict::Disturbed("others kept 0.16 cores busy".to_owned());
        let late = Verdict::Disturbed("the generator was 6.0 ms late".to_owned());
        let rows = [
            ("nothing else", run(1.0, 0.0, 0.0, 1.0), Verdict::Undisturbed),
            ("at the bound", run(0.5, 0.15, 5.0, 1.0), Verdict::Undisturbed),
            ("others", run(0.5, 0.16, 0.0, 1.0), others),
            ("too short for others", run(0.49, 0.72, 0.0, 1.0), Verdict::NotJudged),
            ("too short, and nothing seen", run(0.2, 0.0, 0.0, 1.0), Verdict::NotJudged),
            ("late", run(1.0, 0.0, 6.0, 59.0), late.clone()),
            ("late in a short window", run(0.2, 0.0, 6.0, 59.0), late),
            ("late, of a long latency", run(1.0, 0.0, 6.0, 61.0), Verdict::Undisturbed),
        ];
        for (name, run, verdict) in rows {
            assert_eq!(judge(&run), verdict, "{name}");
        }
        let words = words();
        for bound in ["0.15 of a core", "5 ms", "10 % of the latency", "less than 0.5 s"] {
            assert!(words.contains(bound), "{bound}: {words}");
        }
    }

    /// A second flow that is fast does not excuse a late one, nor does a slow one accuse it.
    #[test]
    fn a_flow_is_late_by_its_own_latency() {
        let mut two = run(1.0, 0.0, 6.0, 100.0);
        two.outcome.flows.push(run(1.0, 0.0, 1.0, 1.0).outcome.flows.remove(0));
        assert_eq!(judge(&two), Verdict::Undisturbed);
        two.outcome.flows[1].late_p99_ms = 6.0;
        assert_ne!(judge(&two), Verdict::Undisturbed);
    }
}
