//! Which exact system calls bring bytes from a socket into memory and into a file?
//!
//! The receive side's wrappers, with the calls' own names and the rules of their parent: counted each
//! time the kernel is entered, repeated when a signal came before anything moved.

use super::again;
use crate::{Call, Calls};
use memmap2::{MmapMut, MmapOptions};
use nix::errno::Errno;
use std::os::fd::RawFd;

/// `recv(2)` into a buffer; 0 when the far end has closed.
///
/// # Errors
/// What the kernel said, `EINTR` excepted; `EAGAIN` when a non-blocking socket has nothing.
#[inline]
pub fn recv(calls: &Calls, socket: RawFd, buffer: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the slice is borrowed mutably for the whole call, so pointer and length are valid.
    unsafe { recv_raw(calls, socket, buffer.as_mut_ptr(), buffer.len()) }
}

/// [`recv`] into memory whose pages may turn out not to be there, as those of a mapped file are when
/// its file system is full: the kernel then answers `EFAULT` instead of this process dying of SIGBUS,
/// since only the kernel touches it.
///
/// # Safety
/// `pointer..pointer + len` must be a writable address range that this process has mapped for as long
/// as the call runs, and that nobody borrows; its pages need not be backed.
///
/// # Errors
/// As for [`recv`], and `EFAULT` when a page cannot be had.
#[inline]
pub unsafe fn recv_raw(
    calls: &Calls,
    socket: RawFd,
    pointer: *mut u8,
    len: usize,
) -> Result<usize, Errno> {
    again(calls, Call::Recv, || {
        // SAFETY: the caller vouches for the range; the kernel writes at most `len` bytes of it and
        // keeps no reference after it returns.
        unsafe { libc::recv(socket, pointer.cast(), len, 0) }
    })
}

/// `pwrite(2)` from a buffer. A file that takes less is noted as a short write.
///
/// # Errors
/// What the kernel said, `EINTR` excepted; `ENOSPC` when the disk is full.
#[inline]
pub fn pwrite(calls: &Calls, file: RawFd, bytes: &[u8], offset: u64) -> Result<usize, Errno> {
    let written = again(calls, Call::Pwrite, || {
        // SAFETY: the slice is borrowed for the whole call; the kernel only reads it.
        unsafe { libc::pwrite(file, bytes.as_ptr().cast(), bytes.len(), offset as libc::off_t) }
    })?;
    if written < bytes.len() {
        calls.short_write();
    }
    Ok(written)
}

/// `splice(2)` from a pipe into a file at an offset.
///
/// # Errors
/// What the kernel said, `EINTR` excepted; `ENOSPC` when the disk is full.
#[inline]
pub fn splice_into_file(
    calls: &Calls,
    pipe: RawFd,
    file: RawFd,
    offset: u64,
    len: usize,
) -> Result<usize, Errno> {
    let moved = again(calls, Call::Splice, || {
        let mut at = offset as libc::loff_t;
        // SAFETY: `at` lives on this stack frame for the whole call, which writes one offset to it;
        // the source's offset is null, as a pipe's has to be.
        unsafe { libc::splice(pipe, std::ptr::null_mut(), file, &raw mut at, len, 0) }
    })?;
    if moved < len {
        calls.short_write();
    }
    Ok(moved)
}

/// `fdatasync(2)`: returns when the file's bytes are on the device.
///
/// # Errors
/// What the kernel said, `EINTR` excepted.
pub fn fdatasync(calls: &Calls, file: RawFd) -> Result<(), Errno> {
    again(calls, Call::Fdatasync, || {
        // SAFETY: fdatasync takes one integer and touches no memory of this process.
        unsafe { libc::fdatasync(file) as libc::ssize_t }
    })
    .map(drop)
}

/// `mmap(2)` of a file's first `len` bytes, shared and writable. The file may be shorter meanwhile:
/// pages beyond its end are not to be touched before it has grown.
///
/// # Errors
/// What the kernel said.
pub fn map_to_write(file: RawFd, len: usize) -> Result<MmapMut, Errno> {
    // SAFETY: the mapping is owned by the value returned and unmapped when that is dropped. Only the
    // kernel writes through it, inside calls that are given its address; nobody forms a reference.
    unsafe { MmapOptions::new().len(len).map_mut(file) }.map_err(super::errno_of)
}

/// What `getsockopt(TCP_ZEROCOPY_RECEIVE)` is told and answers: `struct tcp_zerocopy_receive` of
/// `include/uapi/linux/tcp.h`. Kernels that know fewer fields take a shorter structure.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct ZerocopyReceive {
    /// Where in a mapping of the socket pages are put.
    pub address: u64,
    /// How many bytes may be mapped; how many were.
    pub length_bytes: u32,
    /// How many bytes the kernel would not map and leaves to `recv`.
    pub recv_skip_hint_bytes: u32,
    /// Bytes that are queued.
    pub inq_bytes: u32,
    /// An error of the socket, negative.
    pub err: i32,
    /// Where bytes that cannot be mapped may be copied.
    pub copybuf_address: u64,
    /// How much room there is; how many bytes were copied.
    pub copybuf_len_bytes: i32,
    /// 0.
    pub flags: u32,
}

/// `getsockopt(TCP_ZEROCOPY_RECEIVE)`: maps queued pages, in place of those mapped before.
///
/// # Safety
/// `ask.address` must lie in a mapping of this socket with room for `ask.length_bytes`, of which
/// nobody holds a reference: its pages are exchanged. `ask.copybuf_address` must be memory of so many
/// bytes that nobody else borrows, or 0 with a length of 0.
///
/// # Errors
/// What the kernel said, `EINTR` excepted.
pub unsafe fn zerocopy_receive(
    calls: &Calls,
    socket: RawFd,
    ask: &mut ZerocopyReceive,
) -> Result<(), Errno> {
    let pointer = (&raw mut *ask).cast::<libc::c_void>();
    again(calls, Call::Getsockopt, || {
        let mut len = size_of::<ZerocopyReceive>() as libc::socklen_t;
        // SAFETY: the structure and its length are borrowed for the whole call; the caller vouches
        // for the addresses in it.
        let answer = unsafe {
            libc::getsockopt(
                socket,
                libc::IPPROTO_TCP,
                libc::TCP_ZEROCOPY_RECEIVE,
                pointer,
                &raw mut len,
            )
        };
        answer as libc::ssize_t
    })
    .map(drop)
}
