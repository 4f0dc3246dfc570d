//! What are the readings of a sample called? Names of readings: the harness writes them, the report
//! reads them.

/// CPU time of the sending process, io_uring workers included.
pub const SENDER_CPU_NS: &str = "sender_cpu_ns";
/// CPU time of the receiving process; absent where the sink has no receiver.
pub const RECEIVER_CPU_NS: &str = "receiver_cpu_ns";
/// Data-path system calls of the measured side.
pub const SYSCALLS: &str = "syscalls";
/// Sends that a sink took only in part.
pub const SHORT_WRITES: &str = "short_writes";
/// Sends whose pages the kernel was to pin rather than copy; absent where there were none.
pub const ZEROCOPY_SENDS: &str = "zerocopy_sends";
/// Such sends of which the kernel has said whether it copied them, those of the block before included.
pub const ZEROCOPY_ANSWERED: &str = "zerocopy_answered";
/// Of those, the ones that it copied, at least in part.
pub const ZEROCOPY_COPIED: &str = "zerocopy_copied";
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
/// Bytes that a consumer was handed by mapping their pages.
pub const MAPPED_BYTES: &str = "mapped_bytes";
/// Bytes of the pages of the hot set that hot consumers read beside a cold scan.
pub const HOT_SET_BYTES: &str = "hot_set_bytes";
/// Of them resident when the scan began, by mincore.
pub const HOT_RESIDENT_BYTES_BEFORE: &str = "hot_resident_bytes_before";
/// Of them resident during the scan: the least that was seen.
pub const HOT_RESIDENT_BYTES_DURING: &str = "hot_resident_bytes_during";
/// Of them resident when the stretch after the scan was over.
pub const HOT_RESIDENT_BYTES_AFTER: &str = "hot_resident_bytes_after";
/// Bytes that the block layer read for the hot consumers' sender, from the first fetch to the last.
pub const HOT_READ_BYTES: &str = "hot_read_bytes";
/// Fetches that hot consumers got, from the first to the last.
pub const HOT_FETCHES: &str = "hot_fetches";
/// Limit of the group that the senders were in, as the kernel rounded it.
pub const GROUP_LIMIT_BYTES: &str = "group_limit_bytes";
/// The most that was ever charged to it.
pub const GROUP_PEAK_BYTES: &str = "group_peak_bytes";
/// Page cache that was charged to it when the scan was over.
pub const GROUP_FILE_BYTES: &str = "group_file_bytes";
/// Its processes' own memory at that moment.
pub const GROUP_ANON_BYTES: &str = "group_anon_bytes";
/// Pages of files that came back soon after they had been evicted, from the scan's beginning to the end.
pub const GROUP_REFAULTS: &str = "group_refaults";
/// Pages that reclaim looked at in the same time.
pub const GROUP_SCANNED_PAGES: &str = "group_scanned_pages";
/// Times that the limit was reached in the same time.
pub const GROUP_LIMIT_HITS: &str = "group_limit_hits";
/// Of several processes that serve at once, from the first one's first call to the last one's.
pub const START_SPREAD_NS: &str = "start_spread_ns";
/// Time stolen by the hypervisor from all CPUs, as fine as the kernel's tick.
pub const STEAL_NS: &str = "steal_ns";
/// Open loop: from the start of the slice until its last fetch was due, or its bytes were to be appended.
pub const SCHEDULE_NS: &str = "schedule_ns";
/// Open loop: from then until the last fetch had been accepted by its sink.
pub const LATE_NS: &str = "late_ns";
/// CPU time of the process that appends to a log whose end is followed; in no other reading.
pub const PRODUCER_CPU_NS: &str = "producer_cpu_ns";
/// Units of work that a canary on the sender's CPU did between the sender's first call and its last.
pub const CANARY_WORK: &str = "canary_work";
/// CPU time of the canary meanwhile.
pub const CANARY_CPU_NS: &str = "canary_cpu_ns";
/// The time between the two.
pub const CANARY_NS: &str = "canary_ns";
/// Units of work that it did just before, beside a sleeping sender.
pub const CANARY_CONTROL_WORK: &str = "canary_control_work";
/// CPU time of the canary in that stretch.
pub const CANARY_CONTROL_CPU_NS: &str = "canary_control_cpu_ns";
/// How long that stretch was.
pub const CANARY_CONTROL_NS: &str = "canary_control_ns";
/// Bytes that the sinks took, headers included, after what was done to them; only where something was.
pub const SENT_BYTES: &str = "sent_bytes";
/// Bytes that a transform was given, headers included; only where there is one.
pub const TRANSFORMED_BYTES: &str = "transformed_bytes";

/// [`what`](super::Histogram::what) of the latencies of hot consumers, by when their fetches were due:
/// before, during and after the scan.
pub const HOT_LATENCIES: [&str; 3] =
    ["hot_latency_ns_before", "hot_latency_ns_during", "hot_latency_ns_after"];
