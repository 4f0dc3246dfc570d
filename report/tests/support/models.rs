//! What the contenders of the made-up runs cost, and which way their bytes go.

/// Contenders of the made-up runs: fixed cost per fetch and cost per KiB in CPU ns, calls per
/// fetch, receiver's cost per KiB, hops.
pub struct Model {
    pub label: &'static str,
    pub strategy: &'static str,
    pub per_fetch_ns: f64,
    pub per_kib_ns: f64,
    pub calls: u64,
    pub receiver_ns: f64,
    pub hops: &'static [(&'static str, &'static str, &'static str, &'static str)],
}

const RECEIVE: (&str, &str, &str, &str) =
    ("wire", "receiver", "cpu-copy", "the receiver's recv copies out of the packets");
const TRANSMIT: (&str, &str, &str, &str) =
    ("socket-buffer", "wire", "reference", "packets carry references to the queue's pages");

pub const MODELS: [Model; 7] = [
    Model {
        label: "null",
        strategy: "null",
        per_fetch_ns: 900.0,
        per_kib_ns: 95.0,
        calls: 1,
        receiver_ns: 110.0,
        hops: &[("user-buffer", "socket-buffer", "cpu-copy", "send(sink)"), TRANSMIT, RECEIVE],
    },
    Model {
        label: "read-write",
        strategy: "read-write",
        per_fetch_ns: 1600.0,
        per_kib_ns: 330.0,
        calls: 3,
        receiver_ns: 120.0,
        hops: &[
            ("page-cache", "user-buffer", "cpu-copy", "pread(log)"),
            ("user-buffer", "socket-buffer", "cpu-copy", "send(sink)"),
            TRANSMIT,
            RECEIVE,
        ],
    },
    Model {
        label: "mmap-write",
        strategy: "mmap-write",
        per_fetch_ns: 1250.0,
        per_kib_ns: 240.0,
        calls: 2,
        receiver_ns: 125.0,
        hops: &[("page-cache", "socket-buffer", "cpu-copy", "send(mapping)"), TRANSMIT, RECEIVE],
    },
    Model {
        label: "sendfile",
        strategy: "sendfile",
        per_fetch_ns: 2300.0,
        per_kib_ns: 104.0,
        calls: 2,
        receiver_ns: 210.0,
        hops: &[
            ("page-cache", "socket-buffer", "reference", "sendfile(log, sink)"),
            TRANSMIT,
            RECEIVE,
        ],
    },
    Model {
        label: "splice",
        strategy: "splice",
        per_fetch_ns: 3400.0,
        per_kib_ns: 102.0,
        calls: 4,
        receiver_ns: 210.0,
        hops: &[
            ("page-cache", "pipe", "reference", "splice(log, pipe)"),
            ("pipe", "socket-buffer", "reference", "splice(pipe, sink)"),
            TRANSMIT,
            RECEIVE,
        ],
    },
    Model {
        label: "uring-read-send",
        strategy: "uring-read-send",
        per_fetch_ns: 2100.0,
        per_kib_ns: 345.0,
        calls: 1,
        receiver_ns: 125.0,
        hops: &[
            ("page-cache", "user-buffer", "cpu-copy", "IORING_OP_READ"),
            ("user-buffer", "socket-buffer", "cpu-copy", "IORING_OP_SEND"),
            TRANSMIT,
            RECEIVE,
        ],
    },
    Model {
        label: "direct-write depth=8",
        strategy: "direct-write",
        per_fetch_ns: 9000.0,
        per_kib_ns: 290.0,
        calls: 3,
        receiver_ns: 120.0,
        hops: &[
            ("disk", "user-buffer", "device", "pread(log, O_DIRECT)"),
            ("user-buffer", "socket-buffer", "cpu-copy", "send(sink)"),
            TRANSMIT,
            RECEIVE,
        ],
    },
];
