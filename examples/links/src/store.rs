//! The links on the disk: one connection that writes, and some that read. Every call blocks. `add` must
//! not return before the system has been told to put the link on the disk.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OptionalExtension, Row};

use crate::{
    Failure,
    link::{self, Link},
};

/// Connections that read are kept up to this number; others are closed after use.
const IDLE_READERS_MAX: usize = 16;

/// New codes that are tried before giving up: of 62⁷, two in a row are hardly ever taken.
const TRIES: usize = 8;

/// A handle of the database. Clones share it.
#[derive(Clone)]
pub(crate) struct Store(Arc<Shared>);

struct Shared {
    file: PathBuf,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
}

impl Store {
    /// Opens `file`, and makes it if it is not there.
    pub(crate) fn open(file: &Path) -> rusqlite::Result<Self> {
        let writer = connect(file)?;
        // Readers do not wait for the writer, and what is committed survives a crash of the machine.
        writer.pragma_update(None, "journal_mode", "wal")?;
        writer.pragma_update(None, "synchronous", "full")?;
        migrate(&writer)?;
        let shared = Shared { file: file.to_owned(), writer: Mutex::new(writer), readers: Mutex::default() };
        Ok(Self(Arc::new(shared)))
    }

    /// Stores a link under `code`, or under a new one; of a browser's session, or of nobody.
    pub(crate) fn add(&self, url: &str, code: Option<String>, owner: Option<&str>) -> Result<Link, Failure> {
        link::check_url(url)?;
        if let Some(code) = code {
            link::check_code(&code)?;
            return self.insert(&code, url, owner);
        }
        for _ in 0..TRIES {
            match self.insert(&link::new_code(), url, owner) {
                Err(Failure::Taken) => {}
                stored => return stored,
            }
        }
        Err(Failure::Taken)
    }

    fn insert(&self, code: &str, url: &str, owner: Option<&str>) -> Result<Link, Failure> {
        let inserted = self.write(|writer| {
            let mut insert =
                writer.prepare_cached("INSERT INTO link (code, url, owner) VALUES (?1, ?2, ?3)")?;
            insert.execute((code, url, owner))
        });
        match inserted {
            Ok(_) => Ok(Link { code: code.to_owned(), url: url.to_owned() }),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                Err(Failure::Taken)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The link with this code.
    pub(crate) fn find(&self, code: &str) -> Result<Link, Failure> {
        let found = self.read(|reader| {
            let mut query = reader.prepare_cached("SELECT code, url FROM link WHERE code = ?1")?;
            query.query_row([code], to_link).optional()
        })?;
        found.ok_or(Failure::NotFound)
    }

    /// The newest links, at most `limit`.
    pub(crate) fn newest(&self, limit: u32) -> Result<Vec<Link>, Failure> {
        Ok(self.read(|reader| {
            let mut query =
                reader.prepare_cached("SELECT code, url FROM link ORDER BY number DESC LIMIT ?1")?;
            query.query_map([limit], to_link)?.collect()
        })?)
    }

    /// The newest links of this owner but for the first `skipped`, at most `limit`.
    pub(crate) fn newest_of(&self, owner: &str, skipped: u64, limit: u32) -> Result<Vec<Link>, Failure> {
        Ok(self.read(|reader| {
            let mut query = reader.prepare_cached(
                "SELECT code, url FROM link WHERE owner = ?1 ORDER BY number DESC LIMIT ?2 OFFSET ?3",
            )?;
            query.query_map((owner, limit, i64::try_from(skipped).unwrap_or(i64::MAX)), to_link)?.collect()
        })?)
    }

    /// Removes the link with this code; where an owner is given, only a link of theirs.
    pub(crate) fn remove(&self, code: &str, owner: Option<&str>) -> Result<(), Failure> {
        let removed = self.write(|writer| {
            let mut delete =
                writer.prepare_cached("DELETE FROM link WHERE code = ?1 AND (?2 IS NULL OR owner = ?2)")?;
            delete.execute((code, owner))
        })?;
        if removed == 0 { Err(Failure::NotFound) } else { Ok(()) }
    }

    pub(crate) fn write<T>(
        &self,
        change: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        change(&self.0.writer.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let idle = self.0.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let reader = match idle {
            Some(reader) => reader,
            None => connect(&self.0.file)?,
        };
        let result = query(&reader)?;
        let mut readers = self.0.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < IDLE_READERS_MAX {
            readers.push(reader);
        }
        Ok(result)
    }
}

/// Brings a database of any earlier version of this program, or a new one, to what this one reads.
fn migrate(writer: &Connection) -> rusqlite::Result<()> {
    const VERSION: &str = "user_version";
    let version: u32 = writer.pragma_query_value(None, VERSION, |row| row.get(0))?;
    if version < 1 {
        writer.execute_batch(
            "BEGIN;
             CREATE TABLE IF NOT EXISTS link (
                 number INTEGER PRIMARY KEY,
                 code TEXT NOT NULL UNIQUE,
                 url TEXT NOT NULL
             ) STRICT;
             ALTER TABLE link ADD COLUMN owner TEXT;
             CREATE INDEX link_owner ON link (owner, number) WHERE owner IS NOT NULL;
             CREATE TABLE session (
                 id TEXT PRIMARY KEY,
                 data BLOB NOT NULL,
                 ends INTEGER NOT NULL
             ) STRICT, WITHOUT ROWID;
             CREATE INDEX session_ends ON session (ends);
             PRAGMA user_version = 1;
             COMMIT",
        )?;
    }
    Ok(())
}

fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    Ok(connection)
}

fn to_link(row: &Row<'_>) -> rusqlite::Result<Link> {
    Ok(Link { code: row.get(0)?, url: row.get(1)? })
}
