//! What is the name of a file that the kernel knows by device and inode?
//!
//! Names come from a folder that was given, and from the descriptors and mappings of the server. The
//! kernel's number of a file system's device is `major << 20 | minor`; on overlayfs and btrfs `stat`
//! gives another, so files there keep their inode as a name.

use super::server::{Process, mapped};
use nix::sys::stat::{major, minor};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Files that are looked at below a folder, at most.
const FILES_MAX: usize = 200_000;

/// Names of files by the kernel's numbers.
#[derive(Default)]
pub struct Names {
    known: BTreeMap<(u32, u64), PathBuf>,
    /// There were more files than are looked at.
    pub cut_off: bool,
}

/// The kernel's device number from that of `stat`.
fn kernel_device(device: u64) -> u32 {
    (major(device) as u32) << 20 | minor(device) as u32
}

/// A kernel's device number for people.
#[must_use]
pub fn device_name(device: u32) -> String {
    format!("{}:{}", device >> 20, device & 0xf_ffff)
}

impl Names {
    /// Takes the names of the files below a folder; links are not followed.
    pub fn scan(&mut self, dir: &Path) {
        let mut folders = vec![dir.to_owned()];
        let mut seen = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let Ok(data) = entry.metadata() else { continue };
                if data.is_dir() {
                    folders.push(entry.path());
                } else if data.is_file() {
                    seen += 1;
                    if seen > FILES_MAX {
                        self.cut_off = true;
                        return;
                    }
                    self.known.insert((kernel_device(data.dev()), data.ino()), entry.path());
                }
            }
        }
    }

    /// Takes the names of the files that processes have open or mapped.
    pub fn ask(&mut self, processes: &[Process]) {
        for Process { pid, .. } in processes {
            let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
            for entry in open {
                let link = std::fs::read_link(entry.path()).unwrap_or_default();
                // Pipes and sockets have names without a slash in front.
                if !link.is_absolute() || link.starts_with("/dev") {
                    continue;
                }
                let data = std::fs::metadata(entry.path());
                if let Some(data) = data.ok().filter(std::fs::Metadata::is_file) {
                    self.known.entry((kernel_device(data.dev()), data.ino())).or_insert(link);
                }
            }
            let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
            for (device, inode, _, path) in maps.lines().filter_map(mapped) {
                self.known.entry((device, inode)).or_insert_with(|| PathBuf::from(path));
            }
        }
    }

    /// The name of a file.
    #[must_use]
    pub fn get(&self, device: u32, inode: u64) -> Option<String> {
        self.known.get(&(device, inode)).map(|path| path.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_numbered_as_the_kernel_does() {
        let device = nix::sys::stat::makedev(254, 300);
        assert_eq!(kernel_device(device), 254 << 20 | 300);
        assert_eq!(device_name(254 << 20 | 300), "254:300");
    }

    #[test]
    fn files_are_found_below_a_folder_and_by_descriptor() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("a")).unwrap();
        let path = dir.path().join("a/file");
        std::fs::write(&path, "x").unwrap();
        let data = std::fs::metadata(&path).unwrap();
        let key = (kernel_device(data.dev()), data.ino());
        let mut names = Names::default();
        names.scan(dir.path());
        assert_eq!(names.get(key.0, key.1), Some(path.display().to_string()));
        let open = std::fs::File::open(&path).unwrap();
        let mut names = Names::default();
        names.ask(&[super::super::server::process(std::process::id()).unwrap()]);
        drop(open);
        let canonical = std::fs::canonicalize(&path).unwrap();
        assert_eq!(names.get(key.0, key.1), Some(canonical.display().to_string()));
    }
}
