//! Is what lies in a socket's queue the log's own pages, or a copy of them?
//!
//! A witness of zero copy that needs no privilege. The strategy sends a little of a private copy of
//! the log while the receiver does not read; then the copy's bytes are rewritten in place, in the
//! same pages; then the receiver reads. Bytes that arrive rewritten were queued as references to
//! those pages; bytes that arrive as they were had been copied. sendfile(2) warns of just that: the
//! file must "remain unmodified until the reader has consumed the transferred data".
//!
//! The copy has no name, so that nothing is left of it whatever ends this process, and nobody else's
//! file is ever written. Nothing here is timed.

use super::fetches::Block;
use super::proof::Witness;
use super::sinks::io;
use super::wire::{Access, Aliased, Cache, Demand, ReadBack, Spec, Trouble};
use super::worker::{Mover, Worker};
use crate::cache::PAGE_BYTES;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use zclab_strategies::{Bytes, Engine, LaneId, Part, Piece, Queue, Segment, Step};

/// Payload of a probe on each sink: about what a socket takes without a reader.
const PAYLOAD_BYTES: u64 = 64 << 10;

/// At most so many fetches make up a probe.
const FETCHES_MAX: u64 = 8;

/// At most so many sinks are probed.
const SINKS_MAX: u32 = 4;

/// A full sink is given so long to make room; what it has then is what is probed.
const ROOM: Duration = Duration::from_millis(20);

/// The engine gets no longer than this for a probe, whatever it reports.
const SEND_LIMIT: Duration = Duration::from_secs(5);

/// TCP has handed over what it will, when nothing more has left it for so long.
const DELIVERY: Duration = Duration::from_millis(20);

/// The specification of a child that probes the cell of another one: fetches of the same shape, but
/// no more of them than fit into a socket.
#[must_use]
pub fn shape(spec: Spec) -> Spec {
    let fetch_bytes = spec.fetch_bytes.clamp(1, PAYLOAD_BYTES);
    Spec {
        fetch_bytes,
        fetches: (PAYLOAD_BYTES / fetch_bytes).clamp(1, FETCHES_MAX) as u32,
        access: Access::Sequential,
        consumers: spec.consumers.min(SINKS_MAX),
        batches: spec.batches.into_iter().take(2).collect(),
        // Which pages lie in a socket does not depend on who put them there.
        demand: Demand::default(),
        ..spec
    }
}

impl Worker {
    /// Makes the probe. The worker can do nothing else afterwards.
    ///
    /// # Errors
    /// A failed call, or a byte that was neither the old nor the new one.
    pub fn alias(&mut self) -> Result<Aliased, Trouble> {
        let block = self.planner.block(0, u64::MAX);
        self.mover = None;
        let copy = match Copy::make(&self.spec, &self.segments, &block) {
            Ok(copy) => copy,
            Err(trouble) => return Ok(not_probed(trouble.message)),
        };
        self.segments = Arc::new(vec![copy.segment()?]);
        for sink in &self.sinks.sinks {
            never_wait(sink.fd)?;
        }
        // The copy may lie where the log does not: a refusal there says nothing of the cell.
        if let Err(trouble) = self.open_mover() {
            return Ok(not_probed(trouble.message));
        }
        let Some(Mover::Engine(engine)) = &mut self.mover else {
            return Ok(not_probed("there is no engine to probe"));
        };
        let lanes: Vec<LaneId> = (0..self.sinks.sinks.len()).collect();
        self.queue.clear();
        for piece in &copy.fetches {
            self.queue.push(&self.header, std::slice::from_ref(piece), &lanes);
        }
        send(engine.as_mut(), &mut self.queue, &copy)?;
        let mut queued = Vec::with_capacity(lanes.len());
        for &lane in &lanes {
            let accepted = copy.accepted(&self.queue, lane, self.header.len() as u64);
            let sink = self.sinks.sinks[lane];
            let kept = if sink.kind.is_tcp() { undelivered(sink.fd)? } else { 0 };
            queued.push((lane, accepted, accepted.saturating_sub(kept)));
        }
        copy.rewrite()?;
        let (before, after) = copy.streams(&self.header);
        let mut sum = Aliased::default();
        for (lane, accepted, delivered) in queued {
            let wanted = ReadBack { connection: lane as u32, read_back_bytes: accepted };
            let got = self.sinks.read_back(wanted)?;
            let (shared, probed) = compare(&got, &before, &after, delivered as usize)
                .map_err(|why| Trouble::failed(format!("aliasing probe, sink {lane}: {why}")))?;
            sum.shared_bytes += shared;
            sum.probed_bytes += probed;
        }
        if sum.probed_bytes == 0 {
            return Ok(not_probed("the sink took no byte of the log without a reader"));
        }
        Ok(sum)
    }
}

fn not_probed(reason: impl Into<String>) -> Aliased {
    Aliased { reason: Some(reason.into()), ..Aliased::default() }
}

/// A private copy of a part of the log: a file without a name.
struct Copy {
    file: File,
    path: PathBuf,
    len_bytes: u64,
    content: Vec<u8>,
    /// Where `content` lies in the file: as far into a page as in the log.
    start_bytes: u64,
    /// The fetches, one piece each, one after the other.
    fetches: Vec<Piece>,
}

impl Copy {
    /// Copies the ranges of a block's fetches, and brings the copy into the cell's cache state.
    fn make(spec: &Spec, log: &[Segment], block: &Block) -> Result<Copy, Trouble> {
        let pieces = || block.fetches.iter().flatten();
        let start_bytes = pieces().next().map_or(0, |piece| piece.offset_bytes % PAGE_BYTES);
        let mut content = Vec::new();
        for piece in pieces() {
            let segment = &log[piece.segment as usize];
            let at = content.len();
            content.resize(at + piece.len_bytes as usize, 0);
            segment
                .file
                .read_exact_at(&mut content[at..], piece.offset_bytes)
                .map_err(|error| io("pread", &segment.path.display().to_string(), &error))?;
        }
        let fetch = |at: usize| Piece {
            segment: 0,
            offset_bytes: start_bytes + at as u64 * spec.fetch_bytes,
            len_bytes: spec.fetch_bytes,
        };
        let fetches = (0..block.fetches.len()).map(fetch).collect();
        let file = nameless(&spec.beside)?;
        // Direct reads need whole blocks, the last one too.
        let len_bytes = (start_bytes + content.len() as u64).next_multiple_of(PAGE_BYTES);
        let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        let copy = Copy { file, path, len_bytes, content, start_bytes, fetches };
        same_device(&copy.file, log)?;
        copy.file.set_len(len_bytes).map_err(|error| io("ftruncate", COPY, &error))?;
        copy.write(&copy.content)?;
        copy.file.sync_all().map_err(|error| io("fsync", COPY, &error))?;
        if spec.cache == Cache::Cold {
            Witness::open(&[(copy.path.clone(), len_bytes)])?.arrange(Cache::Cold)?;
        }
        Ok(copy)
    }

    /// The copy as the log of a strategy.
    fn segment(&self) -> Result<Segment, Trouble> {
        let file = File::open(&self.path).map_err(|error| io("open", COPY, &error))?;
        Ok(Segment { path: self.path.clone(), file, len: Bytes(self.len_bytes) })
    }

    fn write(&self, content: &[u8]) -> Result<(), Trouble> {
        let written = self.file.write_all_at(content, self.start_bytes);
        written.map_err(|error| io("pwrite", COPY, &error))
    }

    /// Makes another byte of every byte, in place: the pages stay the same ones.
    fn rewrite(&self) -> Result<(), Trouble> {
        self.write(&self.content.iter().map(|byte| !byte).collect::<Vec<u8>>())
    }

    /// What a sink is sent: as the bytes were, and as they are after the rewrite. Headers do not
    /// change.
    fn streams(&self, header: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for piece in &self.fetches {
            let at = (piece.offset_bytes - self.start_bytes) as usize;
            let bytes = &self.content[at..at + piece.len_bytes as usize];
            before.extend_from_slice(header);
            before.extend_from_slice(bytes);
            after.extend_from_slice(header);
            after.extend(bytes.iter().map(|byte| !byte));
        }
        (before, after)
    }

    /// How many bytes of a lane its sink has accepted, headers included.
    fn accepted(&self, queue: &Queue, lane: LaneId, header_bytes: u64) -> u64 {
        let fetch_bytes = self.fetches.first().map_or(0, |piece| piece.len_bytes);
        let before = queue.cursor(lane).fetches_before();
        let whole = before as u64 * (header_bytes + fetch_bytes);
        let begun = match queue.head(lane).map(|job| job.part) {
            None => 0,
            Some(Part::Header(rest)) => header_bytes - queue.header(rest).len() as u64,
            Some(Part::Log(rest)) => {
                header_bytes + rest.offset_bytes - self.fetches[before].offset_bytes
            }
        };
        whole + begun
    }
}

/// The copy in error messages.
const COPY: &str = "the private copy of the log";

/// A file on this directory's file system that has no name: never had one, or, where the file system
/// knows no `O_TMPFILE`, has just lost it.
pub(super) fn nameless(dir: &Path) -> Result<File, Trouble> {
    let mut options = File::options();
    options.read(true).write(true).mode(0o600);
    if let Ok(file) = options.clone().custom_flags(libc::O_TMPFILE).open(dir) {
        return Ok(file);
    }
    let path = dir.join(format!("aliasing-{}", std::process::id()));
    let name = path.display().to_string();
    let file = options.create_new(true).open(&path).map_err(|error| io("open", &name, &error))?;
    std::fs::remove_file(&path).map_err(|error| io("unlink", &name, &error))?;
    Ok(file)
}

/// A copy on another file system would say nothing of the log's.
pub(super) fn same_device(copy: &File, log: &[Segment]) -> Result<(), Trouble> {
    let own = copy.metadata().map_err(|error| io("fstat", COPY, &error))?.dev();
    for segment in log {
        let name = segment.path.display().to_string();
        let metadata = segment.file.metadata().map_err(|error| io("fstat", &name, &error))?;
        if metadata.dev() != own {
            return Err(Trouble::failed(format!(
                "{name} lies on another file system than the folder of logs, where the private \
                 copy would lie"
            )));
        }
    }
    Ok(())
}

/// Makes a sink answer `EAGAIN` when it is full.
fn never_wait(sink: RawFd) -> Result<(), Trouble> {
    // SAFETY: the descriptor is a sink's, which the worker owns for longer than this call.
    let sink = unsafe { BorrowedFd::borrow_raw(sink) };
    let failed = |errno| Trouble::call("fcntl(O_NONBLOCK)", "sink", errno);
    let flags = fcntl(sink, FcntlArg::F_GETFL).map_err(failed)?;
    let flags = OFlag::from_bits_retain(flags) | OFlag::O_NONBLOCK;
    fcntl(sink, FcntlArg::F_SETFL(flags)).map(drop).map_err(failed)
}

/// Drives the engine until all is accepted, or the sinks are full and stay so.
fn send(engine: &mut dyn Engine, queue: &mut Queue, copy: &Copy) -> Result<(), Trouble> {
    let limit = Instant::now() + SEND_LIMIT;
    let mut full_since = None;
    while Instant::now() < limit {
        let left_bytes = queue.remaining().0;
        let step = engine.step(queue).map_err(|error| {
            let segments = [(copy.path.clone(), copy.len_bytes)];
            super::drive::DriveError::Call(error).trouble(&segments)
        })?;
        queue.forget_finished();
        if queue.remaining().0 < left_bytes {
            full_since = None;
        }
        match step {
            Step::Moved => {}
            Step::Done => return Ok(()),
            Step::Blocked => {
                let since = *full_since.get_or_insert_with(Instant::now);
                if since.elapsed() > ROOM {
                    return Ok(());
                }
                std::thread::sleep(Duration::from_millis(1));
                let full: Vec<LaneId> = queue.blocked().map(|(lane, _)| lane).collect();
                full.into_iter().for_each(|lane| queue.unblock(lane));
            }
        }
    }
    Ok(())
}

/// Bytes that TCP accepted and does not put on the wire (tcp(7): `SIOCOUTQNSD`). A full receive window
/// leaves some, and so does a message that was cut short after `MSG_MORE`; they have not gone all the
/// claimed way.
fn undelivered(sink: RawFd) -> Result<u64, Trouble> {
    const SIOCOUTQNSD: libc::c_ulong = 0x894b;
    let limit = Instant::now() + SEND_LIMIT;
    let (mut last, mut since) = (0, Instant::now());
    loop {
        let mut unsent: libc::c_int = 0;
        // SAFETY: `unsent` lives on this stack frame; the kernel writes one int to it.
        let answer = unsafe { libc::ioctl(sink, SIOCOUTQNSD, &raw mut unsent) };
        Errno::result(answer).map_err(|e| Trouble::call("ioctl(SIOCOUTQNSD)", "sink", e))?;
        if unsent != last {
            (last, since) = (unsent, Instant::now());
        }
        if unsent <= 0 || since.elapsed() > DELIVERY || Instant::now() > limit {
            return Ok(unsent.max(0) as u64);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// How many of the payload bytes among the first `count` arrived rewritten, and how many there were.
/// Payload is where the two streams differ.
///
/// # Errors
/// The first byte that is neither what it was nor what it became.
fn compare(got: &[u8], before: &[u8], after: &[u8], count: usize) -> Result<(u64, u64), String> {
    let (mut shared, mut probed) = (0, 0);
    for (at, (&byte, (&old, &new))) in got.iter().zip(before.iter().zip(after)).enumerate() {
        if byte != old && byte != new {
            return Err(format!(
                "wrong byte at {at} of {}: {byte:#04x}, neither {old:#04x} nor {new:#04x}",
                got.len()
            ));
        }
        if at < count && old != new {
            probed += 1;
            shared += u64::from(byte == new);
        }
    }
    Ok((shared, probed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_old_or_new_or_wrong() {
        let (before, after) = ([9, 1, 2, 9, 3, 4], [9, !1, !2, 9, !3, !4]);
        assert_eq!(compare(&after, &before, &after, 6), Ok((4, 4)));
        assert_eq!(compare(&before, &before, &after, 6), Ok((0, 4)));
        assert_eq!(compare(&[9, 1, !2, 9, 3], &before, &after, 5), Ok((1, 3)), "a part, mixed");
        assert_eq!(compare(&after, &before, &after, 3), Ok((2, 2)), "what was delivered counts");
        assert!(compare(&[9, 1, 7], &before, &after, 3).unwrap_err().contains("at 2 of 3"));
        assert!(compare(&[8], &before, &after, 1).is_err(), "a wrong header");
        assert_eq!(compare(&[9], &before, &after, 1), Ok((0, 0)), "a header alone");
    }

    #[test]
    fn a_probe_has_the_shape_of_its_cell_and_fits_a_socket() {
        let of = |fetch_bytes, consumers| {
            let spec = super::super::fetches::tests::spec(Access::Random, fetch_bytes, 500);
            shape(Spec { consumers, ..spec })
        };
        let (tiny, page, large) = (of(1, 1), of(4096, 3), of(3_000_000, 1000));
        assert_eq!((tiny.fetch_bytes, tiny.fetches), (1, 8));
        assert_eq!((page.fetch_bytes, page.fetches, page.consumers), (4096, 8, 3));
        assert_eq!((large.fetch_bytes, large.fetches, large.consumers), (65536, 1, 4));
        assert_eq!(large.access, Access::Sequential);
        assert_eq!(large.batches.len(), 2);
    }
}
