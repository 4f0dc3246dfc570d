//! What can be done with files in this folder: direct I/O, eviction, and a look into the page cache?
//!
//! All of it depends on the file system, so it is tried on a file there. The file has no name (it is
//! opened with `O_TMPFILE`, or unlinked at once), so that nothing is left behind whatever ends this
//! process; it is opened again through `/proc/self/fd`.

use super::{Capability, Found, failed, privileges, read, refused};
use crate::cache::{CacheError, Device, Watched};
use nix::errno::Errno;
use nix::sys::stat::{major, minor};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

const FILE_BYTES: usize = 16 << 10;
const BLOCK_BYTES: usize = 4096;

/// Eviction of four pages that takes longer does not work here: tmpfs keeps them for ever.
const EVICT_PATIENCE: Duration = Duration::from_millis(500);

/// Read-ahead beyond this reads megabytes that no fetch asked for.
const READ_AHEAD_KIB: u64 = 1024;

/// A folder with a file of some pages in it that are cached.
pub struct Place {
    dir: PathBuf,
    file: File,
}

/// Why there is no such file, and how to get one.
pub type Refusal = (String, String);

impl Place {
    /// Makes the file.
    ///
    /// # Errors
    /// The call that failed, and what would help.
    pub fn open(dir: &Path) -> Result<Place, Refusal> {
        let shown = dir.display();
        let refused = |call: &str| {
            let call = format!("{call} in {shown}");
            move |error: std::io::Error| (failed(&call, &error), usable(dir))
        };
        let mut file = tempfile::tempfile_in(dir).map_err(refused("open(O_TMPFILE)"))?;
        file.write_all(&[1; FILE_BYTES]).map_err(refused("write to a file"))?;
        Ok(Place { dir: dir.to_owned(), file })
    }

    /// A path under which this process can open the file again.
    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }

    /// Asks the page cache about the file; troubles name the folder, since the file has no name.
    fn watch<T>(&self, ask: impl FnOnce(&Watched) -> Result<T, CacheError>) -> Result<T, String> {
        let path = self.path();
        let answer = Watched::open(&path).and_then(|watched| ask(&watched));
        let file = format!("a file in {}", self.dir.display());
        answer.map_err(|error| error.to_string().replace(&path.display().to_string(), &file))
    }
}

/// A row about the file; without one, why there is none.
fn on(
    place: &Result<Place, Refusal>,
    name: &'static str,
    enables: &'static str,
    ask: impl FnOnce(&Place) -> Found,
) -> Capability {
    let found = match place {
        Ok(place) => ask(place),
        Err((reason, unlock)) => Found::No(reason.clone(), unlock.clone()),
    };
    Capability::new(name, enables, found)
}

/// How to get a file in a folder where none can be made.
fn usable(dir: &Path) -> String {
    match dir.exists() {
        true => "name a folder that you can write to: zclab doctor DIR".to_owned(),
        false => format!("mkdir -p {}", privileges::quoted(&dir.display().to_string())),
    }
}

const OTHER_FS: &str = "keep logs on ext4 or xfs: zclab run --logs DIR";
const OTHER_DISK: &str = "keep logs on a file system with a disk of its own: zclab run --logs DIR";

/// Whether files can be opened and read past the page cache.
#[must_use]
pub fn direct_io(place: &Result<Place, Refusal>) -> Capability {
    on(place, "direct_io", "direct-write, and reads past the page cache", |place| {
        let direct = match direct(place) {
            Ok(direct) => direct,
            Err(reason) => return Found::No(reason, OTHER_FS.to_owned()),
        };
        match alignment(&place.file) {
            Ok((_, 0)) => Found::Partly(
                "open(O_DIRECT), but statx(STATX_DIOALIGN) says that reads are cached".to_owned(),
                OTHER_FS.to_owned(),
            ),
            // An alignment larger than a page is told, not tried.
            Ok((memory, offset)) if offset as usize > BLOCK_BYTES => {
                Found::Yes(format!("open(O_DIRECT); alignment: memory {memory}, offset {offset}"))
            }
            Ok((memory, offset)) => {
                let alignment = format!("alignment: memory {memory}, offset {offset}");
                read_block(&direct, &alignment)
            }
            Err(reason) => read_block(&direct, &format!("alignment unknown: {reason}")),
        }
    })
}

/// Reads a block past the page cache, into memory that is aligned to a page.
fn read_block(direct: &File, alignment: &str) -> Found {
    let mut memory = vec![0u8; 2 * BLOCK_BYTES];
    let skip = memory.as_ptr().align_offset(BLOCK_BYTES);
    match direct.read_at(&mut memory[skip..skip + BLOCK_BYTES], 0) {
        Ok(_) => Found::Yes(format!("open(O_DIRECT), a read of 4 KiB; {alignment}")),
        Err(error) => Found::No(
            format!("{}; {alignment}", failed("pread of 4 KiB with O_DIRECT", &error)),
            OTHER_FS.to_owned(),
        ),
    }
}

fn direct(place: &Place) -> Result<File, String> {
    let open = File::options().read(true).custom_flags(libc::O_DIRECT).open(place.path());
    let call = format!("open(O_DIRECT) under {}", place.dir.display());
    open.map_err(|error| failed(&call, &error))
}

/// The alignment that direct I/O needs: of memory, and of offset and length.
fn alignment(file: &File) -> Result<(u32, u32), String> {
    // SAFETY: struct statx is plain data for which all zeroes is a valid value.
    let mut stat: libc::statx = unsafe { std::mem::zeroed() };
    let (fd, empty, mask) = (file.as_raw_fd(), libc::AT_EMPTY_PATH, libc::STATX_DIOALIGN);
    // SAFETY: the path is an empty constant and `stat` lives on this stack frame; the kernel writes
    // to it during the call only.
    let answer = unsafe { libc::statx(fd, c"".as_ptr(), empty, mask, &raw mut stat) };
    Errno::result(answer).map_err(|errno| refused("statx(STATX_DIOALIGN)", errno))?;
    match stat.stx_mask & libc::STATX_DIOALIGN {
        0 => Err("statx(STATX_DIOALIGN) tells none here (Linux 6.1, and few file systems)".into()),
        _ => Ok((stat.stx_dio_mem_align, stat.stx_dio_offset_align)),
    }
}

fn dontcache(place: &Place) -> Found {
    let mut block = [0u8; BLOCK_BYTES];
    let vector = libc::iovec { iov_base: block.as_mut_ptr().cast(), iov_len: block.len() };
    let fd = place.file.as_raw_fd();
    // SAFETY: `vector` and the block that it names live on this stack frame; the kernel writes to the
    // block during the call only.
    let answer = unsafe { libc::preadv2(fd, &raw const vector, 1, 0, libc::RWF_DONTCACHE) };
    match Errno::result(answer) {
        Ok(_) => Found::Yes("preadv2(RWF_DONTCACHE)".to_owned()),
        Err(errno) => Found::No(
            refused("preadv2(RWF_DONTCACHE)", errno),
            "Linux 6.14 or newer on xfs or btrfs, or a later one on ext4".to_owned(),
        ),
    }
}

/// Whether cachestat(2) counts cached pages truly.
#[must_use]
pub fn cachestat(place: &Result<Place, Refusal>) -> Capability {
    on(place, "cachestat", "a second witness of what is cached", |place| {
        let pages = (FILE_BYTES / BLOCK_BYTES) as u64;
        let counted = place.watch(|watched| Ok(watched.try_cachestat(0, FILE_BYTES as u64)));
        let counted = match counted {
            Ok(counted) => counted,
            Err(reason) => return Found::No(reason, "mount -t proc proc /proc".to_owned()),
        };
        match counted {
            Err(errno) => Found::No(refused("cachestat", errno), "Linux 6.5 or newer".to_owned()),
            Ok(0) => Found::Partly(
                "it says 0 for a cached file here, as on overlayfs; mincore decides".to_owned(),
                OTHER_FS.to_owned(),
            ),
            Ok(cached) => Found::Yes(format!("it counts {cached} of {pages} cached pages")),
        }
    })
}

fn mincore(place: &Place) -> Found {
    match place.watch(|watched| watched.resident(0, FILE_BYTES as u64)) {
        Ok((pages, resident)) if pages == resident => {
            Found::Yes(format!("it counts {resident} of {pages} cached pages"))
        }
        Ok((pages, resident)) => Found::Partly(
            format!("it counts {resident} of {pages} pages that were just written"),
            OTHER_FS.to_owned(),
        ),
        Err(reason) => Found::No(reason, OTHER_FS.to_owned()),
    }
}

fn eviction(place: &Place) -> Found {
    match place.watch(|watched| watched.evict_within(EVICT_PATIENCE)) {
        Ok(()) => Found::Yes("fsync and POSIX_FADV_DONTNEED; mincore agrees".to_owned()),
        Err(reason) => Found::No(reason, OTHER_FS.to_owned()),
    }
}

/// The file system, and whether a file can be made.
fn folder(dir: &Path, place: &Result<Place, Refusal>) -> Found {
    let known = crate::machine::mount_of(dir).and_then(|(filesystem, options)| {
        let status = nix::sys::stat::stat(dir).map_err(|errno| refused("stat", errno))?;
        let device = format!("{}:{}", major(status.st_dev), minor(status.st_dev));
        Ok(format!("{filesystem} ({options}), device {device}"))
    });
    match (known, place) {
        (Ok(known), Ok(_)) => Found::Yes(known),
        (Ok(known), Err((reason, unlock))) => {
            Found::Partly(format!("{known}; {reason}"), unlock.clone())
        }
        (Err(reason), _) => Found::No(reason, usable(dir)),
    }
}

fn block_device(device: &Result<Device, Refusal>) -> Found {
    let device = match device {
        Ok(device) => device,
        Err((reason, unlock)) => {
            return Found::No(reason.clone(), unlock.clone());
        }
    };
    let setting = |name: &str| match device.queue(name) {
        Some(path) => read(path).unwrap_or_else(|reason| reason),
        None => format!("no queue/{name}"),
    };
    let (scheduler, rotational) = (setting("scheduler"), setting("rotational"));
    Found::Yes(format!("{}, scheduler {scheduler}, rotational {rotational}", device.name))
}

fn read_ahead(device: &Result<Device, Refusal>) -> Found {
    let device = match device {
        Ok(device) => device,
        Err((reason, unlock)) => return Found::No(reason.clone(), unlock.clone()),
    };
    let Some(path) = device.queue("read_ahead_kb") else {
        let none = format!("{} has no queue/read_ahead_kb", device.name);
        return Found::No(none, OTHER_DISK.to_owned());
    };
    let kib = read(&path).and_then(|text| {
        text.parse::<u64>().map_err(|error| format!("{}: {text:?}: {error}", path.display()))
    });
    match kib {
        Ok(kib) if kib <= READ_AHEAD_KIB => Found::Yes(format!("{kib} KiB")),
        Ok(kib) => Found::Partly(
            format!("{kib} KiB: a cold read brings in megabytes more than was asked for"),
            format!("echo 128 | sudo tee {}", path.display()),
        ),
        Err(reason) => Found::No(reason, OTHER_DISK.to_owned()),
    }
}

/// The rows about a folder.
#[must_use]
pub fn rows(dir: &Path) -> Vec<Capability> {
    let place = Place::open(dir);
    let device = match dir.exists() {
        true => Device::under(dir).map_err(|reason| (reason, OTHER_DISK.to_owned())),
        false => Err((refused(&format!("stat {}", dir.display()), Errno::ENOENT), usable(dir))),
    };
    let bytes = "device bytes beside the process's own, in proofs of cold";
    let ahead = "device bytes that are near the bytes asked for";
    vec![
        Capability::new("folder", "logs that zclab generates", folder(dir, &place)),
        direct_io(&place),
        on(&place, "dontcache", "reads whose pages are dropped again", dontcache),
        on(&place, "mincore", "cache states proven page by page", mincore),
        cachestat(&place),
        on(&place, "eviction", "cold and partial cache without root", eviction),
        Capability::new("block_device", bytes, block_device(&device)),
        Capability::new("read_ahead", ahead, read_ahead(&device)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_used_is_named_in_every_row_about_its_files() {
        let rows = rows(Path::new("/proc/no-such-folder"));
        assert_eq!(rows.len(), 8);
        for row in rows {
            assert_eq!(row.state, super::super::State::No, "{row:?}");
            assert!(row.value.contains("ENOENT") && row.unlock.is_some(), "{row:?}");
        }
    }

    #[test]
    fn nothing_is_left_behind() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        assert_eq!(rows(dir.path())[0].state, super::super::State::Yes);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
