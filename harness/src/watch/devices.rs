//! Through which device do the server's bytes leave, and does it gather scattered pages?
//!
//! Asked in the server's network namespace, by a thread that enters it and ends.

use super::server::local_addresses;
use crate::net::ethtool;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// A network device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Scatter-gather, unless the device did not say.
    pub gathers: Option<bool>,
    /// Connections of the server have its address.
    pub serves: bool,
}

/// The devices of the namespace that a process is in.
///
/// # Errors
/// The namespace cannot be entered, or its devices not listed.
pub fn devices(pid: u32, port: u16) -> Result<Vec<Device>, String> {
    let addresses = local_addresses(pid, port);
    let path = format!("/proc/{pid}/ns/net");
    let there = std::fs::read_link(&path).map_err(|error| format!("readlink {path}: {error}"))?;
    let here = std::fs::read_link("/proc/self/ns/net").unwrap_or_default();
    if there == here {
        return list(&addresses);
    }
    let asked = std::thread::spawn(move || {
        let file = std::fs::File::open(&path).map_err(|error| format!("open {path}: {error}"))?;
        nix::sched::setns(file, nix::sched::CloneFlags::CLONE_NEWNET)
            .map_err(|errno| format!("setns {path}: {errno}"))?;
        list(&addresses)
    });
    asked.join().unwrap_or_else(|_| Err("the thread that asked for devices died".to_owned()))
}

fn list(addresses: &BTreeSet<IpAddr>) -> Result<Vec<Device>, String> {
    let all = nix::ifaddrs::getifaddrs().map_err(|errno| format!("getifaddrs: {errno}"))?;
    let mut devices: Vec<Device> = Vec::new();
    for one in all {
        let own = one.address.and_then(|address| {
            let four = address.as_sockaddr_in().map(|a| IpAddr::from(a.ip()));
            four.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::from(a.ip())))
        });
        let name = one.interface_name;
        let loopback = name == "lo" && addresses.iter().any(IpAddr::is_loopback);
        let serves = loopback || own.is_some_and(|own| addresses.contains(&own));
        match devices.iter_mut().find(|device| device.name == name) {
            Some(known) => known.serves |= serves,
            None => {
                let gathers = ethtool::get(&name, ethtool::SCATTER_GATHER).ok();
                devices.push(Device { name, gathers, serves });
            }
        }
    }
    Ok(devices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_gathers_and_serves_a_connection_to_it() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let devices = devices(std::process::id(), port).unwrap();
        drop(client);
        let lo = devices.iter().find(|device| device.name == "lo").unwrap();
        assert_eq!((lo.gathers, lo.serves), (Some(true), true));
    }
}
