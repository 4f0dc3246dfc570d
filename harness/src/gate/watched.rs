//! Did a server that is not zclab get worse, by what `zclab watch --json` saw of it?
//!
//! Each side is a file of JSON Lines with one or more objects of kind `watch`: a capture each, of the
//! same work. They become the counts of a gate's record with one cell, so that the exact tier, the page
//! and the exports are those of every other gate. Two captures of each side tell which counts are exact
//! for this server: how often it waits may depend on who else runs, by what memory its bytes leave
//! it does not.

use super::{ALPHA, GATE, LATEST, Outcome, plan};
use crate::run::writer::{self, Writer};
use anyhow::{Context, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use zclab_report::gate::record::{Arm, Cell, Counts, Line, Opening, Rule, SCHEMA, Side, Slack};
use zclab_report::record::Status;
use zclab_report::watch::Watch;

/// What counts of a watched server may exceed the base's by. It has other work than sending: a timer,
/// a log, a client that comes a moment later.
const SLACK: Slack = Slack { syscalls: 0.02, short_writes: 0.0, bytes: 0.002 };

/// Why there are no times.
const UNTIMED: &str = "two watches are two moments, whose times cannot be compared";

/// Writes the record of a comparison of two files.
///
/// # Errors
/// A file that cannot be read or has no `watch` line, two ports, or a record that cannot be written.
pub fn run(base: &Path, head: &Path, results: &Path) -> anyhow::Result<Outcome> {
    let sides = [(Arm::Base, base, read(base)?), (Arm::Head, head, read(head)?)];
    let port = sides[1].2[0].port;
    for (_, path, captures) in &sides {
        if let Some(other) = captures.iter().find(|one| one.port != port) {
            bail!("{}: port {} is another server than port {port}", path.display(), other.port);
        }
    }
    let id = format!("watched/port {port}");
    let runs = results.join("runs");
    let run_id = writer::run_id();
    let mut writer = Writer::create(&runs, &run_id, GATE)?;
    writer::point(LATEST, &runs, &run_id)?;
    let label = |path: &Path| Side { label: path.display().to_string(), ..Side::default() };
    writer.lines(&[Line::Gate(Box::new(opening(run_id, label(base), label(head))))])?;
    for (arm, _, captures) in &sides {
        let lines: Vec<Line> = (0..)
            .zip(captures)
            .map(|(capture, seen)| Line::Counts(counts(&id, *arm, capture, seen)))
            .collect();
        writer.lines(&lines)?;
    }
    writer.lines(&[Line::Cell(cell(id, &sides[1].2)), Line::End(writer::end(false))])?;
    Ok(Outcome { record: writer.path().to_owned(), interrupted: false })
}

/// The captures of a file.
fn read(path: &Path) -> anyhow::Result<Vec<Watch>> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let mut captures = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let at = || format!("{} line {}", path.display(), index + 1);
        let value: Value = serde_json::from_str(line).with_context(at)?;
        match value["kind"].as_str() {
            Some("watch") => captures.push(serde_json::from_value(value).with_context(at)?),
            Some("interval") => {}
            _ => bail!("{}: that is no line of `zclab watch --json`", at()),
        }
    }
    if captures.is_empty() {
        bail!(
            "{} has no line of kind \"watch\": `zclab watch --json` prints it when it ends",
            path.display()
        );
    }
    Ok(captures)
}

/// What one watch counted.
fn counts(cell: &str, arm: Arm, capture: u32, seen: &Watch) -> Counts {
    let (mut counts, mut gaps) = (BTreeMap::new(), BTreeMap::new());
    let why = |gap: &str| {
        let lost = seen.gaps.get("lost").or_else(|| seen.gaps.get(gap));
        lost.cloned().unwrap_or_else(|| "it was not seen".to_owned())
    };
    let lost = seen.gaps.contains_key("lost");
    let shares = [
        ("wire_reference_bytes", seen.reference_share, "transmit"),
        ("wire_private_bytes", seen.copied_share, "transmit"),
        ("wire_anon_bytes", seen.user_share, "transmit"),
        ("wire_linear_bytes", seen.linear_share, "transmit"),
        ("linearised_bytes", seen.linearised_share, "queue"),
    ];
    for (name, share, gap) in shares {
        match share.filter(|_| !lost) {
            Some(share) => {
                let bytes = (share * seen.wire_bytes as f64).round() as u64;
                counts.insert(name.to_owned(), bytes);
            }
            None => drop(gaps.insert(name.to_owned(), why(gap))),
        }
    }
    match seen.syscalls_per_mib.as_ref().filter(|_| !lost) {
        Some(calls) => {
            let mib = seen.wire_bytes as f64 / (1 << 20) as f64;
            let whole = |per_mib: f64| (per_mib * mib).round() as u64;
            counts.extend(calls.iter().map(|(name, per)| (format!("calls:{name}"), whole(*per))));
            counts.insert("syscalls".to_owned(), calls.values().copied().map(whole).sum());
        }
        None => {
            gaps.insert("calls".to_owned(), why("enter"));
            gaps.insert("syscalls".to_owned(), why("enter"));
        }
    }
    // What a call moved is known from its beginning and its end together.
    match ["lost", "enter", "leave"].into_iter().find(|gap| seen.gaps.contains_key(*gap)) {
        None => {
            let read = seen.reads.iter().map(|one| one.bytes).sum();
            counts.insert("file_read_bytes".to_owned(), read);
        }
        Some(gap) => drop(gaps.insert("file_read_bytes".to_owned(), why(gap))),
    }
    Counts {
        cell: cell.to_owned(),
        arm,
        capture,
        payload_bytes: seen.wire_bytes,
        counts,
        facts: BTreeMap::new(),
        gaps,
    }
}

fn cell(id: String, captures: &[Watch]) -> Cell {
    let names = captures.iter().flat_map(|one| &one.processes).map(|process| &process.name);
    let mut names: Vec<&str> = names.map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let label = if names.is_empty() { "server".to_owned() } else { names.join(", ") };
    Cell {
        cell: id,
        scenario: "watched".to_owned(),
        strategy: label.clone(),
        label,
        params: BTreeMap::from([("port".to_owned(), captures[0].port.into())]),
        status: BTreeMap::from([(Arm::Base, Status::Ok), (Arm::Head, Status::Ok)]),
        reasons: Vec::new(),
        untimed: Some(UNTIMED.to_owned()),
        setup: BTreeMap::new(),
        latencies: Vec::new(),
    }
}

fn opening(run_id: String, base: Side, head: Side) -> Opening {
    Opening {
        schema: SCHEMA,
        run_id,
        started_at: writer::timestamp(),
        argv: std::env::args().collect(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        compares: "watches".to_owned(),
        base,
        head,
        rule: Rule {
            margin: 0.0,
            alpha: ALPHA,
            launches: 0,
            turns: 0,
            slice_bytes: plan::SLICE_BYTES,
            confirm: false,
            slack: SLACK,
        },
        timing: format!("no: {UNTIMED}"),
        ledger: "yes".to_owned(),
        machine: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(calls: f64, reference: f64, gaps: &[(&str, &str)]) -> Watch {
        Watch {
            kind: "watch".to_owned(),
            port: 80,
            wire_bytes: 4 << 20,
            reference_share: Some(reference),
            copied_share: Some(1.0 - reference),
            user_share: Some(0.0),
            linear_share: Some(0.0),
            linearised_share: Some(0.0),
            syscalls_per_mib: Some(BTreeMap::from([("sendfile".to_owned(), calls)])),
            gaps: gaps.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
            ..Watch::default()
        }
    }

    #[test]
    fn shares_and_rates_become_the_integers_that_they_were() {
        let counted = counts("c", Arm::Head, 1, &watch(8.25, 0.75, &[]));
        assert_eq!(counted.counts["calls:sendfile"], 33);
        assert_eq!(counted.counts["syscalls"], 33);
        assert_eq!(counted.counts["wire_reference_bytes"], 3 << 20);
        assert_eq!(counted.counts["wire_private_bytes"], 1 << 20);
        assert!(counted.gaps.is_empty());
    }

    #[test]
    fn what_was_not_seen_is_a_gap_and_never_nothing() {
        let counted = counts("c", Arm::Head, 0, &watch(8.0, 1.0, &[("lost", "3 events")]));
        assert!(counted.counts.is_empty(), "{:?}", counted.counts);
        assert!(counted.gaps.values().all(|why| why == "3 events"));
        let blind = Watch { syscalls_per_mib: None, ..watch(8.0, 1.0, &[("enter", "no such")]) };
        let counted = counts("c", Arm::Head, 0, &blind);
        assert_eq!(counted.gaps["calls"], "no such");
        assert!(counted.counts.contains_key("wire_reference_bytes"));
    }
}
