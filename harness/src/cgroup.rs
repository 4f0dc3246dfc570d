//! How is a trial given little memory, and what did the kernel do within that limit?
//!
//! A [`Group`] is a control group of the memory controller with a limit, made for one round below the
//! group that zclab itself is in, and removed after it. Pages of files are charged to the group whose
//! process first brought them in, so that within a group the page cache is as small as the limit,
//! whatever else the machine has. The controller of cgroup v2 and that of v1 differ in the names of
//! their files only; which one there is, and where a group may be made, is in [`place`].
//!
//! A group does not go with its maker: one that was killed leaves an empty folder behind, which
//! [`sweep`] removes at the next start. Its name has the process id and the time at which that process
//! started, so that a process id that was given out again is not taken for the maker.
//!
//! Sources: `Documentation/admin-guide/cgroup-v2.rst` and `cgroup-v1/memory.rst` of the kernel.

pub mod place;

use nix::errno::Errno;
use place::{Place, Version, refusal};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub use place::Refusal;

/// What the names of all groups of zclab begin with.
const PREFIX: &str = "zclab-";

/// A group is removed within this time after its last process was ended: what such a process had in
/// flight may take a moment to go.
const REMOVE_PATIENCE: Duration = Duration::from_secs(2);

/// Folders that [`sweep`] looks at, and how deep it goes: it never walks for long.
const SWEEP_FOLDERS_MAX: usize = 20_000;
const SWEEP_DEPTH_MAX: usize = 12;

/// A group with a limit. It is removed when this is dropped, which has to be after its processes.
pub struct Group {
    dir: PathBuf,
    version: Version,
}

/// What the kernel has counted in a group; what a kernel does not count is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// Bytes of the page cache that are charged to it.
    pub file_bytes: Option<u64>,
    /// Bytes of its processes' own memory.
    pub anon_bytes: Option<u64>,
    /// The most that it ever had.
    pub peak_bytes: Option<u64>,
    /// Pages of files that were brought in again soon after they had been evicted.
    pub refaults: Option<u64>,
    /// Pages that reclaim looked at.
    pub scanned_pages: Option<u64>,
    /// Times that the limit was reached.
    pub limit_hits: Option<u64>,
    /// Processes that were killed since nothing could be reclaimed.
    pub killed: Option<u64>,
}

impl Group {
    /// Makes a group, with this limit where there is one.
    ///
    /// # Errors
    /// The call that was refused, and how to unlock it.
    pub fn make(place: &Place, limit_bytes: Option<u64>) -> Result<Group, Refusal> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let maker = std::process::id();
        let started = started_at(maker).unwrap_or(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let dir = place.dir().join(format!("{PREFIX}{maker}-{started}-{number}"));
        std::fs::create_dir(&dir).map_err(|error| refusal("mkdir", &dir, &error))?;
        let group = Group { dir, version: place.version() };
        let Some(limit_bytes) = limit_bytes else { return Ok(group) };
        let (limit, swap) = match group.version {
            Version::One => ("memory.limit_in_bytes", "memory.swappiness"),
            Version::Two => ("memory.max", "memory.swap.max"),
        };
        group.write(limit, limit_bytes)?;
        // A group that swaps would have more memory than its limit. A kernel without swap has no such
        // file, and then there is nothing to forbid.
        if group.dir.join(swap).exists() {
            group.write(swap, 0)?;
        }
        Ok(group)
    }

    /// Moves a process into it, all its threads. What it has already stays charged where it was.
    ///
    /// # Errors
    /// The call that was refused, and how to unlock it.
    pub fn add(&self, process: u32) -> Result<(), Refusal> {
        self.write("cgroup.procs", u64::from(process))
    }

    fn write(&self, file: &str, number: u64) -> Result<(), Refusal> {
        let path = self.dir.join(file);
        std::fs::write(&path, number.to_string()).map_err(|error| refusal("write", &path, &error))
    }

    /// The limit as the kernel rounded it.
    #[must_use]
    pub fn limit_bytes(&self) -> Option<u64> {
        self.number(match self.version {
            Version::One => "memory.limit_in_bytes",
            Version::Two => "memory.max",
        })
    }

    /// What was counted so far.
    #[must_use]
    pub fn stat(&self) -> Stat {
        let text = |file: &str| std::fs::read_to_string(self.dir.join(file)).unwrap_or_default();
        let stat = text("memory.stat");
        match self.version {
            Version::One => Stat {
                // The old controller counts shared memory as page cache, too.
                file_bytes: field(&stat, "cache")
                    .map(|cache| cache.saturating_sub(field(&stat, "shmem").unwrap_or(0))),
                anon_bytes: field(&stat, "rss"),
                peak_bytes: self.number("memory.max_usage_in_bytes"),
                refaults: field(&stat, "workingset_refault_file"),
                scanned_pages: None,
                limit_hits: self.number("memory.failcnt"),
                killed: field(&text("memory.oom_control"), "oom_kill"),
            },
            Version::Two => {
                let events = text("memory.events");
                Stat {
                    file_bytes: field(&stat, "file"),
                    anon_bytes: field(&stat, "anon"),
                    peak_bytes: self.number("memory.peak"),
                    refaults: field(&stat, "workingset_refault_file"),
                    scanned_pages: field(&stat, "pgscan"),
                    limit_hits: field(&events, "max"),
                    killed: field(&events, "oom_kill"),
                }
            }
        }
    }

    fn number(&self, file: &str) -> Option<u64> {
        std::fs::read_to_string(self.dir.join(file)).ok()?.trim().parse().ok()
    }

    /// Where it lies, for people and tests.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let begun = Instant::now();
        // A process that was ended leaves its group a moment later. One that stays is swept later.
        while let Err(error) = std::fs::remove_dir(&self.dir) {
            let busy = error.raw_os_error() == Some(libc::EBUSY);
            if !busy || begun.elapsed() > REMOVE_PATIENCE {
                eprintln!("zclab: rmdir {}: {error}; the next run tries again", self.dir.display());
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// A number of a file of `name number` lines.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// Removes the groups of processes of zclab that are no more, wherever in the hierarchy they lie. What
/// was removed, and what would not go and why, each in words.
#[must_use]
pub fn sweep(place: &Place) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![(place.mount().to_owned(), 0)];
    let mut seen = 0;
    while let Some((dir, depth)) = open.pop() {
        seen += 1;
        let Ok(entries) = std::fs::read_dir(&dir) else { continue };
        if depth > SWEEP_DEPTH_MAX || seen > SWEEP_FOLDERS_MAX {
            continue;
        }
        for entry in entries.flatten().filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir())) {
            match maker(&entry.file_name().to_string_lossy()) {
                Some((process, started)) if started_at(process) != Some(started) => {
                    found.push(entry.path());
                }
                Some(_) => {}
                None => open.push((entry.path(), depth + 1)),
            }
        }
    }
    let removed = |dir: PathBuf| match std::fs::remove_dir(&dir) {
        Ok(()) => format!("removed the group {} of a run that was killed", dir.display()),
        Err(error) => {
            let dir = dir.display();
            format!("the group {dir} of a run that was killed would not go: rmdir: {error}")
        }
    };
    found.into_iter().map(removed).collect()
}

/// The process that made a group of this name, and when that process started.
fn maker(name: &str) -> Option<(u32, u64)> {
    let mut parts = name.strip_prefix(PREFIX)?.split('-');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// When a process started, in ticks since boot (`proc_pid_stat(5)`, field 22); nothing when it is no
/// more.
fn started_at(process: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name stands in parentheses and may hold anything, parentheses and spaces too.
    let after_name = &stat[stat.rfind(')')? + 1..];
    after_name.split_whitespace().nth(19)?.parse().ok()
}

/// The errno behind an error of the standard library.
fn errno(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw)
}

#[cfg(test)]
mod tests;
