//! What are system calls worth to a sender that makes none?
//!
//! The chains of `uring-read-send`, but a thread of the kernel picks the operations up by itself
//! (`IORING_SETUP_SQPOLL`) and performs them: reads, copies, TCP and all. This thread writes entries
//! into memory and finds completions in memory. It calls only to wake the other one after a pause,
//! and to sleep when it has looked for completions so many times (option `spins`) in vain.
//!
//! It wins where calls are dear and a core has nothing else to do; it loses where there is none to
//! spare, for it takes two cores' time to do one core's work, and the bytes cross from one to the
//! other. The polling thread stays awake for a while after its last operation (option `idle`), so
//! an idle sender still keeps a core busy: it gets rounds of its own, and lets its thread fall
//! asleep before it goes.
//!
//! Before Linux 5.11 only a privileged process may have such a thread (`EPERM`).
//!
//! Sources: io_uring_setup(2) `IORING_SETUP_SQPOLL`; `io_sq_thread` in `io_uring/sqpoll.c`.
//!
//! Timed: writing entries, looking for completions, waking and waiting calls. Not timed: the ring,
//! its thread's start, the buffers.

use super::uring_read_send::{ReadSend, slots};
use crate::chains::{Chains, ring_entries};
use crate::ring::Ring;
use crate::transform::CHAINED;
use crate::{
    Disturbance, Engine, Hop, Mover, OpenError, OptionKind, OptionSpec, Path, Place, Route, Setup,
    Strategy,
};

/// See the module. Its operations are those of [`ReadSend`].
pub struct UringSqpoll;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "depth",
        what: "READ and SEND pairs in one batch",
        kind: OptionKind::Number { default: 8, min: 1, max: 256 },
    },
    OptionSpec {
        name: "buffer",
        what: "bytes of each pair's buffer",
        kind: OptionKind::Number { default: 1 << 20, min: 4096, max: 1 << 30 },
    },
    OptionSpec {
        name: "idle",
        what: "milliseconds without work after which the polling thread falls asleep",
        kind: OptionKind::Number { default: 1, min: 1, max: 100 },
    },
    OptionSpec {
        name: "spins",
        what: "looks at the completions before sleeping until they come",
        kind: OptionKind::Number { default: 10_000, min: 0, max: 1_000_000 },
    },
];

impl Strategy for UringSqpoll {
    fn name(&self) -> &'static str {
        "uring-sqpoll"
    }

    fn question(&self) -> &'static str {
        "What are system calls worth to a sender that makes none?"
    }

    fn path(&self, on: &Route) -> Path {
        let mut hops = on.fill();
        hops.push(Hop::new(
            Place::PageCache,
            Place::UserBuffer,
            Mover::CpuCopy,
            "the polling thread's READ copies out of the page cache",
        ));
        let why = "its SEND copies into the socket's queue";
        hops.extend(on.into_sink(Place::UserBuffer, Mover::CpuCopy, why));
        Path { hops }
    }

    fn disturbs(&self) -> Disturbance {
        Disturbance::Core
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn transforms(&self) -> Result<(), &'static str> {
        Err(CHAINED)
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Engine>, OpenError> {
        let depth = setup.options.number("depth").max(1) as usize;
        let [idle_ms, spins] = ["idle", "spins"].map(|name| setup.options.number(name) as u32);
        let ring =
            Ring::open_polled(ring_entries(depth), slots(setup, depth)?, idle_ms.max(1), spins)?;
        Chains::open(setup, depth, ring, ReadSend::of(setup))
    }
}
