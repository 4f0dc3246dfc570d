//! Is a log that was taken from a socket, segment by segment, one that a broker accepts?
//!
//! The segments of a generated partition are sent to each strategy, and what it has written is verified
//! beside the indexes of the original, which describe it to the byte.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use zclab::log::kafka::{self, Codec, MessageSize, Spec};
use zclab_strategies::ingest::ALL;
use zclab_strategies::{
    Bytes, Ingest, IngestSetup, Intake, OpenError, Options, SinkKind, Source, Step,
};

const FETCH_BYTES: u64 = 300_007;

fn spec() -> Spec {
    Spec {
        total_bytes: 4 << 20,
        message: MessageSize::Fixed(1000),
        key_bytes: 16,
        headers: 0,
        batch_bytes: 16 << 10,
        codec: Codec::None,
        segment_bytes: 1 << 20,
        seed: 7,
    }
}

/// Takes a file over a socket into another, fetch by fetch.
fn take(strategy: &dyn Ingest, from: &Path, to: &Path) -> Result<(), OpenError> {
    let (near, far) = UnixStream::pair().expect("a pair");
    let len = std::fs::metadata(from).expect("the segment").len();
    let mut original = File::open(from).expect("the segment");
    let sender = std::thread::spawn(move || std::io::copy(&mut original, &mut { far }));
    let file = File::options().read(true).write(true).create_new(true).open(to).expect("a file");
    if strategy.needs_length() {
        file.set_len(len).expect("its length");
    }
    let source = Source { fd: near.as_raw_fd(), kind: SinkKind::UnixStream };
    let mut engine = strategy.open(&IngestSetup {
        source,
        file: file.as_raw_fd(),
        file_bytes_max: Bytes(len),
        options: &Options::new(strategy.options(), &Default::default()),
        fetch_bytes_max: Bytes(FETCH_BYTES),
    })?;
    let mut intake = Intake::new(source);
    let mut left = len;
    while left > 0 {
        intake.push(left.min(FETCH_BYTES));
        left -= left.min(FETCH_BYTES);
    }
    loop {
        match engine.step(&mut intake).expect("a step") {
            Step::Moved => {}
            Step::Done => break,
            Step::Blocked => panic!("a blocking socket does not block"),
        }
    }
    assert_eq!(sender.join().expect("the sender").expect("sent"), len);
    Ok(())
}

#[test]
fn what_was_taken_verifies() {
    let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let leader = home.path().join("leader-0");
    kafka::generate(&spec(), &leader, &mut |_| {}).expect("a log");
    for strategy in ALL.iter().filter(|strategy| strategy.keeps()) {
        let follower = home.path().join(format!("{}-0", strategy.name()));
        std::fs::create_dir(&follower).expect("a folder");
        let mut segments = 0;
        for entry in std::fs::read_dir(&leader).expect("the leader's log").flatten() {
            let (from, to) = (entry.path(), follower.join(entry.file_name()));
            if from.extension().is_none_or(|end| end != "log") {
                std::fs::copy(&from, &to).expect("a copy");
                continue;
            }
            segments += 1;
            if let Err(error) = take(*strategy, &from, &to) {
                println!("SKIPPED: {}: {error}", strategy.name());
                segments = 0;
                break;
            }
        }
        if segments == 0 {
            continue;
        }
        assert!(segments >= 4, "{segments} segments");
        let report = kafka::verify::verify(&follower).expect("it can be read");
        assert!(report.is_clean(), "{}: {report:?}", strategy.name());
    }
}
