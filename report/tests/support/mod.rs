//! Records made up for tests: deterministic, and with everything that can go wrong in them.
#![allow(dead_code, unused_imports, reason = "each test file uses a part of this")]

pub mod gate;
pub mod gates;
mod ledgers;
mod models;
mod pressed;
mod records;

pub use ledgers::witnessed;
pub use models::{MODELS, Model};
pub use pressed::pressed;
pub use records::{HOSTILE, killed, showcase, single};

use base64::Engine;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use zclab_report::record::{self, *};

/// A small deterministic generator (xorshift), so that no test depends on a clock or a seed.
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Noise {
        Noise(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Uniform between −1 and 1.
    pub fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// The parameters of a cell.
pub type Params = BTreeMap<String, Value>;

/// How a cell ends that is not ok: with an error line, or with a reason alone.
pub type Ending = (Status, Option<Failure>);

/// Lines of a record in the making.
pub struct Builder {
    pub lines: Vec<Line>,
    pub launches: u32,
    pub turns: u32,
}

impl Builder {
    pub fn new() -> Builder {
        let run = Run {
            purpose: "measure".into(),
            schema: SCHEMA,
            run_id: "20261124T091500Z-1a2b3c".into(),
            started_at: "2026-11-24T09:15:00Z".into(),
            revision: "8c253ea".into(),
            dirty: false,
            version: "0.1.0".into(),
            argv: ["zclab", "run", "scenarios/quick"].map(String::from).to_vec(),
            catalogue: MODELS
                .iter()
                .map(|model| StrategyFact {
                    name: model.strategy.into(),
                    question: format!("What does {} ask the kernel?", model.strategy),
                    moves_the_log: model.label != "null",
                    family: "transfer".into(),
                })
                .collect(),
            machine: BTreeMap::from([
                ("kernel".into(), json!("6.18.5")),
                ("cpu_model".into(), json!("Example CPU @ 2.50GHz")),
                ("cpus".into(), json!(2)),
                ("llc_bytes".into(), json!(33_554_432)),
                ("memory_bytes".into(), json!(8_589_934_592u64)),
                ("filesystem".into(), json!("ext4")),
                ("virtual_machine".into(), json!(true)),
                ("mitigations".into(), json!("spectre_v2: Retpolines; meltdown: PTI")),
                ("irq_time_accounting".into(), json!("false")),
                ("load_average".into(), json!([0.4, 0.3, 0.2])),
            ]),
            capabilities: BTreeMap::from([
                ("bpf".into(), "no: EPERM from bpf(BPF_PROG_LOAD)".into()),
                ("io_uring".into(), "yes".into()),
                ("evict".into(), "yes".into()),
            ]),
        };
        Builder { lines: vec![Line::Run(Box::new(run))], launches: 5, turns: 12 }
    }

    pub fn scenario(&mut self, name: &str, question: &str, axes: &[(&str, Value)]) -> Scenario {
        let axes = axes
            .iter()
            .map(|(axis, values)| Axis {
                name: (*axis).into(),
                values: values.as_array().cloned().unwrap_or_default(),
            })
            .collect();
        let scenario = Scenario {
            scenario: name.into(),
            question: question.into(),
            analysis: "Read the chart from left to right: small fetches pay for calls, large \
            ones for copies.\n\n\
                       Where the line of a contender lies below 1 it needs less sender CPU than \
                       the baseline."
                .into(),
            baseline: "read-write".into(),
            contenders: MODELS.iter().map(|model| model.label.into()).collect(),
            axes,
            source: format!("question = \"{question}\"\n[matrix]\nfetch = [\"4KiB\"]\n"),
            expect: Vec::new(),
        };
        self.lines.push(Line::Scenario(scenario.clone()));
        scenario
    }

    /// Measures every cell of a scenario, but those that `verdict` gives another end.
    pub fn measure(
        &mut self,
        scenario: &Scenario,
        verdict: &dyn Fn(&Model, &Params) -> Option<Ending>,
    ) {
        for params in combinations(scenario) {
            for model in &MODELS {
                let id = id(scenario, model, &params);
                let end = verdict(model, &params);
                let status = end.as_ref().map_or(Status::Ok, |(status, _)| *status);
                if status == Status::Ok {
                    self.samples(&id, model, &params);
                }
                let mut reasons = Vec::new();
                if let Some((_, failure)) = end {
                    match failure {
                        Some(failure) => {
                            self.lines.push(Line::Error(Failure { cell: id.clone(), ..failure }));
                        }
                        None => {
                            reasons.push("cold was asked, 12 of 4096 pages were resident".into())
                        }
                    }
                }
                let ledger = ledger(&id, model, &params);
                if status == Status::Ok {
                    self.lines.push(Line::Aliasing(aliasing(&id, model, &ledger)));
                }
                self.lines.push(Line::Ledger(ledger));
                self.lines.push(Line::Cell(Cell {
                    cell: id,
                    scenario: scenario.scenario.clone(),
                    strategy: model.strategy.into(),
                    label: model.label.into(),
                    params: params.clone(),
                    status,
                    reasons,
                    setup: BTreeMap::from([
                        ("congestion".into(), json!("cubic")),
                        ("send_buffer_bytes".into(), json!(425_984)),
                    ]),
                }));
            }
        }
    }

    /// Samples and histograms of one cell.
    pub fn samples(&mut self, id: &str, model: &Model, params: &BTreeMap<String, Value>) {
        let fetch = params["fetch"].as_f64().unwrap_or(65536.0);
        let consumers = params["consumers"].as_u64().unwrap_or(1);
        let cold = params["cache"] == "cold";
        let direct = model.strategy == "direct-write";
        let seed =
            id.bytes().fold(7u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
        let mut noise = Noise::new(seed);
        for launch in 0..self.launches {
            let luck = 1.0 + 0.01 * noise.next();
            for turn in 0..self.turns {
                let bytes = (4.0 * 1024.0 * 1024.0f64).max(fetch) as u64;
                let fetches = (bytes as f64 / fetch) as u64;
                let mut cpu =
                    model.per_fetch_ns * fetches as f64 + model.per_kib_ns * bytes as f64 / 1024.0;
                cpu *= luck * (1.0 + 0.08 * noise.next());
                let receiver =
                    model.receiver_ns * bytes as f64 / 1024.0 * (1.0 + 0.05 * noise.next());
                let device = if cold || direct { bytes } else { 0 };
                let wall = cpu.max(receiver) * 1.04 + device as f64 * 0.8;
                let calls = model.calls * fetches * consumers;
                self.lines.push(Line::Sample(Sample {
                    cell: id.into(),
                    pass: Pass::Timing,
                    launch,
                    turn,
                    slot: (turn + launch) % 7,
                    bytes,
                    header_bytes: fetches * 90,
                    fetches,
                    messages: bytes / 1024,
                    wall_ns: wall as u64,
                    readings: BTreeMap::from([
                        (reading::SENDER_CPU_NS.into(), cpu as u64),
                        (reading::RECEIVER_CPU_NS.into(), receiver as u64),
                        (reading::SYSCALLS.into(), calls),
                        (reading::SHORT_WRITES.into(), 0),
                        (reading::VOLUNTARY_SWITCHES.into(), 3 + turn as u64 % 5),
                        (reading::INVOLUNTARY_SWITCHES.into(), u64::from(turn % 3 == 0)),
                        (reading::MINOR_FAULTS.into(), if model.calls == 2 { 40 } else { 0 }),
                        (reading::MAJOR_FAULTS.into(), 0),
                        (reading::IO_READ_BYTES.into(), device),
                    ]),
                    calls: BTreeMap::from([("send".into(), calls)]),
                    verified: Verified::Length,
                    cache: cold.then(|| CacheProof {
                        pages: bytes / 4096,
                        resident_before: 0,
                        resident_after: if direct { 0 } else { bytes / 4096 },
                        cachestat_before: Some(0),
                        device_read_bytes: Some(device),
                        device: "vda, /sys/block/vda/stat".into(),
                    }),
                }));
            }
            let per_fetch = model.per_fetch_ns + model.per_kib_ns * fetch / 1024.0;
            self.lines.push(Line::Histogram(histogram(id, launch, per_fetch, &mut noise)));
        }
    }

    pub fn end(&mut self, how: &str) {
        self.lines
            .push(Line::End(End { how: how.into(), ended_at: "2026-11-24T09:16:40Z".into() }));
    }

    pub fn text(&self) -> String {
        self.lines.iter().fold(String::new(), |text, line| {
            text + &serde_json::to_string(line).expect("a line is JSON") + "\n"
        })
    }

    pub fn record(&self) -> Record {
        record::read(&self.text()).expect("the made-up record reads back")
    }
}

/// Every condition of a scenario, with the parameters that are not axes.
pub fn combinations(scenario: &Scenario) -> Vec<BTreeMap<String, Value>> {
    let base: BTreeMap<String, Value> = BTreeMap::from([
        ("message".into(), json!(1024)),
        ("fetch".into(), json!(65536)),
        ("header".into(), json!(90)),
        ("consumers".into(), json!(1)),
        ("access".into(), json!("sequential")),
        ("cache".into(), json!("warm")),
        ("sink".into(), json!("tcp-loopback")),
        ("receiver".into(), json!("copy")),
        ("transform".into(), json!("none")),
        ("log".into(), json!("kafka")),
        ("log_size".into(), json!(268_435_456)),
    ]);
    scenario.axes.iter().fold(vec![base], |all, axis| {
        all.iter()
            .flat_map(|params| {
                axis.values.iter().map(move |value| {
                    let mut params = params.clone();
                    params.insert(axis.name.clone(), value.clone());
                    params
                })
            })
            .collect()
    })
}

pub fn id(scenario: &Scenario, model: &Model, params: &BTreeMap<String, Value>) -> String {
    let params: Vec<String> =
        params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{}/{}/{}", scenario.scenario, model.label, params.join(",")).replace('"', "")
}

fn histogram(id: &str, launch: u32, per_fetch_ns: f64, noise: &mut Noise) -> Histogram {
    let mut histogram = hdrhistogram::Histogram::<u64>::new(3).expect("three digits");
    for n in 0..1500 {
        let tail = if n % 100 == 0 {
            4.0
        } else if n % 700 == 3 {
            30.0
        } else {
            1.0
        };
        histogram
            .record((per_fetch_ns * tail * (1.3 + 0.25 * noise.next())) as u64)
            .expect("within range");
    }
    Histogram {
        cell: id.into(),
        launch,
        what: "fetch_latency_ns".into(),
        encoding: "hdr-v2-deflate".into(),
        data: encoded(&histogram),
    }
}

/// A histogram of these values, as records have it.
pub fn encoded_histogram(values: impl IntoIterator<Item = u64>) -> String {
    let mut histogram = hdrhistogram::Histogram::<u64>::new(3).expect("three digits");
    values.into_iter().for_each(|value| histogram.record(value).expect("within range"));
    encoded(&histogram)
}

fn encoded(histogram: &hdrhistogram::Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(histogram, &mut bytes).expect("into memory");
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn ledger(id: &str, model: &Model, params: &BTreeMap<String, Value>) -> Ledger {
    let mib = 1 << 20;
    let mut hops: Vec<Hop> = Vec::new();
    if params["cache"] == "cold" && model.hops[0].0 == "page-cache" {
        hops.push(hop("disk", "page-cache", "device", "read-ahead fills the page cache", mib));
    }
    hops.extend(model.hops.iter().map(|(from, to, by, why)| hop(from, to, by, why, mib)));
    let copies = hops.iter().filter(|hop| hop.by == "cpu-copy" && hop.to != "receiver").count();
    Ledger {
        cell: id.into(),
        payload_bytes: 0,
        cpu_copies_per_byte: Compared { predicted: Some(copies as f64), observed: None },
        mode_switches_per_mib: Compared { predicted: None, observed: None },
        hops,
        agreement: Agreement::Unobserved,
        reason: Some("unavailable: the ledger is not built yet".into()),
        counts: BTreeMap::new(),
        gaps: BTreeMap::new(),
        syscalls: BTreeMap::new(),
        side: "sender".into(),
    }
}

/// What the aliasing probe sees where the claim holds.
fn aliasing(id: &str, model: &Model, ledger: &Ledger) -> Aliasing {
    let cell = id.to_owned();
    if model.strategy == "null" {
        let reason = Some("it sends bytes that are not the log's".into());
        let (expected, verdict) = (None, Agreement::Unobserved);
        return Aliasing { cell, shared_bytes: 0, probed_bytes: 0, expected, verdict, reason };
    }
    let copied = ledger.cpu_copies_per_byte.predicted > Some(0.0);
    Aliasing {
        cell,
        shared_bytes: if copied { 0 } else { 65536 },
        probed_bytes: 65536,
        expected: Some(if copied { Sharing::Copied } else { Sharing::Shared }),
        verdict: Agreement::Agrees,
        reason: None,
    }
}

fn hop(from: &str, to: &str, by: &str, why: &str, bytes: u64) -> Hop {
    Hop {
        from: from.into(),
        to: to.into(),
        by: by.into(),
        predicted_bytes: bytes,
        observed_bytes: None,
        evidence: "unavailable: the ledger is not built yet".into(),
        why: why.into(),
    }
}

pub fn failure(status: Status, call: &str, errno: &str, message: &str) -> Failure {
    Failure {
        cell: String::new(),
        status,
        call: Some(call.into()),
        errno: Some(errno.into()),
        message: message.into(),
    }
}
