//! What does each connection between two hosts begin with?
//!
//! One line of JSON from whoever connects, and, but for a consumer's connection, one line back. A line
//! is short, and is not waited for long: it comes from somebody who is not known yet.

use super::PROTOCOL;
use crate::trial::wire::say;
use anyhow::{Context, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long a connection, and the line that it begins with, may take.
pub const GREETING: Duration = Duration::from_secs(10);

/// A greeting is no longer.
const LINE_BYTES_MAX: usize = 4096;

/// What somebody who connects wants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "hello", rename_all = "kebab-case")]
pub enum Hello {
    /// To measure: the connection lasts as long as the run.
    Run {
        /// The version of this protocol.
        protocol: u32,
        /// The version of the program.
        version: String,
        /// The sink's token.
        #[serde(default)]
        token: String,
    },
    /// A receiver for a trial of the run; afterwards this connection is the receiver's orders and
    /// counts.
    Trial {
        /// What the sink gave to the run.
        ticket: String,
        /// How many consumers will connect.
        connections: u32,
        /// `SO_RCVBUF` to ask for; 0 leaves it to the kernel's tuning.
        socket_buffer_bytes: u64,
    },
    /// To be a consumer's connection. Nothing is answered; the next bytes are the sender's.
    Consumer {
        /// What the sink gave to the trial.
        ticket: String,
        /// Which consumer.
        index: u32,
    },
}

/// What the sink answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Welcome {
    /// The version of its protocol.
    pub protocol: u32,
    /// The version of its program.
    pub version: String,
    /// The revision that it was built from.
    pub revision: String,
    /// The release of its kernel.
    pub kernel: String,
    /// What the next greeting has to show.
    pub ticket: String,
    /// Set instead when it will not.
    pub error: Option<String>,
}

/// The greeting of this program's runs.
#[must_use]
pub fn run(token: String) -> Hello {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    Hello::Run { protocol: PROTOCOL, version, token }
}

/// Why two programs do not go together, if so.
#[must_use]
pub fn mismatch(sink: (u32, &str), sender: (u32, &str)) -> Option<String> {
    (sink != sender).then(|| {
        format!(
            "the sink is zclab {} with protocol {}, the sender zclab {} with protocol {}: use the same \
             zclab on both hosts",
            sink.1, sink.0, sender.1, sender.0
        )
    })
}

/// Reads one line of somebody who may be anybody.
///
/// # Errors
/// A line that is late, too long, or no greeting. What was said is not repeated: it may hold a token.
pub fn hear<T: DeserializeOwned>(from: &mut TcpStream) -> anyhow::Result<T> {
    let deadline = Instant::now() + GREETING;
    let mut line = Vec::new();
    let mut byte = [0u8];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            bail!("no greeting within {GREETING:?}");
        }
        from.set_read_timeout(Some(left)).context("setsockopt(SO_RCVTIMEO)")?;
        // One byte at a time: what follows the line belongs to somebody else.
        match from.read(&mut byte) {
            Ok(0) => bail!("the other side closed the connection"),
            Ok(_) if byte[0] == b'\n' => break,
            Ok(_) => line.push(byte[0]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error).context("reading a greeting"),
        }
        if line.len() > LINE_BYTES_MAX {
            bail!("a greeting of more than {LINE_BYTES_MAX} bytes");
        }
    }
    from.set_read_timeout(None).context("setsockopt(SO_RCVTIMEO)")?;
    serde_json::from_slice(&line).map_err(|error| {
        anyhow::anyhow!("no greeting of zclab (line 1, column {})", error.column())
    })
}

/// Connects to a sink and says what is wanted. Every wait has a bound.
///
/// # Errors
/// The call that failed.
pub fn connect(address: SocketAddr, hello: &Hello) -> anyhow::Result<TcpStream> {
    connect_with(address, hello, |_| {})
}

/// The same with options that have to be set before there is a connection.
///
/// # Errors
/// As [`connect`].
pub fn connect_with(
    address: SocketAddr,
    hello: &Hello,
    set: impl FnOnce(&OwnedFd),
) -> anyhow::Result<TcpStream> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, socket};
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let socket =
        socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).context("socket")?;
    set(&socket);
    let mut stream = TcpStream::from(socket);
    // It bounds connect(2) as well (socket(7)), which then says EINPROGRESS.
    stream.set_write_timeout(Some(GREETING)).context("setsockopt(SO_SNDTIMEO)")?;
    nix::sys::socket::connect(stream.as_raw_fd(), &SockaddrStorage::from(address))
        .with_context(|| format!("connect to {address}"))?;
    stream.set_nodelay(true).context("setsockopt(TCP_NODELAY)")?;
    watch(&stream)?;
    say(&mut stream, hello).with_context(|| format!("write to {address}"))?;
    Ok(stream)
}

/// The same, and hears the answer.
///
/// # Errors
/// As [`connect`], and what the sink says when it will not.
pub fn greet(address: SocketAddr, hello: &Hello) -> anyhow::Result<(TcpStream, Welcome)> {
    let mut stream = connect(address, hello)?;
    let welcome: Welcome =
        hear(&mut stream).with_context(|| format!("the sink at {address} did not answer"))?;
    match welcome.error {
        Some(error) => bail!("the sink at {address} refuses: {error}"),
        None => Ok((stream, welcome)),
    }
}

/// Makes the kernel notice that the other host is gone, within about half a minute (tcp(7)).
///
/// # Errors
/// The option that could not be set.
pub fn watch(stream: &TcpStream) -> anyhow::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt};
    setsockopt(stream, sockopt::KeepAlive, &true).context("setsockopt(SO_KEEPALIVE)")?;
    setsockopt(stream, sockopt::TcpKeepIdle, &10).context("setsockopt(TCP_KEEPIDLE)")?;
    setsockopt(stream, sockopt::TcpKeepInterval, &5).context("setsockopt(TCP_KEEPINTVL)")?;
    setsockopt(stream, sockopt::TcpKeepCount, &4).context("setsockopt(TCP_KEEPCNT)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;

    fn heard(line: &[u8]) -> anyhow::Result<Hello> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        near.write_all(line).unwrap();
        drop(near);
        hear(&mut listener.accept().unwrap().0)
    }

    #[test]
    fn greetings_of_other_versions_are_understood_so_far() {
        let newer = b"{\"hello\":\"run\",\"protocol\":9,\"version\":\"3.0.0\",\"key\":[1]}\n";
        let Hello::Run { protocol, version, token } = heard(newer).unwrap() else { panic!() };
        let why = mismatch((PROTOCOL, "0.1.0"), (protocol, &version)).unwrap();
        assert!(why.contains("0.1.0") && why.contains("3.0.0"), "{why}");
        assert!(token.is_empty());
        assert_eq!(mismatch((1, "0.1.0"), (1, "0.1.0")), None);
    }

    #[test]
    fn strangers_are_told_nothing_of_what_they_said() {
        for line in [&b"GET / HTTP/1.1 secret\r\n"[..], b"{\"hello\":\"run\"", &[b'x'; 5000]] {
            let why = format!("{:#}", heard(line).unwrap_err());
            assert!(!why.contains("secret"), "{why}");
        }
    }
}
