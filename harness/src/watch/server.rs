//! Who serves a port, and what do they look like from outside?
//!
//! A listening socket has an inode in `/proc/net/tcp` and `/proc/net/tcp6` of its network namespace;
//! the processes that hold it have a descriptor `socket:[inode]`. All of them are the server: workers
//! inherit the socket of the process that started them.

use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A process of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// When it started, in clock ticks since boot: a later process with its number started later.
    pub started: u64,
}

/// Those who serve a port.
#[derive(Clone, Debug, Default)]
pub struct Server {
    /// Those that are watched.
    pub processes: Vec<Process>,
    /// Others that listen on the port.
    pub others: Vec<Process>,
    /// Users of listening sockets whose processes cannot be looked into.
    pub hidden: BTreeSet<u32>,
    /// Whether anybody listens at all.
    pub listens: bool,
}

/// Sockets that listen on a port, as (inode, user), from a table such as `/proc/net/tcp`.
fn listening(table: &str, port: u16) -> Vec<(u64, u32)> {
    let row = |line: &str| -> Option<(u64, u32)> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, local) = fields.get(1)?.rsplit_once(':')?;
        let here = u16::from_str_radix(local, 16).ok()? == port && *fields.get(3)? == "0A";
        here.then_some(())?;
        Some((fields.get(9)?.parse().ok()?, fields.get(7)?.parse().ok()?))
    };
    table.lines().filter_map(row).collect()
}

/// Local addresses of connections of a port, from the same tables: IPv4 ones, mapped ones as IPv4.
pub fn local_addresses(pid: u32, port: u16) -> BTreeSet<std::net::IpAddr> {
    let mut found = BTreeSet::new();
    for table in ["tcp", "tcp6"] {
        let text = std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        found.extend(text.lines().filter_map(|line| connected(line, port)));
    }
    found
}

/// The local address of an established connection of a port.
fn connected(line: &str, port: u16) -> Option<std::net::IpAddr> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (address, local) = fields.get(1)?.rsplit_once(':')?;
    let here = u16::from_str_radix(local, 16).ok()? == port && *fields.get(3)? == "01";
    here.then_some(())?;
    // Words of 32 bits, each as this machine orders its bytes.
    let mut bytes = Vec::new();
    for at in (0..address.len()).step_by(8) {
        let word = u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    match (<[u8; 4]>::try_from(&bytes[..]), <[u8; 16]>::try_from(&bytes[..])) {
        (Ok(four), _) => Some(four.into()),
        (_, Ok(sixteen)) => Some(std::net::Ipv6Addr::from(sixteen).to_canonical()),
        _ => None,
    }
}

/// Numbers of all processes.
fn pids() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Sockets that listen on a port in any network namespace that can be seen, with their users.
fn all_listening(port: u16) -> BTreeMap<u64, u32> {
    let mut namespaces = BTreeSet::new();
    let mut found = BTreeMap::new();
    for pid in std::iter::once("self".to_owned()).chain(pids().iter().map(u32::to_string)) {
        let Ok(namespace) = std::fs::read_link(format!("/proc/{pid}/ns/net")) else { continue };
        if namespaces.insert(namespace) {
            for table in ["tcp", "tcp6"] {
                let text = std::fs::read_to_string(format!("/proc/{pid}/net/{table}"));
                found.extend(listening(&text.unwrap_or_default(), port));
            }
        }
    }
    found
}

/// The inodes of sockets that a process has descriptors of.
fn sockets(pid: u32) -> Vec<u64> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let inode = |link: std::path::PathBuf| {
        link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    entries.filter_map(|entry| inode(std::fs::read_link(entry.path()).ok()?)).collect()
}

/// A field of `/proc/<pid>/stat`, counted as proc(5) does; the name before it may contain anything.
fn stat(pid: u32, field: usize) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    // A dead process that nobody has waited for yet serves nobody.
    (!rest.trim_start().starts_with(['Z', 'X'])).then_some(())?;
    rest.split_whitespace().nth(field.checked_sub(3)?)?.parse().ok()
}

/// A process, unless it is gone.
#[must_use]
pub fn process(pid: u32) -> Option<Process> {
    let started = stat(pid, 22)?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(Process { pid, name: name.trim().to_owned(), started })
}

impl Process {
    /// Whether it still runs.
    #[must_use]
    pub fn lives(&self) -> bool {
        stat(self.pid, 22) == Some(self.started)
    }

    /// Its CPU time so far, in nanoseconds.
    #[must_use]
    pub fn cpu_ns(&self) -> Option<u64> {
        let clock = clock_getcpuclockid(Pid::from_raw(self.pid as i32)).ok()?;
        let time = clock_gettime(clock).ok()?;
        Some(time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64)
    }

    /// Bytes that it asked of block devices for reading so far.
    #[must_use]
    pub fn read_bytes(&self) -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/io", self.pid)).ok()?;
        text.lines().find_map(|line| line.strip_prefix("read_bytes: "))?.parse().ok()
    }

    /// Whether a process is this one or descends from it.
    fn begot(&self, mut pid: u32) -> bool {
        for _ in 0..64 {
            if pid == self.pid {
                return true;
            }
            match stat(pid, 4) {
                Some(parent) if parent > 1 => pid = parent as u32,
                _ => return false,
            }
        }
        false
    }
}

/// Those who serve a port; of them, with a process, that one and its children.
#[must_use]
pub fn find(port: u16, only: Option<&Process>) -> Server {
    let listening = all_listening(port);
    let mut server = Server { listens: !listening.is_empty(), ..Server::default() };
    if listening.is_empty() {
        return server;
    }
    let mut held = BTreeSet::new();
    let mut holders: Vec<Process> = Vec::new();
    for pid in pids() {
        let own: Vec<u64> =
            sockets(pid).into_iter().filter(|inode| listening.contains_key(inode)).collect();
        if !own.is_empty() {
            holders.extend(process(pid));
            held.extend(own);
        }
    }
    // A service manager that made the socket holds it, too, and serves nobody.
    if holders.len() > 1 {
        holders.retain(|process| process.pid != 1);
    }
    let hidden = listening.iter().filter(|(inode, _)| !held.contains(inode));
    server.hidden = hidden.map(|(_, user)| *user).collect();
    (server.processes, server.others) =
        holders.into_iter().partition(|holder| only.is_none_or(|only| only.begot(holder.pid)));
    server
}

/// A line of `/proc/<pid>/maps` as (device as the kernel has it, inode, executable, path).
pub(super) fn mapped(line: &str) -> Option<(u32, u64, bool, &str)> {
    let mut fields = line.split_ascii_whitespace();
    let (_, rights, _) = (fields.next()?, fields.next()?, fields.next()?);
    let (major, minor) = fields.next()?.split_once(':')?;
    let hex = |text| u32::from_str_radix(text, 16).ok();
    let device = hex(major)? << 20 | hex(minor)?;
    let inode: u64 = fields.next()?.parse().ok()?;
    let path = &line[line.find('/')?..];
    (inode != 0).then_some((device, inode, rights.contains('x'), path))
}

/// What a diagnosis may point to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    /// A TLS library that a process maps.
    pub tls_library: Option<String>,
    /// Distinct files below the folder that was named which processes map.
    pub mapped_files: usize,
    /// Connections whose sending side kernel TLS encrypts in software now, on the whole host.
    pub kernel_tls: u64,
}

/// Looks at the processes' mappings.
#[must_use]
pub fn traits(processes: &[Process], dir: Option<&Path>) -> Traits {
    let mut traits = Traits::default();
    let mut files = BTreeSet::new();
    for process in processes {
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", process.pid));
        for line in maps.unwrap_or_default().lines() {
            let Some((device, inode, _, path)) = mapped(line) else { continue };
            let name = Path::new(path).file_name().and_then(|name| name.to_str());
            let name = name.unwrap_or_default();
            if ["libssl", "libgnutls", "libboringssl"].iter().any(|lib| name.starts_with(lib)) {
                traits.tls_library.get_or_insert_with(|| name.to_owned());
            }
            if dir.is_some_and(|dir| Path::new(path).starts_with(dir)) {
                files.insert((device, inode));
            }
        }
    }
    traits.mapped_files = files.len();
    let tls = std::fs::read_to_string("/proc/net/tls_stat").unwrap_or_default();
    let now = |line: &str| line.strip_prefix("TlsCurrTxSw")?.trim().parse().ok();
    traits.kernel_tls = tls.lines().find_map(now).unwrap_or(0);
    traits
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2384 00000000:0000 0A 0:0 0:0 0  1000        0 4711 1
   1: 0100007F:2384 0100007F:A1B2 01 0:0 0:0 0  1000        0 4712 1
   2: 00000000:0016 00000000:0000 0A 0:0 0:0 0     0        0 4713 1";

    #[test]
    fn listeners_are_told_from_connections_and_other_ports() {
        assert_eq!(listening(TABLE, 0x2384), [(4711, 1000)]);
        assert_eq!(listening(TABLE, 22), [(4713, 0)]);
        assert_eq!(listening(TABLE, 80), []);
    }

    #[test]
    fn addresses_of_connections_are_read_in_both_families() {
        let found: Vec<_> = TABLE.lines().filter_map(|line| connected(line, 0x2384)).collect();
        assert_eq!(found, ["127.0.0.1".parse::<std::net::IpAddr>().unwrap()]);
        let six = "0: 0000000000000000FFFF00000100007F:2384 0:1 01 0:0 0:0 0 0 0 1";
        assert_eq!(connected(six, 0x2384), Some("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn mappings_name_device_inode_and_path() {
        let line = "7f1c-7f1d r--s 00000000 fe:00 1234      /var/log/a b.log";
        assert_eq!(mapped(line), Some((0xfe << 20, 1234, false, "/var/log/a b.log")));
        assert_eq!(mapped("7ffd-7ffe rw-p 00000000 00:00 0   [stack]"), None);
    }

    #[test]
    fn a_listener_of_this_process_is_found_and_serves_alone() {
        let socket = std::net::TcpListener::bind("[::1]:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let server = find(port, None);
        let own = std::process::id();
        assert!(server.listens && server.processes.iter().any(|process| process.pid == own));
        let me = process(own).unwrap();
        assert!(me.lives() && me.cpu_ns().unwrap() > 0);
        assert!(!Process { started: me.started + 1, ..me.clone() }.lives());
        assert!(find(port, Some(&me)).processes.contains(&me));
        drop(socket);
        assert!(!find(port, None).processes.contains(&me));
    }
}
