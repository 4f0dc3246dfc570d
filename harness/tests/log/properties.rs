//! What holds for all inputs, and for none a panic.

use crate::support::append;
use proptest::collection::vec;
use proptest::prelude::*;
use std::fs;
use zclab::log::kafka::batch::{self, BatchHeader, HEADER_BYTES, MAGIC};
use zclab::log::kafka::index::{self, Builder, Entry, Lookup};
use zclab::log::kafka::partition::{self, Walk};
use zclab::log::kafka::verify::verify;
use zclab::log::kafka::{Codec, Record, RecordHeader, checkpoint, codec, producers, varint};
use zclab::log::scan;

type OwnedRecord = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(Vec<u8>, Option<Vec<u8>>)>);

fn field() -> impl Strategy<Value = Option<Vec<u8>>> {
    proptest::option::of(vec(any::<u8>(), 0..200))
}

fn record() -> impl Strategy<Value = OwnedRecord> {
    let headers = vec((vec(any::<u8>(), 0..9), field()), 0..4);
    (any::<i64>(), field(), field(), headers)
}

fn borrow(owned: &OwnedRecord, offset_delta: i32) -> Record<'_> {
    let (timestamp_delta_ms, key, value, headers) = owned;
    let headers = headers.iter().map(|(key, value)| RecordHeader { key, value: value.as_deref() });
    Record {
        attributes: 0,
        timestamp_delta_ms: *timestamp_delta_ms,
        offset_delta,
        key: key.as_deref(),
        value: value.as_deref(),
        headers: headers.collect(),
    }
}

fn header(base_offset: i64, codec: Codec, records: i32, newest_ms: i64) -> BatchHeader {
    BatchHeader {
        base_offset,
        length: 0,
        partition_leader_epoch: 0,
        magic: MAGIC,
        crc: 0,
        attributes: codec.id(),
        last_offset_delta: records - 1,
        base_timestamp_ms: 0,
        max_timestamp_ms: newest_ms,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        records,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn varints_come_back(value in any::<i64>(), shift in 0u32..64) {
        let value = value >> shift;
        let mut bytes = Vec::new();
        varint::put(&mut bytes, value);
        prop_assert_eq!(bytes.len(), varint::len_bytes(value));
        prop_assert_eq!(varint::take_i64(&mut &bytes[..]), Ok(value));
        let small = varint::take_i32(&mut &bytes[..]);
        prop_assert_eq!(small.ok(), i32::try_from(value).ok());
    }

    #[test]
    fn records_come_back(owned in record(), offset_delta in any::<i32>()) {
        let record = borrow(&owned, offset_delta);
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        prop_assert_eq!(bytes.len(), record.encoded_bytes());
        let mut rest = &bytes[..];
        prop_assert_eq!(Record::decode(&mut rest), Ok(record));
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn batches_come_back_under_every_codec(owned in vec(record(), 1..20), codec in 0usize..5) {
        let codec = Codec::ALL[codec];
        let records: Vec<_> = owned.iter().zip(0..).map(|(o, delta)| borrow(o, delta)).collect();
        let mut bytes = Vec::new();
        let header = header(5, codec, records.len() as i32, 0);
        batch::encode(&header, &records, &mut bytes).expect("encoded");
        let read = BatchHeader::read(bytes.first_chunk().expect("a header"));
        prop_assert_eq!(read.check(), Ok(()));
        prop_assert_eq!(Some(&read.to_bytes()), bytes.first_chunk());
        prop_assert_eq!(read.crc, batch::crc_of(&bytes));
        let plain = batch::plain_records(&read, &bytes[HEADER_BYTES..], 1 << 20).expect("plain");
        let mut again = Vec::new();
        batch::for_each_record(&read, &plain, |record| again.push(record)).expect("records");
        prop_assert_eq!(again, records);
    }

    #[test]
    fn arbitrary_bytes_never_panic_a_decoder(bytes in vec(any::<u8>(), 0..300)) {
        let _ = Record::decode(&mut &bytes[..]);
        for codec in Codec::ALL {
            if let Ok(plain) = codec::decompress(codec, &bytes, 1 << 16) {
                prop_assert!(plain.len() <= 1 << 16);
            }
        }
        let _ = producers::parse(&bytes);
        let _ = index::parse(&bytes);
        let _ = index::parse_time(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        let _ = checkpoint::parse_epochs(&text);
        let _ = checkpoint::parse_metadata(&text);
        if let Some(header) = bytes.first_chunk() {
            let header = BatchHeader::read(header);
            prop_assert_eq!(Some(&header.to_bytes()), bytes.first_chunk());
            let _ = (header.check(), header.total_bytes(), header.last_offset(), header.span());
            let _ = batch::for_each_record(&header, &bytes[HEADER_BYTES..], |_| ());
        }
    }

    #[test]
    fn the_floor_of_an_index_is_the_greatest_entry_not_beyond(
        offsets in proptest::collection::btree_set(0i32..500, 0..40), target in -5i64..600,
    ) {
        let entries: Vec<Entry> = offsets
            .iter()
            .map(|&offset| Entry { relative_offset: offset, position_bytes: 7 + offset * 3 })
            .collect();
        let expected = offsets.iter().rev().find(|&&offset| i64::from(offset) <= target);
        let expected = expected.map_or(0, |offset| 7 + *offset as u64 * 3);
        prop_assert_eq!(index::floor(&entries, target), expected);
    }
}

/// What a fuzzer may do to a partition's files.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..400),
        // Headers that pass for one until something is believed that should not be.
        (any::<[u8; HEADER_BYTES]>(), 0i32..300, vec(any::<u8>(), 0..300)).prop_map(
            |(mut header, length, rest)| {
                header[8..12].copy_from_slice(&length.to_be_bytes());
                header[16] = 2;
                header[0..4].copy_from_slice(&[0; 4]);
                header[23..26].copy_from_slice(&[0; 3]);
                let mut bytes = [&header[..], &rest].concat();
                let crc = batch::crc_of(&bytes);
                bytes[17..21].copy_from_slice(&crc.to_be_bytes());
                bytes
            }
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 300,
        ..ProptestConfig::default()
    })]

    #[test]
    fn arbitrary_files_never_panic_scan_and_verify(
        logs in vec(garbage(), 1..3),
        index in vec(any::<u8>(), 0..64),
        times in vec(any::<u8>(), 0..64),
        txns in vec(any::<u8>(), 0..80),
        epochs in "[0-9 \n]{0,20}",
    ) {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let dir = scratch.path();
        for (number, bytes) in logs.iter().enumerate() {
            fs::write(partition::file(dir, number as i64 * 50, "log"), bytes).expect("a file");
        }
        for (extension, bytes) in
            [("index", &index), ("timeindex", &times), ("txnindex", &txns), ("snapshot", &txns)]
        {
            fs::write(partition::file(dir, 0, extension), bytes).expect("a file");
        }
        fs::write(dir.join(checkpoint::LEADER_EPOCHS), epochs).expect("a file");
        fs::write(dir.join(checkpoint::METADATA), &index).expect("a file");
        if let Ok(log) = scan(dir) {
            let lookup = Lookup::new(&log).expect("readable indexes");
            for offset in [i64::MIN, -1, 0, 49, 50, i64::MAX] {
                let _ = lookup.find(offset);
            }
        }
        let _ = verify(dir).expect("readable");
    }

    #[test]
    fn lookups_agree_with_reading_everything(
        batches in vec((1i32..30, 0usize..3000, 0i64..4), 1..60), interval in 1u64..8000,
    ) {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let path = partition::file(scratch.path(), 10, "log");
        let mut builder = Builder::new(10, interval);
        let (mut next, mut log, mut places) = (10, Vec::new(), Vec::new());
        for (records, bytes, gap) in batches {
            // Only headers are read here, so the records may be anything.
            next += gap;
            let mut header = header(next, Codec::None, records, next);
            let mut batch = vec![0; HEADER_BYTES + bytes];
            batch::seal(&mut header, &mut batch);
            builder.add(&header);
            places.push((header.last_offset(), log.len() as u64));
            next = header.last_offset() + 1;
            log.extend(batch);
        }
        append(&path, &log);
        let entries: Vec<u8> = builder.finish().0.into_iter().flat_map(Entry::to_bytes).collect();
        fs::write(path.with_extension("index"), entries).expect("an index");
        let mut walk = Walk::open(&path).expect("a segment");
        for (last, position) in &places {
            let (at, header) = walk.next_header().expect("a header").expect("a batch");
            prop_assert_eq!((header.last_offset(), at), (*last, *position));
        }
        let log = scan(scratch.path()).expect("a log");
        let lookup = Lookup::new(&log).expect("an index");
        for offset in 0..next + 3 {
            let expected = places.iter().find(|(last, _)| *last >= offset);
            let expected = expected.map(|(_, position)| (0, *position));
            prop_assert_eq!(lookup.find(offset).expect("a lookup"), expected);
        }
    }
}
