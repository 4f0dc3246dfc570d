//! Which keys say how consumers ask, and how little memory there is?

use super::{GIB, KIB, Key, MIB, Values, bytes, count, words};

/// The limit on memory.
pub const MEMORY: Key = Key::new(
    "pressure",
    "memory",
    bytes(96 * MIB, 16 * MIB, GIB << 10),
    "limit of the group that the senders of scan and hot consumers are in; less than the log",
);
/// The hot set.
pub const HOT: Key = Key::new(
    "pressure",
    "hot",
    bytes(32 * MIB, MIB, GIB << 10),
    "so much of the log's end is read by hot consumers again and again",
);
/// Who serves the hot consumers.
pub const HOT_STRATEGY: Key = Key::new(
    "pressure",
    "hot_strategy",
    Values::Form { default: "\"sendfile\"", forms: "the name of a strategy that moves the log" },
    "what serves the hot consumers, whatever serves the scan",
);
/// How often they ask.
pub const HOT_RATE: Key = Key::new(
    "pressure",
    "hot_rate",
    count(500, 1, 20_000),
    "fetches each second that the hot consumers ask for, served in time or not",
);
/// Where they read.
pub const HOT_ACCESS: Key = Key::new(
    "pressure",
    "hot_access",
    Values::Word { default: "random", of: crate::scenario::pressure::orders },
    "where consecutive fetches lie in the hot set",
);
/// How long they are alone first.
pub const BEFORE_MS: Key = Key::new(
    "pressure",
    "before_ms",
    count(1000, 100, 60_000),
    "milliseconds for which hot consumers are served before the scan",
);
/// How long they are alone afterwards.
pub const AFTER_MS: Key = Key::new(
    "pressure",
    "after_ms",
    count(1000, 100, 60_000),
    "milliseconds for which hot consumers are served after the scan",
);

/// Who serves the sinks.
pub const DRIVER: Key = Key::new(
    "matrix",
    "driver",
    Values::Word { default: "blocking", of: || words::names(words::DRIVERS) },
    "who serves the sinks: one thread in turn, one thread with epoll, or a thread for each",
);
/// Who takes what is left of the sender's CPU.
pub const CANARY: Key = Key::new(
    "matrix",
    "canary",
    Values::Word { default: "off", of: || words::names(words::SWITCHES) },
    "a process on the sender's CPU takes what the sender leaves of it, and counts its own work",
);
/// Slow consumers.
pub const SLOW: Key =
    Key::new("matrix", "slow", count(0, 0, 20_000), "so many of the consumers read slowly");
/// Their pace.
pub const SLOW_RATE: Key = Key::new(
    "matrix",
    "slow_rate",
    bytes(MIB, KIB, GIB),
    "bytes that each slow consumer reads in a second",
);
/// The rate of an open loop.
pub const RATE: Key = Key::new(
    "matrix",
    "rate",
    count(0, 0, 10_000_000),
    "fetches that become due in a second, over all consumers; 0: all of a slice at once",
);
/// How its arrivals are spread.
pub const ARRIVALS: Key = Key::new(
    "matrix",
    "arrivals",
    Values::Word { default: "poisson", of: || words::names(words::ARRIVALS) },
    "how they are spread over time: at random, or all gaps alike; without a rate it has no meaning",
);
/// How fast a log grows.
pub const APPEND_RATE: Key = Key::new(
    "matrix",
    "append_rate",
    bytes(0, 0, 100 * GIB),
    "access tail: bytes that are appended in a second; 0: the next fetch's when all consumers have \
     the last",
);
