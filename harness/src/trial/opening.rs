//! What does an engine get when it is opened, and what if it refuses?

use super::wire::{Spec, Trouble, errno_name};
use serde_json::Value;
use zclab_report::record::Status;
use zclab_strategies::{OpenError, OptionSpec, OptionValue, Options};

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
