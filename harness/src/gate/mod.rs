//! How is it measured whether the head got worse than the base?
//!
//! `scenarios → duels → counts → launches → gate.jsonl`. The record is all that the verdict rests on:
//! `zclab_report::gate` makes it, the pages and the exports from the record alone. How many launches
//! there are is decided before the first one that counts, from how long one took that does not.

pub mod accept;
pub mod counts;
pub mod duel;
pub mod launch;
pub mod plan;
pub mod power;
pub mod program;
mod session;
pub mod watched;

use crate::run::evidence::Evidence;
use crate::run::writer::{self, Writer};
use crate::run::{Places, interrupt};
use crate::scenario::Scenario;
use anyhow::Context;
use duel::{Duel, Pairing, Sides};
use program::Program;
use session::Session;
use std::path::PathBuf;
use std::time::Duration;
use zclab_report::gate::record::{Line, Opening, Record, Rule, SCHEMA, Side, Slack};

/// What the record of a gate is called.
pub const GATE: &str = "gate.jsonl";

/// The link to the newest gate, among the runs.
pub const LATEST: &str = "latest-gate";

/// What is compared with what.
#[derive(Clone, Debug)]
pub enum Compare {
    /// Two programs, by the same strategies.
    Programs {
        /// What the head is compared with.
        base: Program,
        /// What is judged.
        head: Program,
    },
    /// Two strategies of one program.
    Strategies {
        /// The program.
        program: Program,
        /// The label of the strategy that is the base.
        a: String,
        /// The label of the one that is judged.
        b: String,
    },
    /// A program with counts that were accepted earlier.
    Baseline {
        /// What was accepted, read back, and where it lies.
        accepted: Box<(Record, PathBuf)>,
        /// What is judged.
        head: Program,
    },
    /// A program with nothing: its counts are to be accepted.
    Nothing {
        /// The program.
        head: Program,
    },
}

/// What a gate is asked to do.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What is compared.
    pub compare: Compare,
    /// Under which conditions.
    pub scenarios: Vec<Scenario>,
    /// How long the launches of all cells may take together, second ones included.
    pub budget: Duration,
    /// What is tolerated of sender CPU per byte: 0.01 is one per cent.
    pub margin: f64,
    /// Whether counts are compared.
    pub exact: bool,
    /// Whether times are compared.
    pub timing: bool,
    /// Where things lie.
    pub places: Places,
}

/// What came of a gate.
#[derive(Debug)]
pub struct Outcome {
    /// Its record.
    pub record: PathBuf,
    /// It was ended by a signal.
    pub interrupted: bool,
}

/// Chance of a false alarm over all cells together, at most.
const ALPHA: f64 = 0.05;

/// What counts may exceed the base's by. System calls, copies and the classes of bytes on the wire are
/// the same in two runs of one program on an undisturbed kernel; short writes are not quite, since they
/// depend on how fast the receiver is, and nor are bytes, since a receiver's TCP now and then copies
/// the end of a packet to the next one's beginning (53 of 8 MiB were seen).
const SLACK: Slack = Slack { syscalls: 0.0, short_writes: 0.01, bytes: 0.0001 };

impl Compare {
    fn pairing(&self) -> Pairing {
        match self {
            Compare::Strategies { a, b, .. } => Pairing::Labels(a.clone(), b.clone()),
            _ => Pairing::Same,
        }
    }

    fn sides(&self) -> Sides<'_> {
        match self {
            Compare::Programs { base, head } => Sides { base: Some(base), head },
            Compare::Strategies { program, .. } => Sides { base: Some(program), head: program },
            Compare::Baseline { head, .. } | Compare::Nothing { head } => {
                Sides { base: None, head }
            }
        }
    }

    /// Base and head, as the record names them.
    fn named(&self) -> (&'static str, Side, Side) {
        match self {
            Compare::Programs { base, head } => ("programs", base.side.clone(), head.side.clone()),
            Compare::Strategies { program, a, b } => {
                let side = |label: &String| Side { label: label.clone(), ..program.side.clone() };
                ("strategies", side(a), side(b))
            }
            Compare::Baseline { accepted, head } => {
                let (record, path) = accepted.as_ref();
                let mut base = record.opening.head.clone();
                base.label = path.display().to_string();
                base.machine = record.opening.machine.clone();
                ("baseline", base, head.side.clone())
            }
            Compare::Nothing { head } => ("baseline", Side::default(), head.side.clone()),
        }
    }

    /// Why times are not compared, if so: nobody could take turns with what is stored.
    fn untimed(&self) -> Option<&'static str> {
        match self {
            Compare::Programs { .. } | Compare::Strategies { .. } => None,
            Compare::Baseline { .. } | Compare::Nothing { .. } => Some(
                "stored counts have no times: only programs that take turns on one machine can be \
                 compared by time (--base)",
            ),
        }
    }
}

/// Measures, into a new record.
///
/// # Errors
/// What keeps the gate as a whole from going on; trouble with a cell is a row.
pub fn run(asked: &Asked) -> anyhow::Result<Outcome> {
    interrupt::listen().context("listening for Ctrl-C")?;
    let logs = &asked.places.logs;
    std::fs::create_dir_all(logs).with_context(|| format!("mkdir {}", logs.display()))?;
    let mut duels = Vec::new();
    for scenario in &asked.scenarios {
        duels.extend(Duel::of(scenario, &asked.compare.pairing())?);
    }
    let mut evidence = Evidence::load();
    let runs = asked.places.results.join("runs");
    let run_id = writer::run_id();
    let cpus = asked.places.cpus.settle()?;
    let mut session = Session::new(asked, &cpus, duels, &mut evidence)?;
    let launches = session.plan()?;
    let mut writer = Writer::create(&runs, &run_id, GATE)?;
    writer::point(LATEST, &runs, &run_id)?;
    writer.lines(&[Line::Gate(Box::new(opening(asked, run_id, launches, session.ledger())))])?;
    let outcome = session.measure(&mut writer);
    let interrupted = interrupt::asked();
    let ended = writer.lines(&[Line::End(writer::end(outcome.is_err()))]);
    outcome?;
    ended?;
    Ok(Outcome { record: writer.path().to_owned(), interrupted })
}

/// The first line. `launches` says how many each cell has, or why none.
fn opening(
    asked: &Asked,
    run_id: String,
    launches: Result<u32, String>,
    ledger: String,
) -> Opening {
    let (compares, base, head) = asked.compare.named();
    let timing = match &launches {
        Ok(_) => "yes".to_owned(),
        Err(why) => format!("no: {why}"),
    };
    Opening {
        schema: SCHEMA,
        run_id,
        started_at: writer::timestamp(),
        argv: std::env::args().collect(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        compares: compares.to_owned(),
        base,
        head,
        rule: Rule {
            margin: asked.margin,
            alpha: ALPHA,
            launches: launches.unwrap_or(0),
            turns: *launch::TURNS.end(),
            slice_bytes: plan::SLICE_BYTES,
            confirm: true,
            slack: SLACK,
        },
        timing,
        ledger,
        machine: crate::machine::facts(&asked.places.logs),
    }
}
