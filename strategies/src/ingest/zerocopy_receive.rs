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
