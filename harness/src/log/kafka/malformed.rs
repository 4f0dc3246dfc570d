//! What is wrong with these bytes? The answer of decoders that know neither file nor position.

use std::borrow::Cow;
use thiserror::Error;

/// Bytes that contradict their format, in a sentence without file and position: callers add those.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Malformed(Cow<'static, str>);

impl Malformed {
    /// Says what is wrong.
    pub fn new(what: impl Into<Cow<'static, str>>) -> Self {
        Self(what.into())
    }
}
