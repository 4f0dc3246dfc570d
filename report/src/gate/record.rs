//! What does a gate leave behind, line by line?
//!
//! `gate.jsonl`: JSON Lines, append-only, flushed line by line, in base units, as a run's record is.
//! The first line is an [`Opening`]. Nothing that is concluded is stored: verdicts, intervals and
//! pages are made from these lines by [`super`], so anybody can compute them anew.

use crate::record::{Status, Verified};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

pub use super::reader::read;

/// The version of the format.
pub const SCHEMA: u32 = 1;

/// The JSON Schema of one [`Line`], as `results/schema/gate.schema.json` holds it.
#[must_use]
pub fn schema() -> Value {
    schemars::schema_for!(Line).to_value()
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Line {
    /// The first line: what is compared, by which rule, where.
    Gate(Box<Opening>),
    /// One slice of one arm.
    Sample(Sample),
    /// One capture of counts of one arm.
    Counts(Counts),
    /// A cell is over.
    Cell(Cell),
    /// The gate is over; absent when it was killed.
    End(crate::record::End),
}

/// What is compared, by which rule, where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Opening {
    /// [`SCHEMA`] of the writer.
    pub schema: u32,
    /// Unique, and sorted by time.
    pub run_id: String,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// The command line.
    pub argv: Vec<String>,
    /// The version of the zclab that judged.
    pub version: String,
    /// What is compared: `programs`, `strategies`, `baseline`, `watches` (of a server that is not zclab).
    pub compares: String,
    /// What the head is compared with.
    pub base: Side,
    /// What is judged.
    pub head: Side,
    /// By which rule.
    pub rule: Rule,
    /// `yes`, or `no: <reason>`: whether times are compared at all.
    pub timing: String,
    /// `yes`, or `no: <reason>`: whether copies were counted by the kernel's programs.
    pub ledger: String,
    /// Facts of the machine by name, as in a run's record.
    pub machine: BTreeMap<String, Value>,
}

/// One of the two that are compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    /// As it was asked for: a revision, a path, a strategy's label.
    pub label: String,
    /// The revision that it was built from, or `unknown`.
    pub revision: String,
    /// Whether that tree had uncommitted changes.
    pub dirty: bool,
    /// Its version.
    pub version: String,
    /// SHA-256 of the program, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program_sha256: Option<String>,
    /// Facts of the machine that it was captured on, where that was another time.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub machine: BTreeMap<String, Value>,
}

/// The rule, decided before anything is measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rule {
    /// What is tolerated of sender CPU per byte: 0.01 is one per cent more.
    pub margin: f64,
    /// Chance of a false alarm over all cells together, at most.
    pub alpha: f64,
    /// Launches of each cell; as many again where these do not pass.
    pub launches: u32,
    /// Turns of each launch, at most: a cell's own number is set by a launch that does not count.
    pub turns: u32,
    /// Payload bytes of a slice, at most: tiny fetches make smaller ones.
    pub slice_bytes: u64,
    /// Whether a cell that did not pass is launched as often again, in fresh processes: what is found
    /// then has to show in both sets of launches.
    pub confirm: bool,
    /// What counts may exceed the base's by, by name of the count; absolute, in its unit. Counts without one have to be equal.
    pub slack: Slack,
}

/// Declared slack of counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Slack {
    /// System calls, as a share of the base's.
    pub syscalls: f64,
    /// Short writes, as a share of the base's calls.
    pub short_writes: f64,
    /// Copied and wire bytes, as a share of the payload.
    pub bytes: f64,
}

/// Whose a sample is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Arm {
    /// What the head is compared with.
    Base,
    /// What is judged.
    Head,
    /// A second copy of the base: what it differs from the base by, differs by nothing.
    Control,
}

/// Which set of launches.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The one that every cell has.
    First,
    /// As many again, in fresh processes, of a cell that did not pass.
    Second,
}

impl Phase {
    /// The number of its launch among those of both sets: the second's are the odd ones.
    #[must_use]
    pub fn among_all(self, launch: u32) -> u32 {
        launch.saturating_mul(2).saturating_add(u32::from(self == Phase::Second))
    }
}

/// One slice of one arm. Samples of one phase, cell, launch and turn are paired.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// The cell's id.
    pub cell: String,
    /// Which set of launches.
    pub phase: Phase,
    /// Whose.
    pub arm: Arm,
    /// Which set of children, from 0.
    pub launch: u32,
    /// Which turn within the launch, from 0.
    pub turn: u32,
    /// Which place in the turn's order, from 0.
    pub slot: u32,
    /// Payload bytes that reached the sinks.
    pub bytes: u64,
    /// Header bytes that reached the sinks.
    pub header_bytes: u64,
    /// Fetches delivered.
    pub fetches: u64,
    /// From the first call until the receiver had counted the last byte.
    pub wall_ns: u64,
    /// Integer readings by name, as in a run's record.
    pub readings: BTreeMap<String, u64>,
    /// How the bytes were verified.
    pub verified: Verified,
}

/// Counts of one arm over one block that is the same for both arms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// The cell's id.
    pub cell: String,
    /// Whose.
    pub arm: Arm,
    /// Which capture, from 0: a count that differs between two captures of one arm is not exact here.
    pub capture: u32,
    /// Payload bytes of the block.
    pub payload_bytes: u64,
    /// Integers by name: `calls:sendfile`, `syscalls`, `short_writes`, `cpu_copied_bytes`,
    /// `wire_log_bytes`, `wire_linear_bytes`, `uring_submitted`, ….
    pub counts: BTreeMap<String, u64>,
    /// What was so, by name: `strategy`, `verified`, `agreement`.
    pub facts: BTreeMap<String, String>,
    /// What could not be counted, by the name of the count, and why: `calls` stands for all calls by
    /// name, `wire` for all that is counted of packets. Every other count has to stand in `counts`, 0
    /// as well; only a call that is not among those by name was made no time.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub gaps: BTreeMap<String, String>,
}

/// What became of a cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cell {
    /// Its id.
    pub cell: String,
    /// Its scenario's name.
    pub scenario: String,
    /// The strategy's name.
    pub strategy: String,
    /// The contender's label.
    pub label: String,
    /// Every parameter.
    pub params: BTreeMap<String, Value>,
    /// By arm: `ok`, or what else.
    pub status: BTreeMap<Arm, Status>,
    /// Why it is not `ok`, the arm in front.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Why its times were not compared, where they could not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untimed: Option<String>,
    /// What was set and read back for the base.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub setup: BTreeMap<String, Value>,
    /// Latency distributions by arm and launch, `hdr-v2-deflate` in base64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latencies: Vec<Latency>,
}

/// How long fetches took in one launch of one arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// Which set of launches.
    pub phase: Phase,
    /// Whose.
    pub arm: Arm,
    /// Which set of children.
    pub launch: u32,
    /// The encoded histogram.
    pub data: String,
}

/// A gate, read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// What was compared.
    pub opening: Opening,
    /// The cells in order, with all that was recorded of them.
    pub cells: Vec<Measured>,
    /// How it ended; absent when it was killed.
    pub end: Option<crate::record::End>,
    /// What a reader should know about the file itself.
    pub remarks: Vec<String>,
}

/// A cell and everything that was recorded of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// Its id.
    pub id: String,
    /// Its `cell` line; absent when it was never finished.
    pub cell: Option<Cell>,
    /// Its samples in the order of the file.
    pub samples: Vec<Sample>,
    /// Its counts.
    pub counts: Vec<Counts>,
}
