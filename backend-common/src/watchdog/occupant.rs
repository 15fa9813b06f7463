//! The thread of a loop, and what it does just now, as far as the system tells others. Another thread's stack cannot
//! be read without `unsafe`; but what names a blocking call is its system call, which Linux gives in `/proc`.

use std::{fs, path::PathBuf, thread};

/// One thread of this process.
#[derive(Debug)]
pub(super) struct Occupant {
    pub(super) name: String,
    /// Its folder in `/proc`, where there is one.
    folder: Option<PathBuf>,
}

impl Occupant {
    pub(super) fn current() -> Self {
        let name = thread::current().name().unwrap_or("without a name").to_owned();
        // It is named relative to `/proc`, with the process's own number: a link to it works for every thread.
        let folder = fs::read_link("/proc/thread-self").ok().map(|link| PathBuf::from("/proc").join(link));
        Self { name, folder }
    }

    /// The number that debuggers know it by.
    pub(super) fn id(&self) -> Option<&str> {
        self.folder.as_ref()?.file_name()?.to_str()
    }

    /// What it does, in words.
    pub(super) fn doing(&self) -> Option<String> {
        let read = |file: &str| fs::read_to_string(self.folder.as_ref()?.join(file)).ok();
        // proc_pid_stat(5): the name stands in parentheses, and may hold any itself.
        let state = read("stat")?.rsplit_once(") ")?.1.chars().next()?;
        if state == 'R' {
            return Some("computes, or waits for a processor".to_owned());
        }
        let call = read("syscall").and_then(|text| named(text.split_whitespace().next()?));
        let place = read("wchan").filter(|name| !name.is_empty() && name != "0");
        let mut text = match call {
            Some(call) => format!("waits in {call}"),
            None => "waits in the system".to_owned(),
        };
        if let Some(place) = place {
            text += &format!(" ({place})");
        }
        Some(text)
    }
}

/// Names the system call of this number.
fn named(number: &str) -> Option<String> {
    let number: u32 = number.parse().ok()?;
    let known = CALLS.iter().find(|(known, _)| *known == number);
    Some(
        known.map_or_else(
            || format!("the system call {number}"),
            |(_, name)| format!("the system call {name}"),
        ),
    )
}

/// Those that block, as this system numbers them; of others the number is told.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
const CALLS: &[(u32, &str)] = &[
    (0, "read"),
    (1, "write"),
    (7, "poll"),
    (17, "pread64"),
    (18, "pwrite64"),
    (19, "readv"),
    (20, "writev"),
    (23, "select"),
    (35, "nanosleep"),
    (42, "connect"),
    (43, "accept"),
    (44, "sendto"),
    (45, "recvfrom"),
    (46, "sendmsg"),
    (47, "recvmsg"),
    (61, "wait4"),
    (73, "flock"),
    (74, "fsync"),
    (75, "fdatasync"),
    (202, "futex"),
    (230, "clock_nanosleep"),
    (232, "epoll_wait"),
    (247, "waitid"),
    (257, "openat"),
    (270, "pselect6"),
    (271, "ppoll"),
    (281, "epoll_pwait"),
    (288, "accept4"),
];
#[cfg(all(target_os = "linux", target_arch = "aarch64"))]
const CALLS: &[(u32, &str)] = &[
    (22, "epoll_pwait"),
    (32, "flock"),
    (56, "openat"),
    (63, "read"),
    (64, "write"),
    (65, "readv"),
    (66, "writev"),
    (67, "pread64"),
    (68, "pwrite64"),
    (72, "pselect6"),
    (73, "ppoll"),
    (82, "fsync"),
    (83, "fdatasync"),
    (95, "waitid"),
    (98, "futex"),
    (101, "nanosleep"),
    (115, "clock_nanosleep"),
    (202, "accept"),
    (203, "connect"),
    (206, "sendto"),
    (207, "recvfrom"),
    (211, "sendmsg"),
    (212, "recvmsg"),
    (242, "accept4"),
    (260, "wait4"),
];
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
const CALLS: &[(u32, &str)] = &[];

#[cfg(all(test, not(trijet_loom), target_os = "linux"))]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    #[test]
    fn a_thread_that_waits_is_seen_to() {
        let (tell, told) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let thread = thread::Builder::new().name("waiting (really)".into()).spawn(move || {
            tell.send(Occupant::current()).unwrap();
            _ = ended.recv();
        });
        let occupant = told.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(occupant.name, "waiting (really)");
        assert!(occupant.id().is_some_and(|id| id.parse::<u32>().is_ok()), "{occupant:?}");
        let tells_calls = fs::read("/proc/self/syscall").is_ok();
        let expected = if tells_calls { "waits in the system call futex" } else { "waits in" };
        while !occupant.doing().unwrap().starts_with(expected) {
            thread::yield_now();
        }
        drop(end);
        thread.unwrap().join().unwrap();
        // It is joined a moment before the system has cleared it away.
        while occupant.doing().is_some() {
            thread::yield_now();
        }
        assert!(Occupant::current().doing().unwrap().starts_with("computes"));
    }
}
