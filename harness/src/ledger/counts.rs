//! What did the programs count, as values?
//!
//! Nothing here knows a strategy or a claim. The layouts are those of `harness/bpf/maps.h`; a test
//! compares the lists.

use super::moves::{End, Move};
use std::collections::BTreeMap;

/// Payload bytes of packets by the memory that they lie in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Classes {
    /// Page cache of the log.
    pub log: u64,
    /// Page cache of another file.
    pub file: u64,
    /// Anonymous memory of a process.
    pub anon: u64,
    /// Pages that only the kernel has: bytes were copied (or transferred by a device) into them.
    pub private: u64,
    /// Memory of a device.
    pub device: u64,
    /// The packets' linear part: bytes were copied into it.
    pub linear: u64,
    /// Not looked at: in more chained packets than the walk follows.
    pub unwalked: u64,
}

impl Classes {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.values().iter().sum()
    }

    /// Bytes of page cache, the log's or another file's.
    #[must_use]
    pub fn page_cache(&self) -> u64 {
        self.log + self.file
    }

    /// Bytes in memory that somebody else may still change: shared, not copied.
    #[must_use]
    pub fn shared(&self) -> u64 {
        self.log + self.file + self.anon + self.device
    }

    fn values(&self) -> [u64; CLASSES.len()] {
        [self.log, self.file, self.anon, self.private, self.device, self.linear, self.unwalked]
    }

    fn of(values: &[u64]) -> Classes {
        let at = |index: usize| values.get(index).copied().unwrap_or(0);
        Classes {
            log: at(0),
            file: at(1),
            anon: at(2),
            private: at(3),
            device: at(4),
            linear: at(5),
            unwalked: at(6),
        }
    }
}

/// Names of the classes, in the order of `enum class`.
pub const CLASSES: [&str; 7] = ["log", "file", "anon", "private", "device", "linear", "unwalked"];

/// Stages at which packets are walked, in the order of `enum count`.
pub const STAGES: [&str; 3] = ["queued", "wire", "received"];

/// The single counters after them, in the order of `enum count`, as records name them.
pub const SINGLES: [&str; 15] = [
    "wire_packets",
    "wire_again_bytes",
    "wire_again_linear_bytes",
    "received_bytes",
    "received_visits",
    "sent_unix_bytes",
    "tcp_sends_plain",
    "tcp_sends_splice",
    "tcp_sends_zerocopy",
    "cache_fill_bytes",
    "cache_evict_bytes",
    "faults_user",
    "faults_kernel",
    "uring_submitted",
    "device_write_bytes",
];

/// Whose switches and system calls are counted, in the order of `enum role`.
pub const ROLES: [&str; 5] = ["none", "sender", "receiver", "io-worker", "sq-thread"];

/// Number of entries of the map `counts`.
pub const ENTRIES: usize = STAGES.len() * CLASSES.len() + SINGLES.len() + 1 + 2 * ROLES.len() + 2;

/// One direction of one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Local port << 16 | remote port.
    pub ports: u32,
    /// What the socket accepted (`sock_send_length`).
    pub sent_bytes: u64,
    /// What was transmitted, each sequence range once.
    pub wire_bytes: u64,
}

/// Everything that was counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// Packets as the protocol queued them.
    pub queued: Classes,
    /// Packets as the driver was given them.
    pub wire: Classes,
    /// Packets as the receiver copied from them, each packet once.
    pub received: Classes,
    /// The single counters by name: [`SINGLES`], `uring_punted`, `windows`, `lost`.
    pub singles: BTreeMap<&'static str, u64>,
    /// Context switches by role: voluntary, involuntary.
    pub switches: BTreeMap<&'static str, (u64, u64)>,
    /// System calls by role and name.
    pub syscalls: BTreeMap<(&'static str, String), u64>,
    /// Calls and requests that moved bytes.
    pub moves: Vec<Move>,
    /// Connections.
    pub flows: Vec<Flow>,
    /// Bytes that were asked of block devices for reading, by `dev_t` of the kernel.
    pub device_reads: BTreeMap<u32, u64>,
    /// Wire bytes of page cache by (device, inode); filled in while watching.
    pub files: BTreeMap<(u32, u64), u64>,
}

impl Counts {
    /// The map `counts`, summed over CPUs; the other parts stay empty.
    #[must_use]
    pub fn of(values: &[u64]) -> Counts {
        let width = CLASSES.len();
        let stage = |n: usize| Classes::of(values.get(n * width..).unwrap_or_default());
        let mut rest = values.iter().copied().skip(STAGES.len() * width);
        let mut singles = BTreeMap::new();
        for name in SINGLES.into_iter().chain(["uring_punted"]) {
            singles.insert(name, rest.next().unwrap_or(0));
        }
        let mut switches = BTreeMap::new();
        for role in ROLES {
            switches.insert(role, (rest.next().unwrap_or(0), rest.next().unwrap_or(0)));
        }
        switches.remove("none");
        for name in ["windows", "lost"] {
            singles.insert(name, rest.next().unwrap_or(0));
        }
        let (queued, wire, received) = (stage(0), stage(1), stage(2));
        Counts { queued, wire, received, singles, switches, ..Counts::default() }
    }

    /// The values that [`Counts::of`] takes.
    #[must_use]
    pub fn flat(&self) -> Vec<u64> {
        let stages = [self.queued, self.wire, self.received];
        let mut flat: Vec<u64> = stages.iter().flat_map(Classes::values).collect();
        flat.extend(SINGLES.iter().map(|name| self.single(name)));
        flat.push(self.single("uring_punted"));
        for role in ROLES {
            let (voluntary, involuntary) = self.switches.get(role).copied().unwrap_or_default();
            flat.extend([voluntary, involuntary]);
        }
        flat.extend(["windows", "lost"].map(|name| self.single(name)));
        flat
    }

    /// A single counter.
    #[must_use]
    pub fn single(&self, name: &str) -> u64 {
        self.singles.get(name).copied().unwrap_or(0)
    }

    /// Bytes of the moves that a predicate takes.
    pub fn moved(&self, takes: impl Fn(&Move) -> bool) -> u64 {
        self.moves.iter().filter(|one| takes(one)).map(|one| one.bytes).sum()
    }

    /// Bytes of splicing calls that ended at such an end.
    #[must_use]
    pub fn spliced_to(&self, end: End) -> u64 {
        self.moved(|one| one.to == end && one.call.splices())
    }

    /// System calls of a role by name.
    #[must_use]
    pub fn calls_of(&self, role: &str) -> BTreeMap<String, u64> {
        let own = self.syscalls.iter().filter(|((of, _), _)| *of == role);
        own.map(|((_, name), count)| (name.clone(), *count)).collect()
    }

    /// System calls of a role.
    #[must_use]
    pub fn syscalls_of(&self, role: &str) -> u64 {
        self.syscalls.iter().filter(|((of, _), _)| *of == role).map(|(_, count)| count).sum()
    }

    /// [`raw`](Self::raw) of a cell whose measured process is this side: the programs know only that
    /// it is the one that is measured, and call it the sender.
    #[must_use]
    pub fn raw_of(&self, side: &str) -> BTreeMap<String, u64> {
        let renamed = |name: String| match name.strip_prefix("sender_") {
            Some(rest) => format!("{side}_{rest}"),
            None => name,
        };
        self.raw().into_iter().map(|(name, count)| (renamed(name), count)).collect()
    }

    /// Everything as integers by name, for the record.
    #[must_use]
    pub fn raw(&self) -> BTreeMap<String, u64> {
        let mut raw = BTreeMap::new();
        let stages = [self.queued, self.wire, self.received];
        for (stage, classes) in STAGES.into_iter().zip(stages) {
            for (class, bytes) in CLASSES.into_iter().zip(classes.values()) {
                raw.insert(format!("{stage}_{class}_bytes"), bytes);
            }
        }
        raw.extend(self.singles.iter().map(|(name, count)| ((*name).to_owned(), *count)));
        for (role, (voluntary, involuntary)) in &self.switches {
            let role = role.replace('-', "_");
            raw.insert(format!("{role}_voluntary_switches"), *voluntary);
            raw.insert(format!("{role}_involuntary_switches"), *involuntary);
        }
        for one in &self.moves {
            let name = one.name();
            *raw.entry(format!("{name}_bytes")).or_default() += one.bytes;
            *raw.entry(format!("{name}_calls")).or_default() += one.calls;
        }
        let sum = |of: fn(&Flow) -> u64| self.flows.iter().map(of).sum();
        raw.insert("sent_tcp_bytes".to_owned(), sum(|flow| flow.sent_bytes));
        let device: u64 = self.device_reads.values().sum();
        // What neither filled the log's pages nor was read past them was read for somebody else.
        let own = self.single("cache_fill_bytes") + self.moved(|one| one.direct);
        raw.insert("device_read_bytes".to_owned(), device);
        raw.insert("device_other_bytes".to_owned(), device.saturating_sub(own));
        raw.retain(|_, count| *count > 0);
        raw
    }
}

/// The name of a system call of this architecture.
#[must_use]
pub fn syscall_name(id: u32) -> String {
    match syscalls::Sysno::new(id as usize) {
        Some(call) => call.name().to_owned(),
        None => format!("syscall-{id}"),
    }
}
