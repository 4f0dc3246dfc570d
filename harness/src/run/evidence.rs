//! How are kernel counters had for a cell, and what becomes of them in the record?
//!
//! Counting has blocks of its own, in children of their own: programs are attached for them and for
//! nothing else. Where the kernel lets nobody count, every cell says so with the reason.

use super::cells::Ground;
use super::children::TrialChild;
use super::claims;
use crate::ledger::Ledger;
use crate::ledger::counts::Counts;
use crate::ledger::judge::ingest::{IngestCase, judge_ingest};
use crate::ledger::judge::{Case, Changed, judge};
use crate::ledger::object::Unavailable;
use crate::ledger::profile::Profiler;
use crate::log::Log;
use crate::scenario::Cell;
use crate::trial::wire::{Moved, Order, Trouble};
use std::collections::BTreeMap;
use std::path::PathBuf;
use zclab_report::record::{self, reading};
use zclab_strategies::{Entry, Route};

/// The ledger of a run, loaded once, and why it cannot count if it cannot.
pub struct Evidence {
    ledger: Result<Ledger, String>,
    /// Why the log at hand cannot be told from other files, if so.
    unlearnt: Option<String>,
    /// Samplers of the CPU clock, opened when they are first asked for.
    profiler: Option<Result<Profiler, String>>,
}

/// What was counted while a block moved.
pub struct Counted {
    /// The block.
    pub moved: Moved,
    /// The counts.
    pub counts: Counts,
}

impl Evidence {
    /// Loads the programs, unless the kernel refuses.
    #[must_use]
    pub fn load() -> Evidence {
        let ledger = Ledger::load().map_err(|error| error.to_string());
        Evidence { ledger, unlearnt: None, profiler: None }
    }

    /// Why nothing can be counted, if so.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        self.ledger.as_ref().err().map(String::as_str)
    }

    /// The samplers of the CPU clock.
    ///
    /// # Errors
    /// Why the kernel refuses them.
    pub fn profiler(&mut self) -> Result<&mut Profiler, &str> {
        self.profiler.get_or_insert_with(Profiler::open).as_mut().map_err(|why| why.as_str())
    }

    /// Whether the ledger counts here, and each of its purposes that this kernel does not serve, as
    /// the record's `capabilities` have them.
    #[must_use]
    pub fn capabilities(&self) -> BTreeMap<String, String> {
        let ledger = match &self.ledger {
            Ok(ledger) => ledger,
            Err(why) => return BTreeMap::from([("ledger".to_owned(), format!("no: {why}"))]),
        };
        let named = |(purpose, why): (&&str, &String)| {
            (format!("ledger_{}", purpose.replace('-', "_")), format!("no: {why}"))
        };
        let gaps = ledger.gaps().iter().map(named);
        gaps.chain([("ledger".to_owned(), "yes".to_owned())]).collect()
    }

    /// Attaches the programs and learns the log's mappings. What goes wrong is kept as the reason.
    pub fn begin(&mut self, log: &Log) {
        self.unlearnt = None;
        let Ok(ledger) = &mut self.ledger else { return };
        let segments: Vec<(PathBuf, u64)> =
            log.segments.iter().map(|segment| (segment.path.clone(), segment.len_bytes)).collect();
        match ledger.attach() {
            Ok(()) => self.unlearnt = ledger.learn(&segments).err(),
            Err(error) => self.ledger = Err(error.to_string()),
        }
    }

    /// Detaches the programs.
    pub fn end(&mut self) {
        if let Ok(ledger) = &mut self.ledger {
            ledger.detach();
        }
    }

    /// Whether counting is possible now.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.ledger.is_ok() && self.unlearnt.is_none()
    }

    /// Moves a block while everything of this child is counted.
    ///
    /// # Errors
    /// The child's trouble. A map that fails is no trouble of the cell: then the ledger is given up.
    pub fn count(
        &mut self,
        child: &mut TrialChild,
        block: u64,
        fresh: bool,
    ) -> Result<(Moved, Option<Counts>), Trouble> {
        let order = Order::Count { block, fresh };
        let Ok(ledger) = &mut self.ledger else { return Ok((child.moved(order)?, None)) };
        // Each child that follows a growing log has files of its own.
        if !child.instead().is_empty()
            && let Err(why) = ledger.learn(child.instead())
        {
            self.unlearnt = Some(why);
            return Ok((child.moved(order)?, None));
        }
        if let Err(error) = ledger.arm(&child.watched()) {
            self.give_up(&error);
            return Ok((child.moved(order)?, None));
        }
        let moved = child.moved(order)?;
        match ledger.read() {
            Ok(counts) => Ok((moved, Some(counts))),
            Err(error) => {
                self.give_up(&error);
                Ok((moved, None))
            }
        }
    }

    fn give_up(&mut self, error: &Unavailable) {
        self.ledger = Err(error.to_string());
    }

    /// The ledger line of a cell: its claim for the route that its setup describes, and what was counted
    /// of it. Where nothing was, a sample may still say how many bytes were sent for each byte of payload.
    #[must_use]
    pub fn ledger(
        &self,
        cell: &Cell,
        ground: Ground,
        setup: &claims::Setup,
        counted: Option<&Counted>,
        sent_per_byte: Option<f64>,
    ) -> record::Ledger {
        let (counted, ledger) = match (counted, &self.ledger) {
            (Some(counted), Ok(ledger)) => (counted, ledger),
            (_, Err(why)) => return claims::ledger(cell, ground, setup, sent_per_byte, why),
            (None, Ok(_)) => {
                let why = self.unlearnt.as_deref();
                let why = why.unwrap_or("the cell was not counted");
                return claims::ledger(cell, ground, setup, sent_per_byte, why);
            }
        };
        let Counted { moved, counts } = counted;
        let side = claims::side(cell.condition.family);
        let judgement = match cell.contender.strategy {
            Entry::Transfer(one) => {
                let outside_blocks = moved.outside_blocks_bytes as f64 / moved.bytes.max(1) as f64;
                let route = claims::route(cell, ground.link, setup);
                let route = Route { outside_blocks, ..route };
                judge(&Case {
                    path: &claims::transfer_path(cell, one, &route, claims::sent_per_byte(moved)),
                    route: &route,
                    payload_bytes: moved.bytes,
                    header_bytes: moved.header_bytes,
                    changed: changed(cell, moved),
                    missing_bytes: moved.cache.as_ref().map(missing),
                    counts,
                    gaps: ledger.gaps(),
                })
            }
            Entry::Ingest(one) => {
                let route = claims::ingest_route(cell, ground.scratch);
                judge_ingest(&IngestCase {
                    path: &one.path(&route),
                    route: &route,
                    payload_bytes: moved.bytes,
                    mapped_bytes: moved.readings.get(reading::MAPPED_BYTES).copied().unwrap_or(0),
                    counts,
                    gaps: ledger.gaps(),
                })
            }
        };
        record::Ledger {
            cell: cell.id(),
            payload_bytes: moved.bytes,
            cpu_copies_per_byte: judgement.copies,
            mode_switches_per_mib: judgement.mode_switches,
            hops: judgement.hops,
            agreement: judgement.agreement,
            reason: judgement.reason,
            counts: counts.raw_of(side),
            gaps: gaps(ledger),
            syscalls: counts.calls_of("sender"),
            side: side.to_owned(),
        }
    }
}

/// What the outlet counted, where the bytes were changed on their way.
fn changed(cell: &Cell, moved: &Moved) -> Option<Changed> {
    let read = |name| moved.readings.get(name).copied();
    let (taken_bytes, sent_bytes) = (read(reading::TRANSFORMED_BYTES)?, read(reading::SENT_BYTES)?);
    cell.condition.transform.changes().then_some(Changed { taken_bytes, sent_bytes })
}

fn gaps(ledger: &Ledger) -> BTreeMap<String, String> {
    ledger.gaps().iter().map(|(purpose, why)| ((*purpose).to_owned(), why.clone())).collect()
}

/// Bytes of a sample's ranges that the page cache did not have before it.
fn missing(proof: &record::CacheProof) -> u64 {
    proof.pages.saturating_sub(proof.resident_before) * crate::cache::PAGE_BYTES
}
