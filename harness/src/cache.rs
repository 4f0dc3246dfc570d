//! Which pages of a file are in the page cache, and how does one get them in or out?
//!
//! No privilege is needed: the owner of a file evicts its pages by fsync and `POSIX_FADV_DONTNEED`,
//! again and again until `mincore` says that none is left (one call leaves pages behind whose
//! read-ahead is still in flight). `mincore` decides; `cachestat` stands beside it, since it answers 0
//! for a fully cached file on overlayfs. Nothing here touches a mapping, so nothing here faults pages in.

use nix::errno::Errno;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Bytes of a page, as `mincore` counts them.
pub const PAGE_BYTES: u64 = 4096;

/// Eviction gives up after this long: pages that are mapped, pinned or referenced by a socket stay.
const EVICT_PATIENCE: Duration = Duration::from_secs(5);

/// Pages of a partially cached file are loaded in stripes of this size.
const STRIPE_BYTES: u64 = 64 << 10;

/// Why the cache could not be brought into a state, or its state not be read.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// A call failed.
    #[error("{}: {call}: {errno}", path.display())]
    Call {
        /// The file.
        path: PathBuf,
        /// The call.
        call: &'static str,
        /// What the kernel said.
        errno: Errno,
    },
    /// Pages stayed.
    #[error(
        "{}: {resident} of {pages} pages would not leave the page cache: somebody maps or uses them",
        path.display()
    )]
    Stays {
        /// The file.
        path: PathBuf,
        /// Pages that stayed.
        resident: u64,
        /// Pages of the file.
        pages: u64,
    },
}

/// A file whose residency can be asked for: it is mapped, and the mapping is never touched.
pub struct Watched {
    path: PathBuf,
    file: File,
    map: Option<memmap2::MmapRaw>,
    len_bytes: u64,
}

impl Watched {
    /// Opens and maps a file for looking only.
    ///
    /// # Errors
    /// The call that failed, with the file.
    pub fn open(path: &Path) -> Result<Watched, CacheError> {
        let failed = |call| {
            move |error: std::io::Error| CacheError::Call {
                path: path.to_owned(),
                call,
                errno: Errno::from_raw(error.raw_os_error().unwrap_or(0)),
            }
        };
        let file = File::open(path).map_err(failed("open"))?;
        let len_bytes = file.metadata().map_err(failed("fstat"))?.len();
        let options = memmap2::MmapOptions::new();
        let map = match len_bytes {
            0 => None,
            _ => Some(options.map_raw_read_only(&file).map_err(failed("mmap"))?),
        };
        Ok(Watched { path: path.to_owned(), file, map, len_bytes })
    }

    /// Watches an open file that has yet to grow to this length. Nothing is opened or closed for a
    /// look: ext4 begins to write a file back that was emptied, filled and then closed by anybody
    /// (`auto_da_alloc`).
    ///
    /// # Errors
    /// The call that failed, with the file.
    pub fn growing(path: &Path, file: &File, len_bytes: u64) -> Result<Watched, CacheError> {
        let failed = |call| {
            move |error: std::io::Error| CacheError::Call {
                path: path.to_owned(),
                call,
                errno: Errno::from_raw(error.raw_os_error().unwrap_or(0)),
            }
        };
        let file = file.try_clone().map_err(failed("dup"))?;
        let len = usize::try_from(len_bytes).unwrap_or(usize::MAX);
        let map = memmap2::MmapOptions::new().len(len).map_raw_read_only(&file);
        let map = Some(map.map_err(failed("mmap"))?);
        Ok(Watched { path: path.to_owned(), file, map, len_bytes })
    }

    /// The number of pages of the file.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.len_bytes.div_ceil(PAGE_BYTES)
    }

    fn error(&self, call: &'static str, errno: Errno) -> CacheError {
        CacheError::Call { path: self.path.clone(), call, errno }
    }

    /// Of the pages that hold these bytes: how many there are, and how many are resident (`mincore`).
    ///
    /// # Errors
    /// What `mincore` said: `EPERM`-like kernels report pages of files that one may not write as
    /// resident, which is why only files that this user owns are ever evicted.
    pub fn resident(&self, offset_bytes: u64, len_bytes: u64) -> Result<(u64, u64), CacheError> {
        let end_bytes = (offset_bytes + len_bytes).min(self.len_bytes);
        let Some(map) = self.map.as_ref().filter(|_| offset_bytes < end_bytes) else {
            return Ok((0, 0));
        };
        let first = offset_bytes / PAGE_BYTES;
        let pages = end_bytes.div_ceil(PAGE_BYTES) - first;
        let mut flags = vec![0u8; pages as usize];
        let start = map.as_ptr().wrapping_add((first * PAGE_BYTES) as usize);
        // SAFETY: `start` and the length lie inside the mapping that `self.map` owns, and `flags`
        // has one byte for each page; the kernel writes only to `flags`, only during the call.
        let answer = unsafe {
            libc::mincore(start as *mut _, (pages * PAGE_BYTES) as usize, flags.as_mut_ptr())
        };
        Errno::result(answer).map_err(|errno| self.error("mincore", errno))?;
        Ok((pages, flags.iter().filter(|&&flag| flag & 1 == 1).count() as u64))
    }

    /// Pages of the byte range that `cachestat(2)` counts as cached; nothing where it does not exist.
    #[must_use]
    pub fn cachestat(&self, offset_bytes: u64, len_bytes: u64) -> Option<u64> {
        self.try_cachestat(offset_bytes, len_bytes).ok()
    }

    /// The same, with the reason where it is refused.
    ///
    /// # Errors
    /// What the kernel said: `ENOSYS` before Linux 6.5.
    pub fn try_cachestat(&self, offset_bytes: u64, len_bytes: u64) -> Result<u64, Errno> {
        const SYS_CACHESTAT: libc::c_long = 451;
        let range = [offset_bytes, len_bytes];
        let mut stat = [0u64; 5];
        // SAFETY: `range` (struct cachestat_range, two u64) and `stat` (struct cachestat, five u64)
        // live on this stack frame; the kernel reads the one and writes the other during the call.
        let answer = unsafe {
            libc::syscall(
                SYS_CACHESTAT,
                self.file.as_raw_fd(),
                range.as_ptr(),
                stat.as_mut_ptr(),
                0,
            )
        };
        Errno::result(answer).map(|_| stat[0])
    }

    /// Reads every byte once, so that every page is cached.
    ///
    /// # Errors
    /// The read that failed.
    pub fn warm(&self) -> Result<(), CacheError> {
        self.warm_range(0, self.len_bytes)
    }

    /// The same for the pages of a range.
    ///
    /// # Errors
    /// The read that failed.
    pub fn warm_range(&self, offset_bytes: u64, len_bytes: u64) -> Result<(), CacheError> {
        let mut buffer = vec![0u8; len_bytes.min(1 << 20) as usize];
        let end_bytes = (offset_bytes + len_bytes).min(self.len_bytes);
        let mut at_bytes = offset_bytes;
        while at_bytes < end_bytes {
            match self.file.read_at(&mut buffer, at_bytes) {
                Ok(0) => break,
                Ok(got) => at_bytes += got as u64,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
                    return Err(self.error("pread", errno));
                }
            }
        }
        Ok(())
    }

    /// Evicts every page, and does not return before `mincore` agrees.
    ///
    /// # Errors
    /// A failed call, or pages that stayed for [`EVICT_PATIENCE`].
    pub fn evict(&self) -> Result<(), CacheError> {
        self.evict_within(EVICT_PATIENCE)
    }

    /// The same with a patience of one's own.
    ///
    /// # Errors
    /// A failed call, or pages that stayed for that long.
    pub fn evict_within(&self, patience: Duration) -> Result<(), CacheError> {
        // Dirty pages are skipped by DONTNEED.
        nix::unistd::fsync(&self.file).map_err(|errno| self.error("fsync", errno))?;
        self.drop_range(0, self.len_bytes, patience)
    }

    /// Evicts the pages of a range of a file without dirty pages, and does not return before `mincore`
    /// agrees. Pages at the ends go only where the range has all of them.
    ///
    /// # Errors
    /// A failed call, or pages that stayed for [`EVICT_PATIENCE`].
    pub fn evict_range(&self, offset_bytes: u64, len_bytes: u64) -> Result<(), CacheError> {
        self.drop_range(offset_bytes, len_bytes, EVICT_PATIENCE)
    }

    fn drop_range(
        &self,
        offset_bytes: u64,
        len_bytes: u64,
        patience: Duration,
    ) -> Result<(), CacheError> {
        let (begin, len) = (offset_bytes as libc::off_t, len_bytes as libc::off_t);
        let started = Instant::now();
        let mut pause = Duration::from_micros(200);
        loop {
            posix_fadvise(&self.file, begin, len, PosixFadviseAdvice::POSIX_FADV_DONTNEED)
                .map_err(|errno| self.error("posix_fadvise(DONTNEED)", errno))?;
            let (pages, resident) = self.resident(offset_bytes, len_bytes)?;
            if resident == 0 {
                return Ok(());
            }
            if started.elapsed() > patience {
                return Err(CacheError::Stays { path: self.path.clone(), resident, pages });
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    /// Evicts the file, then loads about this share of it, in stripes spread evenly by a hash.
    ///
    /// # Errors
    /// As for [`evict`](Self::evict), and reads that failed.
    pub fn load_share(&self, share: f64) -> Result<(), CacheError> {
        self.evict()?;
        // Without read-ahead, so that exactly the chosen stripes come in.
        posix_fadvise(&self.file, 0, 0, PosixFadviseAdvice::POSIX_FADV_RANDOM)
            .map_err(|errno| self.error("posix_fadvise(RANDOM)", errno))?;
        let mut buffer = vec![0u8; STRIPE_BYTES as usize];
        let stripes = self.len_bytes.div_ceil(STRIPE_BYTES);
        // Stripes are loaded where the running total of the share passes a whole number, so that
        // every stretch of the file has its share, whatever range a sample takes.
        let passes = |stripe: u64| {
            (((stripe + 1) as f64) * share).floor() > ((stripe as f64) * share).floor()
        };
        for stripe in (0..stripes).filter(|&stripe| passes(stripe)) {
            if let Err(error) = self.file.read_at(&mut buffer, stripe * STRIPE_BYTES) {
                let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
                return Err(self.error("pread", errno));
            }
        }
        Ok(())
    }
}

/// The lowest block device under a file, by following `slaves/` down from the file's own device.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its name under `/sys/class/block`, such as `vda`.
    pub name: String,
    /// The loop device above it, which reads past its file's cache.
    pub loops: Option<String>,
    stat: PathBuf,
}

impl Device {
    /// The device under a path.
    ///
    /// # Errors
    /// Why there is none that could be asked: tmpfs, overlayfs and a btrfs of several devices have
    /// anonymous ones.
    pub fn under(path: &Path) -> Result<Device, String> {
        let status = nix::sys::stat::stat(path).map_err(|e| format!("stat: {e}"))?;
        let (major, minor) =
            (nix::sys::stat::major(status.st_dev), nix::sys::stat::minor(status.st_dev));
        if Path::new(&format!("/sys/dev/block/{major}:{minor}")).exists() {
            return Device::lowest(major, minor);
        }
        let (major, minor) = only_device_of_btrfs(path).unwrap_or((major, minor));
        Device::lowest(major, minor)
    }

    fn lowest(major: u64, minor: u64) -> Result<Device, String> {
        let link = PathBuf::from(format!("/sys/dev/block/{major}:{minor}"));
        let mut node = std::fs::canonicalize(&link)
            .map_err(|_| format!("device {major}:{minor} is not a block device"))?;
        while let Some(lower) = only_entry(&node.join("slaves")) {
            node =
                std::fs::canonicalize(&lower).map_err(|e| format!("{}: {e}", lower.display()))?;
        }
        let name = node.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let backing = node.join("loop/backing_file");
        if backing.exists() {
            let (major, minor) = crate::volume::below(&name)?;
            return Device::lowest(major, minor).map(|d| Device { loops: Some(name), ..d });
        }
        Ok(Device { name, loops: None, stat: node.join("stat") })
    }

    /// Bytes read from it so far, by anybody: sectors of 512 bytes in its `stat` file
    /// (`Documentation/block/stat.rst`).
    #[must_use]
    pub fn read_bytes(&self) -> Option<u64> {
        let text = std::fs::read_to_string(&self.stat).ok()?;
        let sectors: u64 = text.split_whitespace().nth(2)?.parse().ok()?;
        Some(sectors * 512)
    }

    /// The device's read-ahead in KiB.
    #[must_use]
    pub fn read_ahead_kib(&self) -> Option<u64> {
        std::fs::read_to_string(self.queue("read_ahead_kb")?).ok()?.trim().parse().ok()
    }

    /// The file of a setting of its queue; a partition has none of its own, but its disk has.
    #[must_use]
    pub fn queue(&self, setting: &str) -> Option<PathBuf> {
        let node = self.stat.parent()?;
        let below = |node: &Path| node.join("queue").join(setting);
        let files = [below(node), below(node.parent()?)];
        files.into_iter().find(|file| file.exists())
    }
}

/// A btrfs may have many devices, and shows files on one that is none of them. One that has a single
/// device has its bytes from there.
fn only_device_of_btrfs(path: &Path) -> Option<(u64, u64)> {
    let mount = crate::machine::mount_row(path).ok()?;
    let source = std::fs::canonicalize(mount.source).ok()?;
    let name = source.file_name().filter(|_| mount.filesystem == "btrfs")?;
    let all = std::fs::read_dir("/sys/fs/btrfs").ok()?.flatten();
    let mut devices = all.map(|one| one.path().join("devices"));
    let devices = devices.find(|devices| devices.join(name).exists())?;
    only_entry(&devices)?;
    let numbers = std::fs::read_to_string(devices.join(name).join("dev")).ok()?;
    let (major, minor) = numbers.trim().split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn only_entry(dir: &Path) -> Option<PathBuf> {
    let mut entries = std::fs::read_dir(dir).ok()?.flatten();
    let first = entries.next()?;
    entries.next().is_none().then(|| first.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_of(pages: u64) -> (tempfile::TempDir, PathBuf) {
        // The checkout lies on a real file system more often than /tmp does.
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, vec![7u8; (pages * PAGE_BYTES) as usize]).unwrap();
        (dir, path)
    }

    #[test]
    fn evicted_pages_are_gone_and_warmed_pages_are_back() {
        let (_dir, path) = file_of(300);
        let watched = Watched::open(&path).unwrap();
        watched.evict().unwrap();
        assert_eq!(watched.resident(0, u64::MAX / 2).unwrap(), (300, 0));
        watched.warm().unwrap();
        assert_eq!(watched.resident(0, u64::MAX / 2).unwrap(), (300, 300));
        assert_eq!(watched.resident(5000, 1).unwrap(), (1, 1));
        assert_eq!(watched.resident(4095, 2).unwrap(), (2, 2));
        watched.evict_range(0, 100 * PAGE_BYTES).unwrap();
        assert_eq!(watched.resident(0, u64::MAX / 2).unwrap(), (300, 200));
    }

    #[test]
    fn a_share_is_about_that_share_in_every_stretch() {
        let (_dir, path) = file_of(1600);
        let watched = Watched::open(&path).unwrap();
        watched.load_share(0.25).unwrap();
        let half = 800 * PAGE_BYTES;
        for start in [0, half] {
            let (pages, resident) = watched.resident(start, half).unwrap();
            assert_eq!(pages, 800);
            assert!((184..=216).contains(&resident), "{resident} of 800");
        }
    }
}
