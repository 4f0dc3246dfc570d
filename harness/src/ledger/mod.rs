//! What did the kernel do with the bytes?
//!
//! The parent of the trials holds the ledger: programs on tracepoints that walk every packet of a
//! trial's sockets down to the pages that its bytes lie in, and count calls, switches, faults and page
//! cache fills between two marker calls of the sender. Attached first, then armed, then the trial is
//! told to start; nothing is attached while anything is timed. [`judge`] sets what was counted against
//! what a strategy claims.

pub mod calibrate;
pub mod counts;
pub mod judge;
pub mod moves;
pub mod object;
pub mod profile;
pub mod symbols;

use aya::maps::{MapError, PerCpuValues};
use counts::{Counts, ENTRIES, Flow, ROLES};
use moves::Move;
use object::{Object, Unavailable};
use std::collections::BTreeMap;
use std::fs::File;
use std::time::Duration;

/// `struct settings` as words: armed, live, window, learner, port.
type Settings = [u32; 5];

/// Whose work is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// The sender's process.
    pub sender: u32,
    /// The receiver's process; none for files and `/dev/null`.
    pub receiver: Option<u32>,
    /// Local and remote port of each of the sender's connections.
    pub ports: Vec<(u16, u16)>,
}

/// The ledger: programs, maps, and the log whose mappings it has learnt.
pub struct Ledger {
    object: Object,
    /// Kept open, so that no mapping that was learnt becomes another file's.
    files: Vec<File>,
}

impl Ledger {
    /// Loads what this kernel takes; nothing is attached yet.
    ///
    /// # Errors
    /// Why the kernel takes nothing.
    pub fn load() -> Result<Ledger, Unavailable> {
        Ok(Ledger { object: Object::load()?, files: Vec::new() })
    }

    /// What this kernel cannot show, and why, by purpose.
    #[must_use]
    pub fn gaps(&self) -> &BTreeMap<&'static str, String> {
        self.object.gaps()
    }

    /// Attaches the programs. When this returns, events are seen.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn attach(&mut self) -> Result<(), Unavailable> {
        self.object.attach()
    }

    /// Attaches those that say something of a server that is watched.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn attach_to_watch(&mut self) -> Result<(), Unavailable> {
        self.object.attach_without(&[
            "learn_read",
            "learn_touch",
            "cache_evict",
            "fault_user",
            "fault_kernel",
        ])
    }

    /// Detaches them.
    pub fn detach(&mut self) {
        self.object.detach();
    }

    /// Forgets what was counted and waits for the sender's first marker call.
    ///
    /// # Errors
    /// A map that cannot be written.
    pub fn arm(&mut self, who: &Watched) -> Result<(), Unavailable> {
        self.arm_maps(who).map_err(|error| Unavailable::of("bpf(BPF_MAP_UPDATE_ELEM)", &error))
    }

    fn arm_maps(&mut self, who: &Watched) -> Result<(), MapError> {
        self.set([0; 5])?;
        self.clear::<[u64; 2], [u64; 4]>("flows")?;
        self.clear::<[u32; 2], u64>("syscalls")?;
        self.clear::<[u8; 8], [u64; 2]>("moves")?;
        self.clear::<[u64; 2], u64>("files")?;
        self.clear::<u32, [u64; 2]>("devices")?;
        self.clear::<u32, [u8; 8]>("pending")?;
        self.clear::<[u64; 2], u32>("seen")?;
        self.clear::<u32, u32>("tasks")?;
        self.clear::<u32, u32>("ports")?;
        let cpus = aya::util::nr_cpus().map_err(|(_, error)| MapError::IoError(error))?;
        let mut counts = self.object.per_cpu::<u64>("counts")?;
        for index in 0..ENTRIES as u32 {
            let zeros = PerCpuValues::try_from(vec![0u64; cpus]).map_err(MapError::IoError)?;
            counts.set(index, zeros, 0)?;
        }
        let mut tasks = self.object.hash::<u32, u32>("tasks")?;
        tasks.insert(who.sender, role("sender"), 0)?;
        if let Some(receiver) = who.receiver {
            tasks.insert(receiver, role("receiver"), 0)?;
        }
        let mut ports = self.object.hash::<u32, u32>("ports")?;
        for &(local, remote) in &who.ports {
            ports.insert(u32::from(local) << 16 | u32::from(remote), 1, 0)?;
        }
        self.set([1, 0, 0, 0, 0])
    }

    /// Counts what leaves a port from now on, and what these processes do. The programs were just
    /// loaded: nothing was counted before.
    ///
    /// # Errors
    /// A map that cannot be written.
    pub fn watch(&mut self, port: u16, processes: &[u32]) -> Result<(), Unavailable> {
        self.follow(processes)?;
        let set = self.set([1, 1, 1, 0, u32::from(port)]);
        set.map_err(|error| Unavailable::of("bpf(BPF_MAP_UPDATE_ELEM)", &error))
    }

    /// Counts what these processes do, too.
    ///
    /// # Errors
    /// A map that cannot be written.
    pub fn follow(&mut self, processes: &[u32]) -> Result<(), Unavailable> {
        let sender = role("sender");
        let mut insert = || -> Result<(), MapError> {
            let mut tasks = self.object.hash::<u32, u32>("tasks")?;
            processes.iter().try_for_each(|process| tasks.insert(process, sender, 0))
        };
        insert().map_err(|error| Unavailable::of("bpf(BPF_MAP_UPDATE_ELEM)", &error))
    }

    /// What was counted so far, without connections; counting goes on.
    ///
    /// # Errors
    /// A map that cannot be read.
    pub fn so_far(&mut self) -> Result<Counts, Unavailable> {
        self.tables().map_err(|error| Unavailable::of("bpf(BPF_MAP_LOOKUP_ELEM)", &error))
    }

    /// What each program cost so far, by name: runs, and the time that they took. All zero unless the
    /// kernel was asked to take that time.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn cost(&mut self) -> Result<BTreeMap<&'static str, (u64, Duration)>, Unavailable> {
        self.object.cost()
    }

    /// Stops counting; what was counted.
    ///
    /// # Errors
    /// A map that cannot be read.
    pub fn read(&mut self) -> Result<Counts, Unavailable> {
        self.read_maps().map_err(|error| Unavailable::of("bpf(BPF_MAP_LOOKUP_ELEM)", &error))
    }

    fn read_maps(&mut self) -> Result<Counts, MapError> {
        self.set([0; 5])?;
        let mut counts = self.tables()?;
        for ([_, ports], [_, _, sent_bytes, wire_bytes]) in
            self.entries::<[u64; 2], [u64; 4]>("flows")?
        {
            counts.flows.push(Flow { ports: ports as u32, sent_bytes, wire_bytes });
        }
        Ok(counts)
    }

    /// Everything but the flows: those maps lose no entry, so they can be read while they are written.
    fn tables(&mut self) -> Result<Counts, MapError> {
        let counts = self.object.per_cpu::<u64>("counts")?;
        let mut values = Vec::with_capacity(ENTRIES);
        for index in 0..ENTRIES as u32 {
            values.push(counts.get(&index, 0)?.iter().sum());
        }
        let mut counts = Counts::of(&values);
        for entry in self.entries::<[u32; 2], u64>("syscalls")? {
            let ([role, id], count) = entry;
            let role = ROLES.get(role as usize).copied().unwrap_or("none");
            counts.syscalls.insert((role, counts::syscall_name(id)), count);
        }
        for ([a, b, from, to, flags, ..], [calls, bytes]) in
            self.entries::<[u8; 8], [u64; 2]>("moves")?
        {
            let call = u16::from_ne_bytes([a, b]);
            counts.moves.push(Move::of(call, [from, to, flags], calls, bytes));
        }
        for (device, [_, bytes]) in self.entries::<u32, [u64; 2]>("devices")? {
            counts.device_reads.insert(device, bytes);
        }
        for ([inode, device], bytes) in self.entries::<[u64; 2], u64>("files")? {
            counts.files.insert((device as u32, inode), bytes);
        }
        Ok(counts)
    }

    fn set(&mut self, settings: Settings) -> Result<(), MapError> {
        self.object.array::<Settings>("settings")?.set(0, settings, 0)
    }

    fn entries<K: aya::Pod, V: aya::Pod>(&mut self, map: &str) -> Result<Vec<(K, V)>, MapError> {
        self.object.hash::<K, V>(map)?.iter().collect()
    }

    fn clear<K: aya::Pod, V: aya::Pod>(&mut self, map: &str) -> Result<(), MapError> {
        let mut map = self.object.hash::<K, V>(map)?;
        let keys: Vec<K> = map.keys().collect::<Result<_, _>>()?;
        for key in keys {
            match map.remove(&key) {
                // An evicting map may have dropped it already.
                Ok(()) | Err(MapError::KeyNotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The number of a role, as the programs know it.
fn role(name: &str) -> u32 {
    ROLES.iter().position(|role| *role == name).unwrap_or(0) as u32
}
