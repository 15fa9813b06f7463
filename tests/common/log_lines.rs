//! The log of this process, collected: for tests that are alone in theirs.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{PATIENCE, within};

/// What the log has, since it is collected.
pub(crate) struct LogLines(());

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl LogLines {
    /// Collects from now on.
    pub(crate) fn collect() -> Self {
        log::set_logger(&Collector).expect("no other logger is set in this process");
        log::set_max_level(log::LevelFilter::Info);
        Self(())
    }

    /// Those so far, which are forgotten.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut LINES.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn forget(&self) {
        drop(self.take());
    }

    /// Waits until one `is_it`; none is forgotten.
    pub(crate) fn await_one(&self, what: &str, is_it: impl Fn(&String) -> bool) {
        assert!(self.has_within(PATIENCE, is_it), "never came: {what}");
    }

    /// Whether one `is_it` comes in that time; none is forgotten.
    pub(crate) fn has_within(&self, time: Duration, is_it: impl Fn(&String) -> bool) -> bool {
        within(time, || LINES.lock().unwrap_or_else(PoisonError::into_inner).iter().any(&is_it))
    }
}

struct Collector;

impl log::Log for Collector {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.target().starts_with("trijet") {
            let line = format!("{} {}", record.level(), record.args());
            LINES.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }

    fn flush(&self) {}
}
