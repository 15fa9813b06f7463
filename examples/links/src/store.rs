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
        writer.execute_batch(
            "CREATE TABLE IF NOT EXISTS link (
                 number INTEGER PRIMARY KEY,
                 code TEXT NOT NULL UNIQUE,
                 url TEXT NOT NULL
             ) STRICT",
        )?;
        let shared = Shared { file: file.to_owned(), writer: Mutex::new(writer), readers: Mutex::default() };
        Ok(Self(Arc::new(shared)))
    }

    /// Stores a link under `code`, or under a new one.
    pub(crate) fn add(&self, url: &str, code: Option<String>) -> Result<Link, Failure> {
        link::check_url(url)?;
        if let Some(code) = code {
            link::check_code(&code)?;
            return self.insert(&code, url);
        }
        for _ in 0..TRIES {
            match self.insert(&link::new_code(), url) {
                Err(Failure::Taken) => {}
                stored => return stored,
            }
        }
        Err(Failure::Taken)
    }

    fn insert(&self, code: &str, url: &str) -> Result<Link, Failure> {
        let writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let inserted =
            writer.prepare_cached("INSERT INTO link (code, url) VALUES (?1, ?2)")?.execute((code, url));
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
        self.read(|reader| {
            let mut query = reader.prepare_cached("SELECT code, url FROM link WHERE code = ?1")?;
            query.query_row([code], to_link).optional()
        })?
        .ok_or(Failure::NotFound)
    }

    /// The newest links, at most `limit`.
    pub(crate) fn newest(&self, limit: u32) -> Result<Vec<Link>, Failure> {
        self.read(|reader| {
            let mut query =
                reader.prepare_cached("SELECT code, url FROM link ORDER BY number DESC LIMIT ?1")?;
            query.query_map([limit], to_link)?.collect()
        })
    }

    /// Removes the link with this code.
    pub(crate) fn remove(&self, code: &str) -> Result<(), Failure> {
        let writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner);
        match writer.prepare_cached("DELETE FROM link WHERE code = ?1")?.execute([code])? {
            0 => Err(Failure::NotFound),
            _ => Ok(()),
        }
    }

    fn read<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Failure> {
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

fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    Ok(connection)
}

fn to_link(row: &Row<'_>) -> rusqlite::Result<Link> {
    Ok(Link { code: row.get(0)?, url: row.get(1)? })
}
