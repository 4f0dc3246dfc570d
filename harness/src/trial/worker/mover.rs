//! What moves a trial's bytes, and how is it told what to move?
//!
//! An engine that one thread drives, a crew of threads with an engine each, or the harness's bare loop.

use super::super::bare::Bare;
use super::super::drive::crew::{Crew, Terms};
use super::super::drive::{Drive, DriveError};
use super::super::fetches::Block;
use super::super::limits;
use super::super::opening::refusal;
use super::super::sinks::PATIENCE;
use super::super::wire::Trouble;
use super::super::wire::demand::Driver;
use super::Worker;
use zclab_strategies::{Bytes, Calls, Engine, LaneId, Setup, transform};

/// See the module.
pub enum Mover {
    /// One engine for all sinks.
    Engine(Box<dyn Engine>),
    /// One for each.
    Crew(Crew),
    /// The same calls without an engine.
    Bare(Box<(Bare, Calls)>),
}

impl Worker {
    pub(in crate::trial) fn open_mover(&mut self) -> Result<(), Trouble> {
        // Whatever there was before lets go of its pages and pipes first.
        self.mover = None;
        let make = |lane: LaneId| self.transforms.make(lane);
        let factory: Option<&transform::Factory> =
            if self.transforms.any() { Some(&make) } else { None };
        let setup = Setup {
            segments: &self.segments,
            sinks: &self.sinks.sinks,
            options: &self.options,
            fetch_bytes_max: Bytes(self.spec.fetch_bytes),
            header_bytes_max: Bytes(self.spec.header_bytes),
            transform: factory,
        };
        self.mover = Some(if self.spec.bare {
            let bare = Bare::open(&self.spec.strategy, &setup).map_err(Trouble::failed)?;
            Mover::Bare(Box::new((bare, Calls::default())))
        } else if self.spec.demand.driver == Driver::Threads {
            let terms = Terms {
                strategy: self.strategy,
                segments: &self.segments,
                options: &self.options,
                fetch_bytes: self.spec.fetch_bytes,
                header_bytes: self.spec.header_bytes,
                transform: factory,
                patience: PATIENCE + limits::block(&self.spec),
            };
            Mover::Crew(Crew::open(&terms, &self.sinks.sinks)?)
        } else {
            Mover::Engine(transform::open(self.strategy, &setup).map_err(refusal)?)
        });
        Ok(())
    }

    /// Fills the queue, or the queues. All memory that a slice needs is taken here.
    pub(super) fn fill(&mut self, block: &Block, lanes: &[LaneId]) -> Result<(), Trouble> {
        if let Some(Mover::Crew(crew)) = &mut self.mover {
            self.queue.clear();
            return crew.fill(&self.header, block, &self.schedule);
        }
        // A bare loop takes its ranges from the block, but the bookkeeping is the same.
        block.fill(&mut self.queue, &self.header, lanes, self.schedule.holds());
        self.lane_bytes = self.lane_bytes.max(self.queue.lane_bytes());
        Ok(())
    }

    /// Moves what was filled in. Timed.
    pub(super) fn run(&mut self, block: &Block, start_ns: u64) -> Result<(), Trouble> {
        let outcome = match &mut self.mover {
            None => return Err(Trouble::failed("no engine is open")),
            Some(Mover::Crew(crew)) => return crew.run(start_ns),
            Some(Mover::Engine(engine)) => {
                self.schedule.begin(start_ns);
                let drive = Drive {
                    engine: engine.as_mut(),
                    queue: &mut self.queue,
                    schedule: &mut self.schedule,
                    waits: &mut self.waits,
                    stamps: &mut self.stamps,
                };
                drive.run()
            }
            Some(Mover::Bare(loop_and_counts)) => {
                let (bare, calls) = loop_and_counts.as_mut();
                calls.reset();
                bare.run(block, &self.header, calls).map_err(DriveError::Call)
            }
        };
        outcome.map_err(|error| error.trouble(&self.spec.segments))
    }

    /// Lets the engine, or the engines, come to rest: the far end has everything. Not timed.
    pub(super) fn rest(&mut self) -> Result<(), Trouble> {
        match &mut self.mover {
            Some(Mover::Engine(engine)) => engine.rest(&self.queue),
            Some(Mover::Crew(crew)) => crew.rest(&self.queue.calls)?,
            Some(Mover::Bare(_)) | None => {}
        }
        Ok(())
    }

    /// What several threads did becomes what the worker did. Not timed.
    pub(super) fn gather(&mut self) -> Result<(), Trouble> {
        let Some(Mover::Crew(crew)) = &mut self.mover else { return Ok(()) };
        let gathered = crew.gather(&mut self.stamps)?;
        let lane_bytes = gathered.map_err(|error| error.trouble(&self.spec.segments))?;
        self.lane_bytes = self.lane_bytes.max(lane_bytes);
        Ok(())
    }
}
