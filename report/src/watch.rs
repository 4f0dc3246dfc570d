//! What did a running server do with the bytes that it sent?
//!
//! Plain values, filled in by whoever watched. They are what `zclab watch --json` prints, and what
//! the page shows. A share is one of the bytes on the wire; what was not seen is `None`, never 0, and
//! `gaps` says why.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A stretch of watching: an interval, or the whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    /// `interval`, or `watch` for the whole.
    pub kind: String,
    /// The server's port.
    pub port: u16,
    /// Who serves it.
    pub processes: Vec<Process>,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// How long this stretch was.
    pub duration_ns: u64,
    /// Of the whole, how it ended: `duration`, `interrupted`, `command`, `server gone`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// Payload that left the port, each sequence range once.
    pub wire_bytes: u64,
    /// Payload that was seen before: sent again, or the same below a bridge or bond.
    pub again_bytes: u64,
    /// Packets that it left in, before any device cut them.
    pub wire_packets: u64,
    /// Pages of the page cache, handed over by reference.
    pub reference_share: Option<f64>,
    /// Pages that only the kernel has: somebody copied bytes into them.
    pub copied_share: Option<f64>,
    /// Memory of a process, shared with the packets.
    pub user_share: Option<f64>,
    /// In the linear part of packets: copied there.
    pub linear_share: Option<f64>,
    /// Memory of a device, or not looked at.
    pub other_share: Option<f64>,
    /// Copied into the linear part between the protocol and the device.
    pub linearised_share: Option<f64>,
    /// Shared when they were sent, copied when a receiver on this host was handed them.
    pub deferred_share: Option<f64>,
    /// Pages of the page cache, as the protocol queued them: before any device made them linear.
    pub queued_reference_share: Option<f64>,
    /// Asked of block devices for reading, by anybody.
    pub device_read_bytes: Option<u64>,
    /// Of them, asked by the server's processes.
    pub server_read_bytes: Option<u64>,
    /// Brought into the page cache by the server's own reads and faults.
    pub cache_fill_bytes: Option<u64>,
    /// System calls of the server by name, for each MiB on the wire.
    pub syscalls_per_mib: Option<BTreeMap<String, f64>>,
    /// Times that the server gave up its CPU, for each MiB.
    pub voluntary_switches_per_mib: Option<f64>,
    /// Times that it lost its CPU, for each MiB.
    pub involuntary_switches_per_mib: Option<f64>,
    /// CPU time of the server's processes.
    pub server_cpu_ns: Option<u64>,
    /// Calls that sent to the port's sockets, most bytes first.
    pub sends: Vec<Transfer>,
    /// Calls that read files into the server's memory, most bytes first.
    pub reads: Vec<Transfer>,
    /// Files whose pages were on the wire, most bytes first.
    pub files: Vec<FileShare>,
    /// What all of it means, derived by rule.
    pub diagnosis: String,
    /// What was not seen, or holds only in part, and why.
    pub gaps: BTreeMap<String, String>,
    /// What the watching cost.
    pub overhead: Overhead,
}

/// A process of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its name.
    pub name: String,
}

/// Calls of one kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Transfer {
    /// Call, source, destination: `sendfile_file_socket`.
    pub name: String,
    /// Calls that returned bytes.
    pub calls: u64,
    /// The bytes that they returned.
    pub bytes: u64,
    /// The one divided by the other.
    pub bytes_per_call: f64,
}

/// A file whose pages were on the wire.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FileShare {
    /// Where it lies, if that was found.
    pub path: Option<String>,
    /// The kernel's own device number of its file system, `major:minor`.
    pub device: String,
    /// Its inode.
    pub inode: u64,
    /// Its bytes on the wire.
    pub bytes: u64,
    /// Their share.
    pub share: Option<f64>,
}

/// What the watching cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Overhead {
    /// Time of the programs in the kernel, on behalf of all processes of the machine.
    pub programs_ns: Option<u64>,
    /// That for each MiB on the wire.
    pub ns_per_mib: Option<f64>,
    /// That as a share of one CPU.
    pub cpu_share: Option<f64>,
    /// CPU time of the program that reads the counts.
    pub reader_cpu_ns: u64,
    /// Each program by name.
    pub programs: BTreeMap<String, Cost>,
    /// Why the kernel did not say, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
}

/// What one program cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// How often it ran.
    pub runs: u64,
    /// How long in all.
    pub ns: u64,
}

/// An interval, as a page draws it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moment {
    /// When it began, since the start of watching.
    pub at_ns: u64,
    /// How long it was.
    pub duration_ns: u64,
    /// Payload that left in it.
    pub wire_bytes: u64,
    /// Shares in the order of [`PARTS`].
    pub parts: [f64; PARTS.len()],
}

/// What became of the bytes, for tables, bars and legends: a short name, what it means, and the CSS
/// class that colours it.
pub const PARTS: [(&str, &str, &str); 5] = [
    ("page cache", "pages of files, handed over by reference", "reference"),
    ("user memory", "pages of a process, shared with the packets", "shared"),
    ("copied", "pages that only the kernel has: bytes were copied into them", "cpu-copy"),
    ("linear", "copied into the packets' linear part", "linear"),
    ("other", "memory of a device, or not looked at", "device"),
];

impl Watch {
    /// The shares in the order of [`PARTS`]; 0 where nothing was sent.
    #[must_use]
    pub fn parts(&self) -> [f64; PARTS.len()] {
        let all = [
            self.reference_share,
            self.user_share,
            self.copied_share,
            self.linear_share,
            self.other_share,
        ];
        all.map(|share| share.unwrap_or(0.0))
    }

    /// Names and numbers of the processes: `nginx (12, 13)`.
    #[must_use]
    pub fn who(&self) -> String {
        let mut names: Vec<(&str, Vec<String>)> = Vec::new();
        for process in &self.processes {
            match names.iter_mut().find(|(name, _)| *name == process.name) {
                Some((_, pids)) => pids.push(process.pid.to_string()),
                None => names.push((&process.name, vec![process.pid.to_string()])),
            }
        }
        let each: Vec<String> =
            names.iter().map(|(name, pids)| format!("{name} ({})", pids.join(", "))).collect();
        crate::format::list(&each)
    }

    /// Bytes for each second.
    #[must_use]
    pub fn bytes_per_second(&self) -> f64 {
        match self.duration_ns {
            0 => 0.0,
            ns => self.wire_bytes as f64 * 1e9 / ns as f64,
        }
    }

    /// CPU time of the server for each KiB on the wire.
    #[must_use]
    pub fn cpu_ns_per_kib(&self) -> Option<f64> {
        let ns = self.server_cpu_ns?;
        (self.wire_bytes > 0).then(|| ns as f64 * 1024.0 / self.wire_bytes as f64)
    }
}

/// A share in per cent: `99.9 %`; what is not all or nothing is never rounded to it.
#[must_use]
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        p if p > 0.0 && p < 0.05 => "< 0.1 %".to_owned(),
        p if (99.95..100.0).contains(&p) => "> 99.9 %".to_owned(),
        p => format!("{p:.1} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_not_rounded_to_all_or_nothing() {
        for (share, text) in [
            (0.0, "0.0 %"),
            (0.0001, "< 0.1 %"),
            (0.4996, "50.0 %"),
            (0.9987, "99.9 %"),
            (0.99999, "> 99.9 %"),
            (1.0, "100.0 %"),
        ] {
            assert_eq!(percent(share), text);
        }
    }

    #[test]
    fn processes_are_gathered_by_name() {
        let process = |pid, name: &str| Process { pid, name: name.to_owned() };
        let processes = vec![process(1, "nginx"), process(2, "nginx"), process(9, "java")];
        let watch = Watch { processes, ..Watch::default() };
        assert_eq!(watch.who(), "nginx (1, 2) and java (9)");
    }
}
