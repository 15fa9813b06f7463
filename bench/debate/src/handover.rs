//! What the program `handover` has measured, as it stands in its file, and the bounds that it must keep. It measures nothing.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};

use kit::machine::Machine;

/// What the hand-over may cost beyond a bare round trip, in microseconds.
pub const BEYOND_MOST_US: f64 = 5.0;
/// What sleepers may do to the p99 of others, as a ratio.
pub const RATIO_MOST: f64 = 1.5;

/// The file.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Report {
    pub machine: Machine,
    pub is_full: bool,
    pub took_s: f64,
    pub load_after: f64,
    /// Processors that were busy with anything but the program, on average.
    pub other_cores: f64,
    /// Requests of each kind in a round.
    pub trips: usize,
    pub hand_overs: Vec<HandOver>,
    pub sleepers: Vec<Sleepers>,
}

/// One request at a time on one connection: a plain `fn` beside `inline`, and the same on a bare server.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct HandOver {
    pub backend: String,
    pub rounds: Vec<Trip>,
}

/// The medians of one round, in microseconds.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Trip {
    pub inline_us: f64,
    pub fn_us: f64,
    pub bare_us: f64,
    pub bare_by_thread_us: f64,
}

/// An `async fn` beside a pool of which every thread sleeps.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Sleepers {
    pub backend: String,
    pub threads: usize,
    pub rounds: Vec<Beside>,
}

/// The 99th percentiles of one round, in microseconds.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Beside {
    pub without_us: f64,
    pub with_us: f64,
}

impl Trip {
    pub fn hand_over(&self) -> f64 {
        self.fn_us - self.inline_us
    }

    pub fn bare(&self) -> f64 {
        self.bare_by_thread_us - self.bare_us
    }

    /// Both of one round, so that a slow machine counts for both.
    pub fn beyond(&self) -> f64 {
        self.hand_over() - self.bare()
    }
}

impl HandOver {
    /// The median of the rounds.
    pub fn of(&self, figure: fn(&Trip) -> f64) -> f64 {
        median(self.rounds.iter().map(figure))
    }

    pub fn is_kept(&self) -> bool {
        self.of(Trip::beyond) <= BEYOND_MOST_US
    }
}

impl Sleepers {
    /// The median of the rounds.
    pub fn of(&self, figure: fn(&Beside) -> f64) -> f64 {
        median(self.rounds.iter().map(figure))
    }

    pub fn ratio(&self) -> f64 {
        self.of(|round| round.with_us / round.without_us)
    }

    pub fn is_kept(&self) -> bool {
        self.ratio() <= RATIO_MOST
    }
}

impl Report {
    /// Reads the file, if there is one.
    ///
    /// # Errors
    /// Where there is something else in it.
    pub fn read(out: &Path) -> io::Result<Option<Self>> {
        match fs::read(path(out)) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, out: &Path) -> io::Result<()> {
        let path = path(out);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, serde_json::to_string_pretty(self)? + "\n")
    }

    /// Whether all bounds are kept.
    pub fn is_kept(&self) -> bool {
        self.hand_overs.iter().all(HandOver::is_kept) && self.sleepers.iter().all(Sleepers::is_kept)
    }
}

fn path(out: &Path) -> std::path::PathBuf {
    out.join("debate/handover.json")
}

/// The middle one; not a number where there are none.
fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A report whose hand-over costs so much beyond the bare one, and whose sleepers make the p99 so many times as long.
    pub(crate) fn made_up(beyond_us: f64, ratio: f64) -> Report {
        let trip = Trip { inline_us: 30.0, fn_us: 50.0 + beyond_us, bare_us: 20.0, bare_by_thread_us: 40.0 };
        let beside = Beside { without_us: 100.0, with_us: 100.0 * ratio };
        let wild = Trip { fn_us: 1e6, ..trip };
        Report {
            machine: Machine { commit: "1234567".to_owned(), date: "a day".to_owned(), ..Machine::default() },
            is_full: true,
            took_s: 1.0,
            load_after: 0.25,
            other_cores: 0.0,
            trips: 4_000,
            hand_overs: vec![HandOver { backend: "mio".to_owned(), rounds: vec![trip, wild, trip] }],
            sleepers: vec![Sleepers { backend: "mio".to_owned(), threads: 512, rounds: vec![beside; 3] }],
        }
    }

    #[test]
    fn bounds_are_judged_by_medians() {
        assert!(made_up(5.0, 1.5).is_kept());
        assert!(!made_up(5.1, 1.0).is_kept());
        assert!(!made_up(0.0, 1.51).is_kept());
        assert_eq!(made_up(2.0, 1.25).hand_overs[0].of(Trip::beyond), 2.0);
        assert!(median(std::iter::empty()).is_nan());
    }

    #[test]
    fn the_file_can_be_read_again() {
        let out = std::env::temp_dir().join(format!("handover-{}", std::process::id()));
        assert!(Report::read(&out).unwrap().is_none());
        made_up(1.0, 1.25).write(&out).unwrap();
        let read = Report::read(&out);
        fs::remove_dir_all(&out).unwrap();
        let read = read.unwrap().unwrap();
        assert_eq!((read.machine.commit.as_str(), read.sleepers[0].ratio()), ("1234567", 1.25));
    }
}
