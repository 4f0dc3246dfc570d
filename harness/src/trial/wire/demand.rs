//! How do consumers ask for their fetches, and who serves them?

use serde::{Deserialize, Serialize};

/// Everything about the consumers of a cell but their number and kind.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Demand {
    /// Who serves the sinks.
    pub driver: Driver,
    /// So many consumers, the first ones, read slowly.
    pub slow: u32,
    /// Bytes that each of those may read in a second.
    pub slow_rate_bytes: u64,
    /// Fetches that become due in a second, over all consumers; 0: all are due at once.
    pub rate: u64,
    /// How those are spread over time.
    pub arrivals: Arrivals,
    /// The latency of a fetch is its own consumer's, not that of the one thread that serves all.
    pub each: bool,
    /// Consumers follow the end of a log that grows, and how it does.
    pub tail: Option<Tail>,
}

/// How the log grows that consumers follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tail {
    /// Bytes that are appended in a second; 0: the next fetch's when all consumers have the last.
    pub append_rate_bytes: u64,
    /// The CPU of the process that appends.
    pub cpu: Option<usize>,
    /// Neither sender nor receiver has that CPU.
    pub alone: bool,
}

/// Who serves the sinks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Driver {
    /// One thread, in turn, by calls that wait.
    #[default]
    Blocking,
    /// One thread, by calls that do not wait; full sinks are waited for together, by epoll.
    Reactor,
    /// A thread for each sink, by calls that wait.
    Threads,
}

/// How the moments at which fetches become due are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrivals {
    /// As independent consumers ask: gaps by the exponential law.
    #[default]
    Poisson,
    /// All gaps alike, consumers in turn.
    Fixed,
}

/// From when on a fetch is late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// The completion before it, whosever that was.
    Completion,
    /// Its own consumer's completion before it.
    OwnCompletion,
    /// The moment at which it was due.
    Due,
    /// The moment at which its bytes had been appended.
    Append,
}

impl Default for Demand {
    fn default() -> Demand {
        Demand {
            driver: Driver::Blocking,
            slow: 0,
            slow_rate_bytes: 1 << 20,
            rate: 0,
            arrivals: Arrivals::Poisson,
            each: false,
            tail: None,
        }
    }
}

impl Demand {
    /// From when on the latency of a fetch counts.
    #[must_use]
    pub fn since(&self) -> Since {
        match () {
            () if self.tail.is_some() => Since::Append,
            () if self.rate > 0 => Since::Due,
            () if self.each || self.driver != Driver::Blocking => Since::OwnCompletion,
            () => Since::Completion,
        }
    }
}

impl Since {
    /// In the record's words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Since::Completion => "completion before it",
            Since::OwnCompletion => "own completion before it",
            Since::Due => "moment at which it was due",
            Since::Append => "append of its bytes",
        }
    }
}
