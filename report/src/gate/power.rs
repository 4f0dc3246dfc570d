//! How often does a gate see what is there, and how often what is not?
//!
//! The gate's own error rates are measured as everything else is: by doing it. A [`Trial`] is one
//! whole gate of a program against itself, or against one with a planted fault, packed small: every
//! slice of every launch is kept, so that the verdict can be computed anew ([`Trial::record`]).

use super::record::{Arm, Cell, Counts, Measured, Opening, Phase, Record, Sample};
use super::{Verdict, report};
use crate::record::{End, Verified, reading};
use crate::stats::binomial;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write;

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

/// What all trials of one experiment come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Which experiment.
    pub experiment: String,
    /// How many trials.
    pub trials: u64,
    /// How many came to each verdict, by name.
    pub verdicts: BTreeMap<&'static str, u64>,
    /// Trials whose verdict, computed anew, is not the one that was said at the time.
    pub changed: u64,
    /// Head over base: mean and standard deviation over trials, as shares above 1.
    pub effect: Option<(f64, f64)>,
    /// The same of the control.
    pub control: Option<(f64, f64)>,
    /// The largest of the smallest effects that trials could have seen, as a share above 1.
    pub smallest_seen: Option<f64>,
    /// The longest that a gate took.
    pub took_ns_max: u64,
}

/// The experiments of a proof, in order of appearance, with every verdict computed anew.
#[must_use]
pub fn summaries(proof: &Proof, trials: &[Trial]) -> Vec<Summary> {
    let mut names: Vec<&str> = Vec::new();
    for trial in trials {
        if !names.contains(&trial.experiment.as_str()) {
            names.push(&trial.experiment);
        }
    }
    names.into_iter().map(|name| summary(proof, name, trials)).collect()
}

fn summary(proof: &Proof, experiment: &str, trials: &[Trial]) -> Summary {
    let of: Vec<&Trial> = trials.iter().filter(|trial| trial.experiment == experiment).collect();
    let (mut verdicts, mut changed) = (BTreeMap::new(), 0);
    let (mut effects, mut controls, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    for trial in &of {
        let record = trial.record(proof);
        let report = report(&record);
        *verdicts.entry(report.verdict.name()).or_insert(0) += 1;
        changed += u64::from(report.verdict.name() != trial.verdict);
        for timing in report.cells.iter().filter_map(|cell| cell.timing.as_ref().ok()) {
            effects.push(timing.all.ratio.point - 1.0);
            controls.push(timing.all.control.point - 1.0);
            seen.extend(timing.all.smallest_seen.map(|ratio| ratio - 1.0));
        }
    }
    Summary {
        experiment: experiment.to_owned(),
        trials: of.len() as u64,
        verdicts,
        changed,
        effect: spread(&effects),
        control: spread(&controls),
        smallest_seen: seen.into_iter().filter(|one| one.is_finite()).reduce(f64::max),
        took_ns_max: of.iter().map(|trial| trial.took_ns).max().unwrap_or(0),
    }
}

/// Mean and standard deviation.
fn spread(values: &[f64]) -> Option<(f64, f64)> {
    let mean = crate::stats::centre::mean(values)?;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let degrees = values.len().saturating_sub(1).max(1) as f64;
    Some((mean, (squares / degrees).sqrt()))
}

/// The proof as Markdown: a table, and a sentence for each experiment.
#[must_use]
pub fn markdown(proof: &Proof, summaries: &[Summary]) -> String {
    let mut out = String::from(
        "| experiment | gates | regression | improvement | pass | inconclusive | invalid | head over base, mean (sd) | control, mean (sd) | could have seen, at worst | longest |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    let percent = |share: f64| format!("{:+.2} %", share * 100.0);
    let both = |pair: Option<(f64, f64)>| {
        pair.map_or("–".to_owned(), |(mean, sd)| format!("{} ({:.2})", percent(mean), sd * 100.0))
    };
    for one in summaries {
        let count = |verdict: Verdict| one.verdicts.get(verdict.name()).copied().unwrap_or(0);
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.0} s |",
            one.experiment,
            one.trials,
            count(Verdict::Regression),
            count(Verdict::Improvement),
            count(Verdict::Pass),
            count(Verdict::Inconclusive),
            count(Verdict::Invalid),
            both(one.effect),
            both(one.control),
            one.smallest_seen.map_or("–".to_owned(), percent),
            one.took_ns_max as f64 / 1e9,
        );
    }
    out.push('\n');
    for one in summaries {
        let found = one.verdicts.get(Verdict::Regression.name()).copied().unwrap_or(0);
        let words = match one.experiment.starts_with("aa") {
            true => format!(
                "{found} false alarms in {}: with 95 % confidence at most {:.1} % of such gates raise one.",
                one.trials,
                binomial::upper_bound(found, one.trials, 0.95) * 100.0
            ),
            false => format!(
                "found in {found} of {}: with 95 % confidence in at least {:.1} % of such gates.",
                one.trials,
                binomial::lower_bound(found, one.trials, 0.95) * 100.0
            ),
        };
        let _ = writeln!(out, "* **{}**: {words}", one.experiment);
    }
    let changed: u64 = summaries.iter().map(|one| one.changed).sum();
    let all: u64 = summaries.iter().map(|one| one.trials).sum();
    let _ = writeln!(
        out,
        "\nAll verdicts were computed anew from the raw launches; {changed} of {all} differ from what \
         was said at the time. Without a fault the base needed {:.1} ns of sender CPU per KiB.",
        proof.base_ns_per_kib
    );
    out
}
