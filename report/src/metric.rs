//! What is measured of a cell, in which unit, and how was it obtained?
//!
//! A [`Metric`] is derived from one sample; tables, charts and exports all walk [`Metric::ALL`]. A
//! reading that is absent gives a reason, never 0.

pub mod kernel;

use crate::record::{Ledger, Sample, reading};

const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * 1024.0;

/// How a number was obtained, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Provenance {
    /// The kernel's own evidence: tracepoints, residency, device counters.
    Observed,
    /// The lab's wrapper around each call, clocks, rusage, `/proc`.
    Counted,
    /// Derived from counts by a statistic.
    Estimated,
    /// The textbook's figure.
    Modelled,
    /// Not obtained.
    Unavailable,
}

impl Provenance {
    /// The name in records and on pages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Provenance::Observed => "observed",
            Provenance::Counted => "counted",
            Provenance::Estimated => "estimated",
            Provenance::Modelled => "modelled",
            Provenance::Unavailable => "unavailable",
        }
    }
}

/// One quantity of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// CPU time of the sending process per KiB of payload: the headline where a log is sent.
    SenderCpu,
    /// CPU time of the receiving process per KiB: the headline where bytes are ingested.
    ReceiverCpu,
    /// Both together.
    TotalCpu,
    /// Payload per second.
    Throughput,
    /// What a canary got done on the sender's CPU, in percent of what a whole CPU gets done.
    CpuLeft,
    /// Data-path system calls of the measured side per MiB.
    Syscalls,
    /// User-kernel crossings per MiB: two for each system call.
    ModeSwitches,
    /// Times the sender gave up its CPU, per MiB.
    Voluntary,
    /// Times the sender lost its CPU, per MiB.
    Involuntary,
    /// Times the receiver gave up its CPU, per MiB.
    ReceiverVoluntary,
    /// Times the receiver lost its CPU, per MiB.
    ReceiverInvoluntary,
    /// Faults without device access, per MiB.
    MinorFaults,
    /// Faults that waited for the device, per MiB.
    MajorFaults,
    /// Sends that a sink took only in part, per MiB.
    ShortWrites,
    /// Bytes that the device read, per byte of payload.
    DeviceBytes,
    /// Bytes that the sinks took, per byte of payload: what compression leaves, what encryption adds.
    SentBytes,
}

impl Metric {
    /// All, in the order of tables and exports.
    pub const ALL: [Metric; 16] = [
        Metric::SenderCpu,
        Metric::ReceiverCpu,
        Metric::TotalCpu,
        Metric::Throughput,
        Metric::CpuLeft,
        Metric::Syscalls,
        Metric::ModeSwitches,
        Metric::Voluntary,
        Metric::Involuntary,
        Metric::ReceiverVoluntary,
        Metric::ReceiverInvoluntary,
        Metric::MinorFaults,
        Metric::MajorFaults,
        Metric::ShortWrites,
        Metric::DeviceBytes,
        Metric::SentBytes,
    ];

    /// Title, unit, and key in exports (with the unit).
    fn facts(self) -> [&'static str; 3] {
        match self {
            Metric::SenderCpu => ["Sender CPU", "ns/KiB", "sender_cpu_ns_per_kib"],
            Metric::ReceiverCpu => ["Receiver CPU", "ns/KiB", "receiver_cpu_ns_per_kib"],
            Metric::TotalCpu => ["Total CPU", "ns/KiB", "total_cpu_ns_per_kib"],
            Metric::Throughput => ["Throughput", "MiB/s", "throughput_mib_per_s"],
            Metric::CpuLeft => ["CPU left to others", "% of a CPU", "cpu_left_percent"],
            Metric::Syscalls => ["System calls", "per MiB", "syscalls_per_mib"],
            Metric::ModeSwitches => ["Mode switches", "per MiB", "mode_switches_per_mib"],
            Metric::Voluntary => {
                ["Voluntary context switches, sender", "per MiB", "voluntary_switches_per_mib"]
            }
            Metric::Involuntary => {
                ["Involuntary context switches, sender", "per MiB", "involuntary_switches_per_mib"]
            }
            Metric::ReceiverVoluntary => [
                "Voluntary context switches, receiver",
                "per MiB",
                "receiver_voluntary_switches_per_mib",
            ],
            Metric::ReceiverInvoluntary => [
                "Involuntary context switches, receiver",
                "per MiB",
                "receiver_involuntary_switches_per_mib",
            ],
            Metric::MinorFaults => ["Minor faults", "per MiB", "minor_faults_per_mib"],
            Metric::MajorFaults => ["Major faults", "per MiB", "major_faults_per_mib"],
            Metric::ShortWrites => ["Short writes", "per MiB", "short_writes_per_mib"],
            Metric::DeviceBytes => ["Device bytes", "per byte", "device_bytes_per_byte"],
            Metric::SentBytes => ["Sent bytes", "per byte", "sent_bytes_per_byte"],
        }
    }

    /// The title of a column or chart.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.facts()[0]
    }

    /// The unit of a column or chart.
    #[must_use]
    pub fn unit(self) -> &'static str {
        self.facts()[1]
    }

    /// The name in JSON and CSV, unit included.
    #[must_use]
    pub fn key(self) -> &'static str {
        self.facts()[2]
    }

    /// Where the number comes from, in words.
    #[must_use]
    pub fn source(self) -> &'static str {
        match self {
            Metric::SenderCpu => "CPU clock of the sending process, io_uring workers included",
            Metric::ReceiverCpu => "CPU clock of the receiving process",
            Metric::TotalCpu => "CPU clocks of sender and receiver, added",
            Metric::Throughput => {
                "payload at the receiver over the wall clock, first call to last byte counted"
            }
            Metric::CpuLeft => {
                "work of a canary on the sender's CPU (SCHED_IDLE), first call to last, over what it \
                does in that time when it has the CPU to itself, measured before each slice"
            }
            Metric::Syscalls => "the lab's wrapper around each data-path call",
            Metric::ModeSwitches => {
                "2 × system calls: once into the kernel, once back; calls as sys_enter showed them \
                in the counting pass, or else those that the lab's wrapper counted"
            }
            Metric::Voluntary | Metric::Involuntary => "rusage of the sender",
            Metric::MinorFaults | Metric::MajorFaults => "rusage of the measured process",
            Metric::ReceiverVoluntary | Metric::ReceiverInvoluntary => "rusage of the receiver",
            Metric::ShortWrites => "the lab's wrapper: sends that were taken only in part",
            Metric::DeviceBytes => {
                "the lowest device's read counter, at most what /proc/self/io says of the \
                sender; where one of them is absent, the other"
            }
            Metric::SentBytes => {
                "bytes that the sinks took, headers included: payload and headers, or what a \
                transform made of them as the strategy's outlet counted it"
            }
        }
    }

    /// Whether less is better; throughput and what is left to others are the exceptions.
    #[must_use]
    pub fn less_is_better(self) -> bool {
        !matches!(self, Metric::Throughput | Metric::CpuLeft)
    }

    /// Whether it counts events that may be too rare for a median to show; charts show their mean.
    #[must_use]
    pub fn rare(self) -> bool {
        matches!(
            self,
            Metric::Voluntary
                | Metric::Involuntary
                | Metric::ReceiverVoluntary
                | Metric::ReceiverInvoluntary
                | Metric::MinorFaults
                | Metric::MajorFaults
                | Metric::ShortWrites
        )
    }

    /// What a cell's kernel programs observed of it, where they do, and better than samples can.
    #[must_use]
    pub fn observed(self, ledger: &Ledger) -> Option<f64> {
        (self == Metric::ModeSwitches).then_some(ledger.mode_switches_per_mib.observed).flatten()
    }

    /// The value of one sample.
    ///
    /// # Errors
    /// The reason why there is none.
    pub fn of(self, sample: &Sample) -> Result<(f64, Provenance), String> {
        if sample.bytes == 0 {
            return Err("no payload byte arrived".into());
        }
        let kib = sample.bytes as f64 / KIB;
        let mib = sample.bytes as f64 / MIB;
        let per = |name: &str, unit: f64| {
            read(sample, name).map(|value| (value / unit, Provenance::Counted))
        };
        match self {
            Metric::SenderCpu => per(reading::SENDER_CPU_NS, kib),
            Metric::ReceiverCpu => per(reading::RECEIVER_CPU_NS, kib),
            Metric::TotalCpu => {
                let sender = read(sample, reading::SENDER_CPU_NS)?;
                let receiver = read(sample, reading::RECEIVER_CPU_NS)?;
                Ok(((sender + receiver) / kib, Provenance::Counted))
            }
            Metric::Throughput if sample.wall_ns == 0 => Err("the wall clock did not move".into()),
            Metric::Throughput => Ok((mib / (sample.wall_ns as f64 / 1e9), Provenance::Counted)),
            Metric::CpuLeft => cpu_left(sample).map(|left| (left, Provenance::Counted)),
            Metric::Syscalls => per(reading::SYSCALLS, mib),
            Metric::ModeSwitches => per(reading::SYSCALLS, mib / 2.0),
            Metric::Voluntary => per(reading::VOLUNTARY_SWITCHES, mib),
            Metric::Involuntary => per(reading::INVOLUNTARY_SWITCHES, mib),
            Metric::ReceiverVoluntary => per(reading::RECEIVER_VOLUNTARY_SWITCHES, mib),
            Metric::ReceiverInvoluntary => per(reading::RECEIVER_INVOLUNTARY_SWITCHES, mib),
            Metric::MinorFaults => per(reading::MINOR_FAULTS, mib),
            Metric::MajorFaults => per(reading::MAJOR_FAULTS, mib),
            Metric::ShortWrites => per(reading::SHORT_WRITES, mib),
            Metric::SentBytes => {
                let plain = sample.bytes + sample.header_bytes;
                let sent = sample.readings.get(reading::SENT_BYTES).copied().unwrap_or(plain);
                Ok((sent as f64 / sample.bytes as f64, Provenance::Counted))
            }
            Metric::DeviceBytes => device_bytes(sample)
                .map(|(bytes, provenance)| (bytes as f64 / sample.bytes as f64, provenance)),
        }
    }
}

/// Bytes that the device read for a sample: what its counter says, but no more than what the
/// sender's own reads asked for, since a device's counter counts anybody's.
///
/// # Errors
/// The reason why nobody knows.
pub fn device_bytes(sample: &Sample) -> Result<(u64, Provenance), String> {
    let device = sample.cache.as_ref().and_then(|proof| proof.device_read_bytes);
    let sender = sample.readings.get(reading::IO_READ_BYTES).copied();
    match (device, sender, &sample.cache) {
        (Some(device), Some(sender), _) => Ok((device.min(sender), Provenance::Observed)),
        (Some(device), None, _) => Ok((device, Provenance::Observed)),
        (None, Some(sender), _) => Ok((sender, Provenance::Counted)),
        (None, None, Some(proof)) => Err(proof.device.clone()),
        (None, None, None) => Err(format!("no reading {}", reading::IO_READ_BYTES)),
    }
}

/// Work that a canary did in percent of what it would have done with the CPU to itself.
fn cpu_left(sample: &Sample) -> Result<f64, String> {
    let work = read(sample, reading::CANARY_WORK)?;
    let wall_ns = read(sample, reading::CANARY_NS)?;
    let alone = read(sample, reading::CANARY_CONTROL_WORK)?;
    let alone_ns = read(sample, reading::CANARY_CONTROL_CPU_NS)?;
    if alone == 0.0 || alone_ns == 0.0 || wall_ns == 0.0 {
        return Err("the canary got no CPU even beside a sleeping sender".into());
    }
    Ok(100.0 * (work / wall_ns) / (alone / alone_ns))
}

fn read(sample: &Sample, name: &str) -> Result<f64, String> {
    sample.readings.get(name).map(|value| *value as f64).ok_or_else(|| format!("no reading {name}"))
}
