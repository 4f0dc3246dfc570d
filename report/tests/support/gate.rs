//! Records of gates made up for tests: deterministic, with a known truth in them.
//!
//! `gates::passes()` and its siblings are whole gates, one for each thing that a gate can come to;
//! [`Gate`] makes others. `gate.record()` reads the text back, as `zclab` would.

use super::{Noise, encoded_histogram};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use zclab_report::gate::record::{
    self, Arm, Cell, Counts, Latency, Line, Opening, Phase, Record, Rule, SCHEMA, Sample, Side,
    Slack,
};
use zclab_report::record::{End, Status, Verified};

/// What is true of a cell, and how much noise hides it.
#[derive(Clone, Debug)]
pub struct Truth {
    /// Sender CPU of the head over that of the base.
    pub head: f64,
    /// The same in the confirmation, where there is one.
    pub confirmation: Option<f64>,
    /// The same of the control: 1 but for a machine that cannot be trusted.
    pub control: f64,
    /// What differs between launches, for each arm by itself: half of the uniform noise's width.
    pub launch_noise: f64,
    /// What differs between the turns of a launch, likewise.
    pub turn_noise: f64,
    /// What the last of three slots costs more than the first; slots are swapped between launches.
    pub slot_bias: f64,
    /// The base's sender CPU.
    pub ns_per_kib: f64,
    /// System calls for each fetch of 64 KiB, base and head.
    pub calls: (u64, u64),
    /// CPU copies of each byte, base and head.
    pub copies: (u64, u64),
}

impl Default for Truth {
    fn default() -> Truth {
        Truth {
            head: 1.0,
            confirmation: None,
            control: 1.0,
            launch_noise: 0.006,
            turn_noise: 0.03,
            slot_bias: 0.004,
            ns_per_kib: 92.0,
            calls: (1, 1),
            copies: (0, 0),
        }
    }
}

/// A gate in the making.
pub struct Gate {
    pub lines: Vec<Line>,
    pub launches: u32,
    pub turns: u32,
    seed: u64,
}

impl Default for Gate {
    fn default() -> Gate {
        Gate::new("programs")
    }
}

fn machine(kernel: &str) -> BTreeMap<String, Value> {
    BTreeMap::from([
        ("kernel".into(), json!(kernel)),
        ("cpu_model".into(), json!("Example CPU @ 2.50GHz")),
        ("cpus".into(), json!(2)),
        ("filesystem".into(), json!("ext4")),
        ("virtual_machine".into(), json!(true)),
        ("mitigations".into(), json!("spectre_v2: Retpolines; meltdown: PTI")),
        ("load_average".into(), json!([0.4, 0.3, 0.2])),
    ])
}

fn side(label: &str, revision: &str, digit: char) -> Side {
    Side {
        label: label.into(),
        revision: revision.into(),
        dirty: false,
        version: "0.1.0".into(),
        program_sha256: Some(digit.to_string().repeat(64)),
        machine: BTreeMap::new(),
    }
}

impl Gate {
    /// An empty gate that compares `programs`, `strategies` or with a `baseline`.
    pub fn new(compares: &str) -> Gate {
        let (base, head) = match compares {
            "strategies" => (side("mmap-write", "8c253ea", 'a'), side("sendfile", "8c253ea", 'a')),
            _ => (side("HEAD~1", "9dfc979", 'b'), side("HEAD", "41ba994", 'c')),
        };
        let opening = Opening {
            schema: SCHEMA,
            run_id: "20261128T091500Z-4d5e6f".into(),
            started_at: "2026-11-28T09:15:00Z".into(),
            argv: ["zclab", "gate", "--base", "HEAD~1", "--head", "HEAD", "quick/size"]
                .map(String::from)
                .to_vec(),
            version: "0.1.0".into(),
            compares: compares.into(),
            base,
            head,
            rule: Rule {
                margin: 0.01,
                alpha: 0.01,
                launches: 24,
                turns: 12,
                slice_bytes: 16 << 20,
                confirm: true,
                slack: Slack::default(),
            },
            timing: "yes".into(),
            ledger: "yes".into(),
            machine: machine("6.18.5"),
        };
        Gate { lines: vec![Line::Gate(Box::new(opening))], launches: 24, turns: 12, seed: 7 }
    }

    pub fn opening(&mut self) -> &mut Opening {
        match &mut self.lines[0] {
            Line::Gate(opening) => opening,
            _ => unreachable!("the first line is the opening"),
        }
    }

    /// Another roll of the dice.
    pub fn seed(mut self, seed: u64) -> Gate {
        self.seed = seed;
        self
    }

    /// So many launches of so many turns.
    pub fn sized(mut self, launches: u32, turns: u32) -> Gate {
        (self.launches, self.turns) = (launches, turns);
        let rule = &mut self.opening().rule;
        (rule.launches, rule.turns) = (launches, turns);
        self
    }

    /// A cell that went well, with samples, counts and latencies. Its id is returned.
    pub fn cell(&mut self, scenario: &str, label: &str, truth: &Truth) -> String {
        let id = format!("{scenario}/{label}/cache=warm,fetch=65536");
        self.samples(&id, Phase::First, truth);
        if truth.confirmation.is_some() {
            self.samples(&id, Phase::Second, truth);
        }
        for capture in 0..2 {
            for arm in [Arm::Base, Arm::Head] {
                self.lines.push(Line::Counts(counts(&id, arm, capture, truth)));
            }
        }
        let status = BTreeMap::from([Arm::Base, Arm::Head, Arm::Control].map(|a| (a, Status::Ok)));
        let latencies = self.latencies(truth);
        self.lines.push(Line::Cell(Cell { latencies, ..over(&id, scenario, label, status) }));
        id
    }

    /// A cell that ended otherwise, without samples or counts.
    pub fn ended(&mut self, scenario: &str, label: &str, status: [Status; 2], reason: &str) {
        let id = format!("{scenario}/{label}/cache=warm,fetch=65536");
        let status = BTreeMap::from([
            (Arm::Base, status[0]),
            (Arm::Head, status[1]),
            (Arm::Control, status[0]),
        ]);
        let reasons = vec![reason.to_owned()];
        self.lines.push(Line::Cell(Cell { reasons, ..over(&id, scenario, label, status) }));
    }

    /// The samples of one phase: three arms in turn, their slots swapped between launches.
    pub fn samples(&mut self, id: &str, phase: Phase, truth: &Truth) {
        let seed = id.bytes().fold(self.seed, |h, b| h.wrapping_mul(31).wrapping_add(b.into()));
        let mut noise = Noise::new(seed + u64::from(phase == Phase::Second));
        let head = match phase {
            Phase::First => truth.head,
            Phase::Second => truth.confirmation.unwrap_or(truth.head),
        };
        let arms = [(Arm::Base, 1.0), (Arm::Head, head), (Arm::Control, truth.control)];
        for launch in 0..self.launches {
            let luck: [f64; 3] = std::array::from_fn(|_| 1.0 + truth.launch_noise * noise.next());
            for turn in 0..self.turns {
                let shared = 1.0 + 0.3 * noise.next().abs();
                for (index, (arm, ratio)) in arms.into_iter().enumerate() {
                    let slot = (index as u32 + launch) % 3;
                    let bias = 1.0 + truth.slot_bias * f64::from(slot) / 2.0;
                    let own = 1.0 + truth.turn_noise * noise.next();
                    let ns_per_kib = truth.ns_per_kib * ratio * luck[index] * shared * own * bias;
                    let bytes = 16u64 << 20;
                    let cpu = ns_per_kib * (bytes as f64 / 1024.0);
                    let receiver = 60.0 * (bytes as f64 / 1024.0) * shared;
                    self.lines.push(Line::Sample(Sample {
                        cell: id.into(),
                        phase,
                        arm,
                        launch,
                        turn,
                        slot,
                        bytes,
                        header_bytes: 256 * 90,
                        fetches: 256,
                        wall_ns: (cpu * 1.05) as u64,
                        readings: BTreeMap::from([
                            ("sender_cpu_ns".into(), cpu as u64),
                            ("receiver_cpu_ns".into(), receiver as u64),
                        ]),
                        verified: Verified::Length,
                    }));
                }
            }
        }
    }

    fn latencies(&self, truth: &Truth) -> Vec<Latency> {
        let mut noise = Noise::new(self.seed + 5);
        let mut all = Vec::new();
        for launch in 0..self.launches.min(12) {
            for (arm, ratio) in [(Arm::Base, 1.0), (Arm::Head, truth.head)] {
                let fetch_ns = truth.ns_per_kib * ratio * 64.0;
                let data = encoded_histogram((0..400).map(|n| {
                    let tail = if n % 80 == 0 { 5.0 } else { 1.0 };
                    (fetch_ns * tail * (1.3 + 0.2 * noise.next())) as u64
                }));
                all.push(Latency { phase: Phase::First, arm, launch, data });
            }
        }
        all
    }

    pub fn end(mut self) -> Gate {
        let ended_at = "2026-11-28T09:15:50Z".into();
        self.lines.push(Line::End(End { how: "complete".into(), ended_at }));
        self
    }

    pub fn text(&self) -> String {
        self.lines.iter().fold(String::new(), |text, line| {
            text + &serde_json::to_string(line).expect("a line is JSON") + "\n"
        })
    }

    pub fn record(&self) -> Record {
        record::read(&self.text()).expect("the made-up gate reads back")
    }
}

fn over(id: &str, scenario: &str, label: &str, status: BTreeMap<Arm, Status>) -> Cell {
    Cell {
        cell: id.into(),
        scenario: scenario.into(),
        strategy: label.into(),
        label: label.into(),
        params: BTreeMap::from([
            ("cache".into(), json!("warm")),
            ("fetch".into(), json!(65536)),
            ("consumers".into(), json!(1)),
        ]),
        status,
        reasons: Vec::new(),
        setup: BTreeMap::from([("congestion".into(), json!("cubic"))]),
        untimed: None,
        latencies: Vec::new(),
    }
}

/// What one arm did for 64 MiB in fetches of 64 KiB.
pub fn counts(id: &str, arm: Arm, capture: u32, truth: &Truth) -> Counts {
    let payload_bytes = 64u64 << 20;
    let fetches = payload_bytes / 65536;
    let (calls, copies) = match arm {
        Arm::Head => (truth.calls.1, truth.copies.1),
        _ => (truth.calls.0, truth.copies.0),
    };
    let log = if copies == 0 { payload_bytes } else { 0 };
    Counts {
        cell: id.into(),
        arm,
        capture,
        payload_bytes,
        counts: BTreeMap::from([
            ("calls:sendfile".into(), fetches * calls),
            ("syscalls".into(), fetches * calls),
            ("short_writes".into(), 0),
            ("cpu_copied_bytes".into(), payload_bytes * copies),
            ("wire_log_bytes".into(), log),
            ("wire_linear_bytes".into(), fetches * 90 + payload_bytes - log),
        ]),
        facts: BTreeMap::from([
            ("strategy".into(), "sendfile".into()),
            ("verified".into(), "content".into()),
            ("agreement".into(), "agrees".into()),
        ]),
        gaps: BTreeMap::new(),
    }
}
