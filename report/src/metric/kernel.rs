//! What did the kernel do for each byte, or MiB, of a cell's payload?
//!
//! [`Witness`] lists what the kernel programs count during a cell's `counting` sample. What a kernel
//! has no program for is unavailable with the reason, and what was seen zero times is 0.

use super::Provenance;
use crate::record::Ledger;

const MIB: f64 = 1024.0 * 1024.0;

/// One quantity that the kernel programs observe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Witness {
    /// CPU copies on the measured side per byte.
    Copies,
    /// Payload in packets that lies in the log's page cache, per byte.
    WireLog,
    /// … in pages that only the kernel has.
    WirePrivate,
    /// … in the packets' linear part.
    WireLinear,
    /// … in other memory: another file's, a process's, a device's, or not looked at.
    WireOther,
    /// System calls of the measured side.
    Syscalls,
    /// Times it gave up its CPU.
    Voluntary,
    /// Times it lost its CPU.
    Involuntary,
    /// Its page faults in user mode.
    FaultsUser,
    /// Its page faults in kernel mode.
    FaultsKernel,
    /// Requests of io_uring.
    Submitted,
    /// Of them handed to workers.
    Punted,
    /// Pages of the log that came into the page cache, per byte.
    Fill,
}

/// Title, unit, key in exports, counters (added up), and the purposes without which they are blind.
struct Facts {
    title: &'static str,
    unit: &'static str,
    key: &'static str,
    counts: &'static [&'static str],
    purposes: &'static [&'static str],
}

impl Witness {
    /// All, in the order of tables and exports.
    pub const ALL: [Witness; 13] = [
        Witness::Copies,
        Witness::WireLog,
        Witness::WirePrivate,
        Witness::WireLinear,
        Witness::WireOther,
        Witness::Syscalls,
        Witness::Voluntary,
        Witness::Involuntary,
        Witness::FaultsUser,
        Witness::FaultsKernel,
        Witness::Submitted,
        Witness::Punted,
        Witness::Fill,
    ];

    fn facts(self) -> Facts {
        let facts =
            |title, unit, key, counts, purposes| Facts { title, unit, key, counts, purposes };
        let (byte, mib) = ("per byte", "per MiB");
        match self {
            Witness::Copies => facts("CPU copies", byte, "observed_copies_per_byte", &[], &[]),
            Witness::WireLog => facts(
                "Wire: log’s pages",
                byte,
                "wire_log_bytes_per_byte",
                &["wire_log_bytes"],
                &["transmit"],
            ),
            Witness::WirePrivate => facts(
                "Wire: private pages",
                byte,
                "wire_private_bytes_per_byte",
                &["wire_private_bytes"],
                &["transmit"],
            ),
            Witness::WireLinear => facts(
                "Wire: linear parts",
                byte,
                "wire_linear_bytes_per_byte",
                &["wire_linear_bytes"],
                &["transmit"],
            ),
            Witness::WireOther => facts(
                "Wire: other memory",
                byte,
                "wire_other_bytes_per_byte",
                &["wire_file_bytes", "wire_anon_bytes", "wire_device_bytes", "wire_unwalked_bytes"],
                &["transmit"],
            ),
            Witness::Syscalls => {
                facts("System calls", mib, "observed_syscalls_per_mib", &[], &["enter"])
            }
            Witness::Voluntary => facts(
                "Context switches (voluntary)",
                mib,
                "observed_voluntary_switches_per_mib",
                &["voluntary_switches"],
                &["switch"],
            ),
            Witness::Involuntary => facts(
                "Context switches (involuntary)",
                mib,
                "observed_involuntary_switches_per_mib",
                &["involuntary_switches"],
                &["switch"],
            ),
            _ => self.rare_facts(),
        }
    }

    fn rare_facts(self) -> Facts {
        let facts =
            |title, unit, key, counts, purposes| Facts { title, unit, key, counts, purposes };
        let (byte, mib) = ("per byte", "per MiB");
        match self {
            Witness::FaultsUser => facts(
                "Faults in user mode",
                mib,
                "observed_user_faults_per_mib",
                &["faults_user"],
                &["fault-user"],
            ),
            Witness::FaultsKernel => facts(
                "Faults in kernel mode",
                mib,
                "observed_kernel_faults_per_mib",
                &["faults_kernel"],
                &["fault-kernel"],
            ),
            Witness::Submitted => facts(
                "io_uring submitted",
                mib,
                "uring_submitted_per_mib",
                &["uring_submitted"],
                &["submit"],
            ),
            Witness::Punted => {
                facts("io_uring punted", mib, "uring_punted_per_mib", &["uring_punted"], &["punt"])
            }
            _ => facts(
                "Page-cache fill",
                byte,
                "cache_fill_bytes_per_byte",
                &["cache_fill_bytes"],
                &["cache-fill"],
            ),
        }
    }

    /// The title of a column.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.facts().title
    }

    /// The unit of a column.
    #[must_use]
    pub fn unit(self) -> &'static str {
        self.facts().unit
    }

    /// The name in JSON and CSV, unit included.
    #[must_use]
    pub fn key(self) -> &'static str {
        self.facts().key
    }

    /// The value of a cell's ledger.
    ///
    /// # Errors
    /// The reason why there is none.
    pub fn of(self, ledger: Option<&Ledger>) -> Result<(f64, Provenance), String> {
        let ledger = ledger.ok_or("the record has no ledger of this cell")?;
        let Facts { unit, counts, purposes, .. } = self.facts();
        let unseen = || {
            let reason = ledger.reason.as_deref().unwrap_or("nothing was observed");
            reason.trim_start_matches("unavailable: ").to_owned()
        };
        if ledger.payload_bytes == 0 {
            return Err(unseen());
        }
        if let Some(why) = purposes.iter().find_map(|purpose| ledger.gaps.get(*purpose)) {
            return Err(why.clone());
        }
        let payload = ledger.payload_bytes as f64;
        let value = match self {
            Witness::Copies => ledger.cpu_copies_per_byte.observed.ok_or_else(unseen)?,
            Witness::Syscalls => ledger.syscalls.values().sum::<u64>() as f64 / (payload / MIB),
            _ => {
                // Switches are counted by role: those of the measured side are meant.
                let own = |name: &str| match self {
                    Witness::Voluntary | Witness::Involuntary => format!("{}_{name}", ledger.side),
                    _ => name.to_owned(),
                };
                let count = |name: &&str| ledger.counts.get(&own(name)).copied().unwrap_or(0);
                let sum: u64 = counts.iter().map(count).sum();
                sum as f64 / if unit == "per byte" { payload } else { payload / MIB }
            }
        };
        Ok((value, Provenance::Observed))
    }
}

/// The measured side's system calls by name, the most frequent first, for each MiB.
#[must_use]
pub fn calls_per_mib(ledger: &Ledger) -> Vec<(&str, f64)> {
    let mib = ledger.payload_bytes.max(1) as f64 / MIB;
    let mut calls: Vec<(&str, u64)> =
        ledger.syscalls.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    calls.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    calls.into_iter().map(|(name, count)| (name, count as f64 / mib)).collect()
}
