//! Where does a payload byte rest on its way, and who moves it from place to place?
//!
//! A [`Path`] is a claim made by a strategy for one [`Route`]. It is a value; nothing in this crate
//! checks it. The counters of the harness are the evidence, and both are shown side by side.

/// A place where payload bytes rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The block device.
    Disk,
    /// Page cache of the log's own file.
    PageCache,
    /// Memory of the sending process.
    UserBuffer,
    /// Slots of a pipe on the sending side.
    Pipe,
    /// Kernel-private pages that no file owns (a direct splice read fills such pages).
    KernelPages,
    /// The sending socket's queue.
    SocketBuffer,
    /// What the device was given to transmit.
    Wire,
    /// Slots of the pipe that is the sink, and the receiver's queue at once.
    SinkPipe,
    /// Memory of the receiving process.
    Receiver,
    /// Page cache of a file that is written.
    SinkPageCache,
    /// Nowhere: the sink takes the bytes and forgets them.
    Nowhere,
}

impl Place {
    /// The name in records and on pages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Place::Disk => "disk",
            Place::PageCache => "page-cache",
            Place::UserBuffer => "user-buffer",
            Place::Pipe => "pipe",
            Place::KernelPages => "kernel-pages",
            Place::SocketBuffer => "socket-buffer",
            Place::Wire => "wire",
            Place::SinkPipe => "sink-pipe",
            Place::Receiver => "receiver",
            Place::SinkPageCache => "sink-page-cache",
            Place::Nowhere => "nowhere",
        }
    }
}

/// Who moves the bytes of a hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mover {
    /// A device, by DMA.
    Device,
    /// A CPU, byte by byte.
    CpuCopy,
    /// Nobody: a reference to the page is handed over.
    Reference,
}

impl Mover {
    /// The name in records and on pages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Mover::Device => "device",
            Mover::CpuCopy => "cpu-copy",
            Mover::Reference => "reference",
        }
    }
}

/// How bytes enter a socket's queue, which decides what becomes of them on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Handover {
    /// A CPU copied them into the kernel's own pages: nobody else can change them.
    Copied,
    /// References to pages that their owner may change and that the kernel passes on as they are:
    /// `sendfile`, `splice`.
    Shared,
    /// The sender's own pages, pinned until a notification gives them back: `MSG_ZEROCOPY`,
    /// `SEND_ZC`. The kernel copies them where it would otherwise have to deliver them itself.
    Pinned,
}

/// Payload bytes moving from one place to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hop {
    /// Where they were.
    pub from: Place,
    /// Where they are after the hop.
    pub to: Place,
    /// Who moved them.
    pub by: Mover,
    /// The share of the payload that takes this hop, 0 to 1 (above 1 where bytes take it again).
    pub share: f64,
    /// The call or the kernel function that does it.
    pub why: &'static str,
    /// The process does it by its own instructions: no call and no tracepoint can show it.
    pub in_user_space: bool,
}

impl Hop {
    /// A hop that the whole payload takes.
    #[must_use]
    pub const fn new(from: Place, to: Place, by: Mover, why: &'static str) -> Hop {
        Hop { from, to, by, share: 1.0, why, in_user_space: false }
    }

    /// A copy of the whole payload that the process makes by its own instructions.
    #[must_use]
    pub const fn in_user_space(from: Place, to: Place, why: &'static str) -> Hop {
        Hop { in_user_space: true, ..Hop::new(from, to, Mover::CpuCopy, why) }
    }
}

/// The hops of a payload byte, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Path {
    /// The hops, from the log's side to the receiver's.
    pub hops: Vec<Hop>,
}

impl Path {
    /// Several ways, each of which a share of the payload takes; hops that they have in common are
    /// one hop, at the place where it comes last.
    #[must_use]
    pub fn joined(ways: &[(f64, Vec<Hop>)]) -> Path {
        let mut hops: Vec<Hop> = Vec::new();
        for (share, way) in ways.iter().filter(|(share, _)| *share > 0.0) {
            for hop in way {
                let mut hop = Hop { share: hop.share * share, ..*hop };
                let same =
                    |other: &Hop| (other.from, other.to, other.by) == (hop.from, hop.to, hop.by);
                if let Some(at) = hops.iter().position(same) {
                    hop = Hop { share: hops.remove(at).share + hop.share, ..hop };
                }
                hops.push(hop);
            }
        }
        Path { hops }
    }

    /// CPU copies for each payload byte on the sending side: every copying hop but the one into the
    /// receiver.
    #[must_use]
    pub fn sender_copies_per_byte(&self) -> f64 {
        self.hops
            .iter()
            .filter(|hop| hop.by == Mover::CpuCopy && hop.to != Place::Receiver)
            .map(|hop| hop.share)
            // The sum of no floats is -0.0, which nobody wants to read.
            .fold(0.0, |sum, share| sum + share)
    }
}

/// The state of the log's pages when a transfer begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CacheState {
    /// Every page of the range is in the page cache.
    Warm,
    /// No page of the range is.
    Cold,
    /// This share of the pages is.
    Partial {
        /// Resident share, between 0 and 1.
        resident: f64,
    },
}

impl CacheState {
    /// The share of the payload that a buffered reader has to fetch from the device.
    #[must_use]
    pub fn missing(self) -> f64 {
        match self {
            CacheState::Warm => 0.0,
            CacheState::Cold => 1.0,
            CacheState::Partial { resident } => 1.0 - resident,
        }
    }
}

/// The way from log to sink as it is, read back from the system: a claim is made for this very
/// route.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Route {
    /// What kind of sink it ends in.
    pub sink: crate::SinkKind,
    /// Where the log's pages are.
    pub cache: CacheState,
    /// The device gathers fragments (`ethtool -k`: scatter-gather); loopback always does.
    pub scatter_gather: bool,
    /// The device fills in checksums (`ethtool -k`: tx-checksumming); loopback always does.
    pub tx_checksum: bool,
    /// The share of the payload that lies outside of whole blocks of direct I/O, at the heads and
    /// tails of its pieces: see [`Piece::outside_blocks`](crate::Piece::outside_blocks).
    pub outside_blocks: f64,
    /// The receiver copies the bytes out (`copy`), rather than dropping them in the kernel
    /// (`discard`).
    pub receiver_copies: bool,
    /// `sendfile` into a pipe is a splice: since Linux 5.12 (sendfile(2)). Before, the pipe was written
    /// as a file is, by a copy (`iter_file_splice_write` in `fs/splice.c`).
    pub sendfile_splices: bool,
}

impl Route {
    /// The way to such a sink as every kernel ships it: from a warm log, with a device that gathers
    /// and fills in checksums, in whole blocks, to a receiver that copies.
    #[must_use]
    pub const fn to(sink: crate::SinkKind) -> Route {
        Route {
            sink,
            cache: CacheState::Warm,
            scatter_gather: true,
            tx_checksum: true,
            outside_blocks: 0.0,
            receiver_copies: true,
            sendfile_splices: true,
        }
    }

    /// The hops that bring the log into the page cache: none when it is there already.
    #[must_use]
    pub fn fill(&self) -> Vec<Hop> {
        let share = self.cache.missing();
        if share == 0.0 {
            return Vec::new();
        }
        let why = "read-ahead fills the page cache";
        vec![Hop { share, ..Hop::new(Place::Disk, Place::PageCache, Mover::Device, why) }]
    }

    /// The hops from `from` into the sink and on to the far end. `by` is how this strategy hands
    /// its bytes to a socket (a CPU copy, or a page reference) and `why` the call that does it.
    ///
    /// A pipe takes both, too: `write` copies into pages of its own (`pipe_write` in `fs/pipe.c`),
    /// and splicing puts references into its slots; its reader copies out of whichever it finds.
    ///
    /// The other sinks leave no choice. A file's page cache is always written by a CPU copy, out of
    /// a pipe too (`iter_file_splice_write` in `fs/splice.c`). `/dev/null` looks at no byte,
    /// whatever it is handed (`write_null`, `pipe_to_null` in `drivers/char/mem.c`).
    #[must_use]
    pub fn into_sink(&self, from: Place, by: Mover, why: &'static str) -> Vec<Hop> {
        let handover = if by == Mover::CpuCopy { Handover::Copied } else { Handover::Shared };
        self.hand_over(from, handover, why)
    }

    /// [`into_sink`](Self::into_sink) for a strategy that has the kernel pin the sender's own
    /// pages. Sinks that are no TCP sockets refuse such sends; the hops are what they would be.
    #[must_use]
    pub fn pinned_into_sink(&self, from: Place, why: &'static str) -> Vec<Hop> {
        self.hand_over(from, Handover::Pinned, why)
    }

    fn hand_over(&self, from: Place, handover: Handover, why: &'static str) -> Vec<Hop> {
        use crate::SinkKind;
        let by = match handover {
            Handover::Copied => Mover::CpuCopy,
            Handover::Shared | Handover::Pinned => Mover::Reference,
        };
        match self.sink {
            SinkKind::Null => {
                let why = "the null device takes the bytes without looking at them";
                vec![Hop::new(from, Place::Nowhere, Mover::Reference, why)]
            }
            SinkKind::File => {
                let why = "the file's page cache is written by a CPU copy";
                vec![Hop::new(from, Place::SinkPageCache, Mover::CpuCopy, why)]
            }
            SinkKind::Pipe => {
                let read = "the receiver's read copies out of the pipe's slots";
                vec![
                    Hop::new(from, Place::SinkPipe, by, why),
                    Hop::new(Place::SinkPipe, Place::Receiver, Mover::CpuCopy, read),
                ]
            }
            SinkKind::TcpLoopback
            | SinkKind::TcpVeth
            | SinkKind::TcpRemote
            | SinkKind::UnixStream => {
                let mut hops = vec![Hop::new(from, Place::SocketBuffer, by, why)];
                hops.extend(self.deliver(handover));
                hops
            }
        }
    }

    /// Whether packets are delivered by this kernel's own receiving half, and not by a device to
    /// another machine. Pages that the sender may still change are copied there before anybody
    /// gets them: over loopback, and between network namespaces too.
    fn delivers_here(&self) -> bool {
        use crate::SinkKind;
        match self.sink {
            SinkKind::TcpLoopback | SinkKind::TcpVeth => true,
            // What is copied for a receiver on another host is that host's affair.
            SinkKind::TcpRemote => false,
            SinkKind::UnixStream | SinkKind::Pipe | SinkKind::File | SinkKind::Null => false,
        }
    }

    /// The hops from the sending socket's queue to the far end, for bytes that entered it so.
    ///
    /// Without scatter-gather, or for shared pages without checksum offload, the kernel linearises
    /// every packet at transmit: one CPU copy more (`validate_xmit_skb`, `skb_checksum_help` in
    /// `net/core/dev.c`). A Unix stream has no wire: its receiver takes from the sender's queue.
    ///
    /// Pinned pages that are still in the packet when this kernel delivers it itself are copied
    /// then (`skb_orphan_frags_rx` in `include/linux/skbuff.h`, called by
    /// `__netif_receive_skb_core`): the copy is put off, not saved. It counts as the sender's.
    fn deliver(&self, handover: Handover) -> Vec<Hop> {
        if self.sink == crate::SinkKind::UnixStream {
            let why = "the receiver's recv copies out of the sender's queue";
            return vec![Hop::new(Place::SocketBuffer, Place::Receiver, Mover::CpuCopy, why)];
        }
        let needs_checksum = handover != Handover::Copied && !self.tx_checksum;
        let linearised = !self.scatter_gather || needs_checksum;
        let (transmit, why) = if linearised {
            (Mover::CpuCopy, "the device cannot gather or checksum: packets are linearised")
        } else {
            (Mover::Reference, "packets carry references to the queue's pages")
        };
        let mut hops = vec![Hop::new(Place::SocketBuffer, Place::Wire, transmit, why)];
        let mut last = Place::Wire;
        if handover == Handover::Pinned && !linearised && self.delivers_here() {
            let why = "skb_orphan_frags_rx: pages that the sender may still change are copied \
                       before delivery";
            hops.push(Hop::new(last, Place::KernelPages, Mover::CpuCopy, why));
            last = Place::KernelPages;
        }
        hops.push(if self.receiver_copies {
            let why = "the receiver's recv copies out of the packets";
            Hop::new(last, Place::Receiver, Mover::CpuCopy, why)
        } else {
            let why = "the receiver's recv drops the bytes inside the kernel (MSG_TRUNC)";
            Hop::new(last, Place::Nowhere, Mover::Reference, why)
        });
        hops
    }
}
