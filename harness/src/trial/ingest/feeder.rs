//! How does the far end of an ingest trial send the log, and what does that cost it?
//!
//! A process of its own. It reads the ranges that it is told into memory (unless it sends them by
//! `sendfile`), says so, and sends them when it is told to go: how fast a log can be read is not this
//! side's question. One that sleeps at a full socket has to be woken, on loopback at the receiver's
//! expense; so where there is a CPU for it, it spins, as the receiver of a transfer does.
//!
//! Zero-copy sends pin the memory until the kernel reports that it is done with it. On loopback that is
//! when the bytes were copied on delivery; the reports are reaped as they come.

use super::super::receiver::connect_to;
use super::super::wire::{Counted, Lines, say};
use crate::counters::{Usage, now};
use crate::cpus::Numbers;
use crate::scenario::ingest::Feed;
use anyhow::{Context, bail};
use memmap2::MmapMut;
use nix::errno::Errno;
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

/// How long it waits for the next order: longer than any other child's slice may take.
const IDLE: Duration = Duration::from_secs(600);

/// A socket that takes no byte for this long is given up.
const SILENCE: Duration = Duration::from_secs(30);

/// Bytes that one send offers at most.
const CHUNK_BYTES: usize = 256 << 10;

/// Everything that a feeder has to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FeederSpec {
    /// Where to connect: `127.0.0.1:port`, or `@name` in the abstract Unix namespace.
    pub address: String,
    /// The log's segments.
    pub segments: Vec<PathBuf>,
    /// How to send.
    pub feed: Feed,
    /// Spin instead of sleeping at a full socket.
    pub spins: bool,
    /// `SO_SNDBUF` to ask for; 0 leaves it to the kernel's tuning.
    pub socket_buffer_bytes: u64,
    /// CPU to pin to.
    pub cpus: Option<Numbers>,
}

/// What to send next: (segment, position, bytes), in order. Answered by one [`Counted`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Load {
    /// The pieces.
    pub pieces: Vec<(u32, u64, u64)>,
}

/// Send it. Answered by one [`Counted`] when every byte was accepted.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Go {
    /// Always.
    pub go: bool,
}

/// Runs a feeder: specification and orders on stdin, counts on stdout.
///
/// # Errors
/// What could not be set up; later trouble is reported in [`Counted::error`].
pub fn run() -> anyhow::Result<()> {
    if std::io::stdin().is_terminal() {
        bail!("`zclab feed` is a part of a trial and is started by it");
    }
    let mut orders = Lines::new(std::io::stdin());
    let spec: FeederSpec = orders.next(IDLE).context("reading the feeder's specification")?;
    let mut out = std::io::stdout();
    let failed =
        |error: &anyhow::Error| Counted { error: Some(format!("{error:#}")), ..Counted::default() };
    let mut feeder = match Feeder::connect(spec) {
        Ok(feeder) => feeder,
        Err(error) => return Ok(say(&mut out, &failed(&error))?),
    };
    say(&mut out, &feeder.hello())?;
    // The child closes the pipe when it is done: that is the end, not an error.
    while let Ok(load) = orders.next::<Load>(IDLE) {
        if let Err(error) = feeder.load(&load) {
            return Ok(say(&mut out, &failed(&error))?);
        }
        say(&mut out, &feeder.hello())?;
        let Ok(Go { .. }) = orders.next::<Go>(IDLE) else { break };
        match feeder.send(&load) {
            Ok(counted) => say(&mut out, &counted)?,
            Err(error) => return Ok(say(&mut out, &failed(&error))?),
        }
    }
    Ok(())
}

struct Feeder {
    socket: OwnedFd,
    segments: Vec<File>,
    feed: Feed,
    spins: bool,
    memory: MmapMut,
    loaded_bytes: usize,
}

impl Feeder {
    fn connect(spec: FeederSpec) -> anyhow::Result<Feeder> {
        if let Some(cpus) = &spec.cpus {
            crate::cpus::keep_to(cpus)?;
        }
        let open =
            |path: &PathBuf| File::open(path).with_context(|| format!("open {}", path.display()));
        let segments = spec.segments.iter().map(open).collect::<Result<_, _>>()?;
        let socket = connect_to(&spec.address, 0)?;
        if spec.socket_buffer_bytes > 0 {
            setsockopt(&socket, sockopt::SndBuf, &(spec.socket_buffer_bytes as usize))
                .context("setsockopt(SO_SNDBUF)")?;
        }
        let patience = TimeVal::seconds(SILENCE.as_secs() as i64);
        setsockopt(&socket, sockopt::SendTimeout, &patience).context("setsockopt(SO_SNDTIMEO)")?;
        if !spec.address.starts_with('@') {
            tune(&socket)?;
        }
        if spec.feed == Feed::Zerocopy {
            allow_zerocopy(&socket)?;
        }
        let memory = MmapMut::map_anon(1).context("mmap(anonymous)")?;
        let (feed, spins) = (spec.feed, spec.spins);
        Ok(Feeder { socket, segments, feed, spins, memory, loaded_bytes: 0 })
    }

    /// A count of nothing: what there is to say before bytes go.
    fn hello(&self) -> Counted {
        let size = getsockopt(&self.socket, sockopt::SndBuf).unwrap_or(0) as u64;
        Counted { receive_buffer_bytes: size, ..Counted::default() }
    }

    /// Brings what is to be sent into memory, page by page as it lies in the block.
    fn load(&mut self, load: &Load) -> anyhow::Result<()> {
        self.loaded_bytes = 0;
        if self.feed == Feed::Sendfile {
            return Ok(());
        }
        let bytes = load.pieces.iter().map(|(_, _, len)| *len as usize).sum::<usize>();
        if self.memory.len() < bytes {
            self.memory = MmapMut::map_anon(bytes).context("mmap(anonymous)")?;
        }
        for &(segment, offset_bytes, len_bytes) in &load.pieces {
            let into = self.loaded_bytes..self.loaded_bytes + len_bytes as usize;
            let file = self.segments.get(segment as usize).context("no such segment")?;
            file.read_exact_at(&mut self.memory[into.clone()], offset_bytes).context("pread")?;
            self.loaded_bytes = into.end;
        }
        Ok(())
    }

    fn send(&mut self, load: &Load) -> anyhow::Result<Counted> {
        let mut counted = Counted::default();
        let begin = Usage::begin();
        match self.feed {
            Feed::Sendfile => {
                for &(segment, offset_bytes, len_bytes) in &load.pieces {
                    let file = self.segments.get(segment as usize).context("no such segment")?;
                    self.send_file(file, offset_bytes, len_bytes, &mut counted)?;
                }
            }
            Feed::Send | Feed::Zerocopy => self.send_memory(&mut counted)?,
        }
        counted.end_ns = now().0;
        let used = Usage::end().since(begin);
        if !self.spins {
            counted.cpu_ns = used.cpu.0;
        }
        counted.voluntary = used.voluntary;
        counted.involuntary = used.involuntary;
        counted.receive_buffer_bytes = self.hello().receive_buffer_bytes;
        Ok(counted)
    }

    fn send_memory(&self, counted: &mut Counted) -> anyhow::Result<()> {
        let zerocopy = self.feed == Feed::Zerocopy;
        let wait = if self.spins { libc::MSG_DONTWAIT } else { 0 };
        let flags = libc::MSG_NOSIGNAL | wait | if zerocopy { libc::MSG_ZEROCOPY } else { 0 };
        let bytes = &self.memory[..self.loaded_bytes];
        let mut at = 0;
        while at < bytes.len() {
            let chunk = &bytes[at..bytes.len().min(at + CHUNK_BYTES)];
            at += self.push(counted, "send", || {
                // SAFETY: the chunk is borrowed for the whole call. A zero-copy send refers to it for
                // longer: until the receiver was handed its bytes, and the memory is not written
                // again before the trial has counted them all.
                unsafe {
                    libc::send(self.socket.as_raw_fd(), chunk.as_ptr().cast(), chunk.len(), flags)
                }
            })?;
            if zerocopy {
                reap(self.socket.as_raw_fd());
            }
        }
        Ok(())
    }

    fn send_file(
        &self,
        file: &File,
        offset_bytes: u64,
        len_bytes: u64,
        counted: &mut Counted,
    ) -> anyhow::Result<()> {
        let (mut at, end) =
            (offset_bytes as libc::off_t, (offset_bytes + len_bytes) as libc::off_t);
        while at < end {
            let len = ((end - at) as usize).min(CHUNK_BYTES);
            self.push(counted, "sendfile", || {
                // SAFETY: `at` lives on this stack frame for the whole call, which advances it.
                unsafe {
                    libc::sendfile(self.socket.as_raw_fd(), file.as_raw_fd(), &raw mut at, len)
                }
            })?;
        }
        Ok(())
    }

    /// Makes a call until it has moved something. One that spins asks `poll`, which takes no socket
    /// lock, and its CPU time is the time inside calls that moved bytes.
    fn push(
        &self,
        counted: &mut Counted,
        what: &str,
        mut call: impl FnMut() -> libc::ssize_t,
    ) -> anyhow::Result<usize> {
        let begun_ns = now().0;
        loop {
            let start_ns = now().0;
            match Errno::result(call()) {
                Ok(0) => bail!("{what}: nothing was taken: was the log cut?"),
                Ok(sent) => {
                    if self.spins {
                        counted.cpu_ns += now().0.saturating_sub(start_ns);
                    }
                    counted.bytes += sent as u64;
                    return Ok(sent as usize);
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) if self.spins => wait_for_room(self.socket.as_raw_fd())?,
                // Memory that the kernel still refers to is charged to the socket.
                Err(Errno::ENOBUFS) if self.feed == Feed::Zerocopy => {
                    reap(self.socket.as_raw_fd());
                }
                Err(Errno::EAGAIN) => bail!("{what}: no byte was taken for {SILENCE:?}"),
                Err(errno) => bail!("{what}: {errno}"),
            }
            if now().0.saturating_sub(begun_ns) > SILENCE.as_nanos() as u64 {
                bail!("{what}: no byte was taken for {SILENCE:?}");
            }
        }
    }
}

/// Asks until the socket has room, and never sleeps; gives up as [`Feeder::push`] does.
fn wait_for_room(socket: RawFd) -> anyhow::Result<()> {
    let begun_ns = now().0;
    while now().0.saturating_sub(begun_ns) < SILENCE.as_nanos() as u64 {
        let mut wait = libc::pollfd { fd: socket, events: libc::POLLOUT, revents: 0 };
        // SAFETY: `wait` lives on this stack frame; the kernel writes its `revents` during the call.
        match Errno::result(unsafe { libc::poll(&raw mut wait, 1, 0) }) {
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => bail!("poll: {errno}"),
        }
    }
    Ok(())
}

fn tune(socket: &OwnedFd) -> anyhow::Result<()> {
    setsockopt(socket, sockopt::TcpNoDelay, &true).context("setsockopt(TCP_NODELAY)")?;
    // Unpaced, as for transfers; where neither can be set the system's own has to do.
    let unpaced = crate::trial::sinks::CONGESTION.iter().map(std::ffi::OsString::from);
    for name in unpaced {
        if setsockopt(socket, sockopt::TcpCongestion, &name).is_ok() {
            break;
        }
    }
    Ok(())
}

fn allow_zerocopy(socket: &OwnedFd) -> anyhow::Result<()> {
    let (one, len): (libc::c_int, _) = (1, size_of::<libc::c_int>() as libc::socklen_t);
    let (level, option) = (libc::SOL_SOCKET, libc::SO_ZEROCOPY);
    // SAFETY: the option's value is one int on this stack frame, read only during the call.
    let answer = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const one).cast(), len)
    };
    Errno::result(answer).map(drop).context("setsockopt(SO_ZEROCOPY)")
}

/// Takes every report of a zero-copy send that is over.
fn reap(socket: RawFd) {
    loop {
        let mut control = [0u64; 16];
        // SAFETY: all fields of a message header may be zero.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control) as _;
        let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
        // SAFETY: the header and the memory for control messages live on this stack frame for the
        // whole call.
        if unsafe { libc::recvmsg(socket, &raw mut message, flags) } < 0 {
            return;
        }
    }
}
