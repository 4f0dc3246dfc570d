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
    /// Slots of a pipe.
    Pipe,
    /// Kernel-private pages that no file owns (a direct splice read fills such pages).
    KernelPages,
    /// The sending socket's queue.
    SocketBuffer,
    /// What the device was given to transmit.
    Wire,
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
}

impl Hop {
    /// A hop that the whole payload takes.
    #[must_use]
    pub const fn new(from: Place, to: Place, by: Mover, why: &'static str) -> Hop {
        Hop { from, to, by, share: 1.0, why }
    }
}

/// The hops of a payload byte, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Path {
    /// The hops, from the log's side to the receiver's.
    pub hops: Vec<Hop>,
}

impl Path {
    /// CPU copies for each payload byte on the sending side: every copying hop but the one into the receiver.
    #[must_use]
    pub fn sender_copies_per_byte(&self) -> f64 {
        self.hops
            .iter()
            .filter(|hop| hop.by == Mover::CpuCopy && hop.to != Place::Receiver)
            .map(|hop| hop.share)
            .sum()
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

/// The way from log to sink as it is, read back from the system: a claim is made for this very route.
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
    /// The receiver copies the bytes out (`copy`), rather than dropping them in the kernel (`discard`).
    pub receiver_copies: bool,
}

impl Route {
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

    /// The first place on the sink's side: a socket's queue, a file's page cache, or nowhere.
    #[must_use]
    pub fn sink_entry(&self) -> Place {
        match self.sink {
            crate::SinkKind::TcpLoopback | crate::SinkKind::UnixStream => Place::SocketBuffer,
            crate::SinkKind::File => Place::SinkPageCache,
            crate::SinkKind::Null => Place::Nowhere,
        }
    }

    /// The hops from the sink's own buffer to the far end, for bytes that entered the sink by `by`
    /// (a CPU copy, or a page reference).
    ///
    /// Without scatter-gather, or for shared pages without checksum offload, the kernel linearises
    /// every packet at transmit: one CPU copy more (`validate_xmit_skb`, `skb_checksum_help` in
    /// `net/core/dev.c`). A Unix stream has no wire: its receiver takes from the sender's queue.
    #[must_use]
    pub fn deliver(&self, by: Mover) -> Vec<Hop> {
        let receive = Hop::new(
            Place::Wire,
            Place::Receiver,
            Mover::CpuCopy,
            "the receiver's recv copies out of the packets",
        );
        match self.sink {
            crate::SinkKind::TcpLoopback => {
                let shared_needs_checksum = by == Mover::Reference && !self.tx_checksum;
                let transmit = if self.scatter_gather && !shared_needs_checksum {
                    Hop::new(
                        Place::SocketBuffer,
                        Place::Wire,
                        Mover::Reference,
                        "packets carry references to the queue's pages",
                    )
                } else {
                    Hop::new(
                        Place::SocketBuffer,
                        Place::Wire,
                        Mover::CpuCopy,
                        "the device cannot gather or checksum: packets are linearised",
                    )
                };
                let mut hops = vec![transmit];
                hops.extend(self.receiver_copies.then_some(receive));
                hops
            }
            crate::SinkKind::UnixStream => {
                vec![Hop { from: Place::SocketBuffer, ..receive }]
            }
            crate::SinkKind::File | crate::SinkKind::Null => Vec::new(),
        }
    }
}
