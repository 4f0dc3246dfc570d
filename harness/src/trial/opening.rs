//! What does an engine get when it is opened, and what if it refuses?

use super::wire::{Spec, Trouble, errno_name};
use crate::machine::mount_of;
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::fd::AsRawFd;
use std::path::Path;
use zclab_report::record::Status;
use zclab_strategies::{OpenError, OptionSpec, OptionValue, Options, Segment, SinkKind, sys};

/// The strategy's options as the specification sets them.
pub fn options(specs: &[OptionSpec], spec: &Spec) -> Options {
    let value = |value: &Value| match value {
        Value::Number(number) => OptionValue::Number(number.as_u64().unwrap_or(0)),
        other => OptionValue::Word(other.as_str().unwrap_or_default().to_owned()),
    };
    let set = spec.options.iter().map(|(name, v)| (name.clone(), value(v))).collect();
    Options::new(specs, &set)
}

/// A frame header as a broker sends it before the records: the frame's size, a correlation number, and
/// zeros where Kafka has topic, partition and watermarks.
pub fn header(len: usize, fetch_bytes: u64) -> Vec<u8> {
    let mut header = vec![0u8; len];
    let size = (fetch_bytes + len.saturating_sub(4) as u64) as u32;
    for (to, from) in header.iter_mut().zip(size.to_be_bytes().into_iter().chain([0, 0, 0, 1])) {
        *to = from;
    }
    header
}

/// The file systems that the log lies on, and the files of a file sink.
pub fn filesystems(spec: &Spec) -> BTreeMap<String, Value> {
    let of = |path: &Path| match mount_of(path) {
        Ok((filesystem, _)) => Value::from(filesystem),
        Err(why) => Value::from(format!("unavailable: {why}")),
    };
    let log = spec.segments.first().map(|(path, _)| ("log_filesystem".to_owned(), of(path)));
    let to_files = SinkKind::parse(&spec.sink) == Some(SinkKind::File);
    let sink = to_files.then(|| ("sink_filesystem".to_owned(), of(&spec.scratch)));
    log.into_iter().chain(sink).collect()
}

/// The cell's trouble when an engine cannot be opened.
pub fn refusal(error: OpenError) -> Trouble {
    let message = error.to_string();
    match error {
        OpenError::Unsupported { call, errno, .. } => Trouble {
            status: Status::Unsupported,
            call: Some(call.to_owned()),
            errno: Some(errno_name(errno)),
            message,
        },
        OpenError::Refused { .. } => {
            Trouble { status: Status::Refused, ..Trouble::failed(message) }
        }
        OpenError::Failed { call, errno } => Trouble {
            call: Some(call.to_owned()),
            errno: Some(errno_name(errno)),
            ..Trouble::failed(message)
        },
    }
}

/// The blocks that `direct-sendfile` and its like have to keep to, as `statx` says.
pub fn block_bytes(segments: &[Segment]) -> Result<u64, Trouble> {
    let mut most = 0;
    for segment in segments {
        let (memory, offset) = sys::direct_alignment(segment.file.as_raw_fd())
            .map_err(|errno| Trouble::call("statx", &segment.path.display().to_string(), errno))?;
        most = most.max(memory).max(offset);
    }
    Ok(u64::from(most))
}
