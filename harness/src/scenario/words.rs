//! Which words stand for which value in scenario files, ids and records?

use super::{Access, Cache, FileSystem, LogChoice, Receiver, Transform, Wait};
use crate::log::kafka::{Codec, MessageSize};
use crate::trial::wire::demand::{Arrivals, Driver};
use serde_json::{Value, json};
use zclab_strategies::OptionValue;

/// The compression codecs.
pub const CODECS: &[(&str, Codec)] = &[
    ("none", Codec::None),
    ("gzip", Codec::Gzip),
    ("snappy", Codec::Snappy),
    ("lz4", Codec::Lz4),
    ("zstd", Codec::Zstd),
];

/// What receivers do.
pub const RECEIVERS: &[(&str, Receiver)] =
    &[("copy", Receiver::Copy), ("discard", Receiver::Discard)];

/// How receivers wait.
pub const WAITS: &[(&str, Wait)] =
    &[("auto", Wait::Auto), ("spin", Wait::Spin), ("sleep", Wait::Sleep)];

/// What is done to the bytes before they are sent.
pub const TRANSFORMS: &[(&str, Transform)] = &[
    ("none", Transform::None),
    ("crc32c", Transform::Crc32c),
    ("lz4", Transform::Lz4),
    ("zstd", Transform::Zstd),
    ("tls", Transform::Tls),
];

/// The file systems that a log may lie on.
pub const FILESYSTEMS: &[(&str, FileSystem)] = &[
    ("here", FileSystem::Here),
    ("ext4", FileSystem::Ext4),
    ("xfs", FileSystem::Xfs),
    ("btrfs", FileSystem::Btrfs),
    ("tmpfs", FileSystem::Tmpfs),
];

/// What is on or off.
pub const SWITCHES: &[(&str, bool)] = &[("on", true), ("off", false)];

/// Who serves the sinks.
pub const DRIVERS: &[(&str, Driver)] =
    &[("blocking", Driver::Blocking), ("reactor", Driver::Reactor), ("threads", Driver::Threads)];

/// How the moments at which fetches become due are spread.
pub const ARRIVALS: &[(&str, Arrivals)] =
    &[("poisson", Arrivals::Poisson), ("fixed", Arrivals::Fixed)];

/// The words of a list.
#[must_use]
pub fn names<T>(list: &[(&'static str, T)]) -> Vec<&'static str> {
    list.iter().map(|(name, _)| *name).collect()
}

/// The value that a word stands for.
pub(super) fn find<T: Copy>(list: &[(&str, T)], word: &str) -> Option<T> {
    list.iter().find(|(name, _)| *name == word).map(|(_, value)| *value)
}

/// The word for a value; every value has one.
pub(super) fn name<T: PartialEq>(list: &[(&'static str, T)], value: &T) -> &'static str {
    list.iter().find(|(_, other)| other == value).map_or("", |(name, _)| name)
}

/// The word for a codec.
#[must_use]
pub fn codec(codec: Codec) -> &'static str {
    name(CODECS, &codec)
}

/// The word for what is on or off.
#[must_use]
pub fn switch(on: bool) -> &'static str {
    name(SWITCHES, &on)
}

impl Receiver {
    /// The word in scenario files and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        name(RECEIVERS, &self)
    }
}

impl FileSystem {
    /// The word in scenario files and records, which is the kernel's own where zclab makes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        name(FILESYSTEMS, &self)
    }
}

impl Wait {
    /// The word in scenario files and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        name(WAITS, &self)
    }
}

impl Transform {
    /// The word in scenario files and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        name(TRANSFORMS, &self)
    }
}

impl Driver {
    /// The word in scenario files and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        name(DRIVERS, &self)
    }
}

impl Arrivals {
    /// The word in scenario files and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        name(ARRIVALS, &self)
    }
}

impl Access {
    /// The word in ids and records: `sequential`, `random`, `zipf:1.1`, `tail`, `files`.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Access::Sequential => "sequential".to_owned(),
            Access::Random => "random".to_owned(),
            Access::Zipf { exponent } => format!("zipf:{exponent}"),
            Access::Tail => "tail".to_owned(),
            Access::Files => "files".to_owned(),
        }
    }
}

impl Cache {
    /// The word in ids and records: `warm`, `cold`, `partial:0.5`.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Cache::Warm => "warm".to_owned(),
            Cache::Cold => "cold".to_owned(),
            Cache::Partial { resident } => format!("partial:{resident}"),
        }
    }
}

impl LogChoice {
    /// The word in ids and records: `kafka`, `import:orders`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            LogChoice::Kafka(_) => "kafka".to_owned(),
            LogChoice::Imported(name) => format!("import:{name}"),
        }
    }
}

/// Message sizes in ids and records: the bytes where all are alike, else the law and its numbers,
/// `uniform:<min>:<max>`, `lognormal:<median>:<sigma>:<max>`, `zipf:<max>:<exponent>`.
#[must_use]
pub fn message(size: &MessageSize) -> Value {
    match size {
        MessageSize::Fixed(bytes) => json!(bytes),
        MessageSize::Uniform { min, max } => json!(format!("uniform:{min}:{max}")),
        MessageSize::Lognormal { median, sigma, max } => {
            json!(format!("lognormal:{median}:{sigma}:{max}"))
        }
        MessageSize::Zipf { max, exponent } => json!(format!("zipf:{max}:{exponent}")),
    }
}

/// An option's value in records.
#[must_use]
pub fn option(value: &OptionValue) -> Value {
    match value {
        OptionValue::Number(number) => json!(number),
        OptionValue::Word(word) => json!(word),
    }
}
