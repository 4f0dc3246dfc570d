//! When do the fetches of a block become due, and what is there to prove where the log itself grows?
//!
//! At once, at planned moments, or when a producer has appended their bytes. Of the last there is
//! nothing to look at beforehand, and everything has to be in memory afterwards.

use super::super::fetches::{Block, Planner};
use super::super::opens::Opens;
use super::super::proof::have_gone;
use super::super::schedule::{self, Schedule};
use super::super::tail::Tail;
use super::super::wire::{Access, Moved, Spec, Trouble};
use super::{Timed, Worker};
use std::sync::Arc;
use zclab_report::record::Status;
use zclab_report::record::reading::IO_READ_BYTES;
use zclab_strategies::Segment;

/// What an engine is to read: the log, or where its end is followed, files that grow, and who has
/// them grow.
pub(super) fn files(
    spec: &Spec,
    planner: &Planner,
    log: &Arc<Vec<Segment>>,
) -> Result<(Option<Tail>, Arc<Vec<Segment>>), Trouble> {
    let Some(ask) = spec.demand.tail else { return Ok((None, Arc::clone(log))) };
    let (fetches, fits) = (u64::from(spec.fetches), planner.fits());
    if fetches > fits {
        let message = format!(
            "a slice appends {fetches} fetches of {} bytes, and the log has {fits}: a smaller \
             budget.slice, or a larger log",
            spec.fetch_bytes
        );
        return Err(Trouble::failed(message).with_status(Status::Refused));
    }
    let tail = Tail::open(spec, ask, log)?;
    let segments = Arc::new(tail.segments()?);
    Ok((Some(tail), segments))
}

impl Worker {
    /// When the fetches of a block become due, and the memory for what becomes of them.
    pub(super) fn plan(&mut self, block: &Block, lanes: usize) -> Result<(), Trouble> {
        self.blocks += 1;
        let (fetches, seed) = (block.fetches.len(), self.spec.seed ^ self.blocks << 32);
        self.schedule = match &mut self.tail {
            Some(tail) => Schedule::following(tail.prepare(block, lanes)?),
            None if self.spec.access == Access::Files => {
                Schedule::opening(Opens::new(block, lanes, &self.segments)?)
            }
            None => Schedule::new(schedule::plan(&self.spec.demand, fetches, lanes, seed)),
        };
        self.stamps.clear();
        self.stamps.reserve(fetches * lanes);
        Ok(())
    }

    /// The trouble of a slice: where its producer gave up, what that says.
    pub(super) fn whose(&mut self, trouble: Trouble) -> Trouble {
        match &mut self.tail {
            Some(tail) => tail.trouble(trouble),
            None => trouble,
        }
    }

    /// Notes how long each fetch took.
    pub(super) fn keep(&mut self, timed: &Timed) {
        let (stamps, arrivals) = (&self.stamps, self.schedule.arrivals());
        match &self.tail {
            Some(tail) => self.latencies.keep_since(stamps, |fetch| tail.since(fetch)),
            None => {
                self.latencies.keep(timed.start_ns, stamps, arrivals, self.sinks.sinks.len());
            }
        }
    }

    /// What is at the end of a log is in memory since it was appended, and nobody needs to look
    /// beforehand: there is nothing yet. Afterwards all of it has to be there still.
    pub(super) fn followed(&mut self, block: &Block, keep: bool) -> Result<Moved, Trouble> {
        let moved = self.measure(block, false, keep)?;
        let Some(tail) = self.tail.as_ref().filter(|_| !self.changes_the_cache()) else {
            return Ok(moved);
        };
        let (pages, resident) = tail.resident(&block.fetches)?;
        // Nothing was read from a device: pages that went had been sent by then.
        let unread = moved.readings.get(IO_READ_BYTES) == Some(&0);
        match unread || !have_gone(pages, resident) {
            true => Ok(moved),
            false => Err(Trouble::invalid(format!(
                "mincore: only {resident} of {pages} pages that were appended are still resident: \
                 memory is short"
            ))),
        }
    }
}
