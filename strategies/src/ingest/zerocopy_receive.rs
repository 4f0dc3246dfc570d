//! Can a consumer have the packets' pages themselves, instead of a copy?
//!
//! `getsockopt(TCP_ZEROCOPY_RECEIVE)` maps queued pages into the process, in place of those that the
//! call before mapped. The kernel maps only what is a whole page of payload that nobody else owns:
//! `can_map_frag` in `net/ipv4/tcp.c` refuses parts of pages, large allocations and, since Linux 6.8,
//! pages of files. So it needs a network card that splits headers off and an MTU of a page and a header;
//! on loopback, a sender whose own pages were copied page by page on delivery (`MSG_ZEROCOPY`). A plain
//! send fills shares of large allocations, and nothing of it can be mapped.
//!
//! What the kernel would not map comes by `recv` (the kernel says how much that is), or is copied into
//! a buffer in the same call where it is the rest of a fetch. Bytes that were mapped are counted apart:
//! where they are none, this is `recv-drop` with an extra call. It wins with large fetches on such
//! cards; where pages are few, exchanging mappings (and flushing what processors remember of them)
//! costs more than copying.
//!
//! Sources: tcp(7) does not have it; `tcp_zerocopy_receive` in `net/ipv4/tcp.c`, and
//! `tools/testing/selftests/net/tcp_mmap.c`.
//!
//! Timed: every `getsockopt` and every `recv`. Not timed: the mapping of the socket.

use crate::memory::Slots;
use crate::sys::ZerocopyReceive as Ask;
use crate::{
    CallError, Hop, Ingest, IngestEngine, IngestRoute, IngestSetup, Intake, Mover, OpenError,
    OptionKind, OptionSpec, Pages, Path, Place, SinkKind, Step, sys,
};
use memmap2::{MmapOptions, MmapRaw};
use nix::errno::Errno;

/// The kernel maps whole pages of this size.
const PAGE_BYTES: u64 = 4096;

/// Bytes that one `recv` takes at most.
const BUFFER_BYTES: usize = 256 << 10;

/// See the module.
pub struct ZerocopyReceive;

const OPTIONS: &[OptionSpec] = &[OptionSpec {
    name: "window",
    what: "bytes of the mapping: at most so many are mapped at once",
    kind: OptionKind::Number { default: 256 << 10, min: PAGE_BYTES, max: 1 << 30 },
}];

impl Ingest for ZerocopyReceive {
    fn name(&self) -> &'static str {
        "zerocopy-receive"
    }

    fn question(&self) -> &'static str {
        "Can a consumer have the packets' pages themselves, instead of a copy?"
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn keeps(&self) -> bool {
        false
    }

    fn path(&self, on: &IngestRoute) -> Path {
        let (by, why) = match on.pages {
            Pages::All => {
                (Mover::Reference, "getsockopt(TCP_ZEROCOPY_RECEIVE) maps the packets' pages")
            }
            Pages::Some => {
                (Mover::Reference, "getsockopt(TCP_ZEROCOPY_RECEIVE) maps the pages that are whole")
            }
            Pages::None => {
                (Mover::CpuCopy, "no packet has whole pages to map: recv copies them all")
            }
        };
        on.by(&[Hop::new(Place::SocketBuffer, Place::UserBuffer, by, why)])
    }

    fn open(&self, setup: &IngestSetup) -> Result<Box<dyn IngestEngine>, OpenError> {
        if setup.source.kind == SinkKind::UnixStream {
            return Err(OpenError::unsupported(
                "getsockopt(TCP_ZEROCOPY_RECEIVE)",
                Errno::EOPNOTSUPP,
            ));
        }
        let window_bytes = setup.options.number("window").max(PAGE_BYTES) & !(PAGE_BYTES - 1);
        let window = MmapOptions::new()
            .len(window_bytes as usize)
            .map_raw_read_only(setup.source.fd)
            .map_err(|error| OpenError::unsupported("mmap(socket)", sys::errno_of(error)))?;
        Ok(Box::new(Mapper { window, buffer: Slots::new(1, BUFFER_BYTES, 1)?, skip_bytes: 0 }))
    }
}

struct Mapper {
    /// Never dereferenced here: its pages are exchanged by each call.
    window: MmapRaw,
    buffer: Slots,
    /// What the kernel leaves to `recv`.
    skip_bytes: u64,
}

impl IngestEngine for Mapper {
    fn step(&mut self, intake: &mut Intake) -> Result<Step, CallError> {
        let Some(due) = intake.due() else { return Ok(intake.idle()) };
        if due.len_bytes < PAGE_BYTES {
            self.skip_bytes = due.len_bytes;
        }
        if self.skip_bytes > 0 {
            return self.copy(intake, self.skip_bytes.min(due.len_bytes));
        }
        let whole = due.len_bytes.min(self.window.len() as u64) & !(PAGE_BYTES - 1);
        let room = (due.len_bytes - whole).min(PAGE_BYTES - 1);
        let mut ask = Ask {
            address: self.window.as_mut_ptr() as u64,
            length_bytes: whole as u32,
            copybuf_address: self.buffer.pointer(0) as u64,
            copybuf_len_bytes: room as i32,
            ..Ask::default()
        };
        // SAFETY: the window is this engine's mapping of this very socket, and the buffer its own
        // memory; nobody holds a reference to either.
        let answer = unsafe { sys::zerocopy_receive(&intake.calls, intake.source().fd, &mut ask) };
        match answer {
            Ok(()) if ask.err != 0 => {
                let errno = Errno::from_raw(-ask.err);
                return Err(intake.error("getsockopt(TCP_ZEROCOPY_RECEIVE)", errno));
            }
            Ok(()) => {}
            // The far end has closed, and nothing is queued.
            Err(Errno::EIO) => {
                return Err(intake.error("getsockopt(TCP_ZEROCOPY_RECEIVE)", Errno::ENODATA));
            }
            Err(errno) => return intake.refuse("getsockopt(TCP_ZEROCOPY_RECEIVE)", errno),
        }
        self.took(intake, &ask);
        Ok(Step::Moved)
    }
}

impl Mapper {
    /// Notes what a call has brought. One that brought nothing and leaves nothing to `recv` found an
    /// empty socket: it never waits, so the driver has to.
    fn took(&mut self, intake: &mut Intake, ask: &Ask) {
        let (mapped, copied) = (u64::from(ask.length_bytes), ask.copybuf_len_bytes.max(0) as u64);
        self.skip_bytes = u64::from(ask.recv_skip_hint_bytes);
        if mapped + copied == 0 && self.skip_bytes == 0 {
            intake.block();
            return;
        }
        intake.note_mapped(mapped);
        intake.take(mapped + copied);
        intake.keep(mapped + copied);
    }

    fn copy(&mut self, intake: &mut Intake, want_bytes: u64) -> Result<Step, CallError> {
        let want = self.buffer.len().min(want_bytes as usize);
        let socket = intake.source().fd;
        // SAFETY: the buffer is this engine's own, and only this call uses it.
        match unsafe { sys::recv_raw(&intake.calls, socket, self.buffer.pointer(0), want) } {
            Ok(0) => return Err(intake.error("recv", Errno::ENODATA)),
            Ok(got) => {
                self.skip_bytes = self.skip_bytes.saturating_sub(got as u64);
                intake.take(got as u64);
                intake.keep(got as u64);
            }
            Err(errno) => return intake.refuse("recv", errno),
        }
        Ok(Step::Moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Source;
    use memmap2::MmapMut;
    use nix::sys::socket::{setsockopt, sockopt};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    const BYTES: usize = 1 << 20;

    /// A connection whose packets hold seven pages, and a sender of its own pages; nothing when the
    /// kernel has no zero-copy sends.
    fn looped(bytes: MmapMut) -> Option<(TcpStream, std::thread::JoinHandle<MmapMut>)> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        setsockopt(&listener, sockopt::TcpMaxSeg, &(7 * 4096 + 12)).unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let near = listener.accept().unwrap().0;
        let (one, len) = (1i32, size_of::<i32>() as libc::socklen_t);
        let (fd, option) = (far.as_raw_fd(), libc::SO_ZEROCOPY);
        // SAFETY: the option's value is one int on this stack frame, read only during the call.
        let set = unsafe {
            libc::setsockopt(fd, libc::SOL_SOCKET, option, (&raw const one).cast(), len)
        };
        if set != 0 {
            return None;
        }
        let sender = std::thread::spawn(move || {
            let mut at = 0;
            while at < bytes.len() {
                let rest = &bytes[at..bytes.len().min(at + (64 << 10))];
                // SAFETY: the mapping is handed back when the near end has every byte; the kernel
                // copies from it on delivery.
                let sent = unsafe {
                    let (pointer, flags) = (rest.as_ptr().cast(), libc::MSG_ZEROCOPY);
                    libc::send(far.as_raw_fd(), pointer, rest.len(), flags)
                };
                assert!(sent > 0, "send: {}", std::io::Error::last_os_error());
                at += sent as usize;
            }
            bytes
        });
        Some((near, sender))
    }

    /// What a consumer finds at the window's address is what was sent, byte for byte.
    #[test]
    fn mapped_pages_hold_what_was_sent() {
        let mut bytes = MmapMut::map_anon(BYTES).unwrap();
        for (at, word) in bytes.chunks_exact_mut(4).enumerate() {
            word.copy_from_slice(&(at as u32).wrapping_mul(0x9e37_79b9).to_le_bytes());
        }
        let expected = bytes.to_vec();
        let Some((near, sender)) = looped(bytes) else {
            return eprintln!("SKIPPED: zerocopy-receive: setsockopt(SO_ZEROCOPY) is refused");
        };
        let source = Source { fd: near.as_raw_fd(), kind: SinkKind::TcpLoopback };
        let window = MmapOptions::new().len(64 << 10).map_raw_read_only(source.fd).unwrap();
        let buffer = Slots::new(1, BUFFER_BYTES, 1).unwrap();
        let mut mapper = Mapper { window, buffer, skip_bytes: 0 };
        let mut intake = Intake::new(source);
        intake.push(BYTES as u64);
        let (mut seen, mut compared) = (0, 0);
        loop {
            match mapper.step(&mut intake).unwrap() {
                Step::Done => break,
                Step::Blocked => {
                    let mut wait = libc::pollfd { fd: source.fd, events: libc::POLLIN, revents: 0 };
                    // SAFETY: `wait` lives on this stack frame for the whole call.
                    assert_eq!(unsafe { libc::poll(&raw mut wait, 1, 10_000) }, 1);
                    intake.unblock();
                }
                Step::Moved => {}
            }
            let taken = BYTES - intake.remaining().0 as usize;
            let mapped = intake.mapped().0 as usize - compared;
            // SAFETY: the kernel has just mapped so many bytes there, and exchanges them no sooner
            // than in the next step.
            let found = unsafe { std::slice::from_raw_parts(mapper.window.as_mut_ptr(), mapped) };
            assert!(found == &expected[seen..seen + mapped], "at {seen}");
            (seen, compared) = (taken, compared + mapped);
        }
        assert!(compared > BYTES / 2, "only {compared} bytes were mapped");
        drop(sender.join().unwrap());
    }
}
