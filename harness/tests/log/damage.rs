//! Is whatever may lie in a partition's directory named precisely, and never a panic?

use crate::support::{GOLDEN, append, small_spec, unpack};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use zclab::log::kafka::batch::{self, BatchHeader, HEADER_BYTES, MAGIC};
use zclab::log::kafka::inspect::inspect;
use zclab::log::kafka::verify::{Report, verify};
use zclab::log::kafka::{Codec, codec, generate, partition};
use zclab::log::{LogError, scan};

fn small(scratch: &Path) -> PathBuf {
    let dir = scratch.join("small-0");
    generate(&small_spec(Codec::None), &dir, &mut |_| {}).expect("a partition");
    dir
}

fn newest(dir: &Path) -> PathBuf {
    scan(dir).expect("a log").segments.pop().expect("a segment").path
}

/// The one thing that is wrong: file, position, text.
fn only_damage(dir: &Path) -> (String, Option<u64>, String) {
    let Report { damage, .. } = verify(dir).expect("a partition");
    assert_eq!(damage.len(), 1, "{damage:#?}");
    (damage[0].file.clone(), damage[0].position_bytes, damage[0].what.clone())
}

#[test]
fn golden_partitions_are_clean_and_what_is_normal_is_counted() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    for name in GOLDEN {
        let dir = unpack(name, scratch.path());
        let report = verify(&dir).expect(name);
        assert!(report.is_clean(), "{name}: {:#?}", report.damage);
        let counts = report.counts;
        let inspected = inspect(&dir, true).expect(name);
        let batches: usize = inspected.segments.iter().map(|s| s.batches.len()).sum();
        assert_eq!((counts.batches, inspected.report), (batches as u64, report), "{name}");
        assert_eq!(counts.gaps > 0, name == "golden-compact-0", "{name}");
        assert_eq!(counts.thinned_batches > 0, name == "golden-compact-0", "{name}");
        assert_eq!(counts.control_batches > 0, name == "golden-txn-0", "{name}");
        assert_eq!(counts.log_append_time_batches > 0, name == "golden-logappend-0", "{name}");
        assert_eq!(counts.preallocated_indexes, if name == "golden-killed-0" { 2 } else { 0 });
    }
}

#[test]
fn a_byte_in_the_zeros_of_a_full_length_index_is_found() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let dir = unpack("golden-killed-0", scratch.path());
    for extension in ["index", "timeindex"] {
        let path = partition::file(&dir, 0, extension);
        let length = path.metadata().expect("an index").len();
        assert!(length > 10_000_000);
        let file = OpenOptions::new().write(true).open(&path).expect("an index");
        for position in [length - 1, length / 2, 100_000] {
            file.write_all_at(&[1], position).expect("a flip");
            assert!(!verify(&dir).expect("a partition").is_clean(), "{extension} {position}");
            file.write_all_at(&[0], position).expect("the flip undone");
        }
    }
    assert!(verify(&dir).expect("a partition").is_clean());
}

#[test]
fn a_truncated_tail_is_named_and_not_counted() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let dir = small(scratch.path());
    let whole = scan(&dir).expect("a log");
    let last = *whole.batches.last().expect("a batch");
    let path = newest(&dir);
    for cut in [1, u64::from(last.len_bytes) - 61, u64::from(last.len_bytes) - 9] {
        let length = last.position_bytes + u64::from(last.len_bytes) - cut;
        let file = OpenOptions::new().write(true).open(&path).expect("a segment");
        file.set_len(length).expect("a cut");
        let log = scan(&dir).expect("still a log");
        assert_eq!(log.batches, whole.batches[..whole.batches.len() - 1]);
        assert_eq!(log.segments.last().expect("a segment").len_bytes, last.position_bytes);
        let report = verify(&dir).expect("a partition");
        let named = report.damage.iter().any(|finding| {
            path.ends_with(&finding.file)
                && finding.position_bytes == Some(last.position_bytes)
                && finding.what.starts_with("truncated: a batch needs ")
        });
        assert!(named, "{:#?}", report.damage);
    }
}

#[test]
fn zeros_after_the_last_batch_are_preallocation() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let dir = small(scratch.path());
    let whole = scan(&dir).expect("a log");
    for zeros in [1, 60, 61, 100_000] {
        let path = newest(&dir);
        let end = whole.segments.last().expect("a segment").len_bytes;
        let file = OpenOptions::new().write(true).open(path).expect("a segment");
        file.set_len(end + zeros).expect("longer");
        assert_eq!(scan(&dir).expect("a log").batches, whole.batches);
        let report = verify(&dir).expect("a partition");
        assert!(report.is_clean(), "{:#?}", report.damage);
        assert!(report.notes.iter().any(|note| note.what.contains("preallocated")));
    }
}

#[test]
fn a_bad_crc_is_named_with_both_values() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let dir = small(scratch.path());
    let span = scan(&dir).expect("a log").batches[3];
    let path = partition::file(&dir, 0, "log");
    let file = OpenOptions::new().write(true).read(true).open(&path).expect("a segment");
    let mut byte = [0];
    file.read_exact_at(&mut byte, span.position_bytes + 100).expect("a byte");
    file.write_all_at(&[byte[0] ^ 4], span.position_bytes + 100).expect("a flip");
    let (name, position, what) = only_damage(&dir);
    assert_eq!((name.as_str(), position), ("00000000000000000000.log", Some(span.position_bytes)));
    assert!(what.starts_with("CRC-32C is ") && what.contains("the header says"), "{what}");
    // Headers are all that a scan reads, so it does not mind.
    scan(&dir).expect("a log");
}

#[test]
fn absurd_lengths_are_named() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    for length in [i32::MIN, -1, 0, 1, 48] {
        let dir = small(scratch.path());
        let path = partition::file(&dir, 0, "log");
        let span = scan(&dir).expect("a log").batches[2];
        let file = OpenOptions::new().write(true).open(&path).expect("a segment");
        file.write_all_at(&length.to_be_bytes(), span.position_bytes + 8).expect("a length");
        let error = scan(&dir).expect_err("no batch");
        let text = error.to_string();
        assert!(text.contains(&format!("claims {length} bytes")), "{text}");
        assert!(text.contains(&format!("byte {}", span.position_bytes)), "{text}");
        let report = verify(&dir).expect("a partition");
        assert!(report.damage[0].what.contains("cannot be read"), "{:#?}", report.damage);
        fs::remove_dir_all(&dir).expect("gone");
    }
}

#[test]
fn older_formats_are_named() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let dir = small(scratch.path());
    let file = OpenOptions::new().write(true).open(partition::file(&dir, 0, "log")).expect("open");
    file.write_all_at(&[1], 16).expect("another magic");
    let text = scan(&dir).expect_err("no batch").to_string();
    assert!(text.contains("old format (magic 1)"), "{text}");
}

#[test]
fn directories_without_segments_are_no_partitions() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let empty = scratch.path().join("empty");
    fs::create_dir(&empty).expect("a directory");
    fs::write(empty.join("0.log"), "short name").expect("a file");
    for error in [scan(&empty).expect_err("nothing"), verify(&empty).expect_err("nothing")] {
        assert!(matches!(error, LogError::NotAPartition { .. }), "{error}");
        assert!(error.to_string().contains("<topic>-<partition>"), "{error}");
    }
    let error = scan(&scratch.path().join("absent")).expect_err("nothing").to_string();
    assert!(error.starts_with("opendir ") && error.contains("ENOENT"), "{error}");
    let error = scan(&empty.join("0.log")).expect_err("a file").to_string();
    assert!(error.contains("ENOTDIR"), "{error}");
}

#[test]
fn what_is_no_file_under_a_files_name_is_refused_without_opening_it() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let dir = small(scratch.path());
    let odd = partition::file(&dir, 999_999, "log");
    fs::create_dir(&odd).expect("a directory named like a segment");
    let error = scan(&dir).expect_err("a directory").to_string();
    assert!(error.contains("this is a directory under the name"), "{error}");
    fs::remove_dir(&odd).expect("gone");
    // Opening a pipe for reading would wait for ever.
    nix::unistd::mkfifo(&odd, nix::sys::stat::Mode::S_IRUSR).expect("a pipe");
    let error = verify(&dir).expect_err("a pipe").to_string();
    assert!(error.contains("no regular file"), "{error}");
    fs::remove_file(&odd).expect("gone");
    symlink("/nonexistent/place", &odd).expect("a dangling link");
    let error = scan(&dir).expect_err("a dangling link").to_string();
    assert!(error.starts_with("stat ") && error.contains("ENOENT"), "{error}");
}

#[test]
fn links_to_segments_are_followed_and_noted() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let dir = small(scratch.path());
    let (path, moved) = (newest(&dir), scratch.path().join("elsewhere"));
    fs::rename(&path, &moved).expect("moved");
    symlink(&moved, &path).expect("a link");
    let report = verify(&dir).expect("a partition");
    assert!(report.is_clean());
    assert!(report.notes.iter().any(|note| note.what == "a symbolic link"));
}

#[test]
fn unreadable_files_are_named_with_call_and_errno() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let dir = small(scratch.path());
    let path = newest(&dir);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).expect("no permissions");
    if fs::File::open(&path).is_ok() {
        println!("SKIPPED: this user may read what nobody may (root)");
        return;
    }
    let error = scan(&dir).expect_err("unreadable").to_string();
    assert!(error.starts_with("open ") && error.contains("EACCES"), "{error}");
}

#[test]
fn zero_length_files_are_named_where_they_cannot_be() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    for (name, damaged) in [
        ("00000000000000000000.timeindex", true),
        ("leader-epoch-checkpoint", true),
        ("partition.metadata", true),
        // An index without entries is slow, not wrong: a note.
        ("00000000000000000000.index", false),
    ] {
        let dir = small(scratch.path());
        fs::write(dir.join(name), "").expect("emptied");
        let report = verify(&dir).expect("a partition");
        assert_eq!(report.is_clean(), !damaged, "{name}: {report:#?}");
        let findings = if damaged { &report.damage } else { &report.notes };
        assert!(findings.iter().any(|finding| finding.file == name), "{findings:#?}");
        fs::remove_dir_all(&dir).expect("gone");
    }
    let dir = small(scratch.path());
    let first = partition::file(&dir, 0, "log");
    fs::write(first, "").expect("emptied");
    assert!(!verify(&dir).expect("a partition").is_clean(), "its indexes lead to nowhere");
}

#[test]
fn missing_indexes_are_named() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let dir = small(scratch.path());
    fs::remove_file(partition::file(&dir, 0, "index")).expect("gone");
    let (name, position, what) = only_damage(&dir);
    assert_eq!((name.as_str(), position), ("00000000000000000000.index", None));
    assert!(what.starts_with("missing"), "{what}");
}

#[test]
fn a_bomb_is_stopped_at_the_limit() {
    // 64 MiB of zeros in each codec, and a limit of 1 MiB.
    let zeros = vec![0; 64 << 20];
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let mut packed = Vec::new();
        let mut compressor = codec::Compressor::new(codec).expect("a compressor");
        compressor.compress(&zeros, &mut packed).expect("compressed");
        let what = codec::decompress(codec, &packed, 1 << 20).expect_err("a bomb").to_string();
        assert!(what.contains("swell to more than 1048576 bytes"), "{what}");
        assert_eq!(
            codec::decompress(codec, &packed, zeros.len()).expect("fits").len(),
            zeros.len()
        );
    }
    // A raw Snappy block that claims 4 GiB in 5 bytes.
    let lie = [0xff, 0xff, 0xff, 0xff, 0x0f];
    let what = codec::decompress(Codec::Snappy, &lie, usize::MAX).expect_err("a lie").to_string();
    assert!(what.contains("claims more bytes than it can hold"), "{what}");
}

/// A batch of one record whose bytes are `records`, with a right CRC.
fn batch_of(records: &[u8], base_offset: i64) -> Vec<u8> {
    let mut header = BatchHeader {
        base_offset,
        length: 0,
        partition_leader_epoch: 0,
        magic: MAGIC,
        crc: 0,
        attributes: 0,
        last_offset_delta: 0,
        base_timestamp_ms: 1,
        max_timestamp_ms: 1,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        records: 1,
    };
    let mut bytes = vec![0; HEADER_BYTES];
    bytes.extend_from_slice(records);
    batch::seal(&mut header, &mut bytes);
    bytes
}

#[test]
fn malformed_records_behind_a_right_crc_are_named() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    for (records, what) in [
        (&[0x80, 0x80, 0x80, 0x80, 0x80, 0x01][..], "goes on after 5 bytes"),
        (&[0xff, 0xff, 0xff, 0xff, 0x7f], "does not fit 32 bits"),
        (&[0x80], "end within a varint"),
        (&[0x01], "a record of -1 bytes"),
        (&[0x7e, 0, 0, 0], "claims 63 bytes where 3 are left"),
        (&[0x0c, 0, 0, 0, 0x01, 0x0e, 0], "a record's value claims 7 bytes where 1 are left"),
        (&[0x0c, 0, 0, 0, 0x01, 0x01, 0x7e], "more headers than it holds"),
        (&[0x0c, 0, 0, 2, 0x01, 0x01, 0], "offset delta 1 after -1"),
        (&[0x0c, 0, 0, 0, 0x01, 0x01, 0, 9], "1 bytes follow the last record"),
        (&[0x0e, 0, 0, 0, 0x01, 0x01, 0, 9], "1 bytes are left in a record"),
    ] {
        let dir = small(scratch.path());
        let end = verify(&dir).expect("a partition").end_offset;
        append(&newest(&dir), &batch_of(records, end));
        let report = verify(&dir).expect("a partition");
        let named = report.damage.iter().any(|finding| finding.what.contains(what));
        assert!(named, "{what}: {:#?}", report.damage);
        fs::remove_dir_all(&dir).expect("gone");
    }
}

#[test]
fn overlapping_offsets_are_named() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let dir = small(scratch.path());
    let end = verify(&dir).expect("a partition").end_offset;
    append(&newest(&dir), &batch_of(&[0x0c, 0, 0, 0, 0x01, 0x01, 0], end - 1));
    let (_, _, what) = only_damage(&dir);
    assert_eq!(what, format!("base offset {} where {end} or more is due", end - 1));
}

#[test]
fn foreign_files_are_noted() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let dir = small(scratch.path());
    fs::write(dir.join("README"), "mine").expect("a file");
    fs::create_dir(dir.join("backup")).expect("a directory");
    let report = verify(&dir).expect("a partition");
    assert!(report.is_clean());
    let names: Vec<_> = report.notes.iter().map(|note| note.file.as_str()).collect();
    assert_eq!(names, ["README", "backup"]);
}
