//! Which exact system calls does the data path make?
//!
//! Thin wrappers with the calls' own names. Each counts one [`Call`] every time the kernel is
//! entered, repeats the call when a signal interrupted it before anything moved (`EINTR`), and goes
//! through libc, so that a user can interpose and trace it.

use crate::{Call, Calls, Piece, Sink};
use memmap2::{Advice, Mmap, MmapMut, MmapOptions};
use nix::errno::Errno;
use std::os::fd::{AsRawFd, RawFd};

mod receive;

pub use receive::{
    ZerocopyReceive, fdatasync, map_to_write, pwrite, recv, recv_raw, splice_into_file,
    zerocopy_receive,
};

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

/// `preadv2(2)` into one buffer, with flags.
///
/// # Errors
/// What the kernel said, `EINTR` excepted; `EOPNOTSUPP` for a flag that this file cannot do.
#[inline]
pub fn preadv2(
    calls: &Calls,
    fd: RawFd,
    buffer: &mut [u8],
    offset: u64,
    flags: i32,
) -> Result<usize, Errno> {
    let vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    again(calls, Call::Preadv2, || {
        // SAFETY: `buffer` is borrowed mutably for the whole call; the kernel writes at most its
        // length and keeps no reference after it returns.
        unsafe { libc::preadv2(fd, &raw const vector, 1, offset as libc::off_t, flags) }
    })
}

/// `preadv(2)`: one run of a file into several places.
///
/// # Safety
/// Every vector must be memory that the caller owns and nobody else refers to during the call.
///
/// # Errors
/// What the kernel said, `EINTR` excepted.
#[inline]
pub unsafe fn preadv(
    calls: &Calls,
    fd: RawFd,
    vectors: &[libc::iovec],
    offset: u64,
) -> Result<usize, Errno> {
    let (pointer, count) = (vectors.as_ptr(), vectors.len() as libc::c_int);
    again(calls, Call::Preadv, || {
        // SAFETY: the caller vouches for the memory; the kernel writes to it only during the call.
        unsafe { libc::preadv(fd, pointer, count, offset as libc::off_t) }
    })
}

/// Hands bytes from several places to a sink by one call: `sendmsg(2)` on a socket (flags as for
/// [`send`]), `writev(2)` otherwise. A sink that takes less is noted as a short write.
///
/// # Safety
/// As for [`send_raw`], for each of the vectors.
///
/// # Errors
/// As for [`send_raw`]; `EMSGSIZE` or `EINVAL` for more vectors than [`VECTORS_MAX`].
#[inline]
pub unsafe fn send_vectors(
    calls: &Calls,
    sink: Sink,
    vectors: &[libc::iovec],
    more: bool,
) -> Result<usize, Errno> {
    let (pointer, count) = (vectors.as_ptr(), vectors.len());
    let sent = if sink.kind.is_socket() {
        let flags = libc::MSG_NOSIGNAL | if more { libc::MSG_MORE } else { 0 };
        // SAFETY: a message header without name and control data is all zeros but for its vectors.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = pointer.cast_mut();
        message.msg_iovlen = count as _;
        again(calls, Call::Sendmsg, || {
            // SAFETY: the message lives on this stack frame and the caller vouches for what its
            // vectors name; the kernel only reads, and a plain send has copied when it returns.
            unsafe { libc::sendmsg(sink.fd, &raw const message, flags) }
        })?
    } else {
        again(calls, Call::Writev, || {
            // SAFETY: as above: the kernel only reads, and only during the call.
            unsafe { libc::writev(sink.fd, pointer, count as libc::c_int) }
        })?
    };
    if sent < vectors.iter().map(|vector| vector.iov_len).sum() {
        calls.short_write();
    }
    Ok(sent)
}

/// The most vectors that one call takes (`IOV_MAX`; `UIO_MAXIOV` in include/uapi/linux/uio.h).
pub const VECTORS_MAX: usize = 1024;

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
/// kernel then answers `EFAULT` instead of this process dying of SIGBUS, since only the kernel
/// touches it.
///
/// # Safety
/// `pointer..pointer + len` must be an address range that this process has mapped for as long as
/// the call runs; its pages need not be backed.
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

/// `sendfile(2)` from a file at an offset, which the kernel advances. It knows no `MSG_NOSIGNAL`:
/// the process has to ignore SIGPIPE, as Rust programs do from their start.
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
        // SAFETY: `at` lives on this stack frame for the whole call; the kernel writes one off_t to
        // it.
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

/// `tee(2)`: what one pipe holds is put into another one, too; nothing is consumed.
///
/// # Errors
/// What the kernel said, `EINTR` excepted.
#[inline]
pub fn tee(calls: &Calls, from: RawFd, to: RawFd, len: usize) -> Result<usize, Errno> {
    again(calls, Call::Tee, || {
        // SAFETY: the call takes two descriptors and two integers, and no memory.
        unsafe { libc::tee(from, to, len, 0) }
    })
}

/// `vmsplice(2)`: references to the pages of this memory are put into a pipe, as many as it has
/// slots for.
///
/// # Safety
/// `pointer..pointer + len` must be mapped during the call; its pages need not be backed (`EFAULT`).
/// The pipe keeps references to the pages, so whoever writes to them before they are consumed
/// changes what the reader gets.
///
/// # Errors
/// What the kernel said, `EINTR` excepted.
#[inline]
pub unsafe fn vmsplice(
    calls: &Calls,
    pipe: RawFd,
    pointer: *const u8,
    len: usize,
    flags: u32,
) -> Result<usize, Errno> {
    let vector = libc::iovec { iov_base: pointer.cast_mut().cast(), iov_len: len };
    again(calls, Call::Vmsplice, || {
        // SAFETY: the vector lives on this stack frame and the caller vouches for what it names; the
        // kernel takes references to pages, which outlive the mapping by themselves.
        unsafe { libc::vmsplice(pipe, &raw const vector, 1, flags) }
    })
}

/// `copy_file_range(2)` from a file at an offset to another one at its own position.
///
/// # Errors
/// What the kernel said, `EINTR` excepted.
#[inline]
pub fn copy_file_range(
    calls: &Calls,
    from: RawFd,
    offset: u64,
    to: RawFd,
    len: usize,
) -> Result<usize, Errno> {
    again(calls, Call::CopyFileRange, || {
        let mut at = offset as libc::off64_t;
        // SAFETY: `at` lives on this stack frame for the whole call; the target's offset is null,
        // which means its own position.
        unsafe { libc::copy_file_range(from, &raw mut at, to, std::ptr::null_mut(), len, 0) }
    })
}

/// `posix_fadvise(2)` with `POSIX_FADV_DONTNEED`: whole pages of the range leave the page cache,
/// unless they are dirty, mapped or referred to.
///
/// # Errors
/// What the kernel said.
pub fn drop_pages(calls: &Calls, file: RawFd, offset: u64, len: u64) -> Result<(), Errno> {
    calls.count(Call::Fadvise);
    let (offset, len) = (offset as libc::off_t, len as libc::off_t);
    // SAFETY: the call takes four integers and touches no memory of this process.
    match unsafe { libc::posix_fadvise(file, offset, len, libc::POSIX_FADV_DONTNEED) } {
        0 => Ok(()),
        error => Err(Errno::from_raw(error)),
    }
}

/// `TCP_CORK`: while it is on, TCP sends full packets only (for 200 ms at most).
///
/// # Errors
/// What the kernel said.
pub fn cork(calls: &Calls, sink: RawFd, on: bool) -> Result<(), Errno> {
    calls.count(Call::Setsockopt);
    let (value, len) = (libc::c_int::from(on), size_of::<libc::c_int>() as libc::socklen_t);
    let pointer = (&raw const value).cast();
    // SAFETY: the option's value is one int on this stack frame, read only during the call.
    let set = unsafe { libc::setsockopt(sink, libc::IPPROTO_TCP, libc::TCP_CORK, pointer, len) };
    Errno::result(set).map(drop)
}

/// `mmap(2)` of fresh anonymous memory, zeroed page by page as it is touched.
///
/// # Errors
/// What the kernel said.
pub fn map_fresh(calls: &Calls, len: usize) -> Result<MmapMut, Errno> {
    calls.count(Call::Mmap);
    MmapMut::map_anon(len).map_err(errno_of)
}

/// `mmap(2)` of a piece of a file, shared and read-only. The mapping begins at the page that holds
/// the piece's first byte; `Mmap::as_ptr` points at the byte itself.
///
/// Nobody in this crate reads through the mapping: only its address is handed to the kernel. So the
/// file may shrink meanwhile without harm to this process (the kernel answers `EFAULT`).
///
/// # Errors
/// What the kernel said.
pub fn map(calls: &Calls, file: RawFd, piece: Piece) -> Result<Mmap, Errno> {
    calls.count(Call::Mmap);
    let mut options = MmapOptions::new();
    options.offset(piece.offset_bytes).len(piece.len_bytes as usize);
    // SAFETY: the mapping is owned by the value returned and unmapped when that is dropped. Its
    // bytes may change at any time, and nobody forms a reference to them.
    unsafe { options.map(file) }.map_err(errno_of)
}

/// `munmap(2)`, of a file's mapping or of fresh memory.
pub fn unmap<M>(calls: &Calls, map: M) {
    calls.count(Call::Munmap);
    drop(map);
}

/// `madvise(2)` on a whole mapping.
///
/// # Errors
/// What the kernel said.
pub fn advise(calls: &Calls, map: &Mmap, advice: Advice) -> Result<(), Errno> {
    calls.count(Call::Madvise);
    map.advise(advice).map_err(errno_of)
}

/// The errno in an error of the standard library; `EIO` for one that the kernel did not make.
#[must_use]
pub fn errno_of(error: std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// The error that a socket has to report, if any (`SO_ERROR`; asking takes it).
///
/// # Errors
/// What the kernel said.
pub fn pending_error(sink: Sink) -> Result<Option<Errno>, Errno> {
    let (mut error, mut len) = (0 as libc::c_int, size_of::<libc::c_int>() as libc::socklen_t);
    let (level, name, value) = (libc::SOL_SOCKET, libc::SO_ERROR, (&raw mut error).cast());
    // SAFETY: the kernel writes one int to this stack frame, and its length.
    Errno::result(unsafe { libc::getsockopt(sink.fd, level, name, value, &raw mut len) })?;
    Ok((error != 0).then(|| Errno::from_raw(error)))
}

/// Whether a sink would answer `EAGAIN` rather than wait. Asked when an engine is opened.
///
/// # Errors
/// What the kernel said.
pub fn is_nonblocking(sink: Sink) -> Result<bool, Errno> {
    // SAFETY: F_GETFL takes no argument and touches no memory of this process.
    let flags = Errno::result(unsafe { libc::fcntl(sink.fd, libc::F_GETFL) })?;
    Ok(flags & libc::O_NONBLOCK != 0)
}

/// The flag with which io_uring answers `EAGAIN` for a full pipe instead of waiting for room. Since Linux
/// 6.4 it waits even where the pipe is non-blocking, unless it is told `RWF_NOWAIT`, which older kernels
/// refuse for pipes: they are asked, by a read of an empty one. Asked when an engine is opened.
///
/// # Errors
/// What the kernel said of making the pipe.
pub fn pipe_nowait() -> Result<libc::c_int, Errno> {
    let (out, _into) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    let mut byte = 0u8;
    let room = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    // SAFETY: `room` and the byte that it names live on this stack frame for the whole call, after
    // which the kernel keeps no reference.
    let read = unsafe { libc::preadv2(out.as_raw_fd(), &raw const room, 1, -1, libc::RWF_NOWAIT) };
    Ok(if Errno::result(read) == Err(Errno::EAGAIN) { libc::RWF_NOWAIT } else { 0 })
}

/// The alignment that direct I/O on a file needs, for memory and for offsets: both zero when there
/// is no direct I/O or the kernel does not say.
///
/// # Errors
/// What the kernel said.
pub fn direct_alignment(file: RawFd) -> Result<(u32, u32), Errno> {
    let mut stat = std::mem::MaybeUninit::<libc::statx>::zeroed();
    let (flags, mask) = (libc::AT_EMPTY_PATH, libc::STATX_DIOALIGN);
    // SAFETY: the path is a constant; `stat` lives on this stack frame for the whole call, and the
    // kernel writes one statx to it and keeps no reference.
    let result = unsafe { libc::statx(file, c"".as_ptr(), flags, mask, stat.as_mut_ptr()) };
    Errno::result(result)?;
    // SAFETY: the structure was zeroed, for which every field has a meaning, and then filled in.
    let stat = unsafe { stat.assume_init() };
    if stat.stx_mask & libc::STATX_DIOALIGN == 0 {
        return Ok((0, 0));
    }
    Ok((stat.stx_dio_mem_align, stat.stx_dio_offset_align))
}
