//! What do several of these tests need? The golden partitions, unpacked; small specs.

use std::fs;
use std::path::{Path, PathBuf};
use zclab::log::kafka::batch::{self, BatchHeader, HEADER_BYTES};
use zclab::log::kafka::codec::DECOMPRESSED_MAX_BYTES;
use zclab::log::kafka::{Codec, MessageSize, Spec};
use zclab::log::scan;

/// The golden partitions, as a real Kafka 4.1 left them.
pub const GOLDEN: [&str; 9] = [
    "golden-0",
    "golden-gzip-0",
    "golden-snappy-0",
    "golden-lz4-0",
    "golden-zstd-0",
    "golden-txn-0",
    "golden-compact-0",
    "golden-logappend-0",
    "golden-killed-0",
];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/kafka")
}

/// Unpacks a golden partition into a directory of its own below `parent`.
pub fn unpack(name: &str, parent: &Path) -> PathBuf {
    let dir = parent.join(name);
    fs::create_dir_all(&dir).expect("a directory for the partition");
    for entry in fs::read_dir(fixtures().join(name)).expect("the fixture").flatten() {
        let bytes = fs::read(entry.path()).expect("a fixture's file");
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        match name.strip_suffix(".zst") {
            Some(plain) => fs::write(dir.join(plain), unzstd(&bytes)),
            None => fs::write(dir.join(name), bytes),
        }
        .expect("the unpacked file");
    }
    dir
}

/// What Kafka's own `DumpLogSegments` said of a golden partition.
pub fn dump(name: &str) -> String {
    let path = fixtures().join(format!("{name}.dump.txt"));
    let packed = path.with_extension("txt.zst");
    let text = fs::read(path).unwrap_or_else(|_| unzstd(&fs::read(packed).expect("the dump")));
    String::from_utf8(text).expect("a dump in UTF-8")
}

fn unzstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::decode_all(bytes).expect("a fixture compressed by zstd")
}

/// A partition of half a megabyte in several segments.
pub fn small_spec(codec: Codec) -> Spec {
    Spec {
        total_bytes: 512 << 10,
        message: MessageSize::Uniform { min: 0, max: 700 },
        key_bytes: 9,
        headers: 2,
        batch_bytes: 8 << 10,
        codec,
        segment_bytes: 200 << 10,
        seed: 7,
    }
}

/// A record on its own: offset, timestamp, key, value, headers.
pub type Content = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(Vec<u8>, Option<Vec<u8>>)>);

/// All records of a partition, as our own decoder gives them.
pub fn contents(dir: &Path) -> Vec<Content> {
    let mut contents = Vec::new();
    let log = scan(dir).expect("a log");
    for (number, segment) in log.segments.iter().enumerate() {
        let bytes = fs::read(&segment.path).expect("a segment");
        for span in log.batches.iter().filter(|span| span.segment as usize == number) {
            let from = span.position_bytes as usize;
            let bytes = &bytes[from..from + span.len_bytes as usize];
            let header = BatchHeader::read(bytes.first_chunk().expect("a header"));
            let body = &bytes[HEADER_BYTES..];
            let plain = batch::plain_records(&header, body, DECOMPRESSED_MAX_BYTES).expect("plain");
            batch::for_each_record(&header, &plain, |record| {
                let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
                let headers = record.headers.iter().map(|h| (h.key.to_vec(), owned(h.value)));
                contents.push((
                    header.base_offset + i64::from(record.offset_delta),
                    header.base_timestamp_ms + record.timestamp_delta_ms,
                    owned(record.key),
                    owned(record.value),
                    headers.collect(),
                ));
            })
            .expect("sound records");
        }
    }
    contents
}

/// Appends to a file, made where it is missing.
pub fn append(path: &Path, bytes: &[u8]) {
    use std::io::Write;
    let mut file = fs::OpenOptions::new().append(true).create(true).open(path).expect("a file");
    file.write_all(bytes).expect("appended");
}
