//! Is what we generate a Kafka partition, the same on every machine?

use crate::support::small_spec;
use std::fs;
use std::path::Path;
use zclab::log::kafka::index::{Builder, INTERVAL_BYTES};
use zclab::log::kafka::partition::Walk;
use zclab::log::kafka::{Codec, MessageSize, Spec, Summary, generate};
use zclab::log::{LogError, scan};

fn generate_into(spec: &Spec, dir: &Path) -> Result<Summary, LogError> {
    let mut told = 0;
    let summary = generate(spec, dir, &mut |bytes| {
        assert!(bytes > told, "progress goes forward");
        told = bytes;
    })?;
    assert_eq!(told, summary.bytes);
    Ok(summary)
}

/// Names and bytes of a partition's files, summed up.
fn fingerprint(dir: &Path) -> u32 {
    let mut names: Vec<_> = fs::read_dir(dir).expect("a partition").flatten().collect();
    names.sort_by_key(std::fs::DirEntry::file_name);
    names.iter().fold(0, |crc, entry| {
        let crc = crc32c::crc32c_append(crc, entry.file_name().as_encoded_bytes());
        crc32c::crc32c_append(crc, &fs::read(entry.path()).expect("a file"))
    })
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_every_machine() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let lognormal = MessageSize::Lognormal { median: 300, sigma: 1.2, max: 20_000 };
    let zipf = MessageSize::Zipf { max: 5000, exponent: 1.1 };
    let specs = [
        ("none", small_spec(Codec::None), FINGERPRINTS[0]),
        ("gzip", small_spec(Codec::Gzip), FINGERPRINTS[1]),
        ("snappy", small_spec(Codec::Snappy), FINGERPRINTS[2]),
        ("lz4", small_spec(Codec::Lz4), FINGERPRINTS[3]),
        ("zstd", small_spec(Codec::Zstd), FINGERPRINTS[4]),
        ("lognormal", Spec { message: lognormal, ..small_spec(Codec::None) }, FINGERPRINTS[5]),
        ("zipf", Spec { message: zipf, ..small_spec(Codec::None) }, FINGERPRINTS[6]),
    ];
    let made = specs.each_ref().map(|(name, spec, _)| {
        let dir = scratch.path().join(format!("{name}-0"));
        generate_into(spec, &dir).expect(name);
        fingerprint(&dir)
    });
    // A change here changes every generated log: records of before and after do not compare.
    assert_eq!(made, specs.map(|(_, _, expected)| expected), "{made:#x?}");
}

/// Of the logs above, in their order.
const FINGERPRINTS: [u32; 7] =
    [0x9ace_6019, 0x9f22_a39c, 0xf9df_4c38, 0xc37e_06bb, 0x5f4e_37a2, 0x40eb_19d5, 0x0ea3_ff3a];

#[test]
fn segments_batches_and_indexes_are_as_a_broker_leaves_them() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let mut plain_records = 0;
    for codec in Codec::ALL {
        let spec = small_spec(codec);
        let dir = scratch.path().join(format!("{}-0", codec.name()));
        let summary = generate_into(&spec, &dir).expect("a partition");
        let log = scan(&dir).expect("a log");
        assert_eq!(summary.segments, log.segments.len() as u64);
        assert_eq!(summary.batches, log.batches.len() as u64);
        let records: u64 = log.batches.iter().map(|batch| u64::from(batch.records)).sum();
        assert_eq!(summary.records, records);
        let bytes: u64 = log.segments.iter().map(|segment| segment.len_bytes).sum();
        assert_eq!(summary.bytes, bytes);
        assert!(bytes >= spec.total_bytes && bytes < spec.total_bytes + (16 << 10), "{bytes}");
        assert!(log.segments.len() > 2);
        // Real events shrink too; what does not shrink would show nothing of a codec.
        if codec == Codec::None {
            plain_records = summary.records;
        } else {
            let (packed, plain) = (summary.records, plain_records);
            assert!(packed * 10 > plain * 11, "{}: {packed} to {plain}", codec.name());
        }
        for segment in &log.segments {
            assert!(segment.len_bytes <= spec.segment_bytes);
            let mut builder = Builder::new(segment.base_offset, INTERVAL_BYTES);
            let mut walk = Walk::open(&segment.path).expect("a segment");
            while let Some((_, header)) = walk.next_header().expect("a header") {
                builder.add(&header);
            }
            let index = fs::read(segment.path.with_extension("index")).expect("an index");
            assert_eq!(index.len() / 8, builder.finish().0.len());
        }
    }
}

#[test]
fn a_batch_holds_one_record_at_least_and_no_more_than_fit() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let large = Spec { message: MessageSize::Fixed(20_000), ..small_spec(Codec::None) };
    let dir = scratch.path().join("large-0");
    let summary = generate_into(&large, &dir).expect("a partition");
    assert_eq!(summary.records, summary.batches);
    let tiny = Spec { message: MessageSize::Fixed(0), key_bytes: 0, headers: 0, ..large };
    let dir = scratch.path().join("tiny-0");
    let summary = generate_into(&tiny, &dir).expect("a partition");
    // A record of nothing takes 7 to 9 bytes: length, attributes, two deltas, two lengths, count.
    assert!(summary.records / summary.batches > 800);
    let log = scan(&dir).expect("a log");
    assert!(log.batches.iter().all(|batch| batch.len_bytes <= tiny.batch_bytes + 61));
}

#[test]
fn an_impossible_spec_is_refused_before_anything_is_written() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let spec = small_spec(Codec::None);
    let uniform = MessageSize::Uniform { min: 9, max: 3 };
    let sigma = MessageSize::Lognormal { median: 9, sigma: f64::NAN, max: 30 };
    let exponent = MessageSize::Zipf { max: 9, exponent: 0.0 };
    for (key, spec) in [
        ("total_bytes", Spec { total_bytes: 0, ..spec.clone() }),
        ("segment_bytes", Spec { segment_bytes: 1 << 31, ..spec.clone() }),
        ("segment_bytes", Spec { segment_bytes: 600, ..spec.clone() }),
        ("batch_bytes", Spec { batch_bytes: 0, ..spec.clone() }),
        ("headers", Spec { headers: u32::MAX, ..spec.clone() }),
        ("message", Spec { message: MessageSize::Fixed(u32::MAX), ..spec.clone() }),
        ("message", Spec { key_bytes: u32::MAX, ..spec.clone() }),
        ("message", Spec { message: uniform, ..spec.clone() }),
        ("message", Spec { message: sigma, ..spec.clone() }),
        ("message", Spec { message: exponent, ..spec.clone() }),
    ] {
        let error = generate_into(&spec, &scratch.path().join("t-0")).expect_err(key);
        assert!(error.to_string().starts_with(&format!("log spec, {key}: ")), "{error}");
    }
    assert_eq!(fs::read_dir(scratch.path()).expect("the directory").count(), 0);
}

#[test]
fn a_place_that_is_taken_is_left_alone() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let dir = scratch.path().join("t-0");
    fs::create_dir(&dir).expect("a directory");
    let error = generate_into(&small_spec(Codec::None), &dir).expect_err("taken");
    assert!(matches!(error, LogError::Exists { .. }), "{error}");
}

#[test]
fn what_a_killed_generation_left_is_never_a_log_and_goes_away() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    // No process has this id: the kernel's limit is 2^22.
    let orphan = scratch.path().join(".t-0.partial-4194999-0");
    fs::create_dir(&orphan).expect("an orphan");
    let dir = scratch.path().join("t-0");
    generate_into(&small_spec(Codec::None), &dir).expect("a partition");
    assert!(!orphan.exists());
    let left: Vec<_> = fs::read_dir(scratch.path()).expect("the directory").flatten().collect();
    assert_eq!(left.len(), 1);
}

/// Set in the process that has a limit on the size of files.
const LIMITED: &str = "ZCLAB_TEST_LIMITED_DIR";

#[test]
fn a_full_disk_names_the_file_the_call_and_the_errno() {
    use nix::sys::resource::{Resource, setrlimit};
    use nix::sys::signal::{SigHandler, Signal, signal};
    if let Some(dir) = std::env::var_os(LIMITED) {
        // Writing beyond the limit fails with EFBIG: as good as a full disk, and needs no root.
        // SAFETY: no handler is installed, the signal is ignored.
        unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }.expect("SIGXFSZ is ignored");
        setrlimit(Resource::RLIMIT_FSIZE, 65536, 65536).expect("a limit");
        let error = generate_into(&small_spec(Codec::None), Path::new(&dir)).expect_err("limited");
        eprintln!("error: {error}");
        return;
    }
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let output = std::process::Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "--nocapture"])
        .arg("generated::a_full_disk_names_the_file_the_call_and_the_errno")
        .env(LIMITED, scratch.path().join("t-0"))
        .output()
        .expect("a child");
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find(|line| line.starts_with("error: ")).expect("an error");
    assert!(line.starts_with("error: write ") && line.contains("EFBIG"), "{line}");
    assert!(line.contains("00000000000000000000.log"), "{line}");
    assert_eq!(fs::read_dir(scratch.path()).expect("the directory").count(), 0);
}
