//! When is a cell's CPU time sampled?
//!
//! After counting, with every program detached, in a child of its own that nobody else shares the
//! machine with: blocks that are neither timed nor counted, until there are enough of them.

use super::{Measure, WARM_UP_SLICES};
use crate::ledger::profile::{Profiler, Stacks, unavailable};
use crate::run::claims::side;
use crate::run::interrupt;
use crate::trial::wire::{Order, Trouble};
use std::time::{Duration, Instant};
use zclab_report::record::Profile;

/// Enough: so much time in the timed loops, or so many blocks, or so long with the preparations.
const SAMPLED_NS: u64 = 200_000_000;
const BLOCKS_MAX: u32 = 40;
const PATIENCE: Duration = Duration::from_secs(2);

impl Measure<'_> {
    /// Samples the sender of each cell that is well. Trouble with it is no trouble of the cell, whose
    /// measurement is over.
    pub(super) fn profile(&mut self) {
        let refused = self.evidence.profiler().err().map(str::to_owned);
        for at in 0..self.entries.len() {
            if self.entries[at].trouble.is_some() || interrupt::asked() {
                continue;
            }
            let line = match &refused {
                Some(why) => Err(why.clone()),
                None => self.profile_one(at),
            };
            let id = self.entries[at].id.clone();
            let mut line = line.unwrap_or_else(|why| unavailable(id, &why));
            line.side = side(self.condition.family).to_owned();
            self.entries[at].profile = Some(line);
        }
    }

    fn profile_one(&mut self, at: usize) -> Result<Profile, String> {
        let said = |trouble: Trouble| trouble.message;
        // What has to be prepared for each block is, as for a round; the clock's span leaves that out.
        let fresh = self.entries[at].cell.contender.needs_rounds(self.condition);
        let mut child = self.spawn(at).map_err(said)?;
        child.ready().map_err(said)?;
        let pid = child.watched().sender;
        let order = |block| {
            if fresh { Order::Round { block } } else { Order::Slice { block, keep: false } }
        };
        for warm_up in 0..if fresh { 0 } else { WARM_UP_SLICES } {
            child.moved(order(self.block(0, warm_up, at))).map_err(said)?;
        }
        let begun = Instant::now();
        let mut stacks = Stacks::default();
        let (mut blocks, mut sampled_ns) = (0, 0);
        while blocks < BLOCKS_MAX && sampled_ns < SAMPLED_NS && begun.elapsed() < PATIENCE {
            if interrupt::asked() {
                return Err("interrupted".to_owned());
            }
            let order = order(self.block(0, blocks, at));
            let profiler: &mut Profiler = self.evidence.profiler()?;
            profiler.start()?;
            let moved = child.moved(order).map_err(said);
            // Whatever became of the block, nothing is sampled after it.
            let span = moved.as_ref().map_or((1, 0), |moved| moved.span_ns);
            profiler.stop(pid, span, &mut stacks)?;
            moved?;
            sampled_ns += span.1.saturating_sub(span.0);
            blocks += 1;
        }
        child.finish().map_err(said)?;
        let id = self.entries[at].id.clone();
        Ok(self.evidence.profiler()?.profile(id, &stacks))
    }
}
