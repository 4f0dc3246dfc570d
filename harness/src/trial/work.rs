//! What can a trial be ordered to do, whichever way its bytes go?

use super::wire::{Aliased, FarEnd, Lines, Moved, Served, Trouble};
use super::worker::Worker;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Stdin, Stdout};

/// One cell at work: what each order of the parent asks of it.
pub trait Work {
    /// What was set and read back.
    fn setup(&self) -> BTreeMap<String, Value>;

    /// What the kernel's tuning made of that by the end.
    fn setup_at_end(&self) -> BTreeMap<String, Value>;

    /// What tells this trial's packets and processes from others.
    fn far_end(&self) -> FarEnd;

    /// Moves up to so many fetches of a block and checks every byte.
    ///
    /// # Errors
    /// A wrong byte, a failed call.
    fn verify(&mut self, block: u64, fetches_max: u32) -> Result<Moved, Trouble>;

    /// Moves a block, timed.
    ///
    /// # Errors
    /// A failed call, or a condition that does not hold.
    fn slice(&mut self, block: u64, keep: bool) -> Result<Moved, Trouble>;

    /// Moves a block with its own preparation and a fresh engine, timed.
    ///
    /// # Errors
    /// As for [`slice`](Self::slice).
    fn round(&mut self, block: u64) -> Result<Moved, Trouble>;

    /// The same as a slice or a round, between marker calls.
    ///
    /// # Errors
    /// As for [`slice`](Self::slice).
    fn count(&mut self, block: u64, fresh: bool) -> Result<Moved, Trouble>;

    /// Makes the aliasing probe.
    ///
    /// # Errors
    /// Why it failed; that nothing could be probed is none.
    fn alias(&mut self) -> Result<Aliased, Trouble>;

    /// Lets go of the engine and evicts the log: the beginning of a round under pressure.
    ///
    /// # Errors
    /// A failed call; where no log is served there is nothing of the kind.
    fn vacate(&mut self) -> Result<(), Trouble> {
        Err(Trouble::failed("only a transfer has a log to evict"))
    }

    /// Brings the hot set into memory.
    ///
    /// # Errors
    /// As for [`vacate`](Self::vacate).
    fn settle(&mut self, _passes: u32, _read_in: bool) -> Result<(), Trouble> {
        Err(Trouble::failed("only a transfer has a hot set"))
    }

    /// Serves fetches at a rate until told to stop.
    ///
    /// # Errors
    /// A pipe of the parent that broke; the trial's own trouble is within.
    fn serve(
        &mut self,
        _rate_per_s: u32,
        _orders: &mut Lines<Stdin>,
        _out: &mut Stdout,
    ) -> anyhow::Result<Result<Served, Trouble>> {
        Ok(Err(Trouble::failed("only a transfer can be served at a rate")))
    }

    /// The latencies so far, encoded; empty when none was kept.
    fn histogram(&self) -> String;

    /// Those of classes of consumers, by name; none where all are alike.
    fn classes(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}

/// A transfer does what its own methods of these names say.
impl Work for Worker {
    fn setup(&self) -> BTreeMap<String, Value> {
        self.setup()
    }

    fn setup_at_end(&self) -> BTreeMap<String, Value> {
        self.setup_at_end()
    }

    fn far_end(&self) -> FarEnd {
        self.far_end()
    }

    fn verify(&mut self, block: u64, fetches_max: u32) -> Result<Moved, Trouble> {
        self.verify(block, fetches_max)
    }

    fn slice(&mut self, block: u64, keep: bool) -> Result<Moved, Trouble> {
        self.slice(block, keep)
    }

    fn round(&mut self, block: u64) -> Result<Moved, Trouble> {
        self.round(block)
    }

    fn count(&mut self, block: u64, fresh: bool) -> Result<Moved, Trouble> {
        self.count(block, fresh)
    }

    fn alias(&mut self) -> Result<Aliased, Trouble> {
        self.alias()
    }

    fn vacate(&mut self) -> Result<(), Trouble> {
        self.vacate()
    }

    fn settle(&mut self, passes: u32, read_in: bool) -> Result<(), Trouble> {
        self.settle(passes, read_in)
    }

    fn serve(
        &mut self,
        rate_per_s: u32,
        orders: &mut Lines<Stdin>,
        out: &mut Stdout,
    ) -> anyhow::Result<Result<Served, Trouble>> {
        self.serve(rate_per_s, orders, out)
    }

    fn histogram(&self) -> String {
        self.histograms().0
    }

    fn classes(&self) -> BTreeMap<String, String> {
        self.histograms().1
    }
}
