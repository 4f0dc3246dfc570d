//! Can the conditions of a scenario exist at all?
//!
//! Each rule looks at the values of the parameters rather than at their product, and points at the
//! value that makes the condition impossible.

use super::document::Reader;
use super::matrix::{Matrix, Setting};
use super::parse::Tables;
use super::{Budget, Cache, FileSystem, LogChoice, Wait, keys, tail};
use crate::log::kafka::{MessageSize, Spec};
use crate::size;
use std::ops::Range;

/// A log has no more segments than this: every trial opens all of them.
pub const SEGMENTS_MAX: u64 = 512;

/// What a batch needs beside keys, values and headers: its own header and the lengths in a record.
const BATCH_OVERHEAD_BYTES: u64 = 128;

/// A generated record header is no longer than this.
const HEADER_BYTES_MAX: u64 = 64;

/// The condition that a file leaves to the defaults has this message size.
const MESSAGE_DEFAULT: Setting = Setting::Message(MessageSize::Fixed(1024));

/// Refuses what no machine can do.
pub(super) fn consistency(
    reader: &mut Reader,
    tables: &Tables,
    log: &LogChoice,
    matrix: &Matrix,
    budget: &Budget,
) {
    several(reader, tables, matrix);
    tail::consistency(reader, matrix);
    match log {
        LogChoice::Kafka(spec) => {
            segments(reader, tables, spec);
            fetches(reader, tables, matrix, spec);
            messages(reader, tables, matrix, spec);
            cold_rounds(reader, tables, matrix, spec, budget);
        }
        LogChoice::Imported(_) => {
            for (_, span) in values(matrix, "message").iter().take(1) {
                let what = "an imported log has messages of its own";
                reader.note("matrix.message", span, what).expected =
                    "no `message` beside `import`".to_owned();
            }
            let elsewhere =
                |setting: &Setting| !matches!(setting, Setting::FileSystem(FileSystem::Here));
            let given = values(matrix, "filesystem");
            if let Some((_, span)) = given.iter().find(|(setting, _)| elsewhere(setting)) {
                let what = "an imported log lies where it lies";
                reader.note("matrix.filesystem", span, what).expected =
                    "only \"here\" beside `import`".to_owned();
            }
        }
    }
}

pub(super) fn values(matrix: &Matrix, name: &str) -> Vec<(Setting, Range<usize>)> {
    let found = matrix.parameters.iter().find(|parameter| parameter.name == name);
    found.map_or_else(Vec::new, |parameter| parameter.settings.clone())
}

fn segments(reader: &mut Reader, tables: &Tables, spec: &Spec) {
    let count = spec.total_bytes.div_ceil(spec.segment_bytes.max(1));
    if count > SEGMENTS_MAX {
        let what = format!(
            "{} in segments of {} are {count} segments",
            size::show(spec.total_bytes),
            size::show(spec.segment_bytes)
        );
        reader.note("log.segment", &place(tables, "segment"), what).expected =
            format!("no more than {SEGMENTS_MAX} segments");
    }
}

/// Where a key of `[log]` stands, or the table where it is left to its default.
fn place(tables: &Tables, key: &str) -> Range<usize> {
    tables.log.get(key).map_or_else(|| tables.log.span.clone(), |item| item.span)
}

fn fetches(reader: &mut Reader, tables: &Tables, matrix: &Matrix, spec: &Spec) {
    let mut given = values(matrix, "fetch");
    if given.is_empty() {
        let default = keys::FETCH.values.default_number();
        given.push((Setting::Fetch(default), place(tables, "size")));
    }
    for (setting, span) in given {
        let Setting::Fetch(bytes) = setting else { continue };
        if bytes > spec.total_bytes {
            let log = size::show(spec.total_bytes);
            let what = format!("a fetch of {} exceeds the log of {log}", size::show(bytes));
            reader.note("matrix.fetch", &span, what).expected =
                format!("no more than the log's size, {log}");
        }
    }
}

fn messages(reader: &mut Reader, tables: &Tables, matrix: &Matrix, spec: &Spec) {
    let mut given = values(matrix, "message");
    if given.is_empty() {
        given.push((MESSAGE_DEFAULT, place(tables, "segment")));
    }
    let beside = u64::from(spec.key_bytes) + u64::from(spec.headers) * HEADER_BYTES_MAX;
    for (setting, span) in given {
        let Setting::Message(message) = setting else { continue };
        let record = u64::from(longest(&message)) + beside;
        let batch = record.max(u64::from(spec.batch_bytes)) + BATCH_OVERHEAD_BYTES;
        let room = spec.segment_bytes.min(spec.total_bytes);
        if batch > room {
            let what = format!(
                "a batch may take {}, but the smaller of log and segment has {}",
                size::show(batch),
                size::show(room)
            );
            reader.note("matrix.message", &span, what).expected =
                "messages, `log.batch`, `log.segment` and `log.size` that go together".to_owned();
        }
    }
}

fn longest(message: &MessageSize) -> u32 {
    match *message {
        MessageSize::Fixed(bytes) => bytes,
        MessageSize::Uniform { max, .. }
        | MessageSize::Lognormal { max, .. }
        | MessageSize::Zipf { max, .. } => max,
    }
}

/// Who serves the same ranges finds what others have read, and who serves ranges beside theirs finds
/// what the kernel read ahead for them, so that nothing could be proven cold; and none knows how many
/// others there are with which it would have to share a rate.
fn several(reader: &mut Reader, tables: &Tables, matrix: &Matrix) {
    let name = match (matrix.many_readers(), matrix.most_senders()) {
        (false, None) => return,
        (true, None) => "readers",
        (_, Some(_)) => "senders",
    };
    if let (true, Some((_, span))) = (matrix.many_readers(), values(matrix, "senders").first()) {
        let what = "readers serve the same ranges, senders such of their own";
        reader.note("matrix.senders", span, what).expected = "one of the two".to_owned();
    }
    for (setting, span) in values(matrix, "cache") {
        if !matches!(setting, Setting::Cache(Cache::Warm)) {
            let what = format!("many {name} of a log that is not in memory warm it for each other");
            reader.note("matrix.cache", &span, what).expected = "\"warm\"".to_owned();
        }
    }
    for (setting, span) in values(matrix, "rate") {
        if !matches!(setting, Setting::Rate(0)) {
            let what =
                format!("each of many {name} would offer the rate, which is that of all consumers");
            reader.note("matrix.rate", &span, what).expected = "0".to_owned();
        }
    }
    for (setting, span) in values(matrix, "wait") {
        if matches!(setting, Setting::Wait(Wait::Spin)) && matrix.many_readers() {
            let what = "there may be more readers than CPUs, so no receiver of theirs spins";
            reader.note("matrix.wait", &span, what).expected = "\"auto\" or \"sleep\"".to_owned();
        }
    }
    for (setting, span) in values(matrix, "canary") {
        if matches!(setting, Setting::Canary(true)) {
            let what =
                "what runs at once is pinned to no CPU of its own, so that none is its to leave";
            reader.note("matrix.canary", &span, what).expected = "\"off\"".to_owned();
        }
    }
    if let Some(pressure) = &tables.pressure {
        let what = format!("[pressure] has one scan: `{name}` means nothing beside it");
        reader.note("pressure", &pressure.span, what).expected = "one of the two".to_owned();
    }
}

/// A round that is to find its pages absent cannot read more of the log than there is.
fn cold_rounds(
    reader: &mut Reader,
    tables: &Tables,
    matrix: &Matrix,
    spec: &Spec,
    budget: &Budget,
) {
    let cold = values(matrix, "cache")
        .into_iter()
        .find(|(setting, _)| !matches!(setting, Setting::Cache(Cache::Warm)));
    if let Some((_, span)) = cold
        && budget.slice_bytes > spec.total_bytes
    {
        let span = tables.budget.get("slice").map_or(span, |item| item.span);
        let (slice, log) = (size::show(budget.slice_bytes), size::show(spec.total_bytes));
        let what = format!("a cold round of {slice} would read the log of {log} more than once");
        reader.note("budget.slice", &span, what).expected = format!("no more than {log}");
    }
}
