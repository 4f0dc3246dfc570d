//! What do the witnesses see of the cells, when nothing is being timed?
//!
//! Kernel counters and the aliasing probe each get a fresh child for every cell that is well so far.

use super::super::evidence::Counted;
use super::super::{aliasing, interrupt};
use super::Measure;
use crate::trial::alias::shape;
use crate::trial::wire::{Aliased, Order, Trouble};
use zclab_report::record::Pass;

impl Measure<'_> {
    /// Moves one block of each cell that is well while the kernel's work on it is counted.
    pub(super) fn counting(&mut self, together: &[usize], apart: &[usize]) -> anyhow::Result<()> {
        self.evidence.begin(&self.ready.log);
        let fresh = |&at: &usize| (at, true);
        for (at, fresh) in together.iter().map(|&at| (at, false)).chain(apart.iter().map(fresh)) {
            if self.entries[at].trouble.is_some() || interrupt::asked() || !self.evidence.counts() {
                continue;
            }
            if let Err(trouble) = self.count_one(at, fresh) {
                self.give_up(at, trouble);
            }
        }
        self.evidence.end();
        for at in 0..self.entries.len() {
            if let Some(counted) = &self.entries[at].counted {
                let moved = counted.moved.clone();
                self.sample(at, Pass::Counting, (self.budget.launches, 0, 0), moved)?;
            }
        }
        Ok(())
    }

    fn count_one(&mut self, at: usize, fresh: bool) -> Result<(), Trouble> {
        let mut child = self.spawn(at)?;
        child.ready()?;
        let block = self.block(0, 0, at);
        if !fresh {
            child.moved(Order::Slice { block, keep: false })?;
        }
        let (moved, counts) = self.evidence.count(&mut child, block, fresh)?;
        self.entries[at].counted = counts.map(|counts| Counted { moved, counts });
        child.finish().map(drop)
    }

    /// The aliasing pass: each cell that is well so far in a fresh child of its own, when nothing is
    /// being timed.
    pub(super) fn alias(&mut self) {
        for at in 0..self.entries.len() {
            if self.entries[at].trouble.is_some() || interrupt::asked() {
                continue;
            }
            let seen = match aliasing::not_probed(&self.entries[at].cell, self.ground.link) {
                Some(reason) => Ok(Aliased { reason: Some(reason.into()), ..Aliased::default() }),
                None => self.aliased(at),
            };
            match seen {
                Ok(seen) => {
                    let (entry, link) = (&self.entries[at], self.ground.link);
                    let line = aliasing::line(&entry.cell, link, &entry.setup, seen);
                    self.entries[at].aliasing = Some(line);
                }
                Err(trouble) => self.give_up(at, trouble),
            }
        }
    }

    fn aliased(&self, at: usize) -> Result<Aliased, Trouble> {
        let mut child = self.start(at, shape)?;
        child.ready()?;
        child.aliased()
    }
}
