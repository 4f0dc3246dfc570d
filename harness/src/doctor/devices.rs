//! Would this namespace's network devices take pages as they are, or make the kernel copy them first?
//!
//! A device that cannot gather fragments, or cannot fill in checksums, makes the kernel put a
//! zero-copy send into one linear piece: a hidden copy. Devices and their settings are asked for by
//! calls that answer for the current network namespace (`if_nameindex`, `SIOCGIFMTU`, `SIOCETHTOOL`);
//! the files in sysfs answer for the namespace that sysfs was mounted in.

use super::{Capability, Found, refused};
use crate::net::ethtool::{self, Offload, control_socket};
use nix::errno::Errno;
use std::os::fd::AsRawFd;

/// From `linux/sockios.h`.
const SIOCGIFMTU: libc::c_ulong = 0x8921;

/// Offloads by the names that people know. The first two decide whether a copy is hidden.
const OFFLOADS: [(&str, Offload); 5] = [
    ("scatter-gather", ethtool::SCATTER_GATHER),
    ("tx-checksum", ethtool::TX_CHECKSUM),
    ("tso", ethtool::TCP_SEGMENTATION),
    ("gso", ethtool::GENERIC_SEGMENTATION),
    ("gro", ethtool::GENERIC_RECEIVE),
];

/// The MTU of a device.
fn mtu(device: &str) -> Result<i32, String> {
    let socket = control_socket().map_err(|errno| refused("socket(AF_INET)", errno))?;
    // SAFETY: struct ifreq is plain data for which all zeroes is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(device.bytes().take(libc::IFNAMSIZ - 1)) {
        *to = from as libc::c_char;
    }
    // SAFETY: `request` lives on this stack frame; the kernel reads the name in it and writes the MTU
    // to it during the call only.
    let answer = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCGIFMTU as _, &raw mut request) };
    Errno::result(answer).map_err(|errno| refused("ioctl(SIOCGIFMTU)", errno))?;
    // SAFETY: the call above has filled in this member of the union.
    Ok(unsafe { request.ifr_ifru.ifru_mtu })
}

fn device(name: &str) -> Found {
    let mut parts = Vec::new();
    let mut trouble = false;
    match mtu(name) {
        Ok(mtu) => parts.push(format!("mtu {mtu}")),
        Err(reason) => {
            trouble = true;
            parts.push(reason);
        }
    }
    let mut copies = Vec::new();
    for (index, (what, offload)) in OFFLOADS.iter().enumerate() {
        let word = match ethtool::get(name, *offload) {
            Ok(true) => "on",
            Ok(false) => {
                if index < 2 {
                    copies.push(*what);
                }
                "off"
            }
            Err(errno) => {
                trouble = true;
                let reason = refused("ioctl(SIOCETHTOOL)", errno);
                parts.push(format!("{what} unknown: {reason}"));
                continue;
            }
        };
        parts.push(format!("{what} {word}"));
    }
    let value = parts.join(", ");
    match (copies.is_empty(), trouble) {
        (true, false) => Found::Yes(value),
        (false, _) => Found::Partly(value, format!("sudo ethtool -K {name} sg on tx on")),
        (true, true) => Found::No(value, format!("see what says: ethtool -k {name}")),
    }
}

/// The rows of this group: one for each device.
#[must_use]
pub fn rows() -> Vec<Capability> {
    let enables = "sends by page reference over this device";
    let devices = match nix::net::if_::if_nameindex() {
        Ok(devices) => devices,
        Err(errno) => {
            let reason = refused("if_nameindex", errno);
            let how = "a kernel built with CONFIG_NET=y".to_owned();
            return vec![Capability::new("list", enables, Found::No(reason, how))];
        }
    };
    let names = devices.iter().map(|device| device.name().to_string_lossy().into_owned());
    names.map(|name| Capability::new(name.clone(), enables, device(&name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_takes_pages_as_they_are() {
        let Found::Yes(value) = device("lo") else { panic!("{:?}", device("lo")) };
        assert!(value.starts_with("mtu ") && value.contains("scatter-gather on"), "{value}");
    }

    #[test]
    fn a_device_that_is_gone_says_so() {
        let Found::No(value, how) = device("no-such-device") else { panic!("it is there") };
        assert!(value.contains("ioctl(SIOCGIFMTU): ENODEV"), "{value}");
        assert!(how.contains("no-such-device"), "{how}");
    }
}
