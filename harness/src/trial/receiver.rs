//! What does a consumer do with the bytes, and how many has it counted?
//!
//! A process of its own, so that its CPU time and its switches are its own. It connects to the
//! sender, as consumers do, reads exactly what it was told to expect, and reports when it has it: a
//! slice ends when the receiver has counted its bytes, not when the socket's queue is empty.
//!
//! A receiver that sleeps has to be woken, and on loopback it is the sender that pays for that: tens
//! of microseconds where the wake-up leaves a virtual machine, more than a fetch costs. A consumer on
//! another host costs the sender nothing of the kind. So where there is a CPU for it the receiver
//! spins: it asks `poll` (which takes no socket lock) until a worthwhile amount has come, and what it
//! reports as its CPU time is the time inside the calls that brought bytes.

mod connections;
pub mod decode;
mod pace;
mod read_back;

use super::footprint;
use super::sinks::PIPES;
use super::wire::{Ask, Counted, Echo, Expect, Lines, ReceiverSpec, UNTIL_CLOSED, say};
use crate::counters::{Usage, now};
use anyhow::{Context, bail};
pub(super) use connections::connect_to;
use connections::{connect, has_bytes, inherited, own_cpus, receive, set_low_water};
use decode::Decoder;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{MsgFlags, sockopt};
use pace::Pace;
use std::io::{IsTerminal, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;
use zclab_strategies::tls;

/// Bytes asked for in one `recv`.
const BUFFER_BYTES: usize = 256 << 10;

/// A spinning receiver takes bytes when so many are there, as one that was woken late would find them:
/// reading every packet at once would contend with the sender for the socket's lock.
const WORTHWHILE_BYTES: u64 = 64 << 10;

/// A spinning receiver takes what there is when nothing worthwhile has come for so long: a full window
/// may hold less, and so may the end of a sender's header. Behind a transform the end of a block may be
/// any number of bytes, so its last ones wait for so long where they are fewer than the low-water mark.
const IMPATIENCE_NS: u64 = 50_000;

/// A receiver that sees no byte for this long gives up.
const SILENCE: Duration = Duration::from_secs(30);

/// Between two looks at the memory of TCP's sockets, while content is checked.
const LOOK_NS: u64 = 10_000_000;

/// How long it waits for the next order: longer than any other child's slice may take.
const IDLE: Duration = Duration::from_secs(600);

/// Runs a receiver: specification and orders on stdin, counts on stdout.
///
/// # Errors
/// What could not be set up; later trouble is reported in [`Counted::error`].
pub fn run() -> anyhow::Result<()> {
    if std::io::stdin().is_terminal() {
        bail!("`zclab receive` is a part of a trial and is started by it");
    }
    super::raise_files_limit();
    let mut orders = Lines::new(std::io::stdin());
    let spec: ReceiverSpec = orders.next(IDLE).context("reading the receiver's specification")?;
    let mut out = std::io::stdout();
    let mut receiver = match Receiver::connect(&spec) {
        Ok(receiver) => receiver,
        Err(error) => {
            let error = Some(format!("{error:#}"));
            say(&mut out, &Counted { error, ..Counted::default() })?;
            return Ok(());
        }
    };
    say(&mut out, &receiver.hello())?;
    let idle = IDLE + Duration::from_millis(spec.idling_ms);
    // The sender closes the pipe when it is done: that is the end, not an error.
    while let Ok(ask) = orders.next::<Ask>(idle) {
        let failed = match ask {
            Ask::Count(expect) => {
                let counted = receiver.serve(expect, &mut out);
                say(&mut out, &counted)?;
                counted.error.is_some()
            }
            Ask::Echo(word) => {
                say(&mut out, &Echo { process: std::process::id(), ..word })?;
                false
            }
            Ask::ReadBack(wanted) => {
                let content = receiver.read_back(wanted);
                say(&mut out, &content)?;
                content.error.is_some()
            }
        };
        if failed {
            break;
        }
    }
    Ok(())
}

struct Receiver {
    connections: Vec<OwnedFd>,
    left_bytes: Vec<u64>,
    /// Connections that are still to bring bytes.
    open: usize,
    low_water_bytes: Vec<u64>,
    /// Paces of the first connections; the others are read as fast as bytes come.
    slow: Vec<Pace>,
    epoll: Option<Epoll>,
    flags: MsgFlags,
    /// They are pipes, which know `read` alone.
    pipes: bool,
    spins: bool,
    /// TLS has yet to be laid over the connections.
    sealed: bool,
    buffer: Vec<u8>,
    /// What undoes each connection's transform; none where there is nothing to undo.
    decoders: Vec<Decoder>,
    looked_ns: u64,
}

impl Receiver {
    fn connect(spec: &ReceiverSpec) -> anyhow::Result<Receiver> {
        let here = if spec.address.is_empty() { own_cpus(spec)? } else { spec.cpus.clone() };
        if let Some(cpus) = here {
            crate::cpus::keep_to(&cpus)?;
        }
        let connections = match spec.address.is_empty() {
            true => inherited()?,
            false => (0..spec.connections)
                .map(|index| connect(spec, index))
                .collect::<anyhow::Result<Vec<OwnedFd>>>()?,
        };
        let decoders = decode::open(&spec.undo, &connections)?;
        let slow = connections.len().min(spec.slow as usize);
        // One connection is read by blocking calls; several are waited for together. Slow ones are
        // read by the clock.
        let epoll = match (slow, connections.len()) {
            (0, 0 | 1) => None,
            _ => {
                let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).context("epoll_create1")?;
                for (index, connection) in connections.iter().enumerate().skip(slow) {
                    let event = EpollEvent::new(EpollFlags::EPOLLIN, index as u64);
                    epoll.add(connection, event).context("epoll_ctl")?;
                }
                Some(epoll)
            }
        };
        Ok(Receiver {
            left_bytes: vec![0; connections.len()],
            open: 0,
            low_water_bytes: vec![1; connections.len()],
            connections,
            slow: vec![Pace::new(spec.slow_rate_bytes); slow],
            epoll,
            flags: if spec.discard { MsgFlags::MSG_TRUNC } else { MsgFlags::empty() },
            pipes: spec.address.starts_with(PIPES),
            spins: spec.spins,
            sealed: spec.tls,
            buffer: vec![0; BUFFER_BYTES],
            decoders,
            looked_ns: 0,
        })
    }

    /// A count of nothing: what there is to say before bytes come.
    fn hello(&self) -> Counted {
        let size = |connection: &OwnedFd| {
            nix::sys::socket::getsockopt(connection, sockopt::RcvBuf).unwrap_or(0) as u64
        };
        let receive_buffer_bytes = self.connections.first().map_or(0, size);
        let peak_rss_bytes = footprint::peak_rss_bytes().unwrap_or(0);
        let descriptors = footprint::descriptors().unwrap_or(0);
        Counted { receive_buffer_bytes, peak_rss_bytes, descriptors, ..Counted::default() }
    }

    /// Lets the kernel decrypt from now on, where the sender's encrypts. The sender has done its half
    /// by the time that it asks for anything, and has sent no byte before.
    fn unseal(&mut self) -> anyhow::Result<()> {
        if std::mem::take(&mut self.sealed) {
            for connection in &self.connections {
                tls::lay(connection.as_raw_fd(), tls::Direction::Receive)
                    .map_err(|(call, errno)| anyhow::anyhow!("{call}: {errno}"))?;
            }
        }
        Ok(())
    }

    /// Says that it listens, then counts.
    fn serve(&mut self, expect: Expect, out: &mut impl Write) -> Counted {
        self.left_bytes.fill(expect.bytes_each);
        self.open = if expect.bytes_each > 0 { self.connections.len() } else { 0 };
        self.slow.iter_mut().for_each(|pace| *pace = pace.anew());
        let mut counted = Counted::default();
        if let Err(error) = self.unseal() {
            return Counted { error: Some(format!("{error:#}")), ..counted };
        }
        if expect.content {
            counted.crcs = vec![0; self.connections.len()];
        }
        if let Err(error) = say(out, &self.hello()) {
            return Counted { error: Some(format!("stdout: {error}")), ..counted };
        }
        let begin = Usage::begin();
        let outcome = match (self.spins, self.epoll.is_some()) {
            (true, _) => self.spin(&mut counted),
            (false, true) => self.read_all(&mut counted),
            (false, false) => self.read_one(&mut counted),
        };
        counted.end_ns = now().0;
        let used = Usage::end().since(begin);
        if !self.spins {
            counted.cpu_ns = used.cpu.0;
        }
        counted.voluntary = used.voluntary;
        counted.involuntary = used.involuntary;
        let hello = self.hello();
        counted.receive_buffer_bytes = hello.receive_buffer_bytes;
        (counted.peak_rss_bytes, counted.descriptors) = (hello.peak_rss_bytes, hello.descriptors);
        let outcome = outcome.and_then(|()| self.nothing_is_left());
        counted.error = outcome.err().map(|error| format!("{error:#}"));
        counted
    }

    /// A block ends with a whole chunk.
    fn nothing_is_left(&self) -> anyhow::Result<()> {
        let pending: usize = self.decoders.iter().map(Decoder::pending_bytes).sum();
        anyhow::ensure!(pending == 0, "{pending} bytes came beyond the last whole chunk");
        Ok(())
    }

    fn read_one(&mut self, counted: &mut Counted) -> anyhow::Result<()> {
        while self.left_bytes.first().is_some_and(|&left| left > 0) {
            self.take(0, BUFFER_BYTES, counted)?;
        }
        Ok(())
    }

    fn read_all(&mut self, counted: &mut Counted) -> anyhow::Result<()> {
        let mut events = [EpollEvent::empty(); 64];
        let mut fed_ns = now().0;
        while self.open > 0 {
            let before = counted.bytes;
            let slow_ns = self.read_slowly(counted)?;
            let Some(epoll) = &self.epoll else { return Ok(()) };
            let ready = match epoll.wait(&mut events, until(slow_ns)) {
                Err(nix::errno::Errno::EINTR) => 0,
                other => other.context("epoll_wait")?,
            };
            for event in &events[..ready] {
                let index = event.data() as usize;
                if self.left_bytes[index] == 0 {
                    bail!("connection {index} brought more bytes than expected");
                }
                self.take(index, BUFFER_BYTES, counted)?;
            }
            if counted.bytes > before {
                fed_ns = now().0;
            } else if now().0.saturating_sub(fed_ns) >= SILENCE.as_nanos() as u64 {
                bail!("no byte came for {SILENCE:?}");
            }
        }
        Ok(())
    }

    /// Reads from slow connections what their pace allows by now; when the next of them may read.
    fn read_slowly(&mut self, counted: &mut Counted) -> anyhow::Result<Option<u64>> {
        let mut next_ns = None;
        for index in 0..self.slow.len() {
            if self.left_bytes[index] == 0 {
                continue;
            }
            let now_ns = now().0;
            if let Some(bytes) = self.slow[index].allows(now_ns) {
                let before = counted.bytes;
                self.take_clocked(index, bytes as usize, counted)?;
                self.slow[index].took(now_ns, counted.bytes - before);
            }
            let own_ns = self.slow[index].next_ns();
            next_ns = Some(next_ns.map_or(own_ns, |other: u64| other.min(own_ns)));
        }
        Ok(next_ns)
    }

    /// Asks again and again, and never sleeps.
    fn spin(&mut self, counted: &mut Counted) -> anyhow::Result<()> {
        let fast = self.slow.len()..self.connections.len();
        for index in fast.clone() {
            self.settle_for(index)?;
        }
        let mut fed_ns = now().0;
        let mut ready = Vec::with_capacity(self.connections.len());
        while self.open > 0 {
            let before = counted.bytes;
            self.read_slowly(counted)?;
            self.ready(&mut ready)?;
            let waited_ns = now().0.saturating_sub(fed_ns);
            if ready.is_empty() && waited_ns > IMPATIENCE_NS {
                ready.extend(fast.clone());
            }
            if waited_ns > SILENCE.as_nanos() as u64 {
                bail!("no byte came for {SILENCE:?}");
            }
            for &index in &ready {
                if self.left_bytes[index] > 0 {
                    self.take_clocked(index, BUFFER_BYTES, counted)?;
                    self.settle_for(index)?;
                }
            }
            if counted.bytes > before {
                fed_ns = now().0;
            }
        }
        Ok(())
    }

    /// Connections that have something worthwhile, by calls that neither sleep nor lock.
    fn ready(&self, ready: &mut Vec<usize>) -> anyhow::Result<()> {
        ready.clear();
        let Some(epoll) = &self.epoll else {
            let mut wait = [PollFd::new(self.connections[0].as_fd(), PollFlags::POLLIN)];
            match poll(&mut wait, PollTimeout::ZERO) {
                Ok(0) | Err(nix::errno::Errno::EINTR) => {}
                Ok(_) => ready.push(0),
                Err(errno) => bail!("poll: {errno}"),
            }
            return Ok(());
        };
        let mut events = [EpollEvent::empty(); 64];
        match epoll.wait(&mut events, EpollTimeout::ZERO) {
            Ok(count) => ready.extend(events[..count].iter().map(|event| event.data() as usize)),
            Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => bail!("epoll_wait: {errno}"),
        }
        Ok(())
    }

    /// Tells the socket how many bytes are worth a `POLLIN`: never more than are still to come.
    fn settle_for(&mut self, index: usize) -> anyhow::Result<()> {
        let worthwhile = self.left_bytes[index].clamp(1, WORTHWHILE_BYTES);
        if self.low_water_bytes[index] == worthwhile || self.pipes {
            return Ok(());
        }
        self.low_water_bytes[index] = worthwhile;
        set_low_water(&self.connections[index], worthwhile as libc::c_int)
    }

    /// One `recv` that does not sleep; its time is the receiver's when it brought bytes.
    fn take_clocked(
        &mut self,
        index: usize,
        most: usize,
        counted: &mut Counted,
    ) -> anyhow::Result<()> {
        let (begin_ns, before) = (now().0, counted.bytes);
        self.take(index, most, counted)?;
        if counted.bytes > before {
            counted.cpu_ns += now().0.saturating_sub(begin_ns);
        }
        Ok(())
    }

    /// One `recv`, never beyond what is expected. One by the clock does not wait for bytes.
    fn take(&mut self, index: usize, at_most: usize, counted: &mut Counted) -> anyhow::Result<()> {
        let waits = !self.spins && index >= self.slow.len();
        let left_bytes = self.left_bytes[index];
        // Behind a transform nobody knows how many bytes will come; but the sender sends no more than
        // what was ordered.
        let most = if self.decoders.is_empty() { left_bytes } else { u64::MAX };
        let want = most.min(at_most.min(BUFFER_BYTES) as u64) as usize;
        let connection = &self.connections[index];
        // Bytes that are to be checked have to be copied out, whatever the mode.
        let flags = if counted.crcs.is_empty() { self.flags } else { MsgFlags::empty() };
        let flags = if waits { flags } else { flags | MsgFlags::MSG_DONTWAIT };
        let got = match receive(connection, self.pipes, &mut self.buffer[..want], flags) {
            Err(nix::errno::Errno::EINTR) => return Ok(()),
            Err(nix::errno::Errno::EAGAIN) if !waits => return Ok(()),
            Err(nix::errno::Errno::EAGAIN) if self.pipes && has_bytes(connection) => return Ok(()),
            Err(nix::errno::Errno::EAGAIN) => bail!("no byte came for {SILENCE:?}"),
            other => other.context("recv")?,
        };
        if got == 0 && self.left_bytes[index] > UNTIL_CLOSED / 2 {
            self.left_bytes[index] = 0;
            self.open -= 1;
            return Ok(());
        }
        if got == 0 {
            bail!("the sender closed connection {index}, {} bytes short", self.left_bytes[index]);
        }
        let wire = &self.buffer[..got];
        let mut plain_bytes = 0;
        let mut give = |plain: &[u8]| {
            if let Some(crc) = counted.crcs.get_mut(index) {
                *crc = crc32c::crc32c_append(*crc, plain);
            }
            plain_bytes += plain.len() as u64;
        };
        match self.decoders.get_mut(index) {
            Some(decoder) => decoder.take(wire, left_bytes, &mut give)?,
            None => give(wire),
        }
        if plain_bytes > left_bytes {
            bail!("connection {index} brought {} bytes too many", plain_bytes - left_bytes);
        }
        self.left_bytes[index] -= plain_bytes;
        self.open -= usize::from(plain_bytes > 0 && self.left_bytes[index] == 0);
        counted.bytes += plain_bytes;
        if !counted.crcs.is_empty() {
            self.look(counted);
        }
        Ok(())
    }

    /// How much memory TCP's sockets hold, now and then. Content is checked, so nothing is timed.
    fn look(&mut self, counted: &mut Counted) {
        let now_ns = now().0;
        if now_ns.saturating_sub(self.looked_ns) >= LOOK_NS {
            self.looked_ns = now_ns;
            let held_bytes = footprint::tcp_memory_bytes();
            counted.tcp_memory_bytes = counted.tcp_memory_bytes.max(held_bytes);
        }
    }
}

/// How long to wait for bytes: no longer than silence may last, nor than until a slow connection's turn.
fn until(slow_ns: Option<u64>) -> EpollTimeout {
    let left = slow_ns.map(|at_ns| Duration::from_nanos(at_ns.saturating_sub(now().0)));
    // Rounded up, or the last millisecond would be spent asking.
    let wait = left.map_or(SILENCE, |left| (left + Duration::from_micros(999)).min(SILENCE));
    EpollTimeout::try_from(wait).unwrap_or(EpollTimeout::MAX)
}
