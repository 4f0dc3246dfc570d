//! How are the two ends of a connection made to speak TLS inside the kernel?
//!
//! Kernel TLS takes over the records of a connection once a handshake has agreed on keys. The lab
//! measures what records cost and shakes no hands: both ends are given one fixed key, which protects
//! nothing. TLS 1.3 with AES-128-GCM, as servers and browsers agree on it.
//!
//! Sources: the kernel's Documentation/networking/tls.rst, include/uapi/linux/tls.h;
//! `tcp_set_ulp` in `net/ipv4/tcp_ulp.c`, `do_tls_setsockopt_conf` in `net/tls/tls_main.c`.

use nix::errno::Errno;
use std::os::fd::RawFd;

/// `setsockopt` that makes TLS a layer over a TCP connection.
pub const LAYER: &str = "setsockopt(TCP_ULP, tls)";

const TLS_1_3_VERSION: u16 = 0x0304;
const TLS_CIPHER_AES_GCM_128: u16 = 51;
/// Known to everybody: it is there so that the CPU has to encrypt.
const TEST_KEY: &[u8; 16] = b"zclab's test key";

/// `struct tls12_crypto_info_aes_gcm_128` of include/uapi/linux/tls.h, which TLS 1.3 uses, too:
/// version, cipher, initialisation vector, key, salt, number of the first record.
fn crypto_info() -> [u8; 40] {
    let mut info = [0; 40];
    info[..2].copy_from_slice(&TLS_1_3_VERSION.to_ne_bytes());
    info[2..4].copy_from_slice(&TLS_CIPHER_AES_GCM_128.to_ne_bytes());
    info[4..12].copy_from_slice(b"zclab iv");
    info[12..28].copy_from_slice(TEST_KEY);
    info[28..32].copy_from_slice(b"salt");
    info
}

/// Which direction of a connection, as `setsockopt` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// What is sent is encrypted.
    Send,
    /// What is received is decrypted.
    Receive,
}

/// Lays TLS over one direction of a connection, unless that was done before.
///
/// # Errors
/// The call and what the kernel said: `ENOENT` where it has no TLS.
pub fn lay(socket: RawFd, direction: Direction) -> Result<(), (&'static str, Errno)> {
    match set(socket, libc::IPPROTO_TCP, libc::TCP_ULP, b"tls") {
        Ok(()) => {}
        Err(Errno::EEXIST) => return Ok(()),
        Err(errno) => return Err((LAYER, errno)),
    }
    let (name, call) = match direction {
        Direction::Send => (1, "setsockopt(TLS_TX)"),
        Direction::Receive => (2, "setsockopt(TLS_RX)"),
    };
    set(socket, libc::SOL_TLS, name, &crypto_info()).map_err(|errno| (call, errno))
}

fn set(socket: RawFd, level: i32, name: i32, value: &[u8]) -> Result<(), Errno> {
    let (pointer, len) = (value.as_ptr().cast(), value.len() as libc::socklen_t);
    // SAFETY: `value` is borrowed for the whole call, which reads `len` bytes of it and keeps none.
    let result = unsafe { libc::setsockopt(socket, level, name, pointer, len) };
    Errno::result(result).map(drop)
}
