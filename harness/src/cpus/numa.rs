//! Which nodes has this machine, whose memory does a process take, and where do a file's pages lie?
//!
//! A policy belongs to a thread, is handed on to its children by fork and kept by exec
//! (`set_mempolicy(2)`). The kernel takes pages for the page cache by the policy of the thread that
//! reads them in (`mm/filemap.c: filemap_alloc_folio`), so the log lies where its reader is bound to;
//! pages that are there already stay where they are. glibc has no wrapper for these calls.

use super::Numbers;
use crate::doctor::read;
use nix::errno::Errno;
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::fs::File;

const NODES: &str = "/sys/devices/system/node";

/// Words of a mask of nodes: kernels have up to 1024 nodes.
const MASK_WORDS: usize = 16;

/// Bits of a mask as the calls want it told: the kernel takes one off.
const MASK_BITS: usize = MASK_WORDS * usize::BITS as usize + 1;

/// Pages asked about in one call.
const ASKED_MAX: usize = 4096;

const PAGE_BYTES: usize = crate::cache::PAGE_BYTES as usize;

/// The nodes that have memory.
///
/// # Errors
/// Why they cannot be told: a kernel without CONFIG_NUMA.
pub fn nodes() -> Result<Numbers, String> {
    read(format!("{NODES}/has_memory"))?.parse()
}

/// The CPUs of a node; none where it has memory alone.
///
/// # Errors
/// Why they cannot be told.
pub fn cpus_of(node: usize) -> Result<Numbers, String> {
    Numbers::of(&read(format!("{NODES}/node{node}/cpulist"))?)
}

/// Binds the memory that this thread and its children take from now on to one node.
///
/// # Errors
/// What the kernel said: ENOSYS without CONFIG_NUMA, EPERM where a container forbids it.
pub fn bind(node: usize) -> Result<(), Errno> {
    let mut mask = [0usize; MASK_WORDS];
    let word = mask.get_mut(node / usize::BITS as usize).ok_or(Errno::EINVAL)?;
    *word = 1 << (node % usize::BITS as usize);
    // SAFETY: the mask is this function's and lives until the call returns; the kernel reads it and
    // keeps nothing of it.
    let done = unsafe {
        libc::syscall(libc::SYS_set_mempolicy, libc::MPOL_BIND, mask.as_ptr(), MASK_BITS)
    };
    Errno::result(done).map(drop)
}

/// The nodes that this thread's memory is bound to; nothing where it is bound to none.
///
/// # Errors
/// What the kernel said.
pub fn bound() -> Result<Option<Numbers>, Errno> {
    let mut mask = [0usize; MASK_WORDS];
    let mut mode = 0i32;
    let none = std::ptr::null::<c_void>();
    // SAFETY: mode and mask are this function's and live until the call returns; the kernel writes
    // no more of the mask than the bits that it is told of.
    let done = unsafe {
        let (mode, mask) = (&raw mut mode, mask.as_mut_ptr());
        libc::syscall(libc::SYS_get_mempolicy, mode, mask, MASK_BITS, none, 0)
    };
    Errno::result(done)?;
    let bits = usize::BITS as usize;
    let set = (0..MASK_WORDS * bits).filter(|node| mask[node / bits] >> (node % bits) & 1 == 1);
    Ok((mode == libc::MPOL_BIND).then(|| set.collect()))
}

/// How many pages of a file lie on which node; pages that are not in memory are read in.
///
/// # Errors
/// The call that failed, and what the kernel said.
pub fn pages_of(file: &File) -> Result<BTreeMap<usize, u64>, (&'static str, Errno)> {
    let call = |call: &'static str| {
        move |error: std::io::Error| (call, Errno::from_raw(error.raw_os_error().unwrap_or(0)))
    };
    let len_bytes = file.metadata().map_err(call("fstat"))?.len();
    let mut found = BTreeMap::new();
    if len_bytes == 0 {
        return Ok(found);
    }
    let mut options = memmap2::MmapOptions::new();
    // SAFETY: nothing is read through the mapping, which ends with this function: the kernel alone
    // looks at its page tables, so that a file that shrinks meanwhile can hurt nobody.
    let mapped = unsafe { options.populate().map(file) }.map_err(call("mmap"))?;
    let pages: Vec<*const c_void> = (0..mapped.len().div_ceil(PAGE_BYTES))
        .map(|page| mapped.as_ptr().wrapping_add(page * PAGE_BYTES).cast())
        .collect();
    let mut nodes = [0i32; ASKED_MAX];
    for asked in pages.chunks(ASKED_MAX) {
        let none = std::ptr::null::<c_void>();
        // SAFETY: both lists have so many entries and live until the call returns. Without a list of
        // wishes the kernel moves nothing: it writes where each page lies.
        let done = unsafe {
            let (list, said) = (asked.as_ptr(), nodes.as_mut_ptr());
            libc::syscall(libc::SYS_move_pages, 0, asked.len(), list, none, said, 0)
        };
        Errno::result(done).map_err(|errno| ("move_pages", errno))?;
        for &node in &nodes[..asked.len()] {
            // A negative number is an errno: the page is in no page table by now.
            let node = usize::try_from(node).map_err(|_| ("move_pages", Errno::from_raw(-node)))?;
            *found.entry(node).or_default() += 1;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn skipped() -> Option<Numbers> {
        nodes().map_err(|why| println!("SKIPPED: NUMA: {why} (a kernel with CONFIG_NUMA=y)")).ok()
    }

    #[test]
    fn memory_is_bound_and_read_back() {
        let Some(nodes) = skipped() else { return };
        let node = nodes.iter().next_back().unwrap();
        // A thread of its own: the policy ends with it.
        let seen = std::thread::spawn(move || {
            let before = bound()?;
            bind(node)?;
            Ok::<_, Errno>((before, bound()?))
        });
        match seen.join().unwrap() {
            Ok((before, after)) => {
                assert_eq!((before, after), (None, Some(Numbers::one(node))));
            }
            Err(errno) => println!("SKIPPED: a policy of memory: set_mempolicy: {errno}"),
        }
    }

    #[test]
    fn every_page_of_a_file_lies_on_a_node() {
        let Some(nodes) = skipped() else { return };
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![7; 10 * PAGE_BYTES + 1]).unwrap();
        match pages_of(&file) {
            Ok(found) => {
                assert!(found.keys().all(|&node| nodes.has(node)), "{found:?} of {nodes}");
                assert_eq!(found.values().sum::<u64>(), 11);
            }
            Err((call, errno)) => println!("SKIPPED: where pages lie: {call}: {errno}"),
        }
    }
}
