//! Which exact system calls does the data path make?
//!
//! Thin wrappers with the calls' own names. Each counts one [`Call`] every time the kernel is
//! entered, repeats the call when a signal interrupted it before anything moved (`EINTR`), and goes
//! through libc, so that a user can interpose and trace it.

use crate::{Call, Calls, Sink};
use nix::errno::Errno;
use std::os::fd::RawFd;

/// Repeats a call while it is interrupted, counting each attempt.
#[inline]
fn again(calls: &Calls, call: Call, attempt: impl Fn() -> libc::ssize_t) -> Result<usize, Errno> {
    loop {
        calls.count(call);
        match Errno::result(attempt()) {
            Err(Errno::EINTR) => {}
            Ok(moved) => return Ok(moved as usize),
            Err(errno) => return Err(errno),
        }
    }
}

/// `pread(2)` into a buffer.
///
/// # Errors
/// What the kernel said, `EINTR` excepted.
#[inline]
pub fn pread(calls: &Calls, fd: RawFd, buffer: &mut [u8], offset: u64) -> Result<usize, Errno> {
    let (pointer, len) = (buffer.as_mut_ptr(), buffer.len());
    again(calls, Call::Pread, || {
        // SAFETY: `buffer` is borrowed mutably for the whole call; the kernel writes at most `len`
        // bytes of it and keeps no reference after it returns.
        unsafe { libc::pread(fd, pointer.cast(), len, offset as libc::off_t) }
    })
}

/// Hands bytes to a sink: `send(2)` on a socket (never raising SIGPIPE, `MSG_MORE` when more of the
/// same fetch follows), `write(2)` otherwise. A sink that takes less is noted as a short write.
///
/// # Errors
/// What the kernel said, `EINTR` excepted; `EAGAIN` when a non-blocking sink is full.
#[inline]
pub fn send(calls: &Calls, sink: Sink, bytes: &[u8], more: bool) -> Result<usize, Errno> {
    // SAFETY: the slice is borrowed for the whole call, so pointer and length are valid.
    unsafe { send_raw(calls, sink, bytes.as_ptr(), bytes.len(), more) }
}

/// [`send`] for memory that may vanish under the call, as a mapping of a truncated file does: the
/// kernel then answers `EFAULT` instead of this process dying of SIGBUS, since only the kernel touches it.
///
/// # Safety
/// `pointer..pointer + len` must be an address range that this process has mapped for as long as the
/// call runs; its pages need not be backed.
///
/// # Errors
/// As for [`send`], and `EFAULT` when the memory has no page behind it.
#[inline]
pub unsafe fn send_raw(
    calls: &Calls,
    sink: Sink,
    pointer: *const u8,
    len: usize,
    more: bool,
) -> Result<usize, Errno> {
    let sent = if sink.kind.is_socket() {
        let flags = libc::MSG_NOSIGNAL | if more { libc::MSG_MORE } else { 0 };
        again(calls, Call::Send, || {
            // SAFETY: the caller vouches for the range; the kernel only reads it, and a plain send
            // has copied it when it returns.
            unsafe { libc::send(sink.fd, pointer.cast(), len, flags) }
        })?
    } else {
        again(calls, Call::Write, || {
            // SAFETY: as above: the kernel only reads the range, and only during the call.
            unsafe { libc::write(sink.fd, pointer.cast(), len) }
        })?
    };
    if sent < len {
        calls.short_write();
    }
    Ok(sent)
}

/// `sendfile(2)` from a file at an offset, which the kernel advances.
///
/// # Errors
/// What the kernel said, `EINTR` excepted.
#[inline]
pub fn sendfile(
    calls: &Calls,
    sink: RawFd,
    file: RawFd,
    offset: u64,
    len: usize,
) -> Result<usize, Errno> {
    let start = offset as libc::off_t;
    let moved = again(calls, Call::Sendfile, || {
        let mut at = start;
        // SAFETY: `at` lives on this stack frame for the whole call; the kernel writes one off_t to it.
        unsafe { libc::sendfile(sink, file, &raw mut at, len) }
    })?;
    if moved < len {
        calls.short_write();
    }
    Ok(moved)
}

/// `splice(2)`: `from_offset` is given for a file and must be absent for a pipe or socket.
///
/// # Errors
/// What the kernel said, `EINTR` excepted.
#[inline]
pub fn splice(
    calls: &Calls,
    from: RawFd,
    from_offset: Option<u64>,
    to: RawFd,
    len: usize,
    flags: u32,
) -> Result<usize, Errno> {
    again(calls, Call::Splice, || {
        let mut at = from_offset.unwrap_or(0) as libc::loff_t;
        let pointer = if from_offset.is_some() { &raw mut at } else { std::ptr::null_mut() };
        // SAFETY: `at` lives on this stack frame for the whole call; the target's offset is null,
        // which means its own position.
        unsafe { libc::splice(from, pointer, to, std::ptr::null_mut(), len, flags) }
    })
}
