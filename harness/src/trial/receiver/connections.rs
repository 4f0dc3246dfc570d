//! How does a receiver come to its connections, and what does each kind of them want?
//!
//! It connects to the sender, or inherits what its parent has: sockets of a sink on another host,
//! accepted already, and the reading ends of pipes. A pipe knows neither flags nor a time limit:
//! reads of it never wait, so that a receiver that sleeps sleeps in `poll`.

use super::SILENCE;
use crate::cpus::Numbers;
use crate::trial::sinks::PIPES;
use crate::trial::wire::{INHERITED, ReceiverSpec};
use anyhow::{Context, bail};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv, setsockopt, sockopt};
use std::io::Write;
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};

/// The CPU of a receiver whose sender is on another host and knows nothing of this one's.
pub(super) fn own_cpus(spec: &ReceiverSpec) -> anyhow::Result<Option<Numbers>> {
    let cpu = crate::trial::pins().map(|(_, receiver)| receiver);
    if spec.spins && cpu.is_none() {
        bail!("a spinning receiver needs a CPU of its own, and the sink's host has only one");
    }
    Ok(cpu.map(Numbers::one))
}

/// Connections that were made before this process began.
pub(super) fn inherited() -> anyhow::Result<Vec<OwnedFd>> {
    let list = std::env::var(INHERITED).with_context(|| format!("the variable {INHERITED}"))?;
    let numbers = list.split(',').filter(|number| !number.is_empty());
    let numbers: Vec<RawFd> =
        numbers.map(str::parse).collect::<Result<_, _>>().context("a list of descriptors")?;
    let take = |number| {
        // SAFETY: the sink left this descriptor open for this process and nobody else here knows of it.
        let connection = unsafe { OwnedFd::from_raw_fd(number) };
        let stream = TcpStream::from(connection);
        stream.set_read_timeout(Some(SILENCE)).context("SO_RCVTIMEO")?;
        Ok(OwnedFd::from(stream))
    };
    numbers.into_iter().map(take).collect()
}

/// Bytes of a connection: `recv` of a socket, `read` of a pipe, which does not wait.
pub(super) fn receive(
    from: &OwnedFd,
    pipe: bool,
    to: &mut [u8],
    flags: MsgFlags,
) -> nix::Result<usize> {
    if pipe { nix::unistd::read(from, to) } else { recv(from.as_raw_fd(), to, flags) }
}

/// Waits for bytes of a pipe, or its end; false when neither came.
pub(super) fn has_bytes(pipe: &OwnedFd) -> bool {
    let mut wait = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
    let limit = PollTimeout::try_from(SILENCE).unwrap_or(PollTimeout::MAX);
    // An interrupted wait is followed by another look.
    !matches!(poll(&mut wait, limit), Ok(0))
}

/// A pipe that the sender left open for this process.
fn inherited_pipe(numbers: &str, index: u32) -> anyhow::Result<OwnedFd> {
    let number = numbers.split(',').nth(index as usize).context("no such pipe")?;
    let number = number.parse().context("the number of a pipe")?;
    // SAFETY: the sender left this descriptor open for this process alone, whose address names each
    // number once, so that nobody else here owns it.
    let pipe: OwnedFd = unsafe { OwnedFd::from_raw_fd(number) };
    fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).context("fcntl(F_SETFL)")?;
    Ok(pipe)
}

pub(super) fn connect(spec: &ReceiverSpec, index: u32) -> anyhow::Result<OwnedFd> {
    if let Some(numbers) = spec.address.strip_prefix(PIPES) {
        return inherited_pipe(numbers, index);
    }
    connect_with(&spec.address, index, spec.socket_buffer_bytes)
}

/// A connection that begins with its index, with buffers as the kernel likes them.
pub(in crate::trial) fn connect_to(address: &str, index: u32) -> anyhow::Result<OwnedFd> {
    connect_with(address, index, 0)
}

fn connect_with(address: &str, index: u32, receive_buffer_bytes: u64) -> anyhow::Result<OwnedFd> {
    let hello = index.to_le_bytes();
    if let Some(name) = address.strip_prefix('@') {
        let address = SocketAddr::from_abstract_name(name).context("abstract address")?;
        let mut stream = UnixStream::connect_addr(&address).context("connect(unix)")?;
        stream.set_read_timeout(Some(SILENCE)).context("SO_RCVTIMEO")?;
        stream.write_all(&hello).context("write(hello)")?;
        return Ok(OwnedFd::from(stream));
    }
    // The buffer has to be set before the connection is made, or the window scale is already fixed.
    let socket = nix::sys::socket::socket(
        nix::sys::socket::AddressFamily::Inet,
        nix::sys::socket::SockType::Stream,
        nix::sys::socket::SockFlag::SOCK_CLOEXEC,
        None,
    )
    .context("socket")?;
    let bytes = receive_buffer_bytes as usize;
    if bytes > 0 {
        setsockopt(&socket, sockopt::RcvBuf, &bytes).context("setsockopt(SO_RCVBUF)")?;
    }
    let address: std::net::SocketAddrV4 = address.parse().context("address")?;
    let address = nix::sys::socket::SockaddrIn::from(address);
    nix::sys::socket::connect(socket.as_fd().as_raw_fd(), &address).context("connect")?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(SILENCE)).context("SO_RCVTIMEO")?;
    stream.write_all(&hello).context("write(hello)")?;
    Ok(OwnedFd::from(stream))
}

/// `SO_RCVLOWAT` (socket(7)): `poll` reports a socket as readable only from so many bytes on.
pub(super) fn set_low_water(connection: &OwnedFd, bytes: libc::c_int) -> anyhow::Result<()> {
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option's value is one int on this stack frame, read only during the call.
    let answer = unsafe {
        libc::setsockopt(
            connection.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVLOWAT,
            (&raw const bytes).cast(),
            len,
        )
    };
    nix::errno::Errno::result(answer).map(drop).context("setsockopt(SO_RCVLOWAT)")
}
