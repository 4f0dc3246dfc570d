//! In which order is everything of a gate measured?
//!
//! A launch that does not count, of each cell; counts of each cell; then a launch of every cell in
//! turn, so that a drift of the machine hits all alike. Cells that do not pass by then are launched as
//! often again, in fresh processes.

use super::counts::{self, CAPTURES};
use super::duel::{Duel, Sides};
use super::launch::{Launched, Plan, TURNS};
use super::{Asked, Compare, plan};
use crate::cpus::Cpus;
use crate::run::cells::Ground;
use crate::run::evidence::Evidence;
use crate::run::interrupt;
use crate::run::logs::{Ready, Store};
use crate::run::writer::Writer;
use crate::scenario::Budget;
use crate::trial::proof::Witness;
use crate::trial::wire::Trouble;
use crate::volume::Volumes;
use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;
use zclab_report::gate::record::{self, Arm, Line, Phase};
use zclab_report::gate::{needs_captures, needs_second};
use zclab_report::record::Status;

/// One cell on its way.
struct Entry<'a> {
    duel: Duel<'a>,
    line: record::Cell,
    /// The log and its folder; none where the condition cannot be made here.
    place: Option<(Ready, PathBuf)>,
    budget: Budget,
}

/// Everything of a gate.
pub struct Session<'a> {
    asked: &'a Asked,
    cpus: &'a Cpus,
    entries: Vec<Entry<'a>>,
    evidence: &'a mut Evidence,
    /// Holds the file systems that were made for the gate.
    _volumes: Volumes,
    bar: ProgressBar,
    /// How many launches each cell has, or why none.
    launches: Result<u32, String>,
}

impl<'a> Session<'a> {
    /// Finds or makes the logs.
    ///
    /// # Errors
    /// A log that cannot be had.
    pub fn new(
        asked: &'a Asked,
        cpus: &'a Cpus,
        duels: Vec<Duel<'a>>,
        evidence: &'a mut Evidence,
    ) -> anyhow::Result<Session<'a>> {
        let mut volumes = Volumes::new(&asked.places.logs, &asked.scenarios);
        let mut stores: HashMap<PathBuf, Store> = HashMap::new();
        let mut entries = Vec::with_capacity(duels.len());
        let arms: &[Arm] = match asked.compare.sides().base {
            Some(_) => &[Arm::Base, Arm::Head],
            None => &[Arm::Head],
        };
        for duel in duels {
            let mut entry = Entry {
                line: duel.line(arms),
                place: None,
                budget: Budget { slice_bytes: plan::SLICE_BYTES, ..duel.scenario.budget },
                duel,
            };
            match volumes.place(entry.duel.condition.filesystem) {
                Ok(dir) => {
                    let quiet = asked.places.quiet;
                    let store =
                        stores.entry(dir.clone()).or_insert_with(|| Store::new(&dir, quiet));
                    let ready = store
                        .get(&entry.duel.condition.log)
                        .with_context(|| format!("the log of {}", entry.duel.scenario.name))?;
                    entry.place = Some((ready, dir));
                }
                Err(trouble) => entry.give_up(Arm::Head, trouble),
            }
            entries.push(entry);
        }
        let bar = match asked.places.quiet {
            true => ProgressBar::hidden(),
            false => ProgressBar::new(0),
        };
        let style = "[{bar:30}] {percent}% {eta} left  {wide_msg}";
        bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| bar.style()));
        let launches = Err("nothing was planned".to_owned());
        Ok(Session { asked, cpus, entries, evidence, _volumes: volumes, bar, launches })
    }

    /// `yes`, or `no: ` and why the kernel's programs count nothing.
    #[must_use]
    pub fn ledger(&self) -> String {
        self.evidence.refusal().map_or_else(|| "yes".to_owned(), |why| format!("no: {why}"))
    }

    /// Launches each cell once without counting it, and decides how many there will be.
    ///
    /// # Errors
    /// None so far: trouble with a cell is its row.
    pub fn plan(&mut self) -> anyhow::Result<Result<u32, String>> {
        self.refuse();
        self.launches = match (self.asked.timing, self.asked.compare.untimed()) {
            (_, Some(why)) => Err(why.to_owned()),
            (false, None) => Err("only counts were asked for (--only exact)".to_owned()),
            (true, None) => self.tried(),
        };
        Ok(self.launches.clone())
    }

    fn refuse(&mut self) {
        for entry in &mut self.entries {
            let Some((ready, dir)) = entry.place.clone() else { continue };
            let ground = ground(self.asked, self.cpus, &dir);
            if let Some((arm, trouble)) = entry.duel.refused(&ready, ground) {
                entry.give_up(arm, trouble);
            }
        }
    }

    fn tried(&mut self) -> Result<u32, String> {
        let (mut each, begun) = (Vec::new(), Instant::now());
        for at in 0..self.entries.len() {
            let entry = &mut self.entries[at];
            if !entry.is_well() || entry.line.untimed.is_some() {
                continue;
            }
            self.bar.set_message(format!("trying {}", entry.line.cell));
            // The first of two fills caches and tells nothing of how long the second takes.
            entry.budget.turns = *TURNS.start();
            let (sides, asked) = (self.asked.compare.sides(), (self.asked, self.cpus));
            let first = entry.launched(sides, asked, Phase::First, 0);
            let again = Instant::now();
            let tried =
                if first.is_some() { entry.launched(sides, asked, Phase::First, 1) } else { None };
            if let Some(mut tried) = tried {
                tried.around = again.elapsed().saturating_sub(tried.turning);
                let turns = plan::turns(&tried, entry.budget.turns);
                each.push(plan::takes(&tried, entry.budget.turns, turns));
                entry.budget.turns = turns;
            }
            if interrupt::asked() {
                return Err("interrupted".to_owned());
            }
        }
        plan::launches(self.asked.budget, begun.elapsed(), &each)
    }

    /// Counts, launches, launches again; the lines of the cells come last.
    ///
    /// # Errors
    /// Only a record that cannot be written.
    pub fn measure(&mut self, writer: &mut Writer) -> anyhow::Result<()> {
        let cells = self.entries.len() as u64;
        let launches = self.launches.clone().unwrap_or(0);
        self.bar.set_length(cells * (1 + u64::from(launches)));
        if let Compare::Baseline { accepted, .. } = &self.asked.compare {
            writer.lines(&stored(&accepted.0))?;
        }
        if self.asked.exact {
            self.count(writer)?;
        }
        let all: Vec<usize> = (0..self.entries.len()).collect();
        self.launch(writer, Phase::First, launches, &all)?;
        let again = self.asked_again(writer, needs_second)?;
        self.bar.inc_length(again.len() as u64 * u64::from(launches));
        self.launch(writer, Phase::Second, launches, &again)?;
        self.bar.finish_and_clear();
        if interrupt::asked() {
            return Ok(());
        }
        let lines: Vec<Line> =
            self.entries.iter().map(|entry| Line::Cell(entry.line.clone())).collect();
        writer.lines(&lines)
    }

    /// Counts every cell; those that seem worse once more, since two captures may agree by chance.
    fn count(&mut self, writer: &mut Writer) -> anyhow::Result<()> {
        for at in 0..self.entries.len() {
            self.bar.inc(1);
            self.captures(writer, at, 0)?;
        }
        let worse = self.asked_again(writer, needs_captures)?;
        worse.into_iter().try_for_each(|at| self.captures(writer, at, CAPTURES))
    }

    /// Captures of one cell, numbered from `first`: the arms in turn.
    fn captures(&mut self, writer: &mut Writer, at: usize, first: u32) -> anyhow::Result<()> {
        let sides = self.asked.compare.sides();
        let entry = &mut self.entries[at];
        let Some((ready, dir)) = entry.place.clone().filter(|_| entry.is_well()) else {
            return Ok(());
        };
        self.bar.set_message(format!("counting {}", entry.line.cell));
        let on = (sides, &ready, ground(self.asked, self.cpus, &dir));
        let arms: &[Arm] =
            if sides.base.is_some() { &[Arm::Base, Arm::Head] } else { &[Arm::Head] };
        self.evidence.begin(&ready.log);
        for (capture, arm) in
            (first..first + CAPTURES).flat_map(|n| arms.iter().map(move |a| (n, *a)))
        {
            if interrupt::asked() || !entry.is_well() {
                break;
            }
            match counts::capture(&entry.duel, arm, capture, on, self.evidence) {
                Ok(captured) => {
                    entry.line.setup.extend(captured.setup);
                    writer.lines(&[Line::Counts(captured.counts)])?;
                }
                Err(trouble) => entry.give_up(arm, trouble),
            }
        }
        self.evidence.end();
        Ok(())
    }

    fn launch(
        &mut self,
        writer: &mut Writer,
        phase: Phase,
        launches: u32,
        who: &[usize],
    ) -> anyhow::Result<()> {
        let (sides, asked) = (self.asked.compare.sides(), (self.asked, self.cpus));
        for launch in 0..launches {
            for &at in who {
                if interrupt::asked() {
                    return Ok(());
                }
                let entry = &mut self.entries[at];
                self.bar.inc(1);
                if !entry.is_well() || entry.line.untimed.is_some() {
                    continue;
                }
                self.bar.set_message(entry.line.cell.clone());
                let Some(launched) = entry.launched(sides, asked, phase, launch) else { continue };
                let lines: Vec<Line> = launched.samples.into_iter().map(Line::Sample).collect();
                writer.lines(&lines)?;
                entry.line.latencies.extend(launched.latencies);
                entry.line.setup.extend(launched.setup);
            }
        }
        Ok(())
    }

    /// The cells of which the record so far says that they should be measured once more.
    fn asked_again(
        &self,
        writer: &Writer,
        ask: fn(&record::Record) -> Vec<&str>,
    ) -> anyhow::Result<Vec<usize>> {
        let path = writer.path();
        let text =
            std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let record =
            record::read(&text).with_context(|| format!("reading {} back", path.display()))?;
        let again = ask(&record);
        let again = |entry: &Entry| again.contains(&entry.line.cell.as_str());
        Ok((0..self.entries.len()).filter(|&at| again(&self.entries[at])).collect())
    }
}

impl Entry<'_> {
    fn is_well(&self) -> bool {
        self.line.status.values().all(|status| *status == Status::Ok)
    }

    fn give_up(&mut self, arm: Arm, trouble: Trouble) {
        if interrupt::asked() {
            return;
        }
        let whose = match arm {
            Arm::Base => "base",
            Arm::Head => "head",
            Arm::Control => "control",
        };
        self.line.reasons.push(format!("{whose}: {}", trouble.message));
        // The control is the base once more.
        let arm = if arm == Arm::Control { Arm::Base } else { arm };
        self.line.status.insert(arm, trouble.status);
    }

    /// One launch; trouble ends the cell.
    fn launched(
        &mut self,
        sides: Sides,
        (asked, cpus): (&Asked, &Cpus),
        phase: Phase,
        launch: u32,
    ) -> Option<Launched> {
        let (ready, dir) = self.place.clone()?;
        if let Err(trouble) = warmed(&ready) {
            self.give_up(Arm::Base, trouble);
            return None;
        }
        let ground = ground(asked, cpus, &dir);
        let plan = Plan { duel: &self.duel, sides, ready: &ready, ground, budget: self.budget };
        match plan.launch(phase, launch) {
            Ok(launched) => launched,
            Err((arm, trouble)) => {
                self.give_up(arm, trouble);
                None
            }
        }
    }
}

/// Reads the log in, unless all of it is there.
fn warmed(ready: &Ready) -> Result<(), Trouble> {
    let segments: Vec<_> =
        ready.log.segments.iter().map(|s| (s.path.clone(), s.len_bytes)).collect();
    Witness::open(&segments)?.keep_warm()
}

fn ground<'a>(asked: &'a Asked, cpus: &'a Cpus, beside: &'a std::path::Path) -> Ground<'a> {
    Ground { scratch: asked.places.scratch(), beside, link: None, cpus }
}

/// The counts that were accepted, as those of the base.
fn stored(accepted: &record::Record) -> Vec<Line> {
    let counts = accepted.cells.iter().flat_map(|cell| &cell.counts);
    counts
        .filter(|counts| counts.arm == Arm::Head)
        .map(|counts| Line::Counts(record::Counts { arm: Arm::Base, ..counts.clone() }))
        .collect()
}
