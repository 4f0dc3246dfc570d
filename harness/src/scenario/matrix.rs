//! Which conditions does the matrix of a scenario span?

mod laws;

use super::document::{Item, Reader, Section, describe};
use super::ingest::{FEEDS, FSYNCS, Feed, Fsync, Intake, SOURCES};
use super::keys::{self, Key};
use super::words::{self, ARRIVALS, DRIVERS, FILESYSTEMS, RECEIVERS, SWITCHES, TRANSFORMS, WAITS};
use super::{Access, Cache, Condition, FileSystem, Link, LogChoice, Receiver, Senders};
use super::{Transform, Wait};
use crate::log::kafka::MessageSize;
use crate::trial::wire::Demand;
use crate::trial::wire::demand::{Arrivals, Driver};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::ops::Range;
use toml::de::DeValue;
use zclab_report::record;
use zclab_strategies::{Family, SinkKind};

/// The exponent of `access = "zipf"`.
const ZIPF_EXPONENT: f64 = 1.1;

/// The resident share of `cache = "partial"`.
const PARTIAL_RESIDENT: f64 = 0.5;

/// One value of one parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Setting {
    Message(MessageSize),
    Fetch(u64),
    Header(u64),
    Consumers(u32),
    FileSystem(FileSystem),
    Access(Access),
    Cache(Cache),
    Sink(SinkKind),
    Receiver(Receiver),
    Wait(Wait),
    Transform(Transform),
    SocketBuffer(u64),
    ScatterGather(bool),
    Checksum(bool),
    Segmentation(bool),
    Mtu(u32),
    Bandwidth(u64),
    Driver(Driver),
    Slow(u32),
    SlowRate(u64),
    Rate(u64),
    Arrivals(Arrivals),
    Source(SinkKind),
    Feed(Feed),
    Fsync(Fsync),
    Readers(u32),
    AppendRate(u64),
    Senders(u32),
    Canary(bool),
}

/// A parameter, its values, and where each of them stands.
#[derive(Clone, Debug)]
pub(super) struct Parameter {
    pub name: &'static str,
    pub settings: Vec<(Setting, Range<usize>)>,
}

/// The parameters that a file sets, in its order.
#[derive(Clone, Debug)]
pub(super) struct Matrix {
    pub parameters: Vec<Parameter>,
}

impl Setting {
    /// The value in records and ids.
    pub fn value(&self) -> Value {
        match self {
            Setting::Message(size) => words::message(size),
            Setting::Fetch(bytes) | Setting::Header(bytes) | Setting::SocketBuffer(bytes) => {
                json!(bytes)
            }
            Setting::FileSystem(filesystem) => json!(filesystem.name()),
            Setting::Bandwidth(bytes) => json!(bytes),
            Setting::Mtu(count)
            | Setting::Consumers(count)
            | Setting::Readers(count)
            | Setting::Senders(count) => json!(count),
            Setting::ScatterGather(on)
            | Setting::Checksum(on)
            | Setting::Segmentation(on)
            | Setting::Canary(on) => json!(words::switch(*on)),
            Setting::Access(access) => json!(access.name()),
            Setting::Cache(cache) => json!(cache.name()),
            Setting::Sink(sink) => json!(sink.name()),
            Setting::Receiver(receiver) => json!(receiver.name()),
            Setting::Wait(wait) => json!(wait.name()),
            Setting::Transform(transform) => json!(transform.name()),
            Setting::Driver(driver) => json!(driver.name()),
            Setting::Slow(count) => json!(count),
            Setting::SlowRate(number) | Setting::Rate(number) => json!(number),
            Setting::AppendRate(bytes) => json!(bytes),
            Setting::Arrivals(arrivals) => json!(arrivals.name()),
            Setting::Source(source) => json!(source.name()),
            Setting::Feed(feed) => json!(words::name(FEEDS, feed)),
            Setting::Fsync(fsync) => json!(words::name(FSYNCS, fsync)),
        }
    }

    fn apply(&self, to: &mut Condition) {
        match *self {
            Setting::Message(size) => {
                if let LogChoice::Kafka(spec) = &mut to.log {
                    spec.message = size;
                }
            }
            Setting::Fetch(bytes) => to.fetch_bytes = bytes,
            Setting::Header(bytes) => to.header_bytes = bytes,
            Setting::Consumers(count) => to.consumers = count,
            Setting::FileSystem(filesystem) => to.filesystem = filesystem,
            Setting::Access(access) => to.access = access,
            Setting::Cache(cache) => to.cache = cache,
            Setting::Sink(sink) => to.sink = sink,
            Setting::Receiver(receiver) => to.receiver = receiver,
            Setting::Wait(wait) => to.wait = wait,
            Setting::Transform(transform) => to.transform = transform,
            Setting::SocketBuffer(bytes) => to.socket_buffer_bytes = bytes,
            Setting::ScatterGather(on) => to.link.scatter_gather = Some(on),
            Setting::Checksum(on) => to.link.checksum = Some(on),
            Setting::Segmentation(on) => to.link.segmentation = Some(on),
            Setting::Mtu(bytes) => to.link.mtu_bytes = Some(bytes),
            Setting::Bandwidth(bytes) => to.link.bandwidth_bytes = Some(bytes),
            Setting::Driver(driver) => to.demand.driver = driver,
            Setting::Slow(slow) => to.demand.slow = slow,
            Setting::SlowRate(bytes) => to.demand.slow_rate_bytes = bytes,
            Setting::Rate(rate) => to.demand.rate = rate,
            Setting::Arrivals(arrivals) => to.demand.arrivals = arrivals,
            Setting::Source(source) => to.intake.source = source,
            Setting::Feed(feed) => to.intake.feed = feed,
            Setting::Fsync(fsync) => to.intake.fsync = fsync,
            Setting::Readers(count) => to.readers = Some(count),
            Setting::AppendRate(bytes) => to.append_rate_bytes = bytes,
            Setting::Senders(count) => to.senders = Some(Senders { count, most: count }),
            Setting::Canary(on) => to.canary = on,
        }
    }
}

impl Setting {
    fn tells_consumers_apart(&self) -> bool {
        match *self {
            Setting::Driver(driver) => driver != Driver::Blocking,
            Setting::Slow(count) => count > 0,
            Setting::Rate(rate) => rate > 0,
            Setting::Access(access) => access == Access::Tail,
            _ => false,
        }
    }
}

impl Matrix {
    /// The points of the matrix; may exceed any sensible number.
    pub fn points(&self) -> usize {
        let lengths = self.parameters.iter().map(|parameter| parameter.settings.len());
        lengths.fold(1, usize::saturating_mul)
    }

    fn settings(&self) -> impl Iterator<Item = &Setting> {
        self.parameters.iter().flat_map(|one| &one.settings).map(|(setting, _)| setting)
    }

    /// Whether any condition has many readers.
    pub fn many_readers(&self) -> bool {
        self.settings().any(|setting| matches!(setting, Setting::Readers(count) if *count > 1))
    }

    /// The most senders that any condition has, where that is more than one.
    pub fn most_senders(&self) -> Option<u32> {
        let count = |setting: &Setting| match *setting {
            Setting::Senders(count) => Some(count),
            _ => None,
        };
        self.settings().filter_map(count).max().filter(|&most| most > 1)
    }

    /// The parameters with more than one value.
    pub fn axes(&self) -> Vec<record::Axis> {
        let varied = self.parameters.iter().filter(|parameter| parameter.settings.len() > 1);
        let axis = |parameter: &Parameter| record::Axis {
            name: parameter.name.to_owned(),
            values: parameter.settings.iter().map(|(setting, _)| setting.value()).collect(),
        };
        varied.map(axis).collect()
    }

    /// Every combination of the values, the last axis fastest; the rest is as in `base`. As soon as
    /// one of them makes consumers unequal, all are looked at each for itself: latencies of one page
    /// have to mean the same.
    pub fn conditions(&self, base: Condition) -> Vec<Condition> {
        let each = self.settings().any(Setting::tells_consumers_apart);
        let base = Condition { demand: Demand { each, ..base.demand }, ..base };
        self.parameters.iter().fold(vec![base], |conditions, parameter| {
            let with = |condition: &Condition, setting: &Setting| {
                let mut condition = condition.clone();
                setting.apply(&mut condition);
                // One process everywhere is what a silent file has.
                condition.readers = condition.readers.filter(|_| self.many_readers());
                let counted = condition.senders.zip(self.most_senders());
                condition.senders =
                    counted.map(|(Senders { count, .. }, most)| Senders { count, most });
                condition
            };
            conditions
                .iter()
                .flat_map(|old| parameter.settings.iter().map(|(new, _)| with(old, new)))
                .collect()
        })
    }
}

/// The condition of a file that sets nothing.
pub(super) fn base(log: LogChoice, family: Family) -> Condition {
    Condition {
        log,
        fetch_bytes: keys::FETCH.values.default_number(),
        header_bytes: match family {
            Family::Transfer => keys::HEADER.values.default_number(),
            // What the far end sends is the log and nothing else.
            Family::Ingest | Family::Receive => 0,
        },
        consumers: 1,
        filesystem: FileSystem::Here,
        access: Access::Sequential,
        append_rate_bytes: keys::APPEND_RATE.values.default_number(),
        cache: Cache::Warm,
        sink: SinkKind::TcpLoopback,
        receiver: Receiver::Copy,
        wait: Wait::Auto,
        transform: Transform::None,
        socket_buffer_bytes: keys::SOCKET_BUFFER.values.default_number(),
        link: Link::default(),
        demand: Demand::default(),
        family,
        intake: Intake::default(),
        readers: None,
        senders: None,
        canary: false,
        pressure: None,
    }
}

/// Reads the table `[matrix]`.
pub(super) fn read<'a>(reader: &mut Reader<'a>, section: &Section<'a>) -> Matrix {
    reader.only(section, &keys::of("matrix"));
    let mut parameters = Vec::new();
    for (name, item, _) in section.entries() {
        let key = keys::ALL.iter().find(|key| key.is_axis() && key.name == name);
        if let Some(key) = key {
            let settings = read_parameter(reader, key, &item);
            parameters.push(Parameter { name: key.name, settings });
        }
    }
    Matrix { parameters }
}

fn read_parameter<'a>(
    reader: &mut Reader<'a>,
    key: &Key,
    item: &Item<'a>,
) -> Vec<(Setting, Range<usize>)> {
    let mut seen = HashSet::new();
    let mut settings = Vec::new();
    for element in reader.list(item) {
        let Some(setting) = setting(reader, key, &element) else { continue };
        let value = setting.value().to_string();
        if seen.contains(&value) {
            let what = format!("the value {value} is listed twice");
            reader.note(&element.path, &element.span, what);
        }
        seen.insert(value);
        settings.push((setting, element.span));
    }
    settings
}

pub(super) fn setting<'a>(reader: &mut Reader<'a>, key: &Key, item: &Item<'a>) -> Option<Setting> {
    match key.name {
        "message" => laws::message(reader, item).map(Setting::Message),
        "fetch" => reader.number(key, item).map(Setting::Fetch),
        "header" => reader.number(key, item).map(Setting::Header),
        "consumers" => reader.number32(key, item).map(Setting::Consumers),
        "filesystem" => one_of(reader, key, item, FILESYSTEMS).map(Setting::FileSystem),
        "access" => access(reader, item).map(Setting::Access),
        "cache" => cache(reader, item).map(Setting::Cache),
        "sink" => reader.word(key, item).and_then(SinkKind::parse).map(Setting::Sink),
        "receiver" => one_of(reader, key, item, RECEIVERS).map(Setting::Receiver),
        "wait" => one_of(reader, key, item, WAITS).map(Setting::Wait),
        "transform" => one_of(reader, key, item, TRANSFORMS).map(Setting::Transform),
        "socket_buffer" => reader.number(key, item).map(Setting::SocketBuffer),
        "scatter_gather" => one_of(reader, key, item, SWITCHES).map(Setting::ScatterGather),
        "checksum" => one_of(reader, key, item, SWITCHES).map(Setting::Checksum),
        "segmentation" => one_of(reader, key, item, SWITCHES).map(Setting::Segmentation),
        "mtu" => reader.number32(key, item).map(Setting::Mtu),
        "bandwidth" => reader.number(key, item).map(Setting::Bandwidth),
        "driver" => one_of(reader, key, item, DRIVERS).map(Setting::Driver),
        "slow" => reader.number32(key, item).map(Setting::Slow),
        "slow_rate" => reader.number(key, item).map(Setting::SlowRate),
        "rate" => reader.number(key, item).map(Setting::Rate),
        "arrivals" => one_of(reader, key, item, ARRIVALS).map(Setting::Arrivals),
        "source" => one_of(reader, key, item, SOURCES).map(Setting::Source),
        "feed" => one_of(reader, key, item, FEEDS).map(Setting::Feed),
        "fsync" => one_of(reader, key, item, FSYNCS).map(Setting::Fsync),
        "readers" => reader.number32(key, item).map(Setting::Readers),
        "append_rate" => reader.number(key, item).map(Setting::AppendRate),
        "senders" => reader.number32(key, item).map(Setting::Senders),
        "canary" => one_of(reader, key, item, SWITCHES).map(Setting::Canary),
        _ => None,
    }
}

fn one_of<'a, T: Copy>(
    reader: &mut Reader<'a>,
    key: &Key,
    item: &Item<'a>,
    list: &[(&str, T)],
) -> Option<T> {
    let word = reader.word(key, item)?;
    words::find(list, word)
}

fn access<'a>(reader: &mut Reader<'a>, item: &Item<'a>) -> Option<Access> {
    let words = ["sequential", "random", "zipf", "tail", "files"];
    match word_or_table(reader, &keys::ACCESS, item, &words)? {
        Form::Word("sequential") => Some(Access::Sequential),
        Form::Word("tail") => Some(Access::Tail),
        Form::Word("files") => Some(Access::Files),
        Form::Word("random") => Some(Access::Random),
        Form::Word(_) => Some(Access::Zipf { exponent: ZIPF_EXPONENT }),
        Form::Table(section) => {
            reader.only(&section, &keys::of("access"));
            let exponent = reader.required(&section, &keys::ACCESS_ZIPF)?;
            let exponent = reader.real(&keys::ACCESS_ZIPF, &exponent)?;
            Some(Access::Zipf { exponent })
        }
    }
}

fn cache<'a>(reader: &mut Reader<'a>, item: &Item<'a>) -> Option<Cache> {
    match word_or_table(reader, &keys::CACHE, item, &["warm", "cold", "partial"])? {
        Form::Word("warm") => Some(Cache::Warm),
        Form::Word("cold") => Some(Cache::Cold),
        Form::Word(_) => Some(Cache::Partial { resident: PARTIAL_RESIDENT }),
        Form::Table(section) => {
            reader.only(&section, &keys::of("cache"));
            let resident = reader.required(&section, &keys::CACHE_PARTIAL)?;
            let resident = reader.real(&keys::CACHE_PARTIAL, &resident)?;
            Some(Cache::Partial { resident })
        }
    }
}

enum Form<'a> {
    Word(&'a str),
    Table(Section<'a>),
}

fn word_or_table<'a>(
    reader: &mut Reader<'a>,
    key: &Key,
    item: &Item<'a>,
    words: &[&str],
) -> Option<Form<'a>> {
    match item.value {
        DeValue::String(word) if words.contains(&word.as_ref()) => Some(Form::Word(word)),
        DeValue::String(word) => {
            reader.unknown_word(item, word, words, key.values.describe());
            None
        }
        DeValue::Table(_) => reader.section(item).map(Form::Table),
        other => {
            let what = format!("{} is neither a word nor a table", describe(other));
            reader.note(&item.path, &item.span, what).expected = key.values.describe();
            None
        }
    }
}
