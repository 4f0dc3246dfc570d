//! What is said of an open loop, of classes of consumers, and of a crowd?

mod support;

use base64::Engine;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
use serde_json::json;
use support::Builder;
use zclab_report::demand::{Statement, statements};
use zclab_report::record::{Histogram, Line, Record, reading};
use zclab_report::study::studies;

fn histogram(cell: &str, what: &str, values: &[u64]) -> Line {
    let mut histogram = hdrhistogram::Histogram::<u64>::new(3).expect("three digits");
    values.iter().for_each(|&value| histogram.record(value).expect("within range"));
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(&histogram, &mut bytes).expect("into memory");
    Line::Histogram(Histogram {
        cell: cell.to_owned(),
        launch: 0,
        what: what.to_owned(),
        encoding: "hdr-v2-deflate".to_owned(),
        data: base64::engine::general_purpose::STANDARD.encode(bytes),
    })
}

/// A record over two rates; each fetch of a sample is served after so much of its schedule's time.
fn record(axis: (&str, serde_json::Value), stretch: u64, held: bool) -> Record {
    let mut builder = Builder::new();
    let scenario = builder.scenario("consume/open", "Is it served?", &[axis]);
    builder.measure(&scenario, &|_, _| None);
    let mut more = Vec::new();
    for line in &mut builder.lines {
        match line {
            Line::Sample(sample) => {
                let due_ns = 1_000_000;
                sample.readings.insert(reading::SCHEDULE_NS.to_owned(), due_ns);
                sample.readings.insert(reading::LATE_NS.to_owned(), due_ns * (stretch - 1));
            }
            Line::Cell(cell) if held => {
                cell.setup.extend([
                    ("sender_descriptors".to_owned(), json!(1011)),
                    ("sender_peak_rss_bytes".to_owned(), json!(10 << 20)),
                    ("receiver_descriptors".to_owned(), json!(1006)),
                    ("receiver_peak_rss_bytes".to_owned(), json!(6 << 20)),
                    ("tcp_memory_before_bytes".to_owned(), json!(40 << 10)),
                    ("tcp_memory_peak_bytes".to_owned(), json!(3u64 << 30)),
                    ("queue_bytes_per_consumer".to_owned(), json!(112)),
                ]);
                more.push(histogram(&cell.cell, "fetch_latency_fast_ns", &[1000, 2000]));
                more.push(histogram(&cell.cell, "fetch_latency_slow_ns", &[5_000_000]));
            }
            _ => {}
        }
    }
    let end = builder.lines.len() - 1;
    builder.lines.splice(end..end, more);
    builder.record()
}

fn said(record: &Record) -> Vec<Statement> {
    studies(record).iter().flat_map(statements).collect()
}

#[test]
fn a_rate_that_was_not_served_is_said() {
    let served = said(&record(("rate", json!([0, 20000])), 2, false));
    assert!(!served.is_empty() && served.iter().all(|one| one.place == "rate 20000"), "{served:?}");
    let words = "offered 20,000/s, served 10,000/s; the last fetch was accepted 1.00 ms after it \
                 was due: it cannot keep up";
    assert!(served.iter().all(|one| one.words == words), "{served:?}");
    let kept = said(&record(("rate", json!([20000])), 1, false));
    let words = "offered 20,000/s, served 20,000/s; the last fetch was accepted 0 ns after it was \
                 due: it keeps up";
    assert!(kept.iter().all(|one| one.words == words), "{kept:?}");
}

#[test]
fn classes_and_crowds_are_said_apart() {
    let said = said(&record(("consumers", json!([1, 1000])), 1, true));
    let of = |label: &str, place: &str| -> Vec<&str> {
        let own = said.iter().filter(|one| one.label == label && one.place == place);
        own.map(|one| one.words.as_str()).collect()
    };
    let classes = "fast consumers p50 1.00 µs, p99 2.00 µs, max 2.00 µs; \
                   slow consumers p50 5.00 ms, p99 5.00 ms, max 5.00 ms";
    assert_eq!(of("read-write", "consumers 1"), [classes], "one consumer is no crowd");
    let crowd = "1000 consumers held: sender 1011 descriptors, 10 MiB at most; receiver 1006 \
                 descriptors, 6 MiB at most; TCP sockets of the system 40 KiB before, 3 GiB at \
                 most; queue 112 B for each";
    assert_eq!(of("read-write", "consumers 1000"), [classes, crowd]);
}

#[test]
fn nothing_is_said_where_consumers_are_few_and_alike() {
    assert_eq!(said(&support::showcase().record()), []);
}
