//! What do several of these tests need? The golden partitions, unpacked; small specs.

use std::fs;
use std::path::{Path, PathBuf};
use zclab::log::kafka::{Codec, MessageSize, Spec};

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
