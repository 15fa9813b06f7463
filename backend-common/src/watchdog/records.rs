//! The holds of one server: their number, the last of them, and what the log is told of them. It writes no log
//! itself: whoever does may not hold a lock meanwhile.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use log::Level;

use crate::statistics::Hold;

/// Holds that are remembered.
const RECENT_MAX: usize = 16;
/// Holds that the log is told of within a second; the others are counted.
const LINES_MAX: u32 = 5;

pub(super) struct Records {
    pub(super) count: u64,
    recent: VecDeque<Hold>,
    second: Instant,
    /// Those of this second that the log was told of.
    lines: u32,
    left_out: u64,
}

/// A hold that goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    number: u64,
    is_logged: bool,
}

/// What the log is to be told.
pub(super) type Line = (Level, String);

impl Records {
    pub(super) fn new(now: Instant) -> Self {
        Self { count: 0, recent: VecDeque::new(), second: now, lines: 0, left_out: 0 }
    }

    pub(super) fn recent(&self) -> Vec<Hold> {
        self.recent.iter().cloned().collect()
    }

    /// Another hold, on the thread of this number.
    pub(super) fn begin(
        &mut self,
        hold: Hold,
        thread_id: Option<&str>,
        now: Instant,
    ) -> (Told, Option<Line>) {
        let line = self.may_log(now).then(|| {
            let Hold { route, thread, duration, doing, .. } = &hold;
            let id = thread_id.map_or_else(String::new, |id| format!(" ({id})"));
            let doing = doing.as_ref().map_or_else(String::new, |doing| format!(": it {doing}"));
            let left_out = match std::mem::take(&mut self.left_out) {
                0 => String::new(),
                count => format!(" ({count} others that held one were not logged)"),
            };
            let text = format!(
                "{route} has held its event loop for {} ms and still does, on thread {thread}{id}{doing}; \
                 all its connections wait. What may block belongs in a plain fn{left_out}",
                duration.as_millis()
            );
            (Level::Warn, text)
        });
        let told = Told { number: self.count, is_logged: line.is_some() };
        self.count += 1;
        self.recent.push_back(hold);
        if self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
        (told, line)
    }

    pub(super) fn goes_on(&mut self, told: Told, duration: Duration) {
        if let Some(hold) = self.hold(told) {
            hold.duration = duration;
        }
    }

    pub(super) fn end(&mut self, told: Told, route: &str, duration: Duration) -> Option<Line> {
        if let Some(hold) = self.hold(told) {
            (hold.duration, hold.is_over) = (duration, true);
        }
        let line = || {
            (
                Level::Info,
                format!("{route} has let its event loop go: it held it for {} ms", duration.as_millis()),
            )
        };
        told.is_logged.then(line)
    }

    /// Where it is remembered still.
    fn hold(&mut self, told: Told) -> Option<&mut Hold> {
        let age = usize::try_from(self.count - told.number).ok()?;
        let index = self.recent.len().checked_sub(age)?;
        self.recent.get_mut(index)
    }

    fn may_log(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.second) >= Duration::from_secs(1) {
            (self.second, self.lines) = (now, 0);
        }
        let may = self.lines < LINES_MAX;
        if may {
            self.lines += 1;
        } else {
            self.left_out += 1;
        }
        may
    }
}

#[cfg(all(test, not(trijet_loom)))]
mod tests {
    use super::*;

    fn hold(route: u64) -> Hold {
        Hold {
            route: format!("GET /{route}"),
            thread: "loop".to_owned(),
            duration: Duration::from_millis(100),
            is_over: false,
            doing: Some("waits in the system call read".to_owned()),
        }
    }

    #[test]
    fn the_log_is_told_of_a_few_a_second_and_how_many_there_were() {
        let start = Instant::now();
        let mut records = Records::new(start);
        let lines: Vec<_> = (0..12).filter_map(|n| records.begin(hold(n), Some("17"), start).1).collect();
        assert_eq!(lines.len(), 5);
        assert_eq!(
            lines[0].1,
            "GET /0 has held its event loop for 100 ms and still does, on thread loop (17): it waits in the system \
             call read; all its connections wait. What may block belongs in a plain fn"
        );
        let (told, line) = records.begin(hold(12), None, start + Duration::from_secs(1));
        assert!(line.unwrap().1.ends_with("(7 others that held one were not logged)"));
        let (level, text) = records.end(told, "GET /12", Duration::from_millis(1234)).unwrap();
        assert_eq!(
            (level, &*text),
            (Level::Info, "GET /12 has let its event loop go: it held it for 1234 ms")
        );
        assert_eq!(records.count, 13);
    }

    #[test]
    fn the_last_are_remembered_with_what_became_of_them() {
        let now = Instant::now();
        let mut records = Records::new(now);
        let (first, _) = records.begin(hold(0), None, now);
        for n in 1..RECENT_MAX as u64 {
            records.begin(hold(n), None, now);
        }
        records.goes_on(first, Duration::from_secs(1));
        assert_eq!(
            (records.recent()[0].duration, records.recent()[0].is_over),
            (Duration::from_secs(1), false)
        );
        assert!(records.end(first, "GET /0", Duration::from_secs(2)).is_some());
        assert_eq!(
            (records.recent()[0].duration, records.recent()[0].is_over),
            (Duration::from_secs(2), true)
        );
        let (last, line) = records.begin(hold(16), None, now);
        // The first is forgotten now; its end changes nobody else.
        records.goes_on(first, Duration::from_secs(3));
        assert_eq!(
            (line, records.end(last, "GET /16", Duration::from_secs(4))),
            (None, None),
            "too many lines"
        );
        let recent = records.recent();
        assert_eq!(
            (recent.len(), &*recent[0].route, recent[15].duration),
            (16, "GET /1", Duration::from_secs(4))
        );
        assert!(recent.iter().all(|hold| hold.duration != Duration::from_secs(3)));
    }
}
