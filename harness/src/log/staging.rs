//! How does a directory come to be whole or not at all?
//!
//! It is filled beside its place under a name that nothing reads, and renamed when complete. A
//! process that is killed leaves the half-filled directory; the next one that stages for the same
//! place removes it, knowing by the process id in its name that its maker is gone. This guards
//! against killed processes, not against power loss: nothing is synced.

use super::LogError;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Tells directories apart that threads of one process stage for the same place.
static STAGED: AtomicU32 = AtomicU32::new(0);

/// A directory that is being filled; removed unless committed.
#[derive(Debug)]
pub(crate) struct Staging {
    dir: PathBuf,
    target: PathBuf,
    committed: bool,
}

impl Staging {
    /// Makes an empty directory beside `target`, and `target`'s parents where they are missing.
    pub(crate) fn new(target: &Path) -> Result<Self, LogError> {
        if target.symlink_metadata().is_ok() {
            return Err(LogError::Exists { path: target.to_path_buf() });
        }
        let Some(name) = target.file_name().and_then(|name| name.to_str()) else {
            let why = "its last part is not a name".to_owned();
            return Err(LogError::NotAPartition { path: target.to_path_buf(), why });
        };
        let parent = match target.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).map_err(LogError::io("mkdir", parent))?;
        let prefix = format!(".{name}.partial-");
        remove_orphans(parent, &prefix);
        let number = STAGED.fetch_add(1, Ordering::Relaxed);
        let dir = parent.join(format!("{prefix}{}-{number}", std::process::id()));
        fs::create_dir(&dir).map_err(LogError::io("mkdir", &dir))?;
        Ok(Self { dir, target: target.to_path_buf(), committed: false })
    }

    /// Where to put the files.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Gives the directory its name.
    pub(crate) fn commit(mut self) -> Result<(), LogError> {
        fs::rename(&self.dir, &self.target).map_err(LogError::io("rename", &self.target))?;
        self.committed = true;
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.committed {
            // Nobody is left to be told, and the next staging for this place tries again.
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// Removes what killed processes left. Failing to is no reason to fail: the names never collide.
fn remove_orphans(parent: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let maker = name.to_str().and_then(|name| name.strip_prefix(prefix)?.split_once('-'));
        let Some(pid) = maker.and_then(|(pid, _)| pid.parse::<u32>().ok()) else { continue };
        if !Path::new(&format!("/proc/{pid}")).exists() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
