//! Does the kernel matrix say what its records say, and never more?

#[path = "support/html.rs"]
mod html;
mod support;

use serde_json::json;
use std::collections::BTreeMap;
use zclab_report::kernels::{Fate, Listing, Matrix, answer};
use zclab_report::page;
use zclab_report::record::{self, Agreement, Compared, Failure, Ledger, Line, Record, Status};

/// What a made-up kernel does: label, copies, share of the log's pages.
const DONE: [(&str, f64, f64); 4] = [
    ("null", 1.0, 0.0),
    ("read-write", 2.0, 0.0),
    ("mmap-write", 1.0, 0.0),
    ("sendfile", 0.0, 0.999),
];
const PAYLOAD: u64 = 1_000_000;

fn ledger(cell: &str, copies: f64, share: f64) -> Ledger {
    Ledger {
        cell: cell.into(),
        payload_bytes: PAYLOAD,
        cpu_copies_per_byte: Compared { predicted: Some(copies), observed: Some(copies) },
        mode_switches_per_mib: Compared { predicted: None, observed: None },
        hops: Vec::new(),
        agreement: Agreement::Agrees,
        reason: None,
        counts: BTreeMap::from([
            ("wire_log_bytes".to_owned(), (share * PAYLOAD as f64) as u64),
            ("received_bytes".to_owned(), PAYLOAD),
        ]),
        gaps: BTreeMap::new(),
        syscalls: BTreeMap::new(),
        side: "sender".into(),
    }
}

/// The record of one kernel on ext4; `edit` may change the ledger and the status of a cell.
fn record(edit: impl Fn(&str, &mut Ledger) -> Option<Failure>) -> Record {
    let mut builder = support::Builder::new();
    if let Line::Run(run) = &mut builder.lines[0] {
        run.capabilities.insert("ledger".into(), "yes".into());
        run.capabilities.insert("ledger_tcp_send".into(), "no: <no> such tracepoint".into());
    }
    for (label, copies, share) in DONE {
        let id = format!("kernels/catalogue/{label}/sink=tcp-loopback");
        let mut ledger = ledger(&id, copies, share);
        let failure = edit(label, &mut ledger);
        let status = failure.as_ref().map_or(Status::Ok, |failure| failure.status);
        builder.lines.extend(failure.map(Line::Error));
        builder.lines.push(Line::Ledger(ledger));
        builder.lines.push(Line::Cell(record::Cell {
            cell: id,
            scenario: "kernels/catalogue".into(),
            strategy: label.into(),
            label: label.into(),
            params: BTreeMap::from([("sink".into(), json!("tcp-loopback"))]),
            status,
            reasons: Vec::new(),
            setup: BTreeMap::new(),
        }));
    }
    builder.record()
}

fn listing(series: &[&str]) -> Listing {
    let kernel = |series: &&str| match *series {
        "9.9" => json!({"series": series, "missing": "sid: no linux-image-9.9.…-cloud-amd64"}),
        series => json!({
            "series": series, "suite": "a-suite", "package": format!("linux-image-{series}"),
            "version": format!("{series}.7-1"), "release": format!("{series}.7-cloud"),
            "records": ["x.jsonl"],
        }),
    };
    let kernels: Vec<_> = series.iter().map(kernel).collect();
    let all =
        json!({"made_at": "2026-11-28T13:00:00Z", "emulator": "QEMU 7.2", "kernels": kernels});
    serde_json::from_value(all).expect("a listing")
}

fn fate(matrix: &Matrix, label: &str, column: usize) -> Fate {
    let mut rows = matrix.routes.iter().flat_map(|route| &route.rows);
    rows.find(|(of, _)| of == label).expect("a row").1[column].clone()
}

fn plain(_: &str, _: &mut Ledger) -> Option<Failure> {
    None
}

/// A kernel that shows less, refuses more, and copies where it should not.
fn odd(label: &str, ledger: &mut Ledger) -> Option<Failure> {
    match label {
        "mmap-write" => {
            ledger.agreement = Agreement::Unobserved;
            ledger.cpu_copies_per_byte.observed = None;
            ledger.reason = Some("the <tracepoint> has no request".into());
            None
        }
        "sendfile" => {
            ledger.agreement = Agreement::Contradicts;
            ledger.reason = Some("page cache → pipe by cpu-copy: 1.00 bytes".into());
            None
        }
        "read-write" => Some(Failure {
            cell: ledger.cell.clone(),
            status: Status::Unsupported,
            call: Some("preadv2".into()),
            errno: Some("EOPNOTSUPP".into()),
            message: "preadv2: EOPNOTSUPP: no".into(),
        }),
        _ => None,
    }
}

#[test]
fn cells_say_what_became_of_the_bytes() {
    let records = [vec![record(plain)], vec![record(odd)], vec![]];
    let matrix = Matrix::of(listing(&["5.10", "6.1", "9.9"]), &records);
    assert_eq!(matrix.routes.len(), 1);
    assert_eq!(matrix.routes[0].rows.len(), 3, "the floor moves no log");
    assert_eq!(fate(&matrix, "sendfile", 0), Fate::Shared(0.999));
    assert_eq!(fate(&matrix, "read-write", 0), Fate::Copied(2.0));
    assert_eq!(fate(&matrix, "read-write", 1).word(), "refused");
    assert_eq!(fate(&matrix, "mmap-write", 1).word(), "unobserved");
    assert_eq!(fate(&matrix, "sendfile", 1).word(), "contradicts");
    assert_eq!(fate(&matrix, "sendfile", 2), Fate::Untried);
    let gap = ("tcp-send".to_owned(), "<no> such tracepoint".to_owned());
    assert_eq!(matrix.kernels[0].gaps, [gap]);
    assert_eq!(matrix.kernels[0].received, (3, 3));
}

#[test]
fn a_share_below_the_bound_is_not_shared() {
    let edit = |label: &str, ledger: &mut Ledger| {
        if label == "sendfile" {
            ledger.counts.insert("wire_log_bytes".into(), PAYLOAD / 16);
        }
        None
    };
    let matrix = Matrix::of(listing(&["7.3"]), &[vec![record(edit)]]);
    assert_eq!(fate(&matrix, "sendfile", 0), Fate::Uncopied);
    let (sentence, _) = answer(&matrix);
    assert!(sentence.contains("nothing shared"), "{sentence}");
}

#[test]
fn the_sentence_claims_only_what_every_kernel_showed() {
    let agreed = Matrix::of(listing(&["5.10", "7.3"]), &[vec![record(plain)], vec![record(plain)]]);
    let (sentence, clauses) = answer(&agreed);
    let expected = "On all 2 kernels tried (5.10 to 7.3) sendfile hands on the log’s own pages";
    assert!(sentence.starts_with(expected), "{sentence}");
    assert!(clauses.contains(&"mmap-write copies each byte once before it leaves.".to_owned()));
    let split = Matrix::of(listing(&["5.10", "6.1"]), &[vec![record(plain)], vec![record(odd)]]);
    let (sentence, clauses) = answer(&split);
    assert!(sentence.contains("nothing shared"), "{sentence}");
    assert!(clauses.iter().any(|c| c.contains("Not the same everywhere: sendfile")), "{clauses:?}");
    let none = Matrix::of(listing(&["9.9"]), &[vec![]]);
    assert!(answer(&none).0.contains("No kernel was tried"));
}

/// The record of a kernel with one cell of `mover` for each of these parameters.
fn routed(cells: &[(serde_json::Value, Ledger, Option<u64>)]) -> Record {
    let mut builder = support::Builder::new();
    for (index, (params, ledger, aliased)) in cells.iter().enumerate() {
        let id = format!("kernels/routes/mover/{index}");
        let ledger = Ledger { cell: id.clone(), ..ledger.clone() };
        builder.lines.push(Line::Ledger(ledger));
        builder.lines.extend(aliased.map(|shared_bytes| {
            Line::Aliasing(record::Aliasing {
                cell: id.clone(),
                shared_bytes,
                probed_bytes: 100,
                expected: None,
                verdict: Agreement::Agrees,
                reason: None,
            })
        }));
        builder.lines.push(Line::Cell(record::Cell {
            cell: id,
            scenario: "kernels/routes".into(),
            strategy: "mover".into(),
            label: "mover".into(),
            params: serde_json::from_value(params.clone()).expect("parameters"),
            status: Status::Ok,
            reasons: Vec::new(),
            setup: BTreeMap::new(),
        }));
    }
    builder.record()
}

#[test]
fn ways_are_told_apart_and_summed_up() {
    let unseen = || Ledger {
        cpu_copies_per_byte: Compared { predicted: Some(0.0), observed: None },
        agreement: Agreement::Unobserved,
        ..ledger("", 0.0, 0.0)
    };
    let veth = |gathers: &str| json!({"sink": "tcp-veth", "scatter_gather": gathers});
    let tail = [
        (veth("off"), ledger("", 1.0, 0.0), None),
        (json!({"sink": "pipe"}), unseen(), Some(100)),
        (json!({"sink": "file"}), unseen(), None),
        (json!({"source": "tcp-loopback", "feed": "send"}), ledger("", 2.0, 0.0), None),
    ];
    let kernel = |copies: f64, share: f64| {
        routed(&[&[(veth("on"), ledger("", copies, share), None)], &tail[..]].concat())
    };
    let blind = routed(&[(json!({"sink": "pipe"}), unseen(), Some(0))]);
    let alone = Matrix::of(listing(&["5.10"]), &[vec![blind.clone()]]);
    assert_eq!(fate(&alone, "mover", 0).word(), "unshared");
    // Shared where the probe saw it, and not where it did not: that is not the same everywhere.
    let aliased = routed(&[(json!({"sink": "pipe"}), unseen(), Some(100))]);
    let split = Matrix::of(listing(&["5.10", "6.1"]), &[vec![blind], vec![aliased]]);
    let (sentence, _) = answer(&split);
    assert!(sentence.contains("nothing shared"), "{sentence}");
    let records = [vec![kernel(0.0, 1.0)], vec![kernel(1.0, 0.0)], vec![kernel(0.0, 1.0)], vec![]];
    let matrix = Matrix::of(listing(&["5.10", "6.1", "7.3", "9.9"]), &records);
    let ways = matrix.ways();
    let words: Vec<String> = ways.iter().map(|way| way.words()).collect();
    assert_eq!(
        words,
        [
            "TCP to another host over veth",
            "TCP to another host over veth, its device without scatter-gather",
            "pipe",
            "file",
            "TCP over loopback, fed by send",
        ]
    );
    let said = |way: usize| -> Vec<(String, String)> {
        let said = matrix.summary(ways[way], "mover").into_iter();
        said.map(|said| (said.text, said.places)).collect()
    };
    let pair = |text: &str, places: &str| (text.to_owned(), places.to_owned());
    assert_eq!(said(0), [pair("shared", ""), pair("×1", "6.1")]);
    assert_eq!(said(1), [pair("×1", "")]);
    assert_eq!(said(2), [pair("shared, by the probe", "")]);
    assert_eq!(said(3), [pair("unobserved", "")]);
    assert_eq!(said(4), [pair("×2", "")]);
    let (_, clauses) = answer(&matrix);
    for clause in [
        "Not the same everywhere: mover.",
        "Nothing was shared on this way: file.",
        "mover copies each byte twice on its way in.",
    ] {
        assert!(clauses.iter().any(|one| one == clause), "{clause}: {clauses:?}");
    }
}

#[test]
fn what_was_tried_on_some_kernels_is_said_of_none() {
    let veth = json!({"sink": "tcp-veth"});
    let lone = routed(&[(veth, ledger("", 0.0, 1.0), None)]);
    let records = [vec![record(plain), lone], vec![record(plain)]];
    let (sentence, clauses) = answer(&Matrix::of(listing(&["5.10", "7.3"]), &records));
    assert!(sentence.contains("sendfile hands") && !sentence.contains("mover"), "{sentence}");
    let partial = "Tried on some of these kernels only: mover.";
    assert!(clauses.iter().any(|one| one == partial), "{clauses:?}");
}

#[test]
fn words_of_the_page() {
    let records = [vec![record(plain)], vec![record(odd)], vec![]];
    let matrix = Matrix::of(listing(&["5.10", "6.1", "9.9"]), &records);
    let text = page::kernels(&matrix);
    let read = html::read(&text);
    let ids = html::ids(&read);
    for href in read.tags.iter().filter_map(|tag| tag.attribute("href")) {
        assert!(ids.contains(href.trim_start_matches('#')), "{href}");
    }
    assert!(
        !text.contains("<tracepoint>") && !text.contains("http"),
        "escaped, and nothing loaded"
    );
    insta::assert_snapshot!("kernels", html::skeleton(&text));
}
