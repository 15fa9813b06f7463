//! Sessions in the same database as the links: an example of a store for a client that blocks. They survive a restart.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::OptionalExtension;
use trijet::{BoxError, sessions::BlockingSessionStore};

use crate::store::Store;

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
            let mut update =
                writer.prepare_cached("UPDATE session SET data = ?2, ends = ?3 WHERE id = ?1")?;
            Ok(update.execute((id, data, seconds(keep)))? > 0)
        })?)
    }

    fn touch(&self, id: &str, keep: Duration) -> Result<bool, BoxError> {
        Ok(self.write(|writer| {
            let mut update = writer.prepare_cached("UPDATE session SET ends = ?2 WHERE id = ?1")?;
            Ok(update.execute((id, seconds(keep)))? > 0)
        })?)
    }

    fn remove(&self, id: &str) -> Result<bool, BoxError> {
        Ok(self.write(|writer| {
            Ok(writer.prepare_cached("DELETE FROM session WHERE id = ?1")?.execute([id])? > 0)
        })?)
    }
}

/// Seconds since 1970, so far from now.
fn seconds(from_now: Duration) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.saturating_add(from_now).as_secs()).unwrap_or(i64::MAX)
}
