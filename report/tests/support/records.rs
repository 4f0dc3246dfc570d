//! The made-up runs: everything at once, one condition with hostile text, one that was killed.

use super::{Builder, failure};
use serde_json::json;
use zclab_report::record::{Failure, Line, Status, reading};

/// Everything at once: what the pages are looked at with.
pub fn showcase() -> Builder {
    let mut builder = Builder::new();
    let sizes = builder.scenario(
        "quick/size",
        "From which fetch size on does sendfile need less sender CPU than read and write?",
        &[("fetch", json!([512, 2048, 8192, 65536, 262_144, 1_048_576]))],
    );
    builder.measure(&sizes, &|model, params| match model.strategy {
        "uring-read-send" => Some((
            Status::Unsupported,
            Some(failure(
                Status::Unsupported,
                "io_uring_setup",
                "EPERM",
                "io_uring_setup: EPERM (seccomp)",
            )),
        )),
        "splice" if params["fetch"] == 512 => Some((
            Status::Failed,
            Some(failure(
                Status::Failed,
                "splice",
                "EPIPE",
                "splice(pipe, sink) at offset 4096: EPIPE",
            )),
        )),
        _ => None,
    });
    let cache = builder.scenario(
        "quick/cache",
        "What does a cold page cache change?",
        &[("cache", json!(["warm", "cold", {"partial": 0.5}]))],
    );
    builder.measure(&cache, &|model, params| match model.strategy {
        "mmap-write" if params["cache"] == "cold" => Some((Status::Invalid, None)),
        "direct-write" if params["cache"] != "cold" => Some((
            Status::Refused,
            Some(Failure {
                call: None,
                errno: None,
                ..failure(Status::Refused, "", "", "a direct read has no warm page")
            }),
        )),
        _ => None,
    });
    let matrix = builder.scenario(
        "consume/fan-out",
        "Does the order change with the number of consumers?",
        &[("consumers", json!([1, 4, 16])), ("access", json!(["sequential", "random"]))],
    );
    builder.measure(&matrix, &|model, _| match model.strategy {
        "uring-read-send" => Some((
            Status::Skipped,
            Some(failure(Status::Skipped, "setrlimit", "EPERM", "needs CAP_SYS_RESOURCE")),
        )),
        _ => None,
    });
    builder.end("complete");
    builder
}

/// Text that would break a page if it were not escaped.
pub const HOSTILE: &str = "</script><img src=x onerror=\"alert('x')\">&amp;\u{1}";

/// One condition, one launch, a missing reading, and hostile text wherever text can stand.
pub fn single() -> Builder {
    let mut builder = Builder::new();
    builder.launches = 1;
    if let Line::Run(run) = &mut builder.lines[0] {
        run.argv = ["zclab", "run", HOSTILE].map(String::from).to_vec();
        run.machine.insert(HOSTILE.into(), json!(HOSTILE));
        run.capabilities.insert(HOSTILE.into(), HOSTILE.into());
        run.revision = HOSTILE.into();
        run.dirty = true;
    }
    let scenario = builder.scenario("quick/single", HOSTILE, &[]);
    if let Some(Line::Scenario(written)) = builder.lines.last_mut() {
        written.analysis = HOSTILE.into();
        written.source = HOSTILE.into();
    }
    builder.measure(&scenario, &|model, _| {
        (model.label == "splice")
            .then(|| (Status::Failed, Some(failure(Status::Failed, "splice", "EIO", HOSTILE))))
    });
    for line in &mut builder.lines {
        if let Line::Sample(sample) = line {
            sample.readings.remove(reading::RECEIVER_CPU_NS);
        }
    }
    builder.end("interrupted");
    builder
}

/// A run that was killed after two of three sizes, while it wrote a line.
pub fn killed() -> String {
    let mut builder = Builder::new();
    let scenario =
        builder.scenario("quick/size", "Which size?", &[("fetch", json!([4096, 65536]))]);
    builder.measure(&scenario, &|_, _| None);
    let last_over = builder
        .lines
        .iter()
        .rposition(|line| matches!(line, Line::Cell(cell) if cell.params["fetch"] == 4096))
        .expect("a finished cell");
    builder.lines.truncate(last_over + 8);
    builder.text() + "{\"kind\":\"sample\",\"cell\":\"quick/si"
}
