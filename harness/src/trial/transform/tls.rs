//! What does encryption cost where the kernel does not do it?
//!
//! TLS 1.3 by rustls: the broker is the server, each consumer a client. The certificate is made when
//! the trial begins, is held in memory only, and its consumers trust no other. The handshake is over
//! before anything is timed, without session tickets, so that nothing but records of data follows.
//! Plaintext of up to 16 KiB makes one record, 22 bytes longer.
//!
//! rustls takes memory for each record: it copies the plaintext there, encrypts it in place, and
//! copies it out. That is the one transform that allocates while it is timed; a broker that uses the
//! library has the same costs. Kernel TLS would encrypt inside `sendfile`, without user space.

use anyhow::{Context, anyhow};
use nix::errno::Errno;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use std::fs::File;
use std::io::{BufRead, ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use zclab_strategies::{Applied, Transform};

/// The name that the certificate is for.
const NAME: &str = "zclab";

/// Plaintext of one record, and what its header, its type and its tag add.
const RECORD_BYTES: usize = 16 << 10;
const OVERHEAD_BYTES: usize = 5 + 1 + 16;

/// The broker's end of an encrypted connection, after the handshake.
pub type Connection = Arc<Mutex<ServerConnection>>;

/// The broker: its key and its certificate.
pub struct Broker {
    config: Arc<ServerConfig>,
    certificate: Vec<u8>,
}

impl Broker {
    /// Makes a key and a certificate that signs itself.
    ///
    /// # Errors
    /// What the libraries said.
    pub fn new() -> anyhow::Result<Broker> {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()])
            .context("making a certificate")?;
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let certificate = made.cert.der().to_vec();
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13])
            .context("TLS 1.3")?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .context("the broker's certificate")?;
        config.send_tls13_tickets = 0;
        Ok(Broker { config: Arc::new(config), certificate })
    }

    /// The certificate (DER), for consumers to trust.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Shakes hands with the consumer at the other end of a blocking socket.
    ///
    /// # Errors
    /// What went wrong with it.
    pub fn greet(&self, socket: &OwnedFd) -> anyhow::Result<ServerConnection> {
        let mut connection = ServerConnection::new(self.config.clone()).context("TLS server")?;
        // What was encrypted is taken out at once, so there is no backlog to bound.
        connection.set_buffer_limit(None);
        let mut socket = File::from(socket.try_clone().context("dup")?);
        while connection.is_handshaking() || connection.wants_write() {
            connection.complete_io(&mut socket).context("TLS handshake")?;
        }
        Ok(connection)
    }
}

/// Version and cipher suite, as they were agreed on.
#[must_use]
pub fn agreed(connection: &ServerConnection) -> String {
    let version = connection.protocol_version().and_then(|version| version.as_str());
    let suite = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    format!("{} {}", version.unwrap_or("?"), suite.unwrap_or("?"))
}

/// Encrypts a lane's bytes.
pub struct Encrypt {
    connection: Connection,
}

impl Encrypt {
    /// For this connection. It outlives the engine: its records are numbered.
    #[must_use]
    pub fn new(connection: Connection) -> Encrypt {
        Encrypt { connection }
    }
}

impl Transform for Encrypt {
    fn name(&self) -> &'static str {
        "tls"
    }

    fn bound_bytes(&self, input_bytes: usize) -> usize {
        // One record more: a key update may come first.
        input_bytes + (input_bytes.div_ceil(RECORD_BYTES) + 1) * (OVERHEAD_BYTES + 8)
    }

    fn apply(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Applied, Errno> {
        let mut connection = self.connection.lock().map_err(|_| Errno::EOWNERDEAD)?;
        let errno = zclab_strategies::sys::errno_of;
        connection.writer().write_all(bytes).map_err(errno)?;
        while connection.wants_write() {
            connection.write_tls(out).map_err(errno)?;
        }
        Ok(Applied::Changed)
    }
}

/// A consumer's end of an encrypted connection.
pub struct Consumer {
    connection: ClientConnection,
}

impl Consumer {
    /// Shakes hands with the broker at the other end of a blocking socket, trusting this certificate
    /// and no other.
    ///
    /// # Errors
    /// What went wrong with it.
    pub fn greet(certificate: &[u8], socket: &OwnedFd) -> anyhow::Result<Consumer> {
        let mut trusted = RootCertStore::empty();
        trusted
            .add(CertificateDer::from_slice(certificate).into_owned())
            .context("the broker's certificate")?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13])
            .context("TLS 1.3")?
            .with_root_certificates(trusted)
            .with_no_client_auth();
        let name = ServerName::try_from(NAME).context("the broker's name")?;
        let mut connection = ClientConnection::new(Arc::new(config), name).context("TLS client")?;
        let mut socket = File::from(socket.try_clone().context("dup")?);
        while connection.is_handshaking() || connection.wants_write() {
            connection.complete_io(&mut socket).context("TLS handshake")?;
        }
        Ok(Consumer { connection })
    }

    /// Takes bytes off the wire; gives what whole records hold.
    ///
    /// # Errors
    /// A record that the broker did not make.
    pub fn take(&mut self, mut wire: &[u8], give: &mut dyn FnMut(&[u8])) -> anyhow::Result<()> {
        while !wire.is_empty() {
            if self.connection.read_tls(&mut wire).context("TLS records")? == 0 {
                return Err(anyhow!("the broker had ended the TLS connection"));
            }
            self.connection.process_new_packets().context("TLS records")?;
            let mut reader = self.connection.reader();
            loop {
                let got = match reader.fill_buf() {
                    Ok([]) => break,
                    Ok(plain) => {
                        give(plain);
                        plain.len()
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error).context("TLS records"),
                };
                reader.consume(got);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
