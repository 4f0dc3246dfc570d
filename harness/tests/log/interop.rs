//! Do independent implementations agree with ours? The `kafka-protocol` crate, and kafka-python.

use crate::support::{contents, small_spec};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression, Record as TheirRecord, RecordBatchDecoder, RecordBatchEncoder,
    RecordEncodeOptions, TimestampType,
};
use std::fs;
use std::process::Command;
use zclab::log::kafka::batch::{self, BatchHeader, HEADER_BYTES};
use zclab::log::kafka::codec::DECOMPRESSED_MAX_BYTES;
use zclab::log::kafka::{Codec, generate};
use zclab::log::scan;

#[test]
fn the_kafka_protocol_crate_reads_what_we_generate() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    for codec in Codec::ALL {
        let dir = scratch.path().join(format!("{}-0", codec.name()));
        generate(&small_spec(codec), &dir, &mut |_| {}).expect("a partition");
        let ours = contents(&dir);
        let mut theirs = ours.iter();
        for segment in scan(&dir).expect("a log").segments {
            let mut bytes = bytes::Bytes::from(fs::read(&segment.path).expect("a segment"));
            for set in RecordBatchDecoder::decode_all(&mut bytes).expect("their decoder") {
                for record in set.records {
                    let (offset, timestamp, key, value, headers) = theirs.next().expect("as many");
                    assert_eq!((record.offset, record.timestamp), (*offset, *timestamp));
                    assert_eq!(record.key.as_deref(), key.as_deref());
                    assert_eq!(record.value.as_deref(), value.as_deref());
                    let read: Vec<_> = record.headers.iter().collect();
                    assert_eq!(read.len(), headers.len());
                    for ((name, value), (our_name, our_value)) in read.into_iter().zip(headers) {
                        assert_eq!(name.as_bytes(), our_name.as_slice());
                        assert_eq!(value.as_deref(), our_value.as_deref());
                    }
                }
            }
        }
        assert_eq!(theirs.next(), None, "{}: records that they missed", codec.name());
    }
}

fn their_records(compress_to: usize) -> Vec<TheirRecord> {
    (0..40i64)
        .map(|number| {
            let mut headers = IndexMap::new();
            headers.insert(StrBytes::from_static_str("h"), (number % 3 != 0).then(|| "v".into()));
            TheirRecord {
                transactional: false,
                control: false,
                delete_horizon: false,
                partition_leader_epoch: 0,
                producer_id: -1,
                producer_epoch: -1,
                timestamp_type: TimestampType::Creation,
                offset: 1000 + number,
                // Their encoder ends a batch where sequence and offset do not go together.
                sequence: number as i32,
                timestamp: 1_700_000_000_000 + number * 1_000_000_007,
                key: (number % 4 != 0).then(|| format!("key {number}").into()),
                value: (number % 7 != 0).then(|| "x".repeat(compress_to).into()),
                headers,
            }
        })
        .collect()
}

#[test]
fn we_read_what_the_kafka_protocol_crate_writes() {
    for (codec, compression) in [
        (Codec::None, Compression::None),
        (Codec::Gzip, Compression::Gzip),
        (Codec::Snappy, Compression::Snappy),
        (Codec::Lz4, Compression::Lz4),
        (Codec::Zstd, Compression::Zstd),
    ] {
        let theirs = their_records(5000);
        let mut bytes = bytes::BytesMut::new();
        let options = RecordEncodeOptions { version: 2, compression };
        RecordBatchEncoder::encode(&mut bytes, &theirs, &options).expect("their encoder");
        let header = BatchHeader::read(bytes.first_chunk().expect("a header"));
        header.check().expect("a sound header");
        assert_eq!(header.codec(), Ok(codec));
        assert_eq!(header.crc, batch::crc_of(&bytes));
        assert_eq!(header.total_bytes(), bytes.len() as u64);
        let body = &bytes[HEADER_BYTES..];
        let plain = batch::plain_records(&header, body, DECOMPRESSED_MAX_BYTES).expect("plain");
        let mut theirs = theirs.iter();
        batch::for_each_record(&header, &plain, |record| {
            let their = theirs.next().expect("as many");
            assert_eq!(header.base_offset + i64::from(record.offset_delta), their.offset);
            let timestamp = header.base_timestamp_ms + record.timestamp_delta_ms;
            assert_eq!(timestamp, their.timestamp);
            assert_eq!(record.key, their.key.as_deref());
            assert_eq!(record.value, their.value.as_deref());
            assert_eq!(record.headers.len(), 1);
            assert_eq!(record.headers[0].value, their.headers[0].as_deref());
        })
        .expect("sound records");
        assert!(theirs.next().is_none());
    }
}

/// The interpreter that has kafka-python: `ZCLAB_TEST_PYTHON`, or `python3`.
fn python() -> String {
    std::env::var("ZCLAB_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

fn can_import(module: &str) -> bool {
    let output = Command::new(python()).args(["-c", &format!("import {module}")]).output();
    output.is_ok_and(|output| output.status.success())
}

#[test]
fn kafka_python_reads_what_we_generate() {
    if !can_import("kafka") {
        println!("SKIPPED: kafka-python is not installed (pip install kafka-python)");
        return;
    }
    let scratch = tempfile::tempdir().expect("a scratch directory");
    for (codec, module) in [
        (Codec::None, "kafka"),
        (Codec::Gzip, "gzip"),
        (Codec::Snappy, "snappy"),
        (Codec::Lz4, "lz4"),
        (Codec::Zstd, "zstandard"),
    ] {
        if !can_import(module) {
            println!("SKIPPED: {} needs the Python module {module}", codec.name());
            continue;
        }
        let dir = scratch.path().join(format!("{}-0", codec.name()));
        generate(&small_spec(codec), &dir, &mut |_| {}).expect("a partition");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/log/read_partition.py");
        let output = Command::new(python()).arg(script).arg(&dir).output().expect("python");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {stderr}", codec.name());
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected_lines(&dir));
    }
}

/// What the script should print.
fn expected_lines(dir: &std::path::Path) -> String {
    let log = scan(dir).expect("a log");
    let mut records = contents(dir).into_iter().peekable();
    let mut lines = String::new();
    for (number, segment) in log.segments.iter().enumerate() {
        let end = log.segments.get(number + 1).map_or(i64::MAX, |next| next.base_offset);
        let batches = log.batches.iter().filter(|batch| batch.segment as usize == number).count();
        let (mut count, mut length, mut last) = (0, 0, 0);
        let mut crc = flate2::Crc::new();
        while let Some((offset, _, key, value, headers)) = records.next_if(|record| record.0 < end)
        {
            let mut add = |part: &[u8]| {
                length += part.len();
                crc.update(part);
            };
            add(&key.unwrap_or_default());
            add(&value.unwrap_or_default());
            for (name, value) in headers {
                add(&name);
                add(&value.unwrap_or_default());
            }
            count += 1;
            last = offset;
        }
        let name = segment.path.file_name().expect("a name").display();
        let (first, crc) = (segment.base_offset, crc.sum());
        lines += &format!("{name} {batches} {count} {length} {first} {last} {crc:08x}\n");
    }
    lines
}
