//! What does a run leave behind, line by line?
//!
//! The record is JSON Lines, append-only, flushed line by line, in base units (ns, bytes, counts).
//! Raw values are integers; ratios are derived elsewhere and say so. The first line is a [`Run`]; a
//! [`Cell`] line is written when its cell is over, so samples without one belong to an unfinished
//! cell. `results/schema/` holds the JSON Schema that is generated from these types.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

pub mod aliasing;
mod expect;
mod family;
mod reader;
pub mod reading;

pub use aliasing::{Aliasing, Sharing};
pub use expect::{Claim, Expect};
pub use family::{FAMILY_TRANSFER, SIDE_RECEIVER, SIDE_SENDER};
pub use reader::{Measured, Record, read};

/// [`Run::purpose`] of a measurement.
pub const PURPOSE_MEASURE: &str = "measure";
/// [`Run::purpose`] of a check.
pub const PURPOSE_CHECK: &str = "check";

fn purpose_measure() -> String {
    PURPOSE_MEASURE.to_owned()
}

/// The version of the record format.
pub const SCHEMA: u32 = 1;

/// The JSON Schema of one [`Line`], as `results/schema/record.schema.json` holds it.
#[must_use]
pub fn schema() -> Value {
    schemars::schema_for!(Line).to_value()
}

/// One line of a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Line {
    /// The first line: who ran what, where.
    Run(Box<Run>),
    /// What a scenario asks, so that a page needs nothing but the record.
    Scenario(Scenario),
    /// A cell is over.
    Cell(Cell),
    /// One measured slice or round.
    Sample(Sample),
    /// A latency distribution.
    Histogram(Histogram),
    /// Predicted and observed hops of a cell.
    Ledger(Ledger),
    /// What the aliasing probe saw.
    Aliasing(Aliasing),
    /// Where the measured side's CPU time went.
    Profile(Profile),
    /// Why a cell has no (more) samples.
    Error(Failure),
    /// The run was taken up again.
    Resumed(Resumed),
    /// The run is over; absent when it was killed.
    End(End),
}

/// Who ran what, where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// [`SCHEMA`] of the writer.
    pub schema: u32,
    /// Unique, and sorted by time: `20261124T091500Z-1a2b3c`.
    pub run_id: String,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// `measure`, or `check`: then there is one sample for each cell, and nothing to compare.
    #[serde(default = "purpose_measure")]
    pub purpose: String,
    /// The revision of zclab that ran, or `unknown`.
    pub revision: String,
    /// Whether that revision's tree had uncommitted changes when it was built.
    pub dirty: bool,
    /// The version of zclab.
    pub version: String,
    /// The command line.
    pub argv: Vec<String>,
    /// The strategies of that zclab, in catalogue order: colours and line styles follow it.
    #[serde(default)]
    pub catalogue: Vec<StrategyFact>,
    /// Facts of the machine, by name: `kernel`, `cpu_model`, `cpus`, `filesystem`, `mitigations`,
    /// …. A value that could not be read is the string `unavailable: <reason>`.
    pub machine: BTreeMap<String, Value>,
    /// What the machine lets zclab do, by name: `yes`, or `no: <reason>`.
    pub capabilities: BTreeMap<String, String>,
}

/// A strategy, as lists and pages introduce it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StrategyFact {
    /// Its name.
    pub name: String,
    /// The question that it asks the kernel.
    pub question: String,
    /// Whether it moves the log's bytes; the floor does not, and is left out of rankings.
    pub moves_the_log: bool,
    /// What it moves from where to where: `transfer`, `ingest`, `receive`.
    #[serde(default = "family::transfer")]
    pub family: String,
}

/// The run was taken up again: samples before this line whose cell had no `cell` line yet are void.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Resumed {
    /// RFC 3339, UTC.
    pub resumed_at: String,
    /// The command line.
    pub argv: Vec<String>,
}

/// What a scenario asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Scenario {
    /// Its name: path below `scenarios/` without the extension.
    pub scenario: String,
    /// The question, one sentence.
    pub question: String,
    /// How to read the answer, a few paragraphs of plain text.
    pub analysis: String,
    /// Label of the contender that the others are compared with.
    pub baseline: String,
    /// Labels of the contenders, in order.
    pub contenders: Vec<String>,
    /// The axes of the matrix: parameter name to its values, in the file's order; the first axis is
    /// the page's x axis.
    pub axes: Vec<Axis>,
    /// The scenario file's text.
    pub source: String,
    /// What the file expects of the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Expect>,
}

/// One axis of a matrix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Axis {
    /// The parameter's name.
    pub name: String,
    /// Its values.
    pub values: Vec<Value>,
}

/// What became of a cell.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Measured and verified.
    Ok,
    /// The kernel or the device refuses.
    Unsupported,
    /// The strategy cannot do what the scenario asks.
    Refused,
    /// A privilege is missing.
    Skipped,
    /// The condition that it claims could not be proven.
    Invalid,
    /// Something that should work did not.
    Failed,
}

impl Status {
    /// The name in records and on pages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Unsupported => "unsupported",
            Status::Refused => "refused",
            Status::Skipped => "skipped",
            Status::Invalid => "invalid",
            Status::Failed => "failed",
        }
    }
}

/// One point of the matrix × one strategy, over and done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cell {
    /// Its id: `<scenario>/<strategy>/<params as key=value, sorted, comma separated>`.
    pub cell: String,
    /// The scenario's name.
    pub scenario: String,
    /// The strategy's name.
    pub strategy: String,
    /// The contender: the strategy's name, and the options that tell it from others of that name.
    pub label: String,
    /// Every parameter that makes the cell what it is.
    pub params: BTreeMap<String, Value>,
    /// What became of it.
    pub status: Status,
    /// Why the status is not `ok`; several reasons are several entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// What the lab set and read back for it: congestion control, socket buffers, pinning, ….
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub setup: BTreeMap<String, Value>,
}

/// What a round is for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Pass {
    /// Nothing attached, clocks only.
    Timing,
    /// Kernel counters attached.
    Counting,
    /// The log is rewritten while it is in flight.
    Aliasing,
    /// Every byte is checked.
    Verify,
}

/// How a sample's bytes were verified.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Verified {
    /// A checksum over exactly the requested ranges, at the sink.
    Content,
    /// The number of bytes at the sink.
    Length,
    /// Not at all: the sink forgets its bytes.
    None,
}

/// One measured slice or round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// The cell's id.
    pub cell: String,
    /// What the round was for.
    pub pass: Pass,
    /// Which set of children, from 0.
    pub launch: u32,
    /// Which turn of the rotation within the launch, from 0. Samples of one launch and turn are
    /// paired.
    pub turn: u32,
    /// Which place in the turn's order, from 0.
    pub slot: u32,
    /// Payload bytes of the log that reached the sinks.
    pub bytes: u64,
    /// Header bytes that reached the sinks.
    pub header_bytes: u64,
    /// Fetches delivered.
    pub fetches: u64,
    /// Whole records inside the delivered ranges.
    pub messages: u64,
    /// From the first call until the receiver had counted the last byte.
    pub wall_ns: u64,
    /// Integer readings by name: see [`reading`].
    pub readings: BTreeMap<String, u64>,
    /// Data-path system calls by name, counted where they are made.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub calls: BTreeMap<String, u64>,
    /// How the bytes were verified.
    pub verified: Verified,
    /// The proof of the cache condition, where the cell has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheProof>,
}

/// How the cache state of the ranges was proven.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CacheProof {
    /// Pages of the ranges (or of the whole log) that were looked at.
    pub pages: u64,
    /// Of them resident before the sample, by mincore.
    pub resident_before: u64,
    /// Of them resident after it.
    pub resident_after: u64,
    /// The same before, by cachestat; absent where the kernel lacks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cachestat_before: Option<u64>,
    /// Bytes that the lowest device read during the sample, or absent where no device could be
    /// found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_read_bytes: Option<u64>,
    /// Where `device_read_bytes` comes from, or why it is absent.
    pub device: String,
}

/// A latency distribution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Histogram {
    /// The cell's id.
    pub cell: String,
    /// Which launch it covers.
    pub launch: u32,
    /// What was measured: `fetch_latency_ns`, or one of [`reading::HOT_LATENCIES`].
    pub what: String,
    /// Always `hdr-v2-deflate`: HdrHistogram V2, compressed, base64.
    pub encoding: String,
    /// The encoded histogram.
    pub data: String,
}

/// Predicted and observed hops of a cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ledger {
    /// The cell's id.
    pub cell: String,
    /// Payload bytes that the observation covers; 0 when nothing was observed.
    pub payload_bytes: u64,
    /// CPU copies per payload byte on the measured side.
    pub cpu_copies_per_byte: Compared,
    /// User-kernel crossings per MiB of payload: two for each system call.
    pub mode_switches_per_mib: Compared,
    /// The hops, in order.
    pub hops: Vec<Hop>,
    /// Whether claim and evidence agree.
    pub agreement: Agreement,
    /// The hop that contradicts, or why nothing was observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was counted during the counting sample, by name; what was seen zero times is left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<String, u64>,
    /// What this kernel has no program for, and why, by purpose: what it would count is unknown, not 0.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub gaps: BTreeMap<String, String>,
    /// System calls of the measured side during it, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub syscalls: BTreeMap<String, u64>,
    /// Which side was measured: `sender`; `receiver` where bytes are ingested or received.
    #[serde(default = "family::sender")]
    pub side: String,
}

/// A claimed and an observed value of the same thing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Compared {
    /// The claim; absent where none is made.
    pub predicted: Option<f64>,
    /// The evidence; absent where there is none.
    pub observed: Option<f64>,
}

/// One hop, claimed and observed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Hop {
    /// Where the bytes were.
    pub from: String,
    /// Where they went.
    pub to: String,
    /// Who moved them: `device`, `cpu-copy`, `reference`.
    pub by: String,
    /// The claim for the payload, or for one MiB of it when nothing was observed.
    pub predicted_bytes: u64,
    /// The evidence; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_bytes: Option<u64>,
    /// Where the observation comes from, or `unavailable: <reason>`.
    pub evidence: String,
    /// The call or kernel function that does it.
    #[serde(default)]
    pub why: String,
}

/// Whether claim and evidence agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Agreement {
    /// They do.
    Agrees,
    /// They do not.
    Contradicts,
    /// There is no evidence.
    Unobserved,
}

/// Where the measured side's CPU time went: samples of the CPU clock while slices moved that count nowhere else.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Profile {
    /// The cell's id.
    pub cell: String,
    /// Samples of that side; 0 with a `reason` where none could be taken.
    pub samples: u64,
    /// CPU time between two samples.
    pub period_ns: u64,
    /// Whose: `sender`, or `receiver` where bytes are ingested or received.
    pub side: String,
    /// Samples by what they were spent on: `copy`, `tcp-ip`, `page-cache`, `page-fault`, `memory`,
    /// `scheduler`, `entry-exit`, `io-uring`, `block`, `other`, `user`; those without any are left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, u64>,
    /// Folded stacks, the most frequent first: `outer;inner 12` and a line end each. Kernel functions
    /// only; time in the process itself is the stack `user`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub folded: String,
    /// Samples of stacks that `folded` has no room for.
    #[serde(default)]
    pub left_out: u64,
    /// Samples that the kernel had no room for.
    #[serde(default)]
    pub lost: u64,
    /// `yes`, or why kernel functions have no names.
    pub kernel_symbols: String,
    /// Why there are no samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Why a cell has no (more) samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// The cell's id.
    pub cell: String,
    /// What the cell's status becomes.
    pub status: Status,
    /// The call that failed, where a call did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// The name of the errno: `EPERM`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<String>,
    /// The whole message.
    pub message: String,
}

/// The run is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct End {
    /// `complete`, or `interrupted`.
    pub how: String,
    /// RFC 3339, UTC.
    pub ended_at: String,
}
