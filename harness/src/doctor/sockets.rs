//! What do this machine's TCP sockets offer to a sender that wants to avoid copies?
//!
//! Each option is set on a socket that is connected to this process over loopback, since kernel TLS
//! refuses any other. Nothing is sent.

use super::{Capability, Found, failed, read, refused, sysctl};
use crate::trial::sinks::CONGESTION;
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use std::ffi::OsString;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

/// A connection over loopback that takes longer does not work.
const PATIENCE: Duration = Duration::from_secs(2);

/// Congestion controls that send by a timer instead of when the window opens.
const PACED: [&str; 3] = ["bbr", "bbr2", "bbr3"];

/// A connection and its far end.
struct Connection {
    near: TcpStream,
    _far: TcpStream,
}

fn connect() -> Result<Connection, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .map_err(|error| failed("bind to 127.0.0.1", &error))?;
    let address = listener.local_addr().map_err(|error| failed("getsockname", &error))?;
    let near = TcpStream::connect_timeout(&address, PATIENCE)
        .map_err(|error| failed("connect to 127.0.0.1", &error))?;
    // The connection is in the listener's queue by now, so that this does not wait.
    let (far, _) = listener.accept().map_err(|error| failed("accept", &error))?;
    Ok(Connection { near, _far: far })
}

fn set(connection: &Connection, level: i32, option: i32, value: &[u8]) -> Result<(), Errno> {
    let (fd, len) = (connection.near.as_raw_fd(), value.len() as libc::socklen_t);
    // SAFETY: `value` is borrowed for the whole call and `len` is its length; the kernel reads it
    // during the call only.
    let answer = unsafe { libc::setsockopt(fd, level, option, value.as_ptr().cast(), len) };
    Errno::result(answer).map(drop)
}

fn zerocopy(connection: &Connection) -> Found {
    match set(connection, libc::SOL_SOCKET, libc::SO_ZEROCOPY, &1i32.to_ne_bytes()) {
        Ok(()) => Found::Yes("setsockopt(SO_ZEROCOPY); loopback and veth copy all the same".into()),
        Err(errno) => {
            Found::No(refused("setsockopt(SO_ZEROCOPY)", errno), "Linux 4.14 or newer".into())
        }
    }
}

fn kernel_tls(connection: &Connection) -> Found {
    let available = sysctl("net.ipv4.tcp_available_ulp");
    match set(connection, libc::SOL_TCP, libc::TCP_ULP, b"tls") {
        Ok(()) => Found::Yes("setsockopt(TCP_ULP, tls)".to_owned()),
        Err(errno) => Found::No(
            format!("{}; {available}", refused("setsockopt(TCP_ULP, tls)", errno)),
            "sudo modprobe tls # of a kernel built with CONFIG_TLS".to_owned(),
        ),
    }
}

/// With nothing received the kernel answers before it looks for the mapping that it would fill.
fn zerocopy_receive(connection: &Connection) -> Found {
    // struct tcp_zerocopy_receive as Linux 4.18 has it: address, length, bytes to skip.
    let mut request = [0u64; 2];
    let mut len = size_of_val(&request) as libc::socklen_t;
    let fd = connection.near.as_raw_fd();
    // SAFETY: `request` and `len` live on this stack frame and `len` is the size of `request`; the
    // kernel writes to both during the call only, and to no mapping since the queue is empty.
    let answer = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_TCP,
            libc::TCP_ZEROCOPY_RECEIVE,
            request.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    match Errno::result(answer) {
        Ok(_) => Found::Yes("getsockopt(TCP_ZEROCOPY_RECEIVE)".to_owned()),
        Err(errno) => Found::No(
            refused("getsockopt(TCP_ZEROCOPY_RECEIVE)", errno),
            "Linux 4.18 or newer, with an MMU".to_owned(),
        ),
    }
}

/// The first of the congestion controls that zclab asks for which this process may set.
fn congestion(connection: &Connection) -> Found {
    let available = sysctl("net.ipv4.tcp_available_congestion_control");
    let mut refusals = Vec::new();
    for name in CONGESTION {
        match setsockopt(&connection.near, sockopt::TcpCongestion, &OsString::from(name)) {
            Ok(()) => {
                return Found::Yes(format!("setsockopt(TCP_CONGESTION, {name}); {available}"));
            }
            Err(errno) => {
                refusals.push(refused(&format!("setsockopt(TCP_CONGESTION, {name})"), errno));
            }
        }
    }
    let how = "sudo sysctl net.ipv4.tcp_allowed_congestion_control=\"reno cubic\"";
    Found::No(format!("{}; {available}", refusals.join("; ")), how.to_owned())
}

/// Whether sockets that zclab does not make (those of a real broker) are paced.
fn default_congestion() -> Found {
    match read("/proc/sys/net/ipv4/tcp_congestion_control") {
        Ok(name) if PACED.contains(&&*name) => Found::Partly(
            format!("{name}: paced, which distorts loopback; zclab sets {} itself", CONGESTION[0]),
            format!("sudo sysctl net.ipv4.tcp_congestion_control={}", CONGESTION[0]),
        ),
        Ok(name) => Found::Yes(name),
        Err(reason) => Found::No(reason, "mount -t proc proc /proc".to_owned()),
    }
}

/// The rows of this group.
#[must_use]
pub fn rows() -> Vec<Capability> {
    let connection = connect();
    let on = |name, enables, ask: fn(&Connection) -> Found| {
        let found = match &connection {
            Ok(connection) => ask(connection),
            Err(reason) => Found::No(reason.clone(), "sudo ip link set lo up".to_owned()),
        };
        Capability::new(name, enables, found)
    };
    let unpaced = "unpaced senders over loopback";
    let default = "unpaced sockets of programs that zclab does not start";
    vec![
        on("tcp_loopback", "the sink tcp-loopback", |_| Found::Yes("127.0.0.1 connects".into())),
        on("congestion_control", unpaced, congestion),
        Capability::new("congestion_default", default, default_congestion()),
        on("msg_zerocopy", "sending from user memory without a copy", zerocopy),
        on("zerocopy_receive", "receiving into a mapping without a copy", zerocopy_receive),
        on("kernel_tls", "sendfile on encrypted connections", kernel_tls),
    ]
}
