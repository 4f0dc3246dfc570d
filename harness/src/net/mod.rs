//! How does one machine come to have two hosts, and what joins them?
//!
//! A host is a network namespace without a name: it lives as long as a process, a thread or a
//! descriptor is in it, so that nothing has to be removed and nothing is left behind, however its
//! processes end. A thread enters one host after the other; what it started on the way stays where it
//! was. Then both are joined by a veth pair, whose ends are the hosts' only devices: what is put into
//! one comes out of the other (veth(4), `drivers/net/veth.c`).
//!
//! Everything is asked for by calls; no program of the machine's is run. Where a namespace is refused
//! to an unprivileged user, one of users is made around it, in which this user has the privilege and
//! keeps the own number (user_namespaces(7)); what was done is told.

pub mod ethtool;
pub mod netlink;

use ethtool::Offload;
use netlink::{Message, Netlink, attribute, i32_at};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// The hosts' addresses: of the block that RFC 5737 keeps for examples, which nobody routes.
pub const NEAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The other one.
pub const FAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const PREFIX_BITS: u8 = 30;

/// The device of the host from which the thread sends, and the other host's.
pub const NEAR_DEVICE: &str = "zclab-near";
const FAR_DEVICE: &str = "zclab-far";

/// A pair that is not ready to transmit after so long will never be.
const CARRIER: Duration = Duration::from_secs(5);

/// Where the payload of an answer about a device begins: behind `struct ifinfomsg`.
const LINK_BYTES: usize = 16;

/// What the pair's near end is to be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The device gathers packets from fragments.
    pub scatter_gather: bool,
    /// The device fills in checksums.
    pub checksum: bool,
    /// Large TCP packets are cut by or just before the device (TSO, GSO).
    pub segmentation: bool,
    /// Bytes of a packet without its Ethernet header, at both ends.
    pub mtu_bytes: u32,
    /// Bytes that leave in a second at most (a token bucket); 0: no bound.
    pub bandwidth_bytes: u64,
}

/// As the kernel makes a pair.
impl Default for Link {
    fn default() -> Link {
        let (scatter_gather, checksum, segmentation) = (true, true, true);
        Link { scatter_gather, checksum, segmentation, mtu_bytes: 1500, bandwidth_bytes: 0 }
    }
}

/// Why there are no two hosts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{call}: {errno}{}{hint}", if hint.is_empty() { "" } else { ": " })]
pub struct Refused {
    /// The call.
    pub call: String,
    /// What the kernel said.
    pub errno: Errno,
    /// What would help, or nothing.
    pub hint: String,
    /// It is a privilege that is missing.
    pub privilege: bool,
}

fn refused(call: &str, hint: &str) -> impl FnOnce(Errno) -> Refused {
    let (call, hint) = (call.to_owned(), hint.to_owned());
    move |errno| Refused { call, errno, hint, privilege: errno == Errno::EPERM }
}

/// A network namespace of our own, and a socket to its devices.
pub struct Host {
    netlink: Netlink,
    namespace: File,
    /// A namespace of users had to be made around it.
    pub in_user_namespace: bool,
}

impl Host {
    /// Makes a host and moves this thread to it. Processes and sockets that are there already stay
    /// where they are. Without the privilege this works only in a process of one thread.
    ///
    /// # Errors
    /// The refused call, and what would help.
    pub fn enter() -> Result<Host, Refused> {
        let in_user_namespace = match unshare(CloneFlags::CLONE_NEWNET) {
            Ok(()) => false,
            Err(Errno::EPERM) => enter_with_users().map(|()| true)?,
            Err(errno) => return Err(no_namespace("unshare(CLONE_NEWNET)", errno)),
        };
        let path = "/proc/thread-self/ns/net";
        let namespace = File::open(path).map_err(|error| {
            refused(&format!("open {path}"), "")(zclab_strategies::sys::errno_of(error))
        })?;
        let netlink = Netlink::open().map_err(refused("socket(NETLINK_ROUTE)", ""))?;
        Ok(Host { netlink, namespace, in_user_namespace })
    }

    /// Joins this host, where the thread is now, to another one; what the near device is like then.
    ///
    /// # Errors
    /// The refused call, or what the kernel did not take.
    pub fn join(&self, far: &Host, link: &Link) -> Result<BTreeMap<String, Value>, Refused> {
        self.make_pair(far, link)?;
        let near_index = self.device(NEAR_DEVICE)?.index;
        let far_index = far.device(FAR_DEVICE)?.index;
        for (offload, on) in wanted(link) {
            if ethtool::get(NEAR_DEVICE, offload) != Ok(on) {
                ethtool::set(NEAR_DEVICE, offload, on).map_err(refused(offload.call, ""))?;
            }
        }
        if link.bandwidth_bytes > 0 {
            let hint = "a kernel with CONFIG_NET_SCH_TBF (modprobe sch_tbf)";
            let call = "netlink(RTM_NEWQDISC, tbf)";
            let bucket = bucket(near_index, link.bandwidth_bytes);
            self.netlink.ask(bucket).map_err(refused(call, hint))?;
        }
        far.address(far_index, FAR)?;
        self.address(near_index, NEAR)?;
        far.up(far_index)?;
        self.up(near_index)?;
        far.wait_for(FAR_DEVICE)?;
        let device = self.wait_for(NEAR_DEVICE)?;
        read_back(link, &device, self.in_user_namespace || far.in_user_namespace)
    }

    fn make_pair(&self, far: &Host, link: &Link) -> Result<(), Refused> {
        let flags = libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
        let namespace = far.namespace.as_raw_fd() as u32;
        let peer = |message: Message| {
            message
                .raw(&[0; LINK_BYTES])
                .text(libc::IFLA_IFNAME, FAR_DEVICE)
                .number(libc::IFLA_MTU, link.mtu_bytes)
                .number(libc::IFLA_NET_NS_FD, namespace)
        };
        // VETH_INFO_PEER of linux/veth.h.
        let pair = Message::new(libc::RTM_NEWLINK, flags, &[0; LINK_BYTES])
            .text(libc::IFLA_IFNAME, NEAR_DEVICE)
            .number(libc::IFLA_MTU, link.mtu_bytes)
            .nest(libc::IFLA_LINKINFO, |info| {
                let info = info.text(libc::IFLA_INFO_KIND, "veth");
                info.nest(libc::IFLA_INFO_DATA, |data| data.nest(1, peer))
            });
        let hint = "a kernel with CONFIG_VETH (modprobe veth)";
        self.netlink.ask(pair).map(drop).map_err(refused("netlink(RTM_NEWLINK, veth)", hint))
    }

    fn address(&self, index: i32, address: Ipv4Addr) -> Result<(), Refused> {
        // struct ifaddrmsg: family, length of the prefix, flags, scope, device.
        let mut about = vec![libc::AF_INET as u8, PREFIX_BITS, 0, 0];
        about.extend(index.to_ne_bytes());
        let flags = libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
        let message = Message::new(libc::RTM_NEWADDR, flags, &about)
            .put(libc::IFA_LOCAL, &address.octets())
            .put(libc::IFA_ADDRESS, &address.octets());
        self.netlink.ask(message).map(drop).map_err(refused("netlink(RTM_NEWADDR)", ""))
    }

    fn up(&self, index: i32) -> Result<(), Refused> {
        let up = libc::IFF_UP as u32;
        let message = Message::new(libc::RTM_NEWLINK, libc::NLM_F_ACK, &ifinfo(index, up, up));
        self.netlink.ask(message).map(drop).map_err(refused("netlink(RTM_NEWLINK, IFF_UP)", ""))
    }

    /// Waits until a device's queue takes packets: the kernel makes it ready in a thread of its own,
    /// and until then drops what is sent, the beginning of a connection too.
    fn wait_for(&self, name: &str) -> Result<Device, Refused> {
        let deadline = Instant::now() + CARRIER;
        loop {
            let device = self.device(name)?;
            if device.ready {
                return Ok(device);
            }
            if Instant::now() > deadline {
                let hint = format!("{name} was not ready to transmit after {CARRIER:?}");
                return Err(refused("netlink(RTM_GETLINK)", &hint)(Errno::ETIMEDOUT));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn device(&self, name: &str) -> Result<Device, Refused> {
        let message = Message::new(libc::RTM_GETLINK, 0, &[0; LINK_BYTES]);
        let message = message.text(libc::IFLA_IFNAME, name);
        let answer = self.netlink.ask(message).map_err(refused("netlink(RTM_GETLINK)", name))?;
        Device::of(&answer).ok_or_else(|| refused("netlink(RTM_GETLINK)", name)(Errno::EPROTO))
    }
}

/// A device, as the kernel describes it.
struct Device {
    index: i32,
    mtu_bytes: u32,
    ready: bool,
    queue: String,
}

impl Device {
    fn of(answer: &[u8]) -> Option<Device> {
        let attributes = answer.get(LINK_BYTES..)?;
        let queue = attribute(attributes, libc::IFLA_QDISC).unwrap_or_default();
        let queue = String::from_utf8_lossy(queue).trim_end_matches('\0').to_owned();
        let state = attribute(attributes, libc::IFLA_OPERSTATE).unwrap_or_default();
        Some(Device {
            index: i32_at(answer, 4)?,
            mtu_bytes: i32_at(attribute(attributes, libc::IFLA_MTU)?, 0)? as u32,
            ready: state == [libc::IF_OPER_UP as u8] && queue != "noop",
            queue,
        })
    }
}

/// `struct ifinfomsg`: which device, and which of its flags are to be what.
fn ifinfo(index: i32, flags: u32, change: u32) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    bytes.extend(index.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(change.to_ne_bytes());
    bytes
}

/// A token bucket (tc-tbf(8)) as the root of a device's queue. It holds 10 ms of bytes, and at least two
/// of the largest packets, so that none has to be cut for it; 200 ms more may wait.
fn bucket(index: i32, bandwidth_bytes: u64) -> Message {
    const LARGEST_BYTES: u64 = 64 << 10;
    const ETHERNET: u8 = 1;
    let burst = (bandwidth_bytes / 100).clamp(2 * LARGEST_BYTES, 1 << 30) as u32;
    let limit = (u64::from(burst) + bandwidth_bytes / 5).min(1 << 30) as u32;
    let rate = bandwidth_bytes.min(u64::from(u32::MAX)) as u32;
    // struct tcmsg: family, device, handle 1:, parent (the root).
    let mut about = vec![0; 4];
    about.extend(index.to_ne_bytes());
    about.extend(0x0001_0000_u32.to_ne_bytes());
    about.extend(u32::MAX.to_ne_bytes());
    about.extend([0; 4]);
    // struct tc_tbf_qopt: two of struct tc_ratespec (cell, link layer, overhead, alignment, mpu, rate),
    // of which the second is for a peak rate; limit, buffer, mtu.
    let mut parameters = vec![0, ETHERNET, 0, 0, 0, 0, 0, 0];
    parameters.extend(rate.to_ne_bytes());
    parameters.extend([0; 12]);
    parameters.extend(limit.to_ne_bytes());
    parameters.extend([0; 8]);
    let flags = libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
    // TCA_TBF_PARMS, TCA_TBF_RATE64 and TCA_TBF_BURST of linux/pkt_sched.h.
    Message::new(libc::RTM_NEWQDISC, flags, &about).text(libc::TCA_KIND, "tbf").nest(
        libc::TCA_OPTIONS,
        |options| {
            let options = options.put(1, &parameters).number(6, burst);
            options.put(4, &bandwidth_bytes.to_ne_bytes())
        },
    )
}

/// The offloads that a link asks for. Off comes first: what needs the others goes off with them.
fn wanted(link: &Link) -> Vec<(Offload, bool)> {
    let mut wanted =
        vec![(ethtool::SCATTER_GATHER, link.scatter_gather), (ethtool::TX_CHECKSUM, link.checksum)];
    // Without the other two the kernel cuts packets itself, whatever is asked for.
    if !link.segmentation || (link.scatter_gather && link.checksum) {
        wanted.push((ethtool::TCP_SEGMENTATION, link.segmentation));
        wanted.push((ethtool::GENERIC_SEGMENTATION, link.segmentation));
    }
    wanted
}

/// What the near device is like, for the record.
///
/// # Errors
/// What is not as it was asked for.
fn read_back(
    link: &Link,
    device: &Device,
    in_user_namespace: bool,
) -> Result<BTreeMap<String, Value>, Refused> {
    let mut setup = BTreeMap::new();
    let hosts = match in_user_namespace {
        true => "two network namespaces in a user namespace, joined by veth",
        false => "two network namespaces, joined by veth",
    };
    setup.insert("hosts".to_owned(), json!(hosts));
    setup.insert("device".to_owned(), json!(NEAR_DEVICE));
    for offload in ethtool::OFFLOADS {
        let on = ethtool::get(NEAR_DEVICE, offload).map_err(refused(offload.call, ""))?;
        if let Some((_, asked)) = wanted(link).into_iter().find(|(one, _)| *one == offload)
            && on != asked
        {
            let word = |on| if on { "on" } else { "off" };
            let hint = format!("{} stayed {}", offload.name, word(on));
            return Err(refused(offload.call, &hint)(Errno::EOPNOTSUPP));
        }
        setup.insert(offload.name.to_owned(), json!(on));
    }
    if device.mtu_bytes != link.mtu_bytes {
        let hint = format!("the MTU is {}, not {}", device.mtu_bytes, link.mtu_bytes);
        return Err(refused("netlink(RTM_NEWLINK, IFLA_MTU)", &hint)(Errno::EINVAL));
    }
    setup.insert("mtu_bytes".to_owned(), json!(device.mtu_bytes));
    setup.insert("queue".to_owned(), json!(device.queue));
    if link.bandwidth_bytes > 0 {
        setup.insert("bandwidth_bytes_per_s".to_owned(), json!(link.bandwidth_bytes));
    }
    Ok(setup)
}

fn no_namespace(call: &str, errno: Errno) -> Refused {
    let hint = match errno {
        Errno::ENOSPC | Errno::EUSERS => {
            "more namespaces than the system allows (user.max_net_namespaces)"
        }
        Errno::EINVAL => "a kernel with CONFIG_NET_NS",
        _ => "",
    };
    refused(call, hint)(errno)
}

/// A namespace of users, in which this one keeps its number and may do what it wants to the network
/// that is made with it.
fn enter_with_users() -> Result<(), Refused> {
    const CALL: &str = "unshare(CLONE_NEWUSER | CLONE_NEWNET)";
    let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
    if let Err(errno) = unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET) {
        let hint = "so was unshare(CLONE_NEWNET), with EPERM; two hosts take CAP_SYS_ADMIN and \
                    CAP_NET_ADMIN: run as root, or allow user namespaces (`zclab doctor` names the \
                    setting)";
        let (call, hint) = (CALL.to_owned(), hint.to_owned());
        return Err(Refused { call, errno, hint, privilege: true });
    }
    for (file, text) in [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{user} {user} 1")),
        ("gid_map", format!("{group} {group} 1")),
    ] {
        let path = format!("/proc/self/{file}");
        std::fs::write(&path, text).map_err(|error| {
            let errno = zclab_strategies::sys::errno_of(error);
            Refused { privilege: true, ..refused(&format!("write {path}"), "run as root")(errno) }
        })?;
    }
    Ok(())
}
