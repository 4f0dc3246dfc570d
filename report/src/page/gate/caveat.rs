//! What could mislead a reader of this gate?
//!
//! Each warning is drawn from a fact of the record; a fact that is absent warns of nothing.

use crate::format;
use crate::gate::record::{Opening, Side};
use crate::gate::{Judged, Report, shown};
use crate::record::Status;
use serde_json::Value;

/// Launches below which a permutation test seldom reaches anything after correction.
const LAUNCHES_FEW: u32 = 12;

/// The warnings, the weightiest first.
#[must_use]
pub fn caveats(report: &Report) -> Vec<String> {
    let opening = &report.record.opening;
    let mut found = Vec::new();
    if report.record.end.as_ref().is_none_or(|end| end.how != "complete") {
        found.push("The gate did not end by itself: what is missing was never measured.".into());
    }
    found.extend(report.record.remarks.iter().cloned());
    found.extend(same_program(opening));
    found.extend(work(opening));
    found.extend(trees(opening));
    found.extend(power(report));
    found.extend(cells(report));
    found.extend(ledger(opening));
    found.extend(machine(opening));
    found.extend(route(report));
    found
}

/// Whether anything could have differed at all.
fn same_program(opening: &Opening) -> Option<String> {
    let (base, head) = (&opening.base.program_sha256, &opening.head.program_sha256);
    let same = opening.compares == "programs" && base.is_some() && base == head;
    same.then(|| {
        "Base and head are the same program, byte for byte: whatever differs here was made by the \
         machine, or by chance."
            .to_owned()
    })
}

/// Whether both sides are known to have done the same.
fn work(opening: &Opening) -> Option<String> {
    (opening.compares == "watches").then(|| {
        "A watch does not know what a server was asked for: both sides compare only where clients \
         asked for the same, from the same state of the cache."
            .to_owned()
    })
}

fn trees(opening: &Opening) -> Option<String> {
    let dirty = |(role, side): &(&'static str, &Side)| side.dirty.then_some(*role);
    let sides = [("base", &opening.base), ("head", &opening.head)];
    let dirty: Vec<&str> = sides.iter().filter_map(dirty).collect();
    (!dirty.is_empty()).then(|| {
        format!(
            "Built from a tree with uncommitted changes: {}. Its revision alone does not make this \
             gate again.",
            format::list(&dirty)
        )
    })
}

/// What would have gone unseen.
fn power(report: &Report) -> Vec<String> {
    let timed = report.cells.iter().filter_map(|cell| cell.timing.as_ref().ok());
    let timed: Vec<&Judged> = timed.map(|timing| &timing.all).collect();
    let mut found = Vec::new();
    let worst = timed.iter().filter_map(|of| of.smallest_seen).filter(|seen| seen.is_finite());
    if let Some(worst) = worst.max_by(f64::total_cmp) {
        found.push(format!(
            "What is smaller than {} more sender CPU may well have gone unseen{}. More launches \
             see smaller effects.",
            shown::size(worst),
            if timed.len() > 1 { " in at least one cell" } else { "" }
        ));
    }
    let noisy = timed.iter().filter(|of| of.floor > of.margin).count();
    if noisy > 0 {
        found.push(format!(
            "In {noisy} of {} timed cells the floor lies above the margin: there the machine, and \
             not the rule, decides what can be told.",
            timed.len()
        ));
    }
    let few = report.record.opening.rule.launches;
    if !timed.is_empty() && few < LAUNCHES_FEW {
        found.push(format!(
            "{few} launches are few: with fewer than {LAUNCHES_FEW} a test over launches seldom \
             reaches significance once it is corrected for several cells."
        ));
    }
    if !timed.is_empty() && !report.record.opening.rule.confirm {
        found.push("Nothing was looked at again in fresh processes, as the rule allows.".into());
    }
    found
}

fn cells(report: &Report) -> Option<String> {
    let not_ok = report.cells.iter().filter(|cell| cell.status != Status::Ok).count();
    (not_ok > 0).then(|| {
        format!(
            "{not_ok} of {} cells were not measured on both sides: nothing is known of them, good \
             or bad.",
            report.cells.len()
        )
    })
}

fn ledger(opening: &Opening) -> Option<String> {
    let why = |said: &str| {
        let rest = said.strip_prefix("no")?;
        Some(rest.trim_start_matches(':').trim().to_owned())
    };
    why(&opening.ledger).map(|why| {
        format!(
            "Copies were not counted by the kernel’s programs ({why}): a copy more would show in \
             CPU time alone."
        )
    })
}

fn machine(opening: &Opening) -> Vec<String> {
    let facts = &opening.machine;
    let mut found = Vec::new();
    if facts.get("virtual_machine") == Some(&Value::Bool(true)) {
        found.push(
            "This is a virtual machine: other guests disturb it. Turns and the control take that \
             into account as far as it changes slower than a slice."
                .to_owned(),
        );
    }
    if let Some(cpus) = facts.get("cpus").and_then(Value::as_u64).filter(|cpus| *cpus <= 2) {
        let plural = if cpus == 1 { "CPU serves" } else { "CPUs serve" };
        found.push(format!(
            "{cpus} {plural} sender, receiver and the kernel’s own work alike: expect a high floor."
        ));
    }
    if let Some(load) = load(facts.get("load_average")) {
        let cpus = facts.get("cpus").and_then(Value::as_f64).unwrap_or(1.0);
        if load >= cpus / 2.0 {
            found.push(format!(
                "The machine was busy when the gate began (load average {load} on {cpus} CPUs)."
            ));
        }
    }
    found
}

fn load(fact: Option<&Value>) -> Option<f64> {
    match fact? {
        Value::String(text) => text.split_whitespace().next()?.parse().ok(),
        Value::Array(values) => values.first()?.as_f64(),
        other => other.as_f64(),
    }
}

fn route(report: &Report) -> Vec<String> {
    let sinks = report.cells.iter().filter_map(|cell| cell.params.get("sink")?.as_str());
    let mut found = Vec::new();
    if sinks.into_iter().any(|sink| sink.contains("loopback")) {
        found.push(
            "Loopback is not a network card: no DMA, no interrupts of a device. That something \
             costs more here is true; by how much holds for this route."
                .to_owned(),
        );
    }
    found.push(
        "Only sender CPU per KiB and the counts are judged. What is slower without more work for \
         the sender’s CPU (a longer wait, a worse p99) passes; the advisory figures may show it."
            .to_owned(),
    );
    found
}
