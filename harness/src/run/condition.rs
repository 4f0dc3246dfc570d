//! How is one condition measured for all contenders together?
//!
//! Warm cells take turns in slices: their children are alive together and the token goes round. Cells
//! whose samples need their own preparation (a cold or partial cache), and strategies that would
//! disturb their neighbours, run in rounds, ABBA, each with a fresh child.

mod ends;
mod placed;
mod pressure;
mod profile;
mod rounds;
mod several;
mod witnesses;

pub use ends::without;

use super::cells::{self, Ground, fetches, refused, spec, words};
use super::children::TrialChild;
use super::claims;
use super::evidence::{Counted, Evidence};
use super::interrupt;
use super::logs::Ready;
use super::turns::rotation;
use crate::scenario::{self, Budget, Cell, Condition};
use crate::trial::wire::{Cache, Moved, Order, Spec, Trouble};
use serde_json::Value;
use std::collections::BTreeMap;
use zclab_report::record::{Aliasing, Histogram, Line, Pass, Profile, Sample, Status};

/// Fetches that are content-checked before and after a launch.
const VERIFY_FETCHES: u32 = 32;

/// Slices that are moved and thrown away before a launch is measured.
const WARM_UP_SLICES: u32 = 2;

/// What a child moved, and for which pass.
type Samples = Vec<(Pass, Moved)>;

/// One contender under this condition, and what became of it so far.
struct Entry<'a> {
    cell: Cell<'a>,
    id: String,
    trouble: Option<Trouble>,
    setup: BTreeMap<String, Value>,
    counted: Option<Counted>,
    aliasing: Option<Aliasing>,
    profile: Option<Profile>,
    /// Bytes that sinks took for each byte of payload, where they were transformed.
    sent_per_byte: Option<f64>,
}

/// Measures a condition. Lines go to `write` as they come; those that end the cells come last, in one
/// call. `false` when the run was interrupted: then no cell is over.
pub struct Measure<'a> {
    entries: Vec<Entry<'a>>,
    condition: &'a Condition,
    budget: Budget,
    ready: Ready,
    ground: Ground<'a>,
    evidence: &'a mut Evidence,
    write: &'a mut dyn FnMut(&[Line]) -> anyhow::Result<()>,
    tick: &'a dyn Fn(&str),
    words: String,
    verbose: bool,
    /// A check times nothing, so its only block may be counted.
    checks: bool,
    /// How many of the log's pages lie on which node, where a node was asked for.
    log_pages: Option<Value>,
}

/// What a measurement needs besides its cells.
pub struct Around<'a> {
    /// The log.
    pub ready: Ready,
    /// Where else bytes lie and go.
    pub ground: Ground<'a>,
    /// Kernel counters, where they can be had.
    pub evidence: &'a mut Evidence,
    /// Takes lines of the record.
    pub write: &'a mut dyn FnMut(&[Line]) -> anyhow::Result<()>,
    /// Called once for each block moved, with what is being measured.
    pub tick: &'a dyn Fn(&str),
    /// Print how each child could be started by hand.
    pub verbose: bool,
}

impl<'a> Measure<'a> {
    /// The contenders of a condition.
    pub fn new(cells: Vec<Cell<'a>>, budget: Budget, around: Around<'a>) -> Option<Measure<'a>> {
        let condition = cells.first()?.condition;
        let ready = &around.ready;
        let entry = |cell: Cell<'a>| Entry {
            id: cell.id(),
            trouble: refused(&cell, ready, around.ground),
            setup: BTreeMap::new(),
            counted: None,
            aliasing: None,
            profile: None,
            sent_per_byte: None,
            cell,
        };
        let words = words(&cells[0]);
        let entries = cells.into_iter().map(entry).collect();
        let Around { ready, ground, evidence, write, tick, verbose } = around;
        Some(Measure {
            entries,
            condition,
            budget,
            ready,
            ground,
            evidence,
            write,
            tick,
            words,
            verbose,
            checks: false,
            log_pages: None,
        })
    }

    /// Measures everything, then ends the cells. Whether it came to the end; their statuses.
    ///
    /// # Errors
    /// Only a record that cannot be written: trouble with a cell is a row.
    pub fn run(mut self) -> anyhow::Result<Option<Vec<Status>>> {
        let apart = |at: &usize| self.entries[*at].cell.contender.needs_rounds(self.condition);
        let (apart, together): (Vec<usize>, Vec<usize>) = (0..self.entries.len()).partition(apart);
        self.place_log();
        for launch in 0..self.budget.launches {
            if !together.is_empty() {
                self.warm_log(&together);
            }
            match (&self.condition.pressure, self.condition.several()) {
                (Some(pressure), _) => self.pressed(pressure, launch)?,
                (None, Some(several)) => self.several(several, launch)?,
                (None, None) => {
                    self.launch(&together, launch)?;
                    self.round(&apart, launch)?;
                }
            }
            if interrupt::asked() {
                return Ok(None);
            }
        }
        self.counting(&together, &apart)?;
        self.alias();
        self.profile();
        if interrupt::asked() {
            return Ok(None);
        }
        self.close().map(Some)
    }

    /// Checks each cell once by content, without timing: `zclab check`.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub fn check(mut self) -> anyhow::Result<Option<Vec<Status>>> {
        self.checks = true;
        let all: Vec<usize> = (0..self.entries.len()).collect();
        if self.condition.cache == scenario::Cache::Warm {
            self.warm_log(&all);
        }
        self.place_log();
        match self.condition.several() {
            Some(several) => {
                self.several(several, 0)?;
                self.counting(&[], &all)?;
            }
            None => {
                self.evidence.begin(&self.ready.log);
                self.round(&all, 0)?;
                self.evidence.end();
            }
        }
        self.alias();
        if interrupt::asked() {
            return Ok(None);
        }
        self.close().map(Some)
    }

    /// Reads the log in, unless all of it is there. Trouble with it is the cells' trouble.
    fn warm_log(&mut self, who: &[usize]) {
        let segments: Vec<_> =
            self.ready.log.segments.iter().map(|s| (s.path.clone(), s.len_bytes)).collect();
        let warmed = crate::trial::proof::Witness::open(&segments)
            .and_then(|witness| witness.arrange(Cache::Warm));
        if let Err(trouble) = warmed {
            who.iter().for_each(|&at| self.give_up(at, trouble.clone()));
        }
    }

    /// One set of children, alive together, taking turns in slices.
    fn launch(&mut self, who: &[usize], launch: u32) -> anyhow::Result<()> {
        let mut children: Vec<(usize, TrialChild)> = Vec::new();
        for &at in who {
            if self.entries[at].trouble.is_none() {
                match self.spawn(at) {
                    Ok(child) => children.push((at, child)),
                    Err(trouble) => self.give_up(at, trouble),
                }
            }
        }
        self.each(&mut children, |this, at, child| {
            this.entries[at].setup = child.ready()?;
            Ok(())
        });
        let verify = |block| Order::Verify { block, fetches_max: VERIFY_FETCHES };
        self.sampled(&mut children, launch, verify(u64::from(launch)), Pass::Verify)?;
        for warm_up in 0..WARM_UP_SLICES {
            let order = Order::Slice { block: self.block(launch, warm_up, 0), keep: false };
            self.each(&mut children, |_, _, child| child.moved(order).map(drop));
        }
        for turn in 0..self.budget.turns {
            if interrupt::asked() {
                return Ok(());
            }
            self.turn(&mut children, launch, turn)?;
        }
        self.sampled(&mut children, launch, verify(u64::from(launch) + 1), Pass::Verify)?;
        for (at, child) in children {
            match child.finish() {
                Ok(finished) => {
                    self.entries[at].setup.extend(finished.setup);
                    self.histograms(at, launch, finished.histograms)?;
                }
                Err(trouble) => self.give_up(at, trouble),
            }
        }
        Ok(())
    }

    fn turn(
        &mut self,
        children: &mut Vec<(usize, TrialChild)>,
        launch: u32,
        turn: u32,
    ) -> anyhow::Result<()> {
        let mut lost = Vec::new();
        for (slot, index) in rotation(children.len(), turn).into_iter().enumerate() {
            let (at, child) = &mut children[index];
            let order = Order::Slice { block: self.block(launch, turn, *at), keep: true };
            match child.moved(order) {
                Ok(moved) => {
                    let place = (launch, turn, slot as u32);
                    self.sample(*at, Pass::Timing, place, moved)?;
                }
                Err(trouble) => {
                    self.give_up(*at, trouble);
                    lost.push(*at);
                }
            }
        }
        children.retain(|(at, _)| !lost.contains(at));
        Ok(())
    }

    /// Gives the same order to all children; those that fail are dropped, and their cells with them.
    fn each(
        &mut self,
        children: &mut Vec<(usize, TrialChild)>,
        mut act: impl FnMut(&mut Self, usize, &mut TrialChild) -> Result<(), Trouble>,
    ) {
        children.retain_mut(|(at, child)| match act(self, *at, child) {
            Ok(()) => true,
            Err(trouble) => {
                self.give_up(*at, trouble);
                false
            }
        });
    }

    /// The same, and keeps what was moved as samples.
    fn sampled(
        &mut self,
        children: &mut Vec<(usize, TrialChild)>,
        launch: u32,
        order: Order,
        pass: Pass,
    ) -> anyhow::Result<()> {
        let mut samples = Vec::new();
        self.each(children, |_, at, child| {
            samples.push((at, child.moved(order)?));
            Ok(())
        });
        for (slot, (at, moved)) in samples.into_iter().enumerate() {
            self.sample(at, pass, (launch, 0, slot as u32), moved)?;
        }
        Ok(())
    }

    /// The block for a turn. All contenders of a launch move the same blocks over its turns, but at
    /// any moment different ones, so that none finds its range hot in a cache that they share.
    fn block(&self, launch: u32, turn: u32, at: usize) -> u64 {
        let log_bytes: u64 = self.ready.log.segments.iter().map(|s| s.len_bytes).sum();
        let block_bytes = self.condition.fetch_bytes * u64::from(self.fetches());
        let blocks = (log_bytes / block_bytes.max(1)).max(1);
        let stride = blocks / (self.entries.len() as u64).max(1);
        let turns = u64::from(launch) * u64::from(self.budget.turns);
        turns + u64::from(turn) + at as u64 * stride
    }

    fn fetches(&self) -> u32 {
        fetches(self.condition, self.budget)
    }

    fn spawn(&self, at: usize) -> Result<TrialChild, Trouble> {
        self.start(at, |spec| spec)
    }

    fn start(&self, at: usize, shape: impl Fn(Spec) -> Spec) -> Result<TrialChild, Trouble> {
        let entry = &self.entries[at];
        let spec = shape(spec(&entry.cell, &self.ready, self.fetches(), self.ground));
        if self.verbose {
            // The batches of a log are a long list; they can be had again from the log.
            let text = spec.without_batches();
            eprintln!("{}: zclab trial <<< '{text}' (batches left out)", entry.id);
        }
        (self.tick)(&self.words);
        TrialChild::spawn(&spec)
    }

    fn sample(
        &mut self,
        at: usize,
        pass: Pass,
        (launch, turn, slot): (u32, u32, u32),
        moved: Moved,
    ) -> anyhow::Result<()> {
        (self.tick)(&self.words);
        if let Some(sent_per_byte) = claims::sent_per_byte(&moved) {
            self.entries[at].sent_per_byte = Some(sent_per_byte);
        }
        let cell = self.entries[at].id.clone();
        let Moved { bytes, header_bytes, fetches, messages, .. } = moved;
        let Moved { wall_ns, readings, calls, verified, cache, .. } = moved;
        (self.write)(&[Line::Sample(Sample {
            cell,
            pass,
            launch,
            turn,
            slot,
            bytes,
            header_bytes,
            fetches,
            messages,
            wall_ns,
            readings,
            calls,
            verified,
            cache,
        })])
    }

    fn histograms(
        &mut self,
        at: usize,
        launch: u32,
        histograms: Vec<(String, String)>,
    ) -> anyhow::Result<()> {
        for (what, data) in histograms {
            let encoding = "hdr-v2-deflate".to_owned();
            let cell = self.entries[at].id.clone();
            (self.write)(&[Line::Histogram(Histogram { cell, launch, what, encoding, data })])?;
        }
        Ok(())
    }

    fn give_up(&mut self, at: usize, trouble: Trouble) {
        // A child that a signal of ours ended has not failed.
        if !interrupt::asked() && self.entries[at].trouble.is_none() {
            self.entries[at].trouble = Some(trouble);
        }
    }
}
