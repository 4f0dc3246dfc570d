//! How do two hosts measure together?
//!
//! `zclab sink` on one host plays the receiver, `zclab run --to HOST:PORT` on the other sends. The
//! sender connects, for the run and for each trial and each of its consumers: that passes address
//! translation and firewalls, and the sink needs one open port. Whoever connects says in one line what
//! it wants ([`greeting`]); `house` is the sink, `link` the run's side. What the two processes of a
//! trial say to each other afterwards is [`trial::wire`](crate::trial::wire), as over pipes.
//!
//! The token keeps strangers out. It crosses the network in clear, so it is no secret from whoever
//! can listen there.

pub mod greeting;
pub mod house;
pub mod link;

use anyhow::{Context, bail};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::Path;

/// The version of what crosses between the hosts; any change of it makes another number.
pub const PROTOCOL: u32 = 1;

/// A token has at least so many characters: shorter ones can be guessed.
const TOKEN_CHARS_MIN: usize = 16;

/// Where a sender finds its token when no file is named.
pub const TOKEN_VARIABLE: &str = "ZCLAB_TOKEN";

/// A number that nobody guesses, as text.
///
/// # Errors
/// What the kernel's source of random numbers said.
pub fn random() -> anyhow::Result<String> {
    let mut bytes = [0u8; 16];
    let mut source = std::fs::File::open("/dev/urandom").context("open /dev/urandom")?;
    source.read_exact(&mut bytes).context("read /dev/urandom")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The token in a file: its text without blanks around it.
///
/// # Errors
/// A file that cannot be read, or a token that could be guessed.
pub fn token_of(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("reading the token in {}", file.display()))?;
    fit(text.trim(), &file.display().to_string())
}

/// The token of a sender: from a file if one is named, or else from the environment. It is never an
/// argument, since everybody on a machine can read those.
///
/// # Errors
/// No token, or one that could be guessed.
pub fn token(file: Option<&Path>) -> anyhow::Result<String> {
    if let Some(file) = file {
        return token_of(file);
    }
    match std::env::var(TOKEN_VARIABLE) {
        Ok(text) => fit(text.trim(), TOKEN_VARIABLE),
        Err(_) => bail!(
            "--to needs the token that `zclab sink` prints: in a file (--token-file FILE) or in the \
             environment variable {TOKEN_VARIABLE}"
        ),
    }
}

fn fit(token: &str, place: &str) -> anyhow::Result<String> {
    if token.chars().count() < TOKEN_CHARS_MIN {
        bail!("the token in {place} has fewer than {TOKEN_CHARS_MIN} characters");
    }
    Ok(token.to_owned())
}

/// Whether two tokens are the same, in a time that does not say how far they agree.
#[must_use]
pub fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let differing =
        one.iter().zip(other).fold(0, |all, (a, b)| std::hint::black_box(all | (a ^ b)));
    one.len() == other.len() && differing == 0
}

/// Where to listen: `HOST:PORT` as it is written, `PORT` or `:PORT` on the loopback address only.
///
/// # Errors
/// What is no address.
pub fn listening_at(text: &str) -> anyhow::Result<SocketAddr> {
    if let Ok(port) = text.strip_prefix(':').unwrap_or(text).parse::<u16>() {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    let found = text.to_socket_addrs().with_context(|| format!("{text} is no HOST:PORT"))?;
    found.into_iter().next().with_context(|| format!("{text} leads to no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_the_same_or_not() {
        assert!(same("0123456789abcdef", "0123456789abcdef"));
        for other in ["", "0123456789abcdeF", "0123456789abcdef0", "0123456789abcde"] {
            assert!(!same("0123456789abcdef", other), "{other}");
        }
        assert_ne!(random().unwrap(), random().unwrap());
        assert!(fit(&random().unwrap(), "here").is_ok());
        assert!(fit("short", "here").is_err());
    }

    #[test]
    fn only_what_is_written_out_leaves_the_loopback_address() {
        let at = |text| listening_at(text).unwrap().to_string();
        assert_eq!(at("9999"), "127.0.0.1:9999");
        assert_eq!(at(":9999"), "127.0.0.1:9999");
        assert_eq!(at("0.0.0.0:9999"), "0.0.0.0:9999");
        assert_eq!(at("[::1]:9999"), "[::1]:9999");
        assert!(listening_at("nonsense").is_err());
    }
}
