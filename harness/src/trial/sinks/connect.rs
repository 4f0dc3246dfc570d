//! How do consumers come to their connections, and how are those tuned?

use super::receiver::Receiver;
use super::{CONGESTION, PATIENCE, io};
use crate::trial::wire::{Spec, Trouble};
use nix::errno::Errno;
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Instant;

/// Accepts as many connections as there are consumers, in the order of the index that each begins with.
pub(in crate::trial) fn accept_all<S: Read, L: AsRawFd>(
    listener: &L,
    count: u32,
    receiver: &mut Receiver,
    accept: impl Fn() -> std::io::Result<S>,
) -> Result<Vec<S>, Trouble> {
    let mut slots: Vec<Option<S>> = (0..count).map(|_| None).collect();
    let deadline = Instant::now() + receiver.patience;
    for _ in 0..count {
        wait_for_connection(listener, receiver, deadline)?;
        let mut stream = accept().map_err(|error| io("accept", "listener", &error))?;
        let mut index = [0u8; 4];
        stream.read_exact(&mut index).map_err(|error| io("read", "a new connection", &error))?;
        let slot = slots.get_mut(u32::from_le_bytes(index) as usize);
        *slot.ok_or_else(|| Trouble::failed("a stranger connected to the sink's port"))? =
            Some(stream);
    }
    slots
        .into_iter()
        .collect::<Option<Vec<S>>>()
        .ok_or_else(|| Trouble::failed("two consumers came with the same index"))
}

fn wait_for_connection<L: AsRawFd>(
    listener: &L,
    receiver: &mut Receiver,
    deadline: Instant,
) -> Result<(), Trouble> {
    loop {
        let mut wait = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: `wait` lives on this stack frame; the kernel writes its `revents` during the call.
        let ready = unsafe { libc::poll(&raw mut wait, 1, 200) };
        if ready > 0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            let patience = receiver.patience;
            return Err(Trouble::failed(format!("the receiver did not connect in {patience:?}")));
        }
        if let Ok(Some(status)) = receiver.try_wait() {
            // Its last words, if it had any, say more than its exit status.
            receiver.next()?;
            return Err(Trouble::failed(format!("the receiver ended: {status}")));
        }
    }
}

/// Thousands of consumers connect before the first is accepted.
pub(super) fn deepen_backlog<L: AsRawFd>(listener: &L, consumers: u32) -> Result<(), Trouble> {
    let backlog = consumers.clamp(128, 65_535) as libc::c_int;
    // SAFETY: listen takes two integers; the descriptor is open for the whole call.
    let answer = unsafe { libc::listen(listener.as_raw_fd(), backlog) };
    Errno::result(answer).map(drop).map_err(|errno| Trouble::call("listen", "listener", errno))
}

/// Asks for an unpaced congestion control on a listening socket, from which connections inherit it, or
/// on one that has yet to connect.
/// Once a connection exists it is too late: one that began with bbr keeps the pacing that bbr switched on
/// (`sk_pacing_status` in `net/ipv4/tcp_bbr.c`, which nothing resets), whatever is set afterwards, and
/// pays for a timer with every burst. What came of it is read back from each connection.
pub(super) fn ask_for_congestion<L: AsFd>(listener: &L) {
    // None of them may be allowed here (`tcp_allowed_congestion_control`): the record says what is used.
    let _ = CONGESTION
        .iter()
        .find(|name| setsockopt(listener, sockopt::TcpCongestion, &OsString::from(name)).is_ok());
}

pub(super) fn tune(
    stream: &TcpStream,
    spec: &Spec,
    setup: &mut BTreeMap<String, Value>,
) -> Result<(), Trouble> {
    let congestion = getsockopt(stream, sockopt::TcpCongestion)
        .map_err(|errno| Trouble::call("getsockopt(TCP_CONGESTION)", "sink", errno))?;
    let congestion = congestion.to_string_lossy().trim_end_matches('\0').to_owned();
    let asked = CONGESTION.contains(&congestion.as_str());
    let how = if asked { "set" } else { "the system's own: neither could be set" };
    setup.insert("congestion".into(), json!(congestion));
    setup.insert("congestion_source".into(), json!(how));
    // Headers go out with MSG_MORE, so Nagle has nothing to wait for but the end of a fetch.
    setsockopt(stream, sockopt::TcpNoDelay, &true)
        .map_err(|errno| Trouble::call("setsockopt(TCP_NODELAY)", "sink", errno))?;
    setup.insert("nodelay".into(), json!(true));
    stream
        .set_write_timeout(Some(PATIENCE))
        .map_err(|e| io("setsockopt(SO_SNDTIMEO)", "sink", &e))?;
    send_buffer(stream, spec, setup)
}

pub(super) fn send_buffer<S: AsFd>(
    stream: &S,
    spec: &Spec,
    setup: &mut BTreeMap<String, Value>,
) -> Result<(), Trouble> {
    if spec.socket_buffer_bytes > 0 {
        setsockopt(stream, sockopt::SndBuf, &(spec.socket_buffer_bytes as usize))
            .map_err(|errno| Trouble::call("setsockopt(SO_SNDBUF)", "sink", errno))?;
    }
    let got = getsockopt(stream, sockopt::SndBuf)
        .map_err(|errno| Trouble::call("getsockopt(SO_SNDBUF)", "sink", errno))?;
    setup.insert("send_buffer_bytes".into(), json!(got));
    Ok(())
}

pub(in crate::trial) fn random_bytes() -> Result<[u8; 16], Trouble> {
    let mut bytes = [0u8; 16];
    let mut source =
        File::open("/dev/urandom").map_err(|error| io("open", "/dev/urandom", &error))?;
    source.read_exact(&mut bytes).map_err(|error| io("read", "/dev/urandom", &error))?;
    Ok(bytes)
}
