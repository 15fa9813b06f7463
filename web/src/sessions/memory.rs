//! Sessions in the memory of this process: [`MemoryStore`], bounded in number and bytes.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use trijet_core::{BoxError, after, rt};

use super::SessionStore;

/// A store in memory: for one process, until its end. Clones are the same store.
///
/// It holds at most [100,000](Self::sessions_max) sessions and [64 MiB](Self::bytes_max) of what they hold. Where there is no
/// room for another one, those go first whose time is over; then those that nobody has come back to since they were begun, as
/// whoever sends a flood of requests without cookies leaves behind; then the others. Of each kind those go first whose time is
/// over the soonest.
///
/// A flood of clients that do come back still drives others out: **begin sessions only for those who have shown who they are**,
/// or limit the rate of what begins them.
#[derive(Clone)]
pub struct MemoryStore(Arc<Mutex<Kept>>);

struct Kept {
    sessions_max: usize,
    bytes_max: usize,
    sessions: HashMap<Box<str>, Entry>,
    /// When each is over.
    ends: BTreeSet<(Instant, Box<str>)>,
    /// The same, of those that were never loaded.
    unseen: BTreeSet<(Instant, Box<str>)>,
    bytes: usize,
}

struct Entry {
    data: Vec<u8>,
    end: Instant,
    /// Whether somebody has come back to it.
    is_seen: bool,
}

impl MemoryStore {
    /// An empty one.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Kept {
            sessions_max: 100_000,
            bytes_max: 64 << 20,
            sessions: HashMap::new(),
            ends: BTreeSet::new(),
            unseen: BTreeSet::new(),
            bytes: 0,
        })))
    }

    /// The most sessions that it holds.
    #[must_use]
    pub fn sessions_max(self, sessions: usize) -> Self {
        self.lock().sessions_max = sessions;
        self
    }

    /// The most bytes that its sessions hold together. What they take beside that, some 300 bytes each, is not counted.
    #[must_use]
    pub fn bytes_max(self, bytes: usize) -> Self {
        self.lock().bytes_max = bytes;
        self
    }

    /// How many there are, those included whose time is over and that nobody has come upon since.
    pub fn len(&self) -> usize {
        self.lock().sessions.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Nothing of the app's runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

/// In a server, its clock, which is virtual in simulation.
fn now() -> Instant {
    if rt::backend().is_some() { rt::now() } else { Instant::now() }
}

impl Kept {
    fn find(&self, id: &str, now: Instant) -> Option<&Entry> {
        self.sessions.get(id).filter(|entry| entry.end > now)
    }

    fn see(&mut self, id: &str) {
        if let Some(entry) = self.sessions.get_mut(id).filter(|entry| !entry.is_seen) {
            entry.is_seen = true;
            self.unseen.remove(&(entry.end, id.into()));
        }
    }

    fn put(&mut self, id: &str, entry: Entry, now: Instant) {
        self.remove(id);
        self.bytes += entry.data.len();
        self.ends.insert((entry.end, id.into()));
        if !entry.is_seen {
            self.unseen.insert((entry.end, id.into()));
        }
        self.sessions.insert(id.into(), entry);
        self.make_room(id, now);
    }

    /// Lets go of what is over, and of as many others as are too many: of `newest` as the last.
    fn make_room(&mut self, newest: &str, now: Instant) {
        loop {
            let is_full = self.sessions.len() > self.sessions_max || self.bytes > self.bytes_max;
            let over = self.ends.first().filter(|(end, _)| *end <= now);
            let others = || self.unseen.iter().chain(&self.ends).find(|(_, id)| **id != *newest);
            let gone = over.or_else(|| if is_full { others().or(self.ends.first()) } else { None });
            let Some((_, id)) = gone.cloned() else { return };
            self.remove(&id);
        }
    }

    fn remove(&mut self, id: &str) -> Option<Entry> {
        let (id, entry) = self.sessions.remove_entry(id)?;
        self.bytes -= entry.data.len();
        let place = (entry.end, id);
        self.ends.remove(&place);
        self.unseen.remove(&place);
        Some(entry)
    }
}

impl SessionStore for MemoryStore {
    async fn load(&self, id: &str) -> Result<Option<Vec<u8>>, BoxError> {
        let now = now();
        let mut kept = self.lock();
        let data = kept.find(id, now).map(|entry| entry.data.clone());
        if data.is_some() {
            kept.see(id);
        }
        Ok(data)
    }

    async fn insert(&self, id: &str, data: Vec<u8>, keep: Duration) -> Result<(), BoxError> {
        let now = now();
        self.lock().put(id, Entry { data, end: after(now, keep), is_seen: false }, now);
        Ok(())
    }

    async fn update(&self, id: &str, data: Vec<u8>, keep: Duration) -> Result<bool, BoxError> {
        let now = now();
        let mut kept = self.lock();
        let is_there = kept.find(id, now).is_some();
        if is_there {
            kept.put(id, Entry { data, end: after(now, keep), is_seen: true }, now);
        }
        Ok(is_there)
    }

    async fn touch(&self, id: &str, keep: Duration) -> Result<bool, BoxError> {
        let now = now();
        let mut kept = self.lock();
        if kept.find(id, now).is_none() {
            return Ok(false);
        }
        if let Some(Entry { data, .. }) = kept.remove(id) {
            kept.put(id, Entry { data, end: after(now, keep), is_seen: true }, now);
        }
        Ok(true)
    }

    async fn remove(&self, id: &str) -> Result<bool, BoxError> {
        let now = now();
        Ok(self.lock().remove(id).is_some_and(|entry| entry.end > now))
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("sessions", &self.len()).finish_non_exhaustive()
    }
}
