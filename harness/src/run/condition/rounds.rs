//! How are samples taken that each need a preparation, and a child, of their own?

use super::super::evidence::Counted;
use super::super::interrupt;
use super::super::turns::abba;
use super::{Measure, Samples, VERIFY_FETCHES};
use crate::trial::wire::{Order, Trouble};
use zclab_report::record::Pass;

/// Encoded histograms by what they are of.
type Named = Vec<(String, String)>;

impl Measure<'_> {
    /// One round: each contender in a child of its own, one after the other.
    pub(super) fn round(&mut self, who: &[usize], launch: u32) -> anyhow::Result<()> {
        for (slot, index) in abba(who.len(), launch).into_iter().enumerate() {
            let at = who[index];
            if self.entries[at].trouble.is_some() || interrupt::asked() {
                continue;
            }
            match self.one_round(at, launch) {
                Ok((samples, histograms)) => {
                    for (turn, (pass, moved)) in samples.into_iter().enumerate() {
                        let turn = if pass != Pass::Verify { 0 } else { turn as u32 };
                        self.sample(at, pass, (launch, turn, slot as u32), moved)?;
                    }
                    self.histograms(at, launch, histograms)?;
                }
                Err(trouble) => self.give_up(at, trouble),
            }
        }
        Ok(())
    }

    /// The samples of one round, and its latencies.
    fn one_round(&mut self, at: usize, launch: u32) -> Result<(Samples, Named), Trouble> {
        let mut child = self.spawn(at)?;
        self.entries[at].setup = child.ready()?;
        let verify = |block| Order::Verify { block, fetches_max: VERIFY_FETCHES };
        let block = self.block(launch, 0, 0);
        let orders = [
            (Pass::Verify, verify(block)),
            (Pass::Timing, Order::Round { block }),
            (Pass::Verify, verify(block + 1)),
        ];
        let mut samples = Vec::with_capacity(orders.len());
        for (pass, order) in orders {
            if pass == Pass::Timing && self.checks && self.evidence.counts() {
                let (moved, counts) = self.evidence.count(&mut child, block, true)?;
                samples.push((Pass::Counting, moved.clone()));
                self.entries[at].counted = counts.map(|counts| Counted { moved, counts });
            } else {
                samples.push((pass, child.moved(order)?));
            }
        }
        let finished = child.finish()?;
        self.entries[at].setup.extend(finished.setup);
        Ok((samples, finished.histograms))
    }
}
