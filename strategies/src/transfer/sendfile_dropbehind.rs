//! Can one send by references and leave no page behind?
//!
//! `sendfile` as ever, and then `posix_fadvise(POSIX_FADV_DONTNEED)` on what was sent, after every so
//! many bytes (option `every`): the pages leave the page cache, so that a scan does not push out what
//! others need. No copy, one call more now and then, and whoever asks for the same range next reads
//! it from the device again. It wins for a scan beside a hot set; it loses wherever two consumers
//! follow each other, since the first takes the pages away from the second.
//!
//! The advice is only that. A page that a packet still refers to, whose bytes the receiver has not
//! taken yet, stays, and so does a large folio of which the advice covers a part. So each advice also
//! covers what the one before it did: by then those packets are mostly gone. What is left at the end
//! of all fetches is advised once.
//!
//! Sources: posix_fadvise(2); `generic_fadvise` in `mm/fadvise.c`, `mapping_try_invalidate` and
//! `mapping_evict_folio` in `mm/truncate.c`.
//!
//! Timed: both calls. Not timed: nothing else is needed.

use super::sendfile::{by_references, sendfile};
use crate::{
    CallError, Disturbance, Engine, LaneId, OpenError, OptionKind, OptionSpec, Part, Path, Piece,
    Queue, Route, Setup, Step, Strategy, sys,
};
use std::os::fd::{AsRawFd, RawFd};

/// Advice on parts of pages does nothing, so it begins where a page does.
const PAGE_BYTES: u64 = 4096;

/// See the module.
pub struct SendfileDropbehind;

const OPTIONS: &[OptionSpec] = &[OptionSpec {
    name: "every",
    what: "bytes that are sent between two advices",
    kind: OptionKind::Number { default: 1 << 20, min: 1, max: 1 << 30 },
}];

impl Strategy for SendfileDropbehind {
    fn name(&self) -> &'static str {
        "sendfile-dropbehind"
    }

    fn question(&self) -> &'static str {
        "Can one send by references and leave no page behind?"
    }

    fn path(&self, on: &Route) -> Path {
        by_references(on)
    }

    fn disturbs(&self) -> Disturbance {
        Disturbance::PageCache
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Engine>, OpenError> {
        Ok(Box::new(Sender {
            log: setup.segments.iter().map(|segment| segment.file.as_raw_fd()).collect(),
            every_bytes: setup.options.number("every").max(1),
            sent: vec![Sent::default(); setup.sinks.len()],
        }))
    }
}

/// What a lane has sent in one run: advised from `first` to `advised` once, not yet up to `end`.
#[derive(Clone, Copy, Default)]
struct Sent {
    segment: u32,
    first: u64,
    advised: u64,
    end: u64,
}

struct Sender {
    log: Vec<RawFd>,
    every_bytes: u64,
    sent: Vec<Sent>,
}

impl Engine for Sender {
    fn step(&mut self, queue: &mut Queue) -> Result<Step, CallError> {
        let Some(job) = queue.next_job() else {
            if queue.idle() == Step::Done {
                (0..self.sent.len()).try_for_each(|lane| self.end_run(queue, lane))?;
            }
            return Ok(queue.idle());
        };
        let piece = match job.part {
            Part::Header(header) => return queue.send_header(job, header),
            Part::Log(piece) => piece,
        };
        let log = self.log[piece.segment as usize];
        let len_bytes = sendfile(queue, job, piece, log)?;
        self.drop_behind(queue, job.lane, Piece { len_bytes, ..piece })?;
        Ok(Step::Moved)
    }
}

impl Sender {
    fn drop_behind(&mut self, queue: &Queue, lane: LaneId, piece: Piece) -> Result<(), CallError> {
        let sent = self.sent[lane];
        if (sent.segment, sent.end) != (piece.segment, piece.offset_bytes) {
            self.end_run(queue, lane)?;
            let (segment, start) = (piece.segment, piece.offset_bytes);
            self.sent[lane] = Sent { segment, first: start, advised: start, end: start };
        }
        let sent = &mut self.sent[lane];
        sent.end += piece.len_bytes;
        if sent.end - sent.advised >= self.every_bytes {
            let range = *sent;
            sent.first = sent.advised;
            sent.advised = sent.end;
            self.advise(queue, lane, range)?;
        }
        Ok(())
    }

    /// Advises the rest of a run that will not go on.
    fn end_run(&mut self, queue: &Queue, lane: LaneId) -> Result<(), CallError> {
        let run = self.sent[lane];
        if run.first == run.end {
            return Ok(());
        }
        self.sent[lane] = Sent { first: run.end, advised: run.end, ..run };
        self.advise(queue, lane, run)
    }

    fn advise(&self, queue: &Queue, lane: LaneId, run: Sent) -> Result<(), CallError> {
        let start = run.first / PAGE_BYTES * PAGE_BYTES;
        let log = self.log[run.segment as usize];
        sys::drop_pages(&queue.calls, log, start, run.end - start)
            .map_err(|errno| queue.error(lane, "posix_fadvise(DONTNEED)", errno))
    }
}
