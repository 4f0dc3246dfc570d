//! Is one copy cheaper than two, when the page table has to be asked for every page?
//!
//! The log is mapped and the mapping itself is handed to `send`: the kernel copies straight from
//! the page cache into the socket's queue. One CPU copy and one call, and no user buffer; but each
//! page that was not touched before costs a page fault inside the call (fault-around brings 16
//! pages at a time), and with `map = "per-fetch"` every fetch pays for `mmap` and `munmap`, which
//! flush other cores' page-table caches. It wins on small, often repeated ranges of a mapping that
//! lives long; it loses on logs that are read once. A mapping also holds its pages against
//! eviction.
//!
//! A file that shrinks under the mapping: the kernel touches it, so it answers `EFAULT`, and this
//! process gets no SIGBUS. Inside the last page there is no error at all: the bytes behind the end
//! read as zeros, and only a check at the far end finds them. `/dev/null` never looks.
//!
//! Sources: mmap(2), madvise(2); `filemap_map_pages` in `mm/filemap.c`, `tcp_sendmsg_locked` in
//! `net/ipv4/tcp.c`, `write_null` in `drivers/char/mem.c`.
//!
//! Timed: `send`, and with `per-fetch` also `mmap`, `madvise`, `munmap`. Not timed: with `once`,
//! those.

use crate::{
    CacheState, CallError, Calls, Disturbance, Engine, Job, LaneId, Mover, OpenError, OptionKind,
    OptionSpec, Part, Path, Piece, Place, Queue, Route, Setup, SinkKind, Step, Strategy, sys,
};
use memmap2::{Advice, Mmap};
use nix::errno::Errno;
use std::os::fd::{AsRawFd, RawFd};

/// See the module.
pub struct MmapWrite;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "map",
        what: "map every segment once, or each piece of a fetch when it is sent",
        kind: OptionKind::Choice { default: "once", of: &["once", "per-fetch"] },
    },
    OptionSpec {
        name: "advice",
        what: "what madvise is told about each mapping",
        kind: OptionKind::Choice {
            default: "normal",
            of: &["normal", "sequential", "random", "willneed", "populate"],
        },
    },
];

impl Strategy for MmapWrite {
    fn name(&self) -> &'static str {
        "mmap-write"
    }

    fn question(&self) -> &'static str {
        "Is one copy cheaper than two, when the page table has to be asked for every page?"
    }

    fn path(&self, on: &Route) -> Path {
        copied_from_the_mapping(on, "send copies from the mapped page cache")
    }

    /// Mapped pages survive an eviction, but whatever evicts runs with no other engine alive: while
    /// the cache is to stay warm, a mapping only helps.
    fn disturbs(&self) -> Disturbance {
        Disturbance::Nothing
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn transforms(&self) -> Result<(), &'static str> {
        Err(UNSEEN)
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Engine>, OpenError> {
        let advice = match setup.options.word("advice") {
            "sequential" => Some(Advice::Sequential),
            "random" => Some(Advice::Random),
            "willneed" => Some(Advice::WillNeed),
            // Unlike MAP_POPULATE, this reports what it could not do.
            "populate" => Some(Advice::PopulateRead),
            _ => None,
        };
        if setup.options.word("map") == "per-fetch" {
            let files = setup.segments.iter().map(|s| (s.file.as_raw_fd(), s.len.0)).collect();
            return Ok(Box::new(PerFetch { files, advice, map: None }));
        }
        Ok(Box::new(Once { maps: map_log(setup, advice)? }))
    }
}

/// Why nobody looks at bytes that a call copies straight out of a mapping. Whoever wants to has
/// `mmap-heap-write`.
pub(super) const UNSEEN: &str =
    "needs user space: who looks through a mapping dies of SIGBUS when the log is cut";

/// The way of bytes that a call copies straight out of a mapping of the log.
pub(super) fn copied_from_the_mapping(on: &Route, why: &'static str) -> Path {
    // Nobody touches the mapping on the way to /dev/null, so nothing is read from the device.
    let untouched = on.sink == SinkKind::Null;
    let cache = if untouched { CacheState::Warm } else { on.cache };
    let mut hops = Route { cache, ..*on }.fill();
    hops.extend(on.into_sink(Place::PageCache, Mover::CpuCopy, why));
    Path { hops }
}

/// Maps every segment from beginning to end.
pub(super) fn map_log(setup: &Setup, advice: Option<Advice>) -> Result<Vec<Mmap>, OpenError> {
    let untimed = Calls::default();
    let segments = setup.segments.iter().enumerate();
    let maps = segments.map(|(id, segment)| {
        let whole = Piece { segment: id as u32, offset_bytes: 0, len_bytes: segment.len.0 };
        map(&untimed, segment.file.as_raw_fd(), whole, advice)
            .map_err(|(call, errno)| OpenError::unsupported(call, errno))
    });
    maps.collect()
}

fn map(
    calls: &Calls,
    file: RawFd,
    piece: Piece,
    advice: Option<Advice>,
) -> Result<Mmap, (&'static str, Errno)> {
    let map = sys::map(calls, file, piece).map_err(|errno| ("mmap", errno))?;
    if let Some(advice) = advice {
        sys::advise(calls, &map, advice).map_err(|errno| ("madvise", errno))?;
    }
    Ok(map)
}

/// Hands the next bytes of a piece to the sink, from a mapping that holds them at `skip`; says how
/// many it took.
pub(super) fn send(
    queue: &mut Queue,
    job: Job,
    piece: Piece,
    map: &Mmap,
    skip: u64,
) -> Result<u64, CallError> {
    let mapped = (map.len() as u64).saturating_sub(skip).min(piece.len_bytes);
    if mapped == 0 {
        return Err(queue.error(job.lane, "send(mapping)", Errno::ENODATA));
    }
    let more = job.more || mapped < piece.len_bytes;
    let pointer = map.as_ptr().wrapping_add(skip as usize);
    // SAFETY: `skip + mapped` is within the mapping, which `map` keeps alive during the call; the
    // kernel reads it and answers EFAULT where the file has become too short.
    match unsafe { sys::send_raw(&queue.calls, job.sink, pointer, mapped as usize, more) } {
        Ok(sent) => {
            queue.advance(job.lane, sent as u64);
            Ok(sent as u64)
        }
        Err(errno) => queue.refuse(job.lane, "send(mapping)", errno).map(|_| 0),
    }
}

/// Every segment is mapped from beginning to end, for as long as the engine lives.
struct Once {
    maps: Vec<Mmap>,
}

impl Engine for Once {
    fn step(&mut self, queue: &mut Queue) -> Result<Step, CallError> {
        let Some(job) = queue.next_job() else { return Ok(queue.idle()) };
        match job.part {
            Part::Header(header) => queue.send_header(job, header),
            Part::Log(piece) => {
                let map = &self.maps[piece.segment as usize];
                send(queue, job, piece, map, piece.offset_bytes).map(|_| Step::Moved)
            }
        }
    }
}

/// The piece that is being sent is mapped; a lane that is taken up again maps the rest anew.
struct PerFetch {
    files: Vec<(RawFd, u64)>,
    advice: Option<Advice>,
    map: Option<Window>,
}

/// A mapping of (the rest of) a piece, for one lane.
struct Window {
    lane: LaneId,
    unsent: Piece,
    skip: u64,
    map: Mmap,
}

impl Engine for PerFetch {
    fn step(&mut self, queue: &mut Queue) -> Result<Step, CallError> {
        let Some(job) = queue.next_job() else { return Ok(queue.idle()) };
        let piece = match job.part {
            Part::Header(header) => return queue.send_header(job, header),
            Part::Log(piece) => piece,
        };
        let mut window = self.window(queue, job, piece)?;
        let sent = send(queue, job, piece, &window.map, window.skip)?;
        window.skip += sent;
        window.unsent.offset_bytes += sent;
        window.unsent.len_bytes -= sent;
        if window.unsent.len_bytes == 0 {
            sys::unmap(&queue.calls, window.map);
        } else {
            self.map = Some(window);
        }
        Ok(Step::Moved)
    }
}

impl PerFetch {
    /// The mapping that holds the beginning of `piece` for this lane: the present one, or a new
    /// one.
    fn window(&mut self, queue: &Queue, job: Job, piece: Piece) -> Result<Window, CallError> {
        if let Some(window) = self.map.take() {
            let begins = (window.unsent.segment, window.unsent.offset_bytes);
            if window.lane == job.lane && begins == (piece.segment, piece.offset_bytes) {
                return Ok(window);
            }
            sys::unmap(&queue.calls, window.map);
        }
        let (file, file_bytes) = self.files[piece.segment as usize];
        let len_bytes = file_bytes.saturating_sub(piece.offset_bytes).min(piece.len_bytes);
        if len_bytes == 0 {
            return Err(queue.error(job.lane, "mmap", Errno::ENODATA));
        }
        let unsent = Piece { len_bytes, ..piece };
        let map = map(&queue.calls, file, unsent, self.advice)
            .map_err(|(call, errno)| queue.error(job.lane, call, errno))?;
        Ok(Window { lane: job.lane, unsent, skip: 0, map })
    }
}
