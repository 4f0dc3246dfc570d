//! What could mislead a reader of this very page?
//!
//! Each warning is drawn from a fact of the record; a fact that is absent warns of nothing.

use crate::format;
use crate::record::{Record, Status, reading};
use crate::study::{Bottleneck, Side, State, Study};
use serde_json::Value;

/// The congestion controls that pace, which distorts a loopback.
const PACED: [&str; 2] = ["bbr", "bbr2"];
/// Stolen share of the wall clock worth a warning.
const STEAL: f64 = 0.01;

/// Share of the sender's CPU that somebody else had, worth a warning.
const BUSY: f64 = 0.05;

/// The warnings, the weightiest first.
#[must_use]
pub fn caveats(study: &Study) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(bottlenecks(study));
    found.extend(route(study));
    found.extend(canary(study));
    found.extend(machine(study.record, study));
    found.extend(log_and_cache(study));
    found.extend(run(study));
    found
}

fn bottlenecks(study: &Study) -> Option<String> {
    let ok = || study.rows().filter(|row| row.state == State::Ok);
    let bound = ok().filter(|row| row.at_far_end()).count();
    let device = ok().filter(|row| row.bottleneck == Bottleneck::Device).count();
    if bound > 0 {
        let far = study.side.far().name();
        let misleads = match study.side {
            Side::Sender => {
                "Throughput there can rank senders backwards: a sender that leaves the first touch \
                 of the bytes to the receiver looks slower while it costs less."
            }
            Side::Receiver => {
                "Throughput there is the sender's, and says nothing about how fast a receiver is."
            }
        };
        return Some(format!(
            "The {far} held back {bound} of {} cells (“held back by” in the table). {misleads}",
            ok().count()
        ));
    }
    (device > 0).then(|| {
        format!(
            "The device held back {device} of {} cells: throughput there is the device's.",
            ok().count()
        )
    })
}

fn route(study: &Study) -> Vec<String> {
    let mut found = Vec::new();
    let mut sinks = params(study, "sink");
    sinks.extend(params(study, "source"));
    let near = setup(study, "remote_route").iter().any(|route| route.starts_with("loopback"));
    if near {
        found.push(
            "The “remote” sink was on this very host: its bytes went over loopback, and the claims \
            are those for loopback."
                .to_owned(),
        );
    } else if sinks.iter().any(|sink| sink == "tcp-remote") {
        found.push(
            "The receiver was on another host: what it copied could not be observed, and a slice \
            ends when its report arrives, up to one control round trip late \
            (control_round_trip_ns in each cell’s setup)."
                .to_owned(),
        );
    }
    if near || sinks.iter().any(|sink| sink.contains("loopback")) {
        let (own, far) = (study.side.name(), study.side.far().name());
        let cpu = study.side.cpu().title();
        found.push(format!(
            "Loopback is not a network card: no DMA, no interrupts of a device, and the {far} \
             shares caches and cores with the {own}. {cpu} carries over to a real network better \
             than throughput does."
        ));
    }
    if sinks.iter().any(|sink| sink.contains("veth")) {
        found.push(
            "Two hosts on one machine are no network: a veth pair has no DMA, and receives each \
            packet on the account of who sent it. What its offloads decide about copies holds for \
            a network card; its times do not."
                .to_owned(),
        );
    }
    if sinks.iter().any(|sink| sink == "pipe") {
        found.push("A pipe has no network in it: what it costs is less than any network's.".into());
    }
    found.extend(put_off(study));
    if sinks.iter().any(|sink| sink.contains("unix")) {
        found.push(
            "A Unix socket has no TCP/IP in it: what it costs is less than any network's.".into(),
        );
    }
    let mut controls = setup(study, "congestion");
    controls.retain(|control| PACED.contains(&control.as_str()));
    if !controls.is_empty() {
        found.push(format!(
            "Congestion control was {}, which paces its packets: on loopback that distorts times.",
            format::list(&controls)
        ));
    }
    found
}

/// What a canary does to the sender, and who else had that CPU.
fn canary(study: &Study) -> Vec<String> {
    if !study.canary() {
        return Vec::new();
    }
    let mut found = vec![
        "A canary worked on the sender’s CPU whenever the sender slept: each time the sender \
         woke, it switched to and fro and found caches that were no longer its own, so its CPU \
         time is dearer than without a canary, and the CPU never rested. What the kernel did was \
         counted, and its CPU time sampled, in blocks without a canary."
            .to_owned(),
    ];
    if params(study, "rate").iter().any(|rate| rate == "0") {
        found.push(
            "Without a rate each contender takes its own time for its bytes, and what it leaves \
             of its CPU is a share of that time: shares of different times are no answer."
                .to_owned(),
        );
    }
    let (mut had_ns, mut alone_ns) = (0.0, 0.0);
    for sample in study.rows().flat_map(|row| row.samples()) {
        let number = |name| sample.readings.get(name).map_or(0.0, |ns| *ns as f64);
        had_ns += number(reading::CANARY_CONTROL_CPU_NS);
        alone_ns += number(reading::CANARY_CONTROL_NS);
    }
    let others = if alone_ns > 0.0 { 1.0 - had_ns / alone_ns } else { 0.0 };
    if others > BUSY {
        found.push(format!(
            "Beside a sleeping sender the canary had its CPU for only {}\u{a0}% of the time: \
             somebody else had the rest, and what senders left was taken by them, too.",
            format::significant((1.0 - others) * 100.0, 2)
        ));
    }
    found
}

/// Contenders whose copy is put off until delivery on this route, and would not be made on another.
fn put_off(study: &Study) -> Option<String> {
    let of = |label: &&String| study.rows().any(|row| row.label == **label && row.copied_late());
    let labels: Vec<&String> = study.scenario.contenders.iter().filter(of).collect();
    (!labels.is_empty()).then(|| {
        format!(
            "Pages that the sender may still change are copied when this kernel delivers a packet \
             itself. A network card would save {} that copy, which is made here at delivery, on \
             top of pinning and notices: how they rank on a card is not to be read from this page.",
            format::list(&labels)
        )
    })
}

fn machine(record: &Record, study: &Study) -> Vec<String> {
    let facts = &record.run.machine;
    let mut found = Vec::new();
    if facts.get("virtual_machine") == Some(&Value::Bool(true)) {
        found.push(
            "This is a virtual machine: other guests disturb it, and system calls, page faults \
            and interrupts cost other \
             than on bare metal."
                .to_owned(),
        );
    }
    if let Some(cpus) = facts.get("cpus").and_then(Value::as_u64).filter(|cpus| *cpus <= 2) {
        found.push(format!(
            "{cpus} CPUs serve sender, receiver and the kernel's own work alike: expect more \
            involuntary context switches than on \
             a server."
        ));
    }
    found.extend(load(record));
    found.extend(steal(study));
    let irq = facts.get("irq_time_accounting");
    let denied = |value: &Value| match value {
        Value::String(text) => text != "true" && text != "yes",
        other => *other != Value::Bool(true),
    };
    if irq.is_some_and(denied) {
        found.push(
            "The kernel does not account for interrupt time apart: network work done in softirq \
            is charged to whichever \
             process it interrupts, so look at total CPU beside @ CPU."
                .replace('@', study.side.name()),
        );
    }
    found
}

/// Whether something else kept the processors busy when the run began.
fn load(record: &Record) -> Option<String> {
    let facts = &record.run.machine;
    let load: f64 = match facts.get("load_average")? {
        Value::String(text) => text.split_whitespace().next()?.parse().ok()?,
        Value::Array(values) => values.first()?.as_f64()?,
        _ => return None,
    };
    let cpus = facts.get("cpus").and_then(Value::as_f64).unwrap_or(1.0);
    (load >= cpus / 2.0).then(|| {
        format!(
            "The machine was busy when the run began (load average {load} on {cpus} CPUs): \
            expect wide intervals, and CPU times \
             above those of an idle machine."
        )
    })
}

fn steal(study: &Study) -> Option<String> {
    let (mut stolen, mut wall) = (0.0, 0.0);
    for sample in study.rows().flat_map(|row| row.samples()) {
        stolen += sample.readings.get(reading::STEAL_NS).map_or(0.0, |ns| *ns as f64);
        wall += sample.wall_ns as f64;
    }
    let share = if wall > 0.0 { stolen / wall } else { 0.0 };
    (share > STEAL).then(|| {
        format!(
            "The hypervisor took {} % of the wall clock away (steal).",
            format::significant(share * 100.0, 2)
        )
    })
}

fn log_and_cache(study: &Study) -> Vec<String> {
    let facts = &study.record.run.machine;
    let mut found = Vec::new();
    let llc = facts.get("llc_bytes").and_then(Value::as_u64);
    let log = param_number(study, "log_size");
    let children = study.scenario.contenders.len() as u64;
    if let (Some(llc), Some(log)) = (llc, log)
        && log < llc * children
    {
        found.push(format!(
            "The log ({}) is smaller than {children} contenders times the last-level cache ({}): \
            a range may still be hot from the \
             contender before.",
            format::bytes(log as f64),
            format::bytes(llc as f64)
        ));
    }
    let invalid =
        study.rows().filter(|row| matches!(row.state, State::Not(Status::Invalid, _))).count();
    if invalid > 0 {
        found.push(format!(
            "{invalid} cells could not prove the condition that they claim, and count nowhere."
        ));
    }
    if params(study, "cache").iter().any(|cache| cache == "cold") {
        found.push(
            "Cold means that no page of the range was in this kernel's page cache; a \
            hypervisor's or a drive's own cache may \
             still have held the bytes."
                .into(),
        );
    }
    if params(study, "access").iter().any(|access| access == "tail") {
        found.push(
            "Where consumers follow the end of a log, latency counts from the moment at which the \
             producer's write had returned; the producer's CPU time is in no number of this page, \
             and the pages that came into the page cache are his."
                .into(),
        );
    }
    found
}

fn run(study: &Study) -> Vec<String> {
    let record = study.record;
    let mut found = Vec::new();
    if study.rows().any(|row| row.state == State::Ok && row.launches() == 1) {
        found.push(
            "One launch only: intervals need several, so nothing here is decided.".to_owned(),
        );
    }
    if record.run.dirty {
        found.push(format!(
            "The program was built from a tree with uncommitted changes (on top of {}): the \
            revision alone does not make \
             this run again.",
            record.run.revision
        ));
    }
    if record.end.as_ref().is_none_or(|end| end.how != "complete") {
        found
            .push("The run did not end by itself: what is missing here was never measured.".into());
    }
    found.extend(record.remarks.iter().cloned());
    found.push(
        "Intervals are 95 % each, not jointly: in a table of twenty comparisons one is expected \
        to look decided by chance."
            .into(),
    );
    found
}

/// The different values of a parameter, as text.
fn params(study: &Study, name: &str) -> Vec<String> {
    distinct(study.rows().filter_map(|row| {
        let cell = row.measured?.cell.as_ref()?;
        Some(format::parameter(name, cell.params.get(name)?))
    }))
}

/// The different values of something that the lab set and read back, as text.
fn setup(study: &Study, name: &str) -> Vec<String> {
    distinct(study.rows().filter_map(|row| {
        let cell = row.measured?.cell.as_ref()?;
        Some(format::parameter("", cell.setup.get(name)?))
    }))
}

/// The first value of a numeric parameter.
fn param_number(study: &Study, name: &str) -> Option<u64> {
    study.rows().find_map(|row| row.measured?.cell.as_ref()?.params.get(name)?.as_u64())
}

fn distinct(values: impl Iterator<Item = String>) -> Vec<String> {
    let mut values: Vec<String> = values.collect();
    values.sort();
    values.dedup();
    values
}
