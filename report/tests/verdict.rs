//! Does a sentence claim what the intervals carry, and nothing else?

mod support;

use serde_json::json;
use support::Builder;
use zclab_report::record::{Hop, Line, Record};
use zclab_report::study::{Bottleneck, studies};
use zclab_report::verdict::{self, Answer, Lead};

fn answers(record: &Record) -> Vec<Answer> {
    studies(record).iter().map(verdict::answer).collect()
}

#[test]
fn the_winner_its_ratio_and_the_crossover() {
    let record = support::showcase().record();
    let answers = answers(&record);
    let size = &answers[0].panels[0];
    insta::assert_snapshot!("size", size.sentence);
    insta::assert_snapshot!("size_clauses", size.clauses.join("\n"));
    // sendfile: 2300 + 104 x, read-write: 1600 + 330 x CPU ns for x KiB: equal at 3.1 KiB.
    let leads: Vec<Vec<String>> = size
        .standings
        .iter()
        .map(|standing| match &standing.lead {
            Lead::Led { leaders, .. } => leaders.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(leads[0], ["mmap-write"]);
    assert_eq!(leads[3], ["sendfile"]);
    assert!(leads.iter().flatten().all(|label| label != "null"), "the floor leads nowhere");
    insta::assert_snapshot!("cache", answers[1].text());
    insta::assert_snapshot!("fan_out", answers[2].text());
}

#[test]
fn one_launch_names_no_winner() {
    let record = support::single().record();
    let answer = &answers(&record)[0];
    assert_eq!(
        answer.text(),
        "No winner can be named: the intervals of sender CPU per KiB overlap."
    );
    assert!(answer.notes.iter().any(|note| note.contains("single launch")), "{:?}", answer.notes);
}

#[test]
fn cells_without_a_result_are_named_with_call_and_errno() {
    let record = support::showcase().record();
    let studies = studies(&record);
    let none = verdict::without_result(&studies[0]);
    let splice = none.iter().find(|one| one.label == "splice").expect("splice failed");
    assert_eq!(
        (splice.status, splice.conditions.as_slice()),
        ("failed", &["fetch size 512 B".to_owned()][..])
    );
    let uring = none.iter().find(|one| one.label == "uring-read-send").expect("unsupported");
    assert!(uring.conditions.is_empty(), "everywhere");
    assert_eq!(uring.reasons, ["io_uring_setup: EPERM (seccomp)"]);
    let cache = verdict::without_result(&studies[1]);
    assert!(cache.iter().any(|one| one.status == "invalid" && one.reasons[0].contains("resident")));
}

#[test]
fn what_was_never_measured_is_unfinished() {
    let record = zclab_report::record::read(&support::killed()).expect("readable");
    let studies = studies(&record);
    let none = verdict::without_result(&studies[0]);
    assert_eq!(none.len(), 7, "no contender finished 64 KiB");
    assert!(none.iter().all(|one| one.status == "unfinished"));
}

#[test]
fn overlapping_contenders_share_the_lead() {
    let mut builder = Builder::new();
    let scenario = builder.scenario("x", "?", &[("fetch", json!([4_194_304, 16_777_216]))]);
    builder.measure(&scenario, &|_, _| None);
    let record = builder.record();
    let answer = &answers(&record)[0];
    for standing in &answer.panels[0].standings {
        let Lead::Led { leaders, other, .. } = &standing.lead else { panic!("{standing:?}") };
        assert_eq!(
            (leaders.len(), other.as_str()),
            (2, "read-write"),
            "sendfile and splice cost the same"
        );
    }
    assert!(answer.text().contains("with no winner between them"), "{}", answer.text());
}

#[test]
fn bottlenecks_follow_the_rule() {
    let record = support::showcase().record();
    let studies = studies(&record);
    let at = |label: &str, point: usize| {
        studies[0].panels[0].points[point].row(label).expect("a row").bottleneck.clone()
    };
    assert_eq!(at("read-write", 0), Bottleneck::Sender);
    assert_eq!(at("sendfile", 5), Bottleneck::Receiver);
    assert_eq!(at("direct-write depth=8", 5), Bottleneck::Device);
    assert!(matches!(at("uring-read-send", 0), Bottleneck::Unknown(_)));
}

#[test]
fn a_baseline_without_result_leaves_no_ratio_and_the_next_to_compare_with() {
    let mut builder = Builder::new();
    let scenario = builder.scenario("x", "?", &[("cache", json!(["warm"]))]);
    builder.measure(&scenario, &|model, _| {
        let failed =
            support::failure(zclab_report::record::Status::Failed, "read", "EIO", "read: EIO");
        (model.label == "read-write")
            .then_some((zclab_report::record::Status::Failed, Some(failed)))
    });
    let record = builder.record();
    let studies = studies(&record);
    assert!(studies[0].rows().all(|row| row.ratios.is_empty()));
    let text = verdict::answer(&studies[0]).text();
    assert!(text.contains("sendfile needs the least") && text.contains("than splice"), "{text}");
}

#[test]
fn where_many_share_the_lead_those_cheaper_than_the_baseline_are_named() {
    let mut builder = Builder::new();
    let scenario = builder.scenario("x", "?", &[("fetch", json!([4_194_304, 16_777_216]))]);
    builder.measure(&scenario, &|_, _| None);
    // A third that costs what splice costs, launch by launch.
    let cpu: std::collections::BTreeMap<_, _> = builder
        .lines
        .iter()
        .filter_map(|line| match line {
            Line::Sample(sample) if sample.cell.contains("splice") => Some((
                (sample.cell.replace("splice", "mmap-write"), sample.launch, sample.turn),
                sample.readings.clone(),
            )),
            _ => None,
        })
        .collect();
    for line in &mut builder.lines {
        if let Line::Sample(sample) = line
            && let Some(readings) = cpu.get(&(sample.cell.clone(), sample.launch, sample.turn))
        {
            sample.readings = readings.clone();
        }
    }
    let record = builder.record();
    let answer = &answers(&record)[0];
    let panel = &answer.panels[0];
    assert!(panel.sentence.contains("are cheaper than read-write"), "{}", panel.sentence);
    assert!(panel.sentence.contains("; no winner between "), "{}", panel.sentence);
    assert_eq!(panel.clauses.len(), 5, "{:?}", panel.clauses);
}

#[test]
fn what_transforms_send_is_said_and_shown_where_there_are_any() {
    use zclab_report::record::reading::{SENT_BYTES, TRANSFORMED_BYTES};
    let plain = support::showcase().record();
    assert!(answers(&plain).iter().all(|a| !a.notes.iter().any(|note| note.contains("sends"))));
    let mut builder = Builder::new();
    let axes = [("transform", json!(["none", "crc32c", "lz4", "tls"]))];
    let scenario = builder.scenario("t", "What does it cost?", &axes);
    builder.measure(&scenario, &|_, _| None);
    for line in &mut builder.lines {
        if let Line::Ledger(ledger) = line
            && ledger.cell.contains("/read-write/")
            && ledger.cell.contains("transform=lz4")
        {
            let mut hop = ledger.hops[0].clone();
            (hop.from, hop.to) = ("user-buffer".into(), "user-buffer".into());
            ledger.hops.insert(1, hop);
        }
        if let Line::Sample(sample) = line {
            let whole = sample.bytes + sample.header_bytes;
            let sent = match sample.cell.split("transform=").nth(1) {
                Some(name) if name.starts_with("crc32c") => whole,
                Some(name) if name.starts_with("lz4") => sample.bytes * 2 / 5,
                Some(name) if name.starts_with("tls") => whole + sample.bytes / 500,
                _ => continue,
            };
            sample.readings.insert(SENT_BYTES.into(), sent);
            sample.readings.insert(TRANSFORMED_BYTES.into(), whole);
        }
    }
    builder.end("complete");
    let record = builder.record();
    let studies = studies(&record);
    let notes = verdict::answer(&studies[0]).notes.join("\n");
    let said = "Headers included, lz4 sends 0.400 bytes for each byte of the log; tls 1.003.";
    assert!(notes.contains(said), "what only looks is not named: {notes}");
    let page = page_of(&record);
    assert!(page.contains("Sent bytes") && page.contains("sent bytes, per byte"), "both");
    let itself = "data-from=\"user-buffer\" data-to=\"user-buffer\"";
    assert!(page.contains(itself), "the hop that ends where it began is drawn");
    assert!(!page_of(&plain).contains("Sent bytes"));
}

/// The text of all pages of a record.
fn page_of(record: &Record) -> String {
    zclab_report::page::site(record).into_iter().map(|(_, text)| text).collect()
}

/// Whoever pays for a copy at delivery, which no network card makes, leads nobody and is named.
#[test]
fn what_is_copied_at_delivery_is_in_no_ranking() {
    let mut builder = support::showcase();
    for line in &mut builder.lines {
        if let Line::Ledger(ledger) = line
            && ledger.cell.contains("quick/size/sendfile/")
        {
            let late = Hop {
                from: "wire".into(),
                to: "kernel-pages".into(),
                by: "cpu-copy".into(),
                predicted_bytes: 1 << 20,
                ..ledger.hops[0].clone()
            };
            ledger.hops.push(late);
        }
    }
    let record = builder.record();
    let studies = studies(&record);
    let size = studies.iter().find(|one| one.scenario.scenario == "quick/size").unwrap();
    assert!(size.rows().any(|row| row.label == "sendfile" && row.copied_late()));
    assert!(size.rows().all(|row| row.label != "sendfile" || !row.ranked()));
    let answer = verdict::answer(size);
    assert!(answer.panels.iter().all(|panel| !panel.sentence.contains("sendfile")));
    let said = "sendfile: copied at delivery on this machine";
    assert!(answer.notes.iter().any(|note| note.starts_with(said)), "{:?}", answer.notes);
}
