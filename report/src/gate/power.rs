//! How often does a gate see what is there, and how often what is not?
//!
//! The gate's own error rates are measured as everything else is: by doing it. A [`Trial`] is one
//! whole gate of a program against itself, or against one with a planted fault, packed small: every
//! slice of every launch is kept, so that the verdict can be computed anew ([`Trial::record`]).

mod summary;

pub use summary::{Gate, Planted, Summary, markdown, summaries};

use super::record::{Arm, Cell, Counts, Measured, Opening, Phase, Record, SCHEMA, Sample};
use crate::lines::{Form, Lines, LinesError};
use crate::record::{End, Verified, reading};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One line of a proof.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Line {
    /// The first line: what is planted, and how much of it.
    Proof(Box<Proof>),
    /// One whole gate.
    Trial(Box<Trial>),
}

/// What a proof is made with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// Sender CPU for each KiB of the base when nothing is planted, by which shares are planted.
    pub base_ns_per_kib: f64,
    /// The opening of the first gate: programs, rule, machine.
    pub opening: Opening,
}

/// One whole gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Which experiment.
    pub experiment: String,
    /// What was planted: empty, or as the environment said it.
    pub planted: String,
    /// The budget of launches.
    pub budget_ns: u64,
    /// How long the whole gate took.
    pub took_ns: u64,
    /// The load average when it began.
    pub load: f64,
    /// What it came to, as the program said it at the time.
    pub verdict: String,
    /// Whether times were compared, as the opening says it.
    pub timing: String,
    /// Launches that were planned.
    pub launches: u32,
    /// The cells.
    pub cells: Vec<Packed>,
}

/// A proof, read back.
#[derive(Clone, Debug)]
pub struct Proven {
    /// What it is made with.
    pub proof: Proof,
    /// Its gates, in the order in which they were made.
    pub trials: Vec<Trial>,
    /// What a reader should know about the file: that a line was cut off.
    pub remark: Option<String>,
}

const FORM: Form = Form {
    file: "a proof of the gate",
    opening: "proof",
    kinds: &["proof", "trial"],
    schema: SCHEMA,
};

/// Reads the text of a proof.
///
/// # Errors
/// [`LinesError`] names the line and what was expected.
pub fn read(text: &str) -> Result<Proven, LinesError> {
    let Lines { opening, others, remark } = FORM.read::<Proof, Line>(text)?;
    let trials = others.into_iter().filter_map(|line| match line {
        Line::Trial(trial) => Some(*trial),
        // A second one is an error of the file, which never gets here.
        Line::Proof(_) => None,
    });
    Ok(Proven { proof: opening, trials: trials.collect(), remark })
}

/// One cell of a gate, packed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Packed {
    /// Its last line, without its latencies.
    pub cell: Cell,
    /// Payload bytes of each slice.
    pub slice_bytes: u64,
    /// Its launches.
    pub launches: Vec<PackedLaunch>,
    /// Its counts, where they were compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counts: Vec<Counts>,
}

/// Sender CPU of every slice of a launch, by turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PackedLaunch {
    /// Which set of launches.
    pub phase: Phase,
    /// Which one.
    pub launch: u32,
    /// Of the base, in nanoseconds.
    pub base_ns: Vec<u64>,
    /// Of the head.
    pub head_ns: Vec<u64>,
    /// Of the control.
    pub control_ns: Vec<u64>,
}

impl Packed {
    /// Packs a cell. `None` where it never ended.
    #[must_use]
    pub fn of(measured: &Measured, with_counts: bool) -> Option<Packed> {
        let cell = Cell { latencies: Vec::new(), ..measured.cell.clone()? };
        let mut launches: BTreeMap<(Phase, u32), PackedLaunch> = BTreeMap::new();
        for sample in &measured.samples {
            let (phase, launch) = (sample.phase, sample.launch);
            let packed = launches.entry((phase, launch)).or_insert_with(|| PackedLaunch {
                phase,
                launch,
                base_ns: Vec::new(),
                head_ns: Vec::new(),
                control_ns: Vec::new(),
            });
            let arm = match sample.arm {
                Arm::Base => &mut packed.base_ns,
                Arm::Head => &mut packed.head_ns,
                Arm::Control => &mut packed.control_ns,
            };
            arm.push(sample.readings.get(reading::SENDER_CPU_NS).copied().unwrap_or(0));
        }
        Some(Packed {
            cell,
            slice_bytes: measured.samples.first().map_or(0, |sample| sample.bytes),
            launches: launches.into_values().collect(),
            counts: if with_counts { measured.counts.clone() } else { Vec::new() },
        })
    }

    fn measured(&self) -> Measured {
        let mut samples = Vec::new();
        for launch in &self.launches {
            let arms = [
                (Arm::Base, &launch.base_ns),
                (Arm::Head, &launch.head_ns),
                (Arm::Control, &launch.control_ns),
            ];
            for (slot, (arm, slices)) in arms.into_iter().enumerate() {
                samples.extend(slices.iter().enumerate().map(|(turn, ns)| Sample {
                    cell: self.cell.cell.clone(),
                    phase: launch.phase,
                    arm,
                    launch: launch.launch,
                    turn: turn as u32,
                    slot: slot as u32,
                    bytes: self.slice_bytes,
                    header_bytes: 0,
                    fetches: 0,
                    wall_ns: 0,
                    readings: BTreeMap::from([(reading::SENDER_CPU_NS.to_owned(), *ns)]),
                    verified: Verified::Length,
                }));
            }
        }
        Measured {
            id: self.cell.cell.clone(),
            cell: Some(self.cell.clone()),
            samples,
            counts: self.counts.clone(),
        }
    }
}

impl Trial {
    /// The gate's record, as far as its verdict rests on it.
    #[must_use]
    pub fn record(&self, proof: &Proof) -> Record {
        let mut opening = proof.opening.clone();
        opening.timing = self.timing.clone();
        opening.rule.launches = self.launches;
        Record {
            opening,
            cells: self.cells.iter().map(Packed::measured).collect(),
            end: Some(End { how: "complete".to_owned(), ended_at: String::new() }),
            remarks: Vec::new(),
        }
    }
}
