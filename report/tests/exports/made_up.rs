//! What is exported: made-up gates and runs with everything in them, and two committed records.

use crate::support::gate::{Gate, Truth};
use crate::support::{self, gates};
use std::path::Path;
use std::sync::{LazyLock, OnceLock};
use zclab_report::export::suite::Source;
use zclab_report::export::{self, Exported, Format, Suite};
use zclab_report::gate::record::Record as GateRecord;
use zclab_report::gate::{
    Advisory, CellReport, Exact, Fact, Judged, Launch, Report, Timing, Verdict,
};
use zclab_report::record::{self, Record, Status};
use zclab_report::stats::{Basis, Estimate};

/// Something to export, and what came of it so far: suites are made once for all tests.
pub struct Made {
    pub name: &'static str,
    pub suite: Suite,
    exports: [OnceLock<Exported>; Format::ALL.len()],
}

impl Made {
    fn of(name: &'static str, suite: Suite) -> Made {
        Made { name, suite, exports: [const { OnceLock::new() }; Format::ALL.len()] }
    }

    pub fn gate(name: &'static str, gate: &Gate) -> Made {
        Made::of(name, Suite::of_gate(&judged(&gate.record())))
    }

    /// A gate as it is judged.
    fn judged(name: &'static str, gate: &Gate) -> Made {
        Made::of(name, Suite::of_gate(&zclab_report::gate::report(&gate.record())))
    }

    fn runs(name: &'static str, records: &[Record]) -> Made {
        Made::of(name, Suite::of_runs(records))
    }

    /// All of them.
    pub fn all() -> &'static [Made] {
        static ALL: LazyLock<Vec<Made>> = LazyLock::new(|| {
            let showcase = support::showcase().record();
            let small = small("20261124T091500Z-1a2b3c");
            let killed = record::read(&support::killed()).expect("readable");
            vec![
                Made::gate("regression", &regression()),
                Made::gate("hostile gate", &gates::hostile()),
                Made::gate("baseline", &gates::baseline()),
                Made::judged("does more", &gates::does_more()),
                Made::judged("ended otherwise", &gates::ended_otherwise()),
                Made::runs("two runs", &[small, self::small("20261125T091500Z-9f8e7d")]),
                Made::runs("showcase", &[showcase]),
                Made::runs("hostile run", &[support::single().record()]),
                Made::runs("killed", &[killed]),
                Made::runs("witnessed", &[support::witnessed().record()]),
                Made::runs("pressed", &[support::pressed(3).record()]),
                Made::runs("overhead", &[committed("overhead/run.jsonl")]),
                Made::runs("kernel", &[committed("kernels/6.18-ext4.jsonl")]),
            ]
        });
        &ALL
    }

    /// One of them.
    pub fn named(name: &str) -> &'static Made {
        Made::all().iter().find(|made| made.name == name).expect("it is made")
    }

    pub fn export(&self, format: Format) -> &Exported {
        let index = Format::ALL.iter().position(|one| *one == format).expect("a format");
        self.exports[index].get_or_init(|| export::write(&self.suite, format))
    }

    /// The only text of an export.
    pub fn text(&self, format: Format) -> &str {
        match self.export(format) {
            Exported::Text(text) => text,
            Exported::Files(files) => panic!("{} files", files.len()),
        }
    }

    /// All files of an export.
    pub fn files(&self, format: Format) -> &[(String, String)] {
        match self.export(format) {
            Exported::Text(text) => panic!("one text of {} bytes", text.len()),
            Exported::Files(files) => files,
        }
    }

    pub fn is_gate(&self) -> bool {
        self.suite.source == Source::Gate
    }
}

/// A gate with a cell for each verdict, and one that is unsupported.
fn regression() -> Gate {
    let mut gate = Gate::default().sized(12, 4);
    let worse = Truth { head: 1.06, calls: (1, 2), ..Truth::default() };
    gate.cell("quick/size", "sendfile", &worse);
    for label in ["read-write", "splice", "mmap-write", "uring-splice"] {
        gate.cell("quick/size", label, &Truth::default());
    }
    gate.ended("quick/cache", "direct-write", [Status::Unsupported; 2], "O_DIRECT: EINVAL");
    gate.end()
}

/// One run of two sizes.
fn small(run_id: &str) -> Record {
    let mut builder = support::Builder::new();
    let sizes = serde_json::json!([4096, 65536]);
    let scenario = builder.scenario("quick/size", "Which size?", &[("fetch", sizes)]);
    builder.measure(&scenario, &|_, _| None);
    builder.end("complete");
    let mut record = builder.record();
    record.run.run_id = run_id.into();
    record
}

/// The texts of an export, by name.
pub fn texts(exported: &Exported) -> Vec<(String, String)> {
    match exported {
        Exported::Text(text) => vec![("text".into(), text.clone())],
        Exported::Files(files) => files.clone(),
    }
}

/// A record that lies in the tree.
pub fn committed(name: &str) -> Record {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/record").join(name);
    let text = std::fs::read_to_string(&file).expect("a committed record");
    record::read(&text).expect("readable")
}

/// What a gate could say of a record: a verdict for each cell in turn, and numbers that are none.
pub fn judged(record: &GateRecord) -> Report<'_> {
    let verdicts = [
        Verdict::Regression,
        Verdict::Pass,
        Verdict::Improvement,
        Verdict::Inconclusive,
        Verdict::Invalid,
    ];
    let over = record.cells.iter().filter_map(|one| one.cell.as_ref());
    let cells = over.zip(verdicts.into_iter().cycle()).map(|(cell, verdict)| {
        let status = cell.status.values().copied().max().unwrap_or(Status::Ok);
        CellReport {
            cell: &cell.cell,
            scenario: &cell.scenario,
            label: &cell.label,
            params: &cell.params,
            status,
            reasons: &cell.reasons,
            exact: match status {
                Status::Ok => counts(verdict),
                _ => Vec::new(),
            },
            facts: vec![Fact {
                name: "verified".into(),
                base: Some("content".into()),
                head: None,
                verdict: Verdict::Inconclusive,
                reason: Some("unknown of the head".into()),
            }],
            exact_missing: Some("faults: the kernel shows none".into()),
            timing: match (status, record.opening.timing.as_str()) {
                (Status::Ok, "yes") => Ok(timing(verdict)),
                (_, why) => Err(why.to_owned()),
            },
            advisory: vec![Advisory {
                metric: "throughput_mib_per_s".into(),
                name: "Throughput".into(),
                ratio: (status == Status::Ok).then(|| estimate(0.97)),
                values: (Some(4000.0), None),
                less_is_better: false,
            }],
            verdict: if status == Status::Ok { verdict } else { Verdict::Inconclusive },
            sentences: vec![format!("{}: 6 % more, | said in a `sentence` <b>.", cell.label)],
        }
    });
    Report {
        record,
        verdict: Verdict::Regression,
        sentence: "Sender CPU rose by 6 % in 1 of 6 cells.".into(),
        cells: cells.collect(),
    }
}

fn counts(verdict: Verdict) -> Vec<Exact> {
    vec![
        exact("syscalls_per_mib", Some(16.0), Some(17.0), verdict),
        exact("cpu_copies_per_byte", Some(0.0), Some(0.0), Verdict::Pass),
        exact("wire_log_bytes_per_byte", Some(1.0), Some(0.875), Verdict::Pass),
        exact("wire_linear_bytes_per_byte", None, Some(f64::NAN), Verdict::Inconclusive),
    ]
}

fn exact(name: &str, base: Option<f64>, head: Option<f64>, verdict: Verdict) -> Exact {
    let reason = (verdict == Verdict::Inconclusive).then(|| "unknown of the base".to_owned());
    Exact { name: name.into(), base, head, slack: 0.0, verdict, reason }
}

fn estimate(point: f64) -> Estimate {
    let interval = Some((point - 0.004, point + 0.004));
    Estimate { point, interval, basis: Basis::Bootstrap, launches: 12 }
}

fn timing(verdict: Verdict) -> Timing {
    let first = Judged {
        ratio: estimate(1.06),
        control: Estimate { interval: None, ..estimate(1.001) },
        launches: vec![Launch { launch: 0, head: 1.06, control: 1.0, turns: 4 }],
        p: 0.0004,
        p_holm: f64::NAN,
        floor: 1.004,
        margin: 1.01,
        smallest_seen: Some(f64::INFINITY),
        launches_wanted: None,
        values: (Some(92.0), Some(97.5)),
        verdict,
    };
    Timing { second: Some(first.clone()), all: first.clone(), first, verdict }
}
