//! What are the readings of a sample called? Names of readings: the harness writes them, the report
//! reads them.

/// CPU time of the sending process, io_uring workers included.
pub const SENDER_CPU_NS: &str = "sender_cpu_ns";
/// CPU time of the receiving process; absent where the sink has no receiver.
pub const RECEIVER_CPU_NS: &str = "receiver_cpu_ns";
/// Data-path system calls of the sender.
pub const SYSCALLS: &str = "syscalls";
/// Sends that a sink took only in part.
pub const SHORT_WRITES: &str = "short_writes";
/// Times the sending process gave up its CPU.
pub const VOLUNTARY_SWITCHES: &str = "voluntary_switches";
/// Times it lost its CPU.
pub const INVOLUNTARY_SWITCHES: &str = "involuntary_switches";
/// Faults without device access.
pub const MINOR_FAULTS: &str = "minor_faults";
/// Faults that waited for the device.
pub const MAJOR_FAULTS: &str = "major_faults";
/// The receiver's voluntary switches.
pub const RECEIVER_VOLUNTARY_SWITCHES: &str = "receiver_voluntary_switches";
/// The receiver's involuntary switches.
pub const RECEIVER_INVOLUNTARY_SWITCHES: &str = "receiver_involuntary_switches";
/// Bytes that the block layer read for the sender (`/proc/self/io`: `read_bytes`).
pub const IO_READ_BYTES: &str = "io_read_bytes";
/// Bytes that the sender's calls returned (`/proc/self/io`: `rchar`).
pub const IO_RCHAR_BYTES: &str = "io_rchar_bytes";
/// Time stolen by the hypervisor from all CPUs, as fine as the kernel's tick.
pub const STEAL_NS: &str = "steal_ns";
/// Open loop: from the start of the slice until its last fetch was due.
pub const SCHEDULE_NS: &str = "schedule_ns";
/// Open loop: from then until the last fetch had been accepted by its sink.
pub const LATE_NS: &str = "late_ns";
