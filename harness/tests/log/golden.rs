//! Do we read and write what a real broker wrote, byte for byte?

use crate::support::{GOLDEN, dump, unpack};
use std::fs;
use std::path::Path;
use zclab::log::kafka::batch::{self, BatchHeader, HEADER_BYTES};
use zclab::log::kafka::codec::DECOMPRESSED_MAX_BYTES;
use zclab::log::kafka::index::{self, Builder, INTERVAL_BYTES};
use zclab::log::kafka::{Codec, Record, checkpoint, partition};
use zclab::log::{Log, scan};

/// Calls `each` with every batch of a partition: header, bytes, segment, position.
fn for_each_batch(log: &Log, mut each: impl FnMut(BatchHeader, &[u8], usize, u64)) {
    for (number, segment) in log.segments.iter().enumerate() {
        let bytes = fs::read(&segment.path).expect("a segment");
        for span in log.batches.iter().filter(|span| span.segment as usize == number) {
            let from = span.position_bytes as usize;
            let batch = &bytes[from..from + span.len_bytes as usize];
            let header: &[u8; HEADER_BYTES] = batch.first_chunk().expect("a header");
            each(BatchHeader::read(header), batch, number, span.position_bytes);
        }
    }
}

#[test]
fn headers_say_what_kafka_says() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    for name in GOLDEN {
        let log = scan(&unpack(name, scratch.path())).expect(name);
        let dump = dump(name);
        let mut lines = dump.lines().filter(|line| line.starts_with("baseOffset: "));
        for_each_batch(&log, |header, batch, _, position| {
            let line = lines.next().expect("a batch that Kafka knows");
            let time = if header.is_log_append_time() { "LogAppendTime" } else { "CreateTime" };
            let codec = header.codec().expect("a codec").name();
            let last = if header.base_sequence < 0 {
                -1
            } else {
                header.base_sequence + header.last_offset_delta
            };
            let ours = format!(
                "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {last} \
                 producerId: {} producerEpoch: {} partitionLeaderEpoch: {} isTransactional: {} \
                 isControl: {} deleteHorizonMs: OptionalLong.empty position: {position} {time}: {} \
                 size: {} magic: 2 compresscodec: {codec} crc: {} isvalid: {}",
                header.base_offset,
                header.last_offset(),
                header.records,
                header.base_sequence,
                header.producer_id,
                header.producer_epoch,
                header.partition_leader_epoch,
                header.is_transactional(),
                header.is_control(),
                header.max_timestamp_ms,
                batch.len(),
                header.crc,
                batch::crc_of(batch) == header.crc,
            );
            assert_eq!(ours, line.trim_end(), "{name}");
        });
        assert_eq!(lines.next(), None, "{name}: a batch that we missed");
    }
}

#[test]
fn decoding_and_encoding_gives_the_same_bytes() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    for name in GOLDEN {
        let log = scan(&unpack(name, scratch.path())).expect(name);
        for_each_batch(&log, |header, bytes, _, position| {
            if header.codec() != Ok(Codec::None) {
                return;
            }
            let mut records = Vec::new();
            batch::for_each_record(&header, &bytes[HEADER_BYTES..], |record| records.push(record))
                .unwrap_or_else(|what| panic!("{name} at {position}: {what}"));
            let mut again = Vec::new();
            batch::encode(&header, &records, &mut again).expect("an encoder");
            assert!(again == bytes, "{name} at {position}");
        });
    }
}

/// The message `i` of `inputs.py`.
fn check_message(i: i64, base_timestamp_ms: i64, record: &Record<'_>) {
    let key = (i % 5 != 0).then(|| format!("k{}", i % 97).into_bytes());
    let value: Vec<u8> = (0..i * 37 % 900).map(|j| ((i + j * 31) % 251) as u8).collect();
    let value = (i % 41 != 0 || key.is_none()).then_some(value);
    assert_eq!(record.key, key.as_deref(), "key of {i}");
    assert_eq!(record.value, value.as_deref(), "value of {i}");
    assert_eq!(base_timestamp_ms + record.timestamp_delta_ms, 1_700_000_000_000 + i * 10);
    let numbered = format!("v{i}").into_bytes();
    let expected: Vec<(&[u8], Option<&[u8]>)> = match i % 10 {
        0 => vec![(b"h", Some(&numbered)), (b"empty", Some(b"")), (b"h", Some(b"again"))],
        _ => vec![],
    };
    let headers: Vec<_> = record.headers.iter().map(|header| (header.key, header.value)).collect();
    assert_eq!(headers, expected, "headers of {i}");
}

#[test]
fn every_codec_decodes_to_the_messages_that_were_sent() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    for (name, count) in [
        ("golden-0", 6000),
        ("golden-gzip-0", 500),
        ("golden-snappy-0", 500),
        ("golden-lz4-0", 500),
        ("golden-zstd-0", 500),
        ("golden-killed-0", 2000),
    ] {
        let log = scan(&unpack(name, scratch.path())).expect(name);
        let mut seen = 0;
        for_each_batch(&log, |header, bytes, _, _| {
            let body = &bytes[HEADER_BYTES..];
            let plain = batch::plain_records(&header, body, DECOMPRESSED_MAX_BYTES).expect(name);
            batch::for_each_record(&header, &plain, |record| {
                check_message(seen, header.base_timestamp_ms, &record);
                seen += 1;
            })
            .expect(name);
        });
        assert_eq!(seen, count, "{name}");
    }
}

fn entries_as_bytes<E: Copy, const N: usize>(entries: &[E], bytes: fn(E) -> [u8; N]) -> Vec<u8> {
    entries.iter().flat_map(|&entry| bytes(entry)).collect()
}

/// Whether `file` holds `expected`, then nothing but zeros.
fn assert_index(file: &Path, expected: &[u8], tail: bool) {
    let bytes = fs::read(file).expect("an index");
    assert!(bytes.starts_with(expected), "{}", file.display());
    let rest = &bytes[expected.len()..];
    assert_eq!(!rest.is_empty(), tail, "{}", file.display());
    assert!(rest.iter().all(|&byte| byte == 0), "{}", file.display());
}

#[test]
fn rebuilt_indexes_equal_the_brokers() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    for name in GOLDEN {
        let dir = unpack(name, scratch.path());
        let log = scan(&dir).expect(name);
        let mut builders: Vec<_> =
            log.segments.iter().map(|s| Builder::new(s.base_offset, INTERVAL_BYTES)).collect();
        for_each_batch(&log, |header, _, segment, _| builders[segment].add(&header));
        let killed = name == "golden-killed-0";
        for (segment, builder) in log.segments.iter().zip(builders) {
            let (entries, times) = if killed {
                let (entries, times) = builder.unfinished();
                (entries.to_vec(), times.to_vec())
            } else {
                builder.finish()
            };
            let offsets = entries_as_bytes(&entries, index::Entry::to_bytes);
            assert_index(&segment.path.with_extension("index"), &offsets, killed);
            let times = entries_as_bytes(&times, index::TimeEntry::to_bytes);
            assert_index(&segment.path.with_extension("timeindex"), &times, killed);
        }
    }
}

#[test]
fn text_files_print_as_they_were() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    for name in GOLDEN {
        let dir = unpack(name, scratch.path());
        let text = fs::read_to_string(dir.join(checkpoint::LEADER_EPOCHS)).expect(name);
        let epochs = checkpoint::parse_epochs(&text).expect(name);
        assert_eq!(checkpoint::print_epochs(&epochs), text);
        let text = fs::read_to_string(dir.join(checkpoint::METADATA)).expect(name);
        let id = checkpoint::parse_metadata(&text).expect(name);
        assert_eq!(checkpoint::print_metadata(id), text);
    }
}

#[test]
fn every_offset_is_located() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    for name in ["golden-0", "golden-compact-0", "golden-killed-0", "golden-txn-0"] {
        let log = scan(&unpack(name, scratch.path())).expect(name);
        let lookup = index::Lookup::new(&log).expect(name);
        let mut next = 0;
        for_each_batch(&log, |header, _, segment, position| {
            // Offsets that compaction took lead to the batch after the gap.
            for offset in [next, header.base_offset, header.last_offset()] {
                let found = lookup.find(offset).expect(name);
                assert_eq!(found, Some((segment, position)), "{name}: offset {offset}");
            }
            next = header.last_offset() + 1;
        });
        assert_eq!(lookup.find(next).expect(name), None, "{name}");
    }
}

#[test]
fn listings_know_what_is_kafkas() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let dir = unpack("golden-txn-0", scratch.path());
    fs::write(dir.join("notes.txt"), "mine").expect("a foreign file");
    fs::write(dir.join("00000000000000000010.log.deleted"), "").expect("a deleted segment");
    let listing = partition::list(&dir).expect("a listing");
    assert_eq!(listing.segments, [0, 10]);
    assert_eq!(listing.foreign, ["00000000000000000010.log.deleted", "notes.txt"]);
    assert!(listing.beside.contains(&(10, "txnindex")));
    assert_eq!(scan(&dir).expect("a log").segments.len(), 2);
}
