//! Did the kernel really send from the caller's pages, or did it copy them after all?
//!
//! A send that hands over the caller's own pages (`MSG_ZEROCOPY`, `IORING_OP_SEND_ZC`) is answered
//! twice: by its result, and later by a notification that the pages are free again. The second one
//! says whether the kernel copied them, as it must on loopback, where it would otherwise give the
//! receiver pages that the sender may change. It is the kernel's own witness, and needs no
//! privilege.
//!
//! A missing flag is no proof: where packets are segmented in software the copies of `skb_segment`
//! go unflagged. Sends that the kernel merged into one packet share one answer.
//!
//! Sources: `Documentation/networking/msg_zerocopy.rst`; recv(2) `MSG_ERRQUEUE`; io_uring_enter(2);
//! `msg_zerocopy_callback` and `__msg_zerocopy_callback` in `net/core/skbuff.c`, `io_uring/notif.c`.

use crate::ring::Ring;
use crate::{Call, Calls, OpenError, Sink};
use io_uring::{opcode, types::Fd};
use nix::errno::Errno;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;

/// `SO_EE_ORIGIN_ZEROCOPY` in `include/uapi/linux/errqueue.h`.
const SO_EE_ORIGIN_ZEROCOPY: u8 = 5;
/// `SO_EE_CODE_ZEROCOPY_COPIED` in the same file.
const SO_EE_CODE_ZEROCOPY_COPIED: u8 = 1;
/// `IORING_SEND_ZC_REPORT_USAGE` in `include/uapi/linux/io_uring.h`: for `SendZc::zc_flags`.
pub const REPORT_USAGE: u16 = 1 << 3;
/// `IORING_NOTIF_USAGE_ZC_COPIED` in the same file.
const NOTIF_USAGE_ZC_COPIED: u32 = 1 << 31;

/// Room for the control messages of one notification: a header, the error, and an address behind it.
const CONTROL_BYTES: usize = 256;

/// Sends whose pages are free again. They are counted from 0 for each socket, and wrap around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    /// The first of them.
    pub first: u32,
    /// The last of them.
    pub last: u32,
    /// The kernel copied the bytes of at least one of them.
    pub copied: bool,
}

impl Released {
    /// How many sends that were.
    #[must_use]
    pub fn sends(&self) -> u64 {
        u64::from(self.last.wrapping_sub(self.first)) + 1
    }
}

/// A control buffer that is aligned as `cmsghdr` has to be.
#[repr(C, align(8))]
struct Control([MaybeUninit<u8>; CONTROL_BYTES]);

/// Lets a socket take sends with `MSG_ZEROCOPY` (`SO_ZEROCOPY`, for good). Not timed.
///
/// # Errors
/// The kernel's refusal: sockets of other kinds than TCP and UDP have none of it.
pub(crate) fn allow(sink: Sink) -> Result<(), OpenError> {
    let (one, len): (libc::c_int, _) = (1, size_of::<libc::c_int>() as libc::socklen_t);
    let value = (&raw const one).cast();
    // SAFETY: the option's value is one int on this stack frame, read only during the call.
    let set = unsafe { libc::setsockopt(sink.fd, libc::SOL_SOCKET, libc::SO_ZEROCOPY, value, len) };
    Errno::result(set).map(drop).map_err(|errno| OpenError::Unsupported {
        call: "setsockopt(SO_ZEROCOPY)",
        errno,
        hint: "it takes a TCP or UDP socket, and Linux 4.14",
    })
}

/// `send(2)` with `MSG_ZEROCOPY`: the socket's queue gets references to the pages. A socket that
/// takes less is noted as a short write.
///
/// # Safety
/// `pointer..pointer + len` must be an address range that this process has mapped for as long as
/// the call runs; its pages need not be backed. What lies there must not be changed before the
/// notification, for the sake of the bytes; memory safety asks for nothing after the call, since
/// the kernel holds the pages themselves.
///
/// # Errors
/// What the kernel said, `EINTR` excepted; `ENOBUFS` when too much of the process's memory is
/// pinned (`RLIMIT_MEMLOCK`), or too many notifications are due (`net.core.optmem_max`).
pub(crate) unsafe fn send(
    calls: &Calls,
    sink: Sink,
    pointer: *const u8,
    len: usize,
    more: bool,
) -> Result<usize, Errno> {
    let more = if more { libc::MSG_MORE } else { 0 };
    let flags = libc::MSG_ZEROCOPY | libc::MSG_NOSIGNAL | more;
    loop {
        calls.count(Call::Send);
        // SAFETY: the caller vouches for the range; the kernel only reads it.
        match Errno::result(unsafe { libc::send(sink.fd, pointer.cast(), len, flags) }) {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
            Ok(sent) => {
                calls.zerocopy_send();
                if (sent as usize) < len {
                    calls.short_write();
                }
                return Ok(sent as usize);
            }
        }
    }
}

/// Waits until a socket's error queue has something, or something is wrong with the socket, but no
/// longer than this: whether it is so.
///
/// # Errors
/// What the kernel said, `EINTR` excepted.
pub(crate) fn wait(calls: &Calls, sink: Sink, limit_ms: libc::c_int) -> Result<bool, Errno> {
    // No event is asked for: errors are reported always.
    let mut one = libc::pollfd { fd: sink.fd, events: 0, revents: 0 };
    loop {
        calls.count(Call::Poll);
        // SAFETY: `one` lives on this stack frame; the kernel writes its `revents` only.
        match Errno::result(unsafe { libc::poll(&raw mut one, 1, limit_ms) }) {
            Err(Errno::EINTR) => {}
            ready => return ready.map(|ready| ready > 0),
        }
    }
}

/// The next notification in a socket's error queue (`recvmsg` with `MSG_ERRQUEUE`), if there is one:
/// the call never waits.
///
/// # Errors
/// What the kernel said, `EINTR` and `EAGAIN` excepted; `EPROTO` for an error that is no
/// notification, `ENOBUFS` for one that was cut short.
pub fn released(calls: &Calls, socket: RawFd) -> Result<Option<Released>, Errno> {
    let mut control = Control([MaybeUninit::uninit(); CONTROL_BYTES]);
    let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
    loop {
        // SAFETY: a message header is integers and pointers, for which zero is a value.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = CONTROL_BYTES as _;
        calls.count(Call::Recvmsg);
        // SAFETY: header and control buffer live on this stack frame for the whole call; the kernel
        // writes at most the length given and keeps no reference.
        match Errno::result(unsafe { libc::recvmsg(socket, &raw mut message, flags) }) {
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return Ok(None),
            Err(errno) => return Err(errno),
            Ok(_) if message.msg_flags & libc::MSG_CTRUNC != 0 => return Err(Errno::ENOBUFS),
            // SAFETY: the header describes what the kernel has just written into `control`.
            Ok(_) => return unsafe { parse(&message) }.map(Some).ok_or(Errno::EPROTO),
        }
    }
}

/// The notification among a message's control messages.
///
/// # Safety
/// `message` must describe initialised control messages in live, aligned memory.
unsafe fn parse(message: &libc::msghdr) -> Option<Released> {
    // SAFETY: the caller vouches for the header and for the buffer that it points at.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(message) };
    // SAFETY: the macro's counterparts return null or the address of a whole header in the buffer.
    while let Some(header) = unsafe { next.as_ref() } {
        let kind = (header.cmsg_level, header.cmsg_type);
        if matches!(kind, (libc::SOL_IP, libc::IP_RECVERR) | (libc::SOL_IPV6, libc::IPV6_RECVERR)) {
            // SAFETY: `header` is a header of this buffer, and its data lies behind it.
            let data = unsafe { libc::CMSG_DATA(header) };
            // SAFETY: the kernel puts a sock_extended_err first into such a message; it need not be
            // aligned for a copy.
            let error = unsafe { data.cast::<libc::sock_extended_err>().read_unaligned() };
            return notification(&error);
        }
        // SAFETY: as for the first header.
        next = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
    None
}

/// What an extended error says, if it is a notification.
fn notification(error: &libc::sock_extended_err) -> Option<Released> {
    let is_one = error.ee_origin == SO_EE_ORIGIN_ZEROCOPY && error.ee_errno == 0;
    is_one.then_some(Released {
        first: error.ee_info,
        last: error.ee_data,
        copied: error.ee_code & SO_EE_CODE_ZEROCOPY_COPIED != 0,
    })
}

/// Asks every sink whether it takes `SEND_ZC`, by sending it no bytes: the flags to send with. The
/// first kernels with `SEND_ZC` (6.0, 6.1) know no reports and answer `EINVAL` to the wish for them.
///
/// # Errors
/// The kernel's refusal, by the first sink that has one.
pub(crate) fn probe(ring: &mut Ring, sinks: &[Sink]) -> Result<u16, OpenError> {
    let mut flags = REPORT_USAGE;
    for sink in sinks {
        let mut ask = |flags| {
            let nothing = opcode::SendZc::new(Fd(sink.fd), std::ptr::null(), 0);
            let wait = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
            ring.try_one(&nothing.flags(wait).zc_flags(flags).build())
        };
        let mut answer = ask(flags);
        if answer == Ok(-libc::EINVAL) && flags != 0 {
            flags = 0;
            answer = ask(flags);
        }
        match answer {
            Ok(0..) => {}
            Ok(refused) => {
                return Err(OpenError::Unsupported {
                    call: "io_uring SEND_ZC",
                    errno: Errno::from_raw(-refused),
                    hint: "it takes a TCP or UDP socket, and Linux 6.0",
                });
            }
            Err(errno) => return Err(OpenError::failed("io_uring_enter", errno)),
        }
    }
    Ok(flags)
}

/// What a completion of `SEND_ZC` says about copies: nothing unless it is a notification of an
/// operation that asked with [`REPORT_USAGE`].
#[must_use]
pub fn copied(completion_flags: u32, result: i32) -> Option<bool> {
    io_uring::cqueue::notif(completion_flags).then_some(result as u32 & NOTIF_USAGE_ZC_COPIED != 0)
}

#[cfg(test)]
mod tests;
