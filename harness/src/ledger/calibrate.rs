//! Which pages are the log's?
//!
//! A page names its file by an address_space. Device and inode numbers as `stat` gives them are not the
//! kernel's own on overlayfs and btrfs, and btrfs' subvolumes share inode numbers; so the
//! address_space is learnt: this thread reads a byte of each file and touches a mapping of it, and the
//! programs note which mappings the page cache was asked for. A marker call names the descriptor's own
//! mapping besides. On overlayfs that is not the one that has the pages, so there a file counts as
//! learnt only by the first two.

use super::Ledger;
use crate::trial::worker::MARKER;
use aya::maps::MapError;
use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, fstatfs};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// How a mapping was learnt, as `harness/bpf/calls.h` numbers it.
const BY_DESCRIPTOR: u32 = 1;

/// Another thread's page fault cannot be learnt, but one of this thread's on its own program's file
/// can: then more than one mapping is noted, and the access is repeated.
const TRIES: u32 = 5;

impl Ledger {
    /// Learns the mappings of these segments, in place of those learnt before. The programs are
    /// attached.
    ///
    /// # Errors
    /// Why a file of the log cannot be told from others: then the cells that use it are `unobserved`.
    pub fn learn(&mut self, segments: &[(PathBuf, u64)]) -> Result<(), String> {
        self.files.clear();
        let in_map = |error: MapError| format!("bpf(BPF_MAP_UPDATE_ELEM): {error}");
        self.clear::<u64, u32>("mappings").map_err(in_map)?;
        let mut learnt: Vec<u64> = Vec::new();
        for (path, len_bytes) in segments.iter().filter(|(_, len_bytes)| *len_bytes > 0) {
            let name = path.display();
            let file = File::open(path).map_err(|error| format!("open {name}: {error}"))?;
            let found = self.learn_one(&file, *len_bytes);
            learnt.extend(found.map_err(|why| format!("{name}: {why}"))?);
            self.files.push(file);
        }
        let mut map = self.object.hash::<u64, u32>("mappings").map_err(in_map)?;
        learnt.into_iter().try_for_each(|mapping| map.insert(mapping, 1, 0)).map_err(in_map)
    }

    /// The mappings of one file: the one that its pages have, and the descriptor's own.
    fn learn_one(&mut self, file: &File, len_bytes: u64) -> Result<Vec<u64>, String> {
        let stacked = fstatfs(file)
            .map(|fs| fs.filesystem_type() == OVERLAYFS_SUPER_MAGIC)
            .map_err(|errno| format!("fstatfs: {errno}"))?;
        for _ in 0..TRIES {
            let found = self.access(file, len_bytes)?;
            let (named, used): (Vec<_>, Vec<_>) =
                found.into_iter().partition(|(_, how)| *how == BY_DESCRIPTOR);
            let own = |list: Vec<(u64, u32)>| list.into_iter().map(|(mapping, _)| mapping);
            match (used.len(), stacked) {
                // The descriptor's mapping that was read or touched, too, is noted as such.
                (1, _) => return Ok(own(used).chain(own(named)).collect()),
                (0, false) if named.len() == 1 => return Ok(own(named).collect()),
                (0, true) => {
                    return Err(
                        "neither a read nor a touch of this overlayfs file named the file \
                                that has its pages (this kernel lacks the tracepoints \
                                mm_filemap_get_pages and mm_filemap_map_pages)"
                            .to_owned(),
                    );
                }
                _ => {}
            }
        }
        Err("its page-cache mapping could not be told from others".to_owned())
    }

    /// Reads and touches the file while the programs note what this thread asks the page cache for.
    fn access(&mut self, file: &File, len_bytes: u64) -> Result<Vec<(u64, u32)>, String> {
        let in_map = |error: MapError| format!("bpf: {error}");
        self.clear::<u64, u32>("mappings").map_err(in_map)?;
        let mut byte = [0u8];
        // SAFETY: a private mapping of a file that nobody writes meanwhile is read once, at its start,
        // which lies in the file; it is unmapped when this returns.
        let mapping =
            unsafe { memmap2::MmapOptions::new().len(len_bytes.min(4096) as usize).map(file) };
        let mapping = mapping.map_err(|error| format!("mmap: {error}"))?;
        let thread = nix::unistd::gettid().as_raw() as u32;
        self.set([0, 0, 0, thread, 0]).map_err(in_map)?;
        // SAFETY: lseek takes three integers; the file position that it sets is used by nobody.
        unsafe { libc::lseek(file.as_raw_fd(), MARKER, libc::SEEK_SET) };
        let read = file.read_at(&mut byte, 0);
        // SAFETY: the mapping has at least one byte; the read is volatile since its value does not matter.
        unsafe { mapping.as_ptr().read_volatile() };
        self.set([0; 5]).map_err(in_map)?;
        read.map_err(|error| format!("pread: {error}"))?;
        self.entries::<u64, u32>("mappings").map_err(in_map)
    }
}
