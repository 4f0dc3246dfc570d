//! What does a scenario ask of the device between two hosts?
//!
//! Only the sink `tcp-veth` has a device of zclab's own to change. At another sink a value that differs
//! from the default makes a row that is `refused`, never one that pretends. A parameter that neither
//! the file nor the sink speaks of is not named in a cell's id, so that ids are as they were before
//! there were two hosts.

use super::keys::{GIB, Key, Values, bytes};
use super::{Condition, words};
use crate::net;
use serde_json::{Value, json};

const SWITCH: Values = Values::Word { default: "on", of: || words::names(words::SWITCHES) };
/// Scatter-gather of the device between two hosts.
pub const SCATTER_GATHER: Key = Key::new(
    "matrix",
    "scatter_gather",
    SWITCH,
    "the sending device gathers packets from fragments (sink tcp-veth)",
);
/// Checksum offload of the device between two hosts.
pub const CHECKSUM: Key =
    Key::new("matrix", "checksum", SWITCH, "the sending device fills in checksums (sink tcp-veth)");
/// Segmentation offload of the device between two hosts.
pub const SEGMENTATION: Key = Key::new(
    "matrix",
    "segmentation",
    SWITCH,
    "large TCP packets reach the sending device whole: TSO and GSO (sink tcp-veth)",
);
/// Packet size of the device between two hosts.
pub const MTU: Key = Key::new(
    "matrix",
    "mtu",
    bytes(1500, 576, 65535),
    "bytes of a packet on the device between two hosts (sink tcp-veth)",
);
/// Bound of the device between two hosts.
pub const BANDWIDTH: Key = Key::new(
    "matrix",
    "bandwidth",
    bytes(0, 0, 100 * GIB),
    "bytes that leave the sending device in a second, by a token bucket; 0: no bound (sink tcp-veth)",
);

/// The parameters of the device, as far as the file sets them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// The device gathers packets from fragments.
    pub scatter_gather: Option<bool>,
    /// The device fills in checksums.
    pub checksum: Option<bool>,
    /// Large TCP packets are cut late: TSO and GSO.
    pub segmentation: Option<bool>,
    /// Bytes of a packet.
    pub mtu_bytes: Option<u32>,
    /// Bytes that leave in a second; 0: no bound.
    pub bandwidth_bytes: Option<u64>,
}

impl Link {
    /// What is asked for, the defaults filled in.
    #[must_use]
    pub fn asked(&self) -> net::Link {
        let default = net::Link::default();
        net::Link {
            scatter_gather: self.scatter_gather.unwrap_or(default.scatter_gather),
            checksum: self.checksum.unwrap_or(default.checksum),
            segmentation: self.segmentation.unwrap_or(default.segmentation),
            mtu_bytes: self.mtu_bytes.unwrap_or(default.mtu_bytes),
            bandwidth_bytes: self.bandwidth_bytes.unwrap_or(default.bandwidth_bytes),
        }
    }
}

/// The parameters by name: whether the file sets them, and their values.
fn parameters(link: &Link) -> [(&'static str, bool, Value); 5] {
    let asked = link.asked();
    [
        (
            SCATTER_GATHER.name,
            link.scatter_gather.is_some(),
            json!(words::switch(asked.scatter_gather)),
        ),
        (CHECKSUM.name, link.checksum.is_some(), json!(words::switch(asked.checksum))),
        (SEGMENTATION.name, link.segmentation.is_some(), json!(words::switch(asked.segmentation))),
        (MTU.name, link.mtu_bytes.is_some(), json!(asked.mtu_bytes)),
        (BANDWIDTH.name, link.bandwidth_bytes.is_some(), json!(asked.bandwidth_bytes)),
    ]
}

impl Condition {
    /// The parameters of the device that belong to this condition's name: those that the file sets, and
    /// all of them where there is such a device.
    pub(super) fn link_params(&self) -> impl Iterator<Item = (String, Value)> {
        let all = self.sink == zclab_strategies::SinkKind::TcpVeth;
        parameters(&self.link)
            .into_iter()
            .filter(move |(_, set, _)| *set || all)
            .map(|(name, _, value)| (name.to_owned(), value))
    }

    /// The parameter of the device that this sink cannot be given: `mtu = 9000`.
    #[must_use]
    pub fn impossible_link(&self) -> Option<String> {
        if self.sink == zclab_strategies::SinkKind::TcpVeth {
            return None;
        }
        let default = parameters(&Link::default());
        parameters(&self.link)
            .into_iter()
            .zip(default)
            .find(|((_, _, value), (_, _, default))| value != default)
            .map(|((name, _, value), _)| format!("{name} = {value}"))
    }
}
