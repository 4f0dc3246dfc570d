//! What does a scenario of the receive side ask for, and which keys have no meaning there?
//!
//! Strategies of the families `ingest` and `receive` take bytes from a socket; the log is what the far
//! end sends. So the keys of sinks, caches and consumers say nothing there, and those of this module
//! nothing elsewhere. A value that would be ignored is refused where it stands.

use super::document::Reader;
use super::matrix::{Matrix, Setting};
use super::parse::Tables;
use super::words;
use super::{Access, Cache, Link, Receiver};
use crate::trial::wire::Demand;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use zclab_strategies::{Family, SinkKind};

/// How the far end sends the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feed {
    /// From memory, by `send`: packets lie in pages that only the kernel has, as a card's would.
    Send,
    /// From the log, by `sendfile`: on loopback the packets are pages of the far end's page cache.
    Sendfile,
    /// From memory, by `send(MSG_ZEROCOPY)`: on loopback the kernel copies the packets page by page on
    /// delivery, so that they consist of whole pages, as those of a card that splits headers off.
    Zerocopy,
}

/// The words for it.
pub const FEEDS: &[(&str, Feed)] =
    &[("send", Feed::Send), ("sendfile", Feed::Sendfile), ("zerocopy", Feed::Zerocopy)];

/// When the file's bytes have to be on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fsync {
    /// When the kernel gets to it.
    Never,
    /// Before a fetch counts as complete.
    EachFetch,
    /// Before a slice ends.
    End,
}

/// The words for it.
pub const FSYNCS: &[(&str, Fsync)] =
    &[("never", Fsync::Never), ("each-fetch", Fsync::EachFetch), ("end", Fsync::End)];

/// The sockets that bytes can come from.
pub const SOURCES: &[(&str, SinkKind)] =
    &[("tcp-loopback", SinkKind::TcpLoopback), ("unix-stream", SinkKind::UnixStream)];

/// What a condition of the receive side sets beside what all conditions have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intake {
    /// The name of the kind of socket, as sinks are called.
    #[serde(with = "source_name")]
    pub source: SinkKind,
    /// How the far end sends.
    pub feed: Feed,
    /// When bytes have to be on the device.
    pub fsync: Fsync,
}

impl Default for Intake {
    fn default() -> Intake {
        Intake { source: SinkKind::TcpLoopback, feed: Feed::Send, fsync: Fsync::Never }
    }
}

/// A kind of socket crosses the pipe to a child by its name.
mod source_name {
    use super::SinkKind;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(kind: &SinkKind, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(kind.name())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SinkKind, D::Error> {
        let name = String::deserialize(from)?;
        SinkKind::parse(&name).ok_or_else(|| de::Error::custom(format!("no source {name}")))
    }
}

impl Intake {
    /// The parameters in ids and records.
    pub(super) fn params(self, family: Family) -> BTreeMap<String, Value> {
        let mut params = BTreeMap::from([
            ("source".to_owned(), json!(self.source.name())),
            ("feed".to_owned(), json!(words::name(FEEDS, &self.feed))),
        ]);
        if family == Family::Ingest {
            params.insert("fsync".to_owned(), json!(words::name(FSYNCS, &self.fsync)));
        }
        params
    }
}

/// The keys that say something about sinks and the page cache of a log that is read.
pub(super) const OF_TRANSFERS: [&str; 21] = [
    "header",
    "consumers",
    "access",
    "cache",
    "sink",
    "receiver",
    "transform",
    "readers",
    "senders",
    "canary",
    "scatter_gather",
    "checksum",
    "segmentation",
    "mtu",
    "bandwidth",
    "driver",
    "slow",
    "slow_rate",
    "rate",
    "arrivals",
    "append_rate",
];

/// Whether the setting is what a file that is silent has anyway.
fn is_default(setting: &Setting) -> bool {
    match *setting {
        Setting::Header(bytes) => bytes == 0,
        Setting::Consumers(count) | Setting::Readers(count) | Setting::Senders(count) => count == 1,
        Setting::Access(access) => access == Access::Sequential,
        Setting::Cache(cache) => cache == Cache::Warm,
        Setting::Sink(sink) => sink == SinkKind::TcpLoopback,
        Setting::Receiver(receiver) => receiver == Receiver::Copy,
        Setting::ScatterGather(on) | Setting::Checksum(on) | Setting::Segmentation(on) => on,
        Setting::Mtu(bytes) => bytes == Link::default().asked().mtu_bytes,
        Setting::Bandwidth(bytes) => bytes == 0,
        Setting::Canary(on) => !on,
        Setting::Driver(driver) => driver == Demand::default().driver,
        Setting::Slow(count) => count == 0,
        Setting::SlowRate(bytes) => bytes == Demand::default().slow_rate_bytes,
        Setting::Rate(rate) | Setting::AppendRate(rate) => rate == 0,
        Setting::Arrivals(arrivals) => arrivals == Demand::default().arrivals,
        Setting::Source(source) => source == Intake::default().source,
        Setting::Feed(feed) => feed == Intake::default().feed,
        Setting::Fsync(fsync) => fsync == Intake::default().fsync,
        _ => true,
    }
}

/// Refuses values of keys that mean nothing to the strategies that are compared.
pub(super) fn keys_of_family(
    reader: &mut Reader,
    tables: &Tables,
    matrix: &Matrix,
    family: Family,
) {
    if let (true, Some(pressure)) = (family != Family::Transfer, &tables.pressure) {
        let what = format!("says nothing to strategies of the family {}", family.name());
        reader.note("pressure", &pressure.span, what).expected =
            "no such table: only a log that is served can be too large for memory".to_owned();
    }
    for parameter in &matrix.parameters {
        let of_transfers = OF_TRANSFERS.contains(&parameter.name);
        let of_ingest = ["source", "feed", "fsync"].contains(&parameter.name);
        let meant = match family {
            Family::Transfer => !of_ingest,
            Family::Ingest => !of_transfers,
            Family::Receive => !of_transfers && parameter.name != "fsync",
        };
        let ignored = parameter.settings.iter().find(|(setting, _)| !is_default(setting));
        if let (false, Some((_, span))) = (meant, ignored) {
            let what = format!("says nothing to strategies of the family {}", family.name());
            let path = format!("matrix.{}", parameter.name);
            reader.note(&path, span, what).expected = match family {
                Family::Transfer => "no such key: it belongs to ingest and receive".to_owned(),
                _ => "no such key: the far end sends the log from memory, in order".to_owned(),
            };
        }
    }
}
