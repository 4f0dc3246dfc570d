//! Over which device does a run reach its sink, and who is there?
//!
//! The run's own connection to the sink lasts as long as the run: it is how the sink knows. What it
//! goes out by is what the claims are made for. A "remote" sink on this very host is reached over the
//! loopback device, whatever its address, and the claims are then those for loopback.

use super::PROTOCOL;
use super::greeting::{greet, mismatch, run};
use crate::net::ethtool::{self, Offload};
use crate::trial::wire;
use anyhow::{Context, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;

/// A sink that serves this run.
pub struct Link {
    /// Open as long as the run lasts.
    run: TcpStream,
    address: SocketAddr,
    ticket: String,
    device: Result<String, String>,
    facts: BTreeMap<String, Value>,
}

impl Link {
    /// Connects to the sink at `HOST:PORT`, and has it serve this run.
    ///
    /// # Errors
    /// Who cannot be reached, is another version, serves somebody else, or has another token.
    pub fn open(to: &str, token: String) -> anyhow::Result<Link> {
        let addresses = to.to_socket_addrs().with_context(|| format!("--to {to}"))?;
        let hello = run(token);
        let mut last = anyhow::anyhow!("--to {to} leads to no address");
        for address in addresses {
            let (stream, welcome) = match greet(address, &hello) {
                Ok(greeted) => greeted,
                Err(error) => {
                    last = error;
                    continue;
                }
            };
            let own = (PROTOCOL, env!("CARGO_PKG_VERSION"));
            if let Some(why) = mismatch((welcome.protocol, &welcome.version), own) {
                bail!("the sink at {address}: {why}");
            }
            let near = stream.local_addr().context("getsockname")?.ip();
            let device = device_of(near, address.ip());
            let mut facts = offloads(&device);
            facts.insert("remote_kernel".into(), json!(welcome.kernel));
            facts.insert("remote_revision".into(), json!(welcome.revision));
            return Ok(Link { run: stream, address, ticket: welcome.ticket, device, facts });
        }
        Err(last)
    }

    /// What a trial has to know.
    #[must_use]
    pub fn to_wire(&self) -> wire::Remote {
        wire::Remote {
            address: self.address,
            ticket: self.ticket.clone(),
            near: self.is_near(),
            facts: self.facts.clone(),
        }
    }

    /// Why the sink cannot be asked for anything any more, if so. It never says anything on the run's
    /// connection, so whatever there is to read is its end.
    #[must_use]
    pub fn gone(&self) -> Option<String> {
        let mut wait = [PollFd::new(self.run.as_fd(), PollFlags::POLLIN)];
        let ended = poll(&mut wait, PollTimeout::ZERO) != Ok(0);
        ended.then(|| format!("the sink at {} has gone", self.address))
    }

    /// The sink is on this host: bytes go over the loopback device.
    #[must_use]
    pub fn is_near(&self) -> bool {
        self.device.as_deref() == Ok("lo")
    }

    /// An offload of the device; one that cannot be asked is taken to have it, as all do today.
    #[must_use]
    pub fn offload(&self, offload: Offload) -> bool {
        self.device.as_deref().map_or(true, |name| ethtool::get(name, offload).unwrap_or(true))
    }
}

/// The device by which packets leave: that which has the connection's own address, but packets to an
/// address of one's own take the loopback device.
fn device_of(near: IpAddr, far: IpAddr) -> Result<String, String> {
    if near == far || near.is_loopback() {
        return Ok("lo".to_owned());
    }
    let interfaces = nix::ifaddrs::getifaddrs().map_err(|errno| format!("getifaddrs: {errno}"))?;
    let has = |one: &nix::ifaddrs::InterfaceAddress| {
        let address = one.address.as_ref()?;
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        let v6 = address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip()));
        v4.or(v6).filter(|address| *address == near)
    };
    let mut names = interfaces.filter(|one| has(one).is_some()).map(|one| one.interface_name);
    names.next().ok_or_else(|| format!("no device has the address {near}"))
}

/// What is known of the way, for the cell's setup.
fn offloads(device: &Result<String, String>) -> BTreeMap<String, Value> {
    let name = match device {
        Ok(name) => name,
        Err(why) => {
            let why = json!(format!("unavailable: {why}"));
            return BTreeMap::from([("remote_device".to_owned(), why)]);
        }
    };
    let below = format!("/sys/class/net/{name}");
    let hardware = std::path::Path::new(&below).join("device").exists();
    let route = match (name.as_str(), hardware) {
        ("lo", _) => "loopback: the sink is on this host",
        (_, true) => "a network device",
        (_, false) => {
            "a virtual device: the sink may be on this host, in another network namespace"
        }
    };
    let mut facts = BTreeMap::from([
        ("remote_device".to_owned(), json!(name)),
        ("remote_route".to_owned(), json!(route)),
    ]);
    for (fact, offload) in [
        ("scatter_gather", ethtool::SCATTER_GATHER),
        ("tx_checksum", ethtool::TX_CHECKSUM),
        ("tso", ethtool::TCP_SEGMENTATION),
        ("gso", ethtool::GENERIC_SEGMENTATION),
    ] {
        let refused = |errno| json!(format!("unavailable: ioctl(SIOCETHTOOL): {errno}"));
        let value = ethtool::get(name, offload).map_or_else(refused, |on| json!(on));
        facts.insert(format!("remote_device_{fact}"), value);
    }
    let mtu = crate::doctor::read(format!("{below}/mtu"));
    let mtu = mtu.and_then(|text| text.parse::<u64>().map_err(|error| error.to_string()));
    let mtu = mtu.map_or_else(|why| json!(format!("unavailable: {why}")), |bytes| json!(bytes));
    facts.insert("remote_device_mtu".to_owned(), mtu);
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_on_this_host_goes_over_loopback() {
        let lo = |near: &str, far: &str| device_of(near.parse().unwrap(), far.parse().unwrap());
        assert_eq!(lo("127.0.0.1", "127.0.0.1").as_deref(), Ok("lo"));
        assert_eq!(lo("192.0.2.7", "192.0.2.7").as_deref(), Ok("lo"), "an address of one's own");
        assert!(lo("192.0.2.7", "192.0.2.8").unwrap_err().contains("192.0.2.7"));
        let facts = offloads(&Ok("lo".to_owned()));
        assert_eq!(facts["remote_device_scatter_gather"], true);
        assert!(facts["remote_route"].as_str().unwrap().contains("this host"));
    }
}
