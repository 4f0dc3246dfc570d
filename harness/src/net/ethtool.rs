//! What does a network device do for the kernel, and how is that changed?
//!
//! By the ioctl `SIOCETHTOOL` on any socket of the device's network namespace (`linux/ethtool.h`),
//! the call behind `ethtool -k` and `-K`.

use nix::errno::Errno;
use std::os::fd::{AsRawFd, OwnedFd};

/// One of the device's offloads, and the commands that read and set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offload {
    /// Its name in records.
    pub name: &'static str,
    /// The command that sets it, as errors name it.
    pub call: &'static str,
    get: u32,
    set: u32,
}

/// The device gathers a packet from fragments (`ETHTOOL_GSG`, `ETHTOOL_SSG`).
pub const SCATTER_GATHER: Offload = Offload {
    name: "scatter_gather",
    call: "ioctl(SIOCETHTOOL, ETHTOOL_SSG)",
    get: 0x18,
    set: 0x19,
};
/// The device fills in checksums (`ETHTOOL_GTXCSUM`, `ETHTOOL_STXCSUM`).
pub const TX_CHECKSUM: Offload = Offload {
    name: "tx_checksum",
    call: "ioctl(SIOCETHTOOL, ETHTOOL_STXCSUM)",
    get: 0x16,
    set: 0x17,
};
/// The device cuts large TCP packets (`ETHTOOL_GTSO`, `ETHTOOL_STSO`).
pub const TCP_SEGMENTATION: Offload = Offload {
    name: "tcp_segmentation",
    call: "ioctl(SIOCETHTOOL, ETHTOOL_STSO)",
    get: 0x1e,
    set: 0x1f,
};
/// The kernel cuts large packets for the device, just before it (`ETHTOOL_GGSO`, `ETHTOOL_SGSO`).
pub const GENERIC_SEGMENTATION: Offload = Offload {
    name: "generic_segmentation",
    call: "ioctl(SIOCETHTOOL, ETHTOOL_SGSO)",
    get: 0x23,
    set: 0x24,
};
/// The kernel joins received packets (`ETHTOOL_GGRO`, `ETHTOOL_SGRO`).
pub const GENERIC_RECEIVE: Offload = Offload {
    name: "generic_receive",
    call: "ioctl(SIOCETHTOOL, ETHTOOL_SGRO)",
    get: 0x2b,
    set: 0x2c,
};

/// All of them, in the order in which records have them.
pub const OFFLOADS: [Offload; 5] =
    [SCATTER_GATHER, TX_CHECKSUM, TCP_SEGMENTATION, GENERIC_SEGMENTATION, GENERIC_RECEIVE];

/// A socket to ask about devices by. It is not bound, since a new namespace's loopback is down.
///
/// # Errors
/// What the kernel said.
pub(crate) fn control_socket() -> Result<OwnedFd, Errno> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
}

/// Reads an offload of a device back.
///
/// # Errors
/// What the kernel said.
pub fn get(device: &str, offload: Offload) -> Result<bool, Errno> {
    command(device, [offload.get, 0]).map(|value| value != 0)
}

/// Sets an offload of a device. What the kernel made of it has to be read back: some need others.
///
/// # Errors
/// What the kernel said.
pub fn set(device: &str, offload: Offload, on: bool) -> Result<(), Errno> {
    command(device, [offload.set, u32::from(on)]).map(drop)
}

/// Gives a command with its value; the value after it.
fn command(device: &str, mut value: [u32; 2]) -> Result<u32, Errno> {
    #[repr(C)]
    struct Request {
        name: [u8; libc::IFNAMSIZ],
        data: *mut [u32; 2],
        // The rest of union ifr_ifru.
        room: [u8; 16],
    }
    const SIOCETHTOOL: libc::c_ulong = 0x8946;
    let socket = control_socket()?;
    let mut request = Request { name: [0; libc::IFNAMSIZ], data: &raw mut value, room: [0; 16] };
    for (to, from) in request.name.iter_mut().zip(device.bytes().take(libc::IFNAMSIZ - 1)) {
        *to = from;
    }
    // SAFETY: `request` is a struct ifreq whose data pointer leads to a struct ethtool_value (two u32);
    // both live on this stack frame and the kernel uses them only during the call.
    let answer = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL as _, &raw mut request) };
    Errno::result(answer).map(|_| value[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_gathers_and_needs_no_checksum() {
        assert_eq!(get("lo", SCATTER_GATHER), Ok(true));
        assert_eq!(get("lo", TX_CHECKSUM), Ok(true));
        assert_eq!(get("no-such-device", SCATTER_GATHER), Err(Errno::ENODEV));
    }
}
