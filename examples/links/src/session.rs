//! Sessions in the same database as the links: an example of a store for a client that blocks. They survive a restart. One
//! whose time is over must never be found, kept on or counted as there, whether or not it has been cleared away yet.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::OptionalExtension;
use trijet::{
    BoxError,
    cookies::Cookie,
    sessions::{Blocking, BlockingSessionStore, Sessions},
};

use crate::store::Store;

/// So many days after its last visit a browser still has its links: the cookie there, the session here.
pub(crate) const KEPT_DAYS: u64 = 90;
const DAY: u64 = 24 * 3600;

/// Ten years: all that a stolen cookie is good for is a list of links, so that it may live for as long as it is used.
const LIFETIME: Duration = Duration::from_secs(10 * 365 * DAY);

/// A session that is looked at is kept on, once that makes a difference of this share of the time: two hours of 90 days.
/// Else each view of the page would wait for the disk.
const SHARE: u64 = 1000;

pub(crate) fn sessions(store: Store) -> Sessions {
    let kept = Duration::from_secs(KEPT_DAYS * DAY);
    Sessions::new(Blocking::new(store))
        // Behind TLS it is called `__Host-links`: see the README.
        .cookie(Cookie::new("links", "").max_age(kept))
        .idle_timeout(kept)
        .lifetime(LIFETIME)
}

impl BlockingSessionStore for Store {
    fn load(&self, id: &str) -> Result<Option<Vec<u8>>, BoxError> {
        Ok(self.read(|reader| {
            let mut query = reader.prepare_cached("SELECT data FROM session WHERE id = ?1 AND ends > ?2")?;
            query.query_row((id, seconds(Duration::ZERO)), |row| row.get(0)).optional()
        })?)
    }

    fn insert(&self, id: &str, data: Vec<u8>, keep: Duration) -> Result<(), BoxError> {
        Ok(self.write(|writer| {
            writer
                .prepare_cached("DELETE FROM session WHERE ends <= ?1")?
                .execute([seconds(Duration::ZERO)])?;
            let mut insert =
                writer.prepare_cached("INSERT INTO session (id, data, ends) VALUES (?1, ?2, ?3)")?;
            insert.execute((id, data, seconds(keep))).map(drop)
        })?)
    }

    fn update(&self, id: &str, data: Vec<u8>, keep: Duration) -> Result<bool, BoxError> {
        Ok(self.write(|writer| {
            let mut update = writer
                .prepare_cached("UPDATE session SET data = ?2, ends = ?3 WHERE id = ?1 AND ends > ?4")?;
            Ok(update.execute((id, data, seconds(keep), seconds(Duration::ZERO)))? > 0)
        })?)
    }

    fn touch(&self, id: &str, keep: Duration) -> Result<bool, BoxError> {
        let ends: Option<i64> = self.read(|reader| {
            let mut query = reader.prepare_cached("SELECT ends FROM session WHERE id = ?1 AND ends > ?2")?;
            query.query_row((id, seconds(Duration::ZERO)), |row| row.get(0)).optional()
        })?;
        let Some(ends) = ends else { return Ok(false) };
        if ends.abs_diff(seconds(keep)) <= keep.as_secs() / SHARE {
            return Ok(true);
        }
        Ok(self.write(|writer| {
            let mut update =
                writer.prepare_cached("UPDATE session SET ends = ?2 WHERE id = ?1 AND ends > ?3")?;
            Ok(update.execute((id, seconds(keep), seconds(Duration::ZERO)))? > 0)
        })?)
    }

    fn remove(&self, id: &str) -> Result<bool, BoxError> {
        Ok(self.write(|writer| {
            let mut delete = writer.prepare_cached("DELETE FROM session WHERE id = ?1 RETURNING ends")?;
            let ends: Option<i64> = delete.query_row([id], |row| row.get(0)).optional()?;
            Ok(ends.is_some_and(|ends| ends > seconds(Duration::ZERO)))
        })?)
    }
}

/// Seconds since 1970, so far from now.
fn seconds(from_now: Duration) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.saturating_add(from_now).as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn in_memory(name: &str) -> Store {
        Store::open(format!("file:{name}?mode=memory&cache=shared").as_ref()).expect("SQLite is compiled in")
    }

    fn changes(store: &Store) -> i64 {
        store
            .write(|writer| writer.query_row("SELECT total_changes()", (), |row| row.get(0)))
            .expect("a number")
    }

    #[test]
    fn what_is_over_does_not_come_back() {
        let store = in_memory("over");
        let remove = |id| BlockingSessionStore::remove(&store, id).expect("an answer");
        let begin = || store.insert("id", b"data".to_vec(), Duration::ZERO).expect("a row");
        begin();
        assert_eq!(store.load("id").expect("an answer"), None);
        assert!(!store.touch("id", HOUR).expect("an answer"));
        assert!(!store.update("id", b"other".to_vec(), HOUR).expect("an answer"));
        assert_eq!(store.load("id").expect("an answer"), None);
        assert!(!remove("id"), "it was over");
        begin();
        store.insert("other", b"data".to_vec(), HOUR).expect("a row");
        assert!(!remove("id"), "it was cleared away");
        assert!(store.update("other", b"new".to_vec(), HOUR).expect("an answer"));
        assert_eq!(store.load("other").expect("an answer"), Some(b"new".to_vec()));
        assert!(remove("other"));
        assert!(!remove("other"));
    }

    #[test]
    fn a_session_is_kept_on_where_that_makes_a_difference() {
        let store = in_memory("kept");
        store.insert("id", b"data".to_vec(), HOUR * 1000).expect("a row");
        let before = changes(&store);
        for keep in [HOUR * 1000, HOUR * 1001 - HOUR / 2] {
            assert!(store.touch("id", keep).expect("an answer"));
        }
        assert_eq!(changes(&store), before, "nothing is written");
        // Longer, and shorter where its lifetime comes to an end.
        for (keep, count) in [(HOUR * 1003, 1), (HOUR * 500, 2)] {
            assert!(store.touch("id", keep).expect("an answer"));
            assert_eq!(changes(&store), before + count);
        }
        assert!(!store.touch("none", HOUR).expect("an answer"));
    }
}
