//! Does what the broker encrypts come back at its consumers, and nowhere else?

use super::*;
use proptest::prelude::*;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::thread;

/// A broker's end and a consumer's, after their handshake over a pair of sockets.
fn pair() -> (ServerConnection, Consumer) {
    let broker = Broker::new().unwrap();
    let (near, far) = UnixStream::pair().unwrap();
    let certificate = broker.certificate().to_vec();
    let consumer = thread::spawn(move || Consumer::greet(&certificate, &far.into()));
    let near = near.into();
    let connection = broker.greet(&near).unwrap();
    (connection, consumer.join().unwrap().unwrap())
}

fn taken(consumer: &mut Consumer, wire: &[u8], cut: usize) -> anyhow::Result<Vec<u8>> {
    let mut plain = Vec::new();
    for some in wire.chunks(cut.max(1)) {
        consumer.take(some, &mut |bytes| plain.extend_from_slice(bytes))?;
    }
    Ok(plain)
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(20)
    })]

    #[test]
    fn what_is_encrypted_comes_back(
        parts in prop::collection::vec((1..70_000usize, any::<u8>()), 1..6),
        cut in 1..100_000usize,
    ) {
        let (server, mut consumer) = pair();
        let mut encrypt = Encrypt::new(Arc::new(Mutex::new(server)));
        let (mut wire, mut whole) = (Vec::new(), Vec::new());
        for (len, with) in parts {
            let part: Vec<u8> = (0..len).map(|at| (at / 3) as u8 ^ with).collect();
            let mut out = Vec::with_capacity(encrypt.bound_bytes(len));
            prop_assert_eq!(encrypt.apply(&part, &mut out), Ok(Applied::Changed));
            prop_assert!(out.len() > len && out.len() <= encrypt.bound_bytes(len));
            prop_assert_eq!(&out[..3], [23, 3, 3], "a record of application data");
            wire.extend(out);
            whole.extend(part);
        }
        prop_assert!(taken(&mut consumer, &wire, cut).unwrap() == whole);
    }

    #[test]
    fn a_flipped_bit_is_an_error(flip in any::<prop::sample::Index>(), bit in 0..8) {
        let (server, mut consumer) = pair();
        let mut encrypt = Encrypt::new(Arc::new(Mutex::new(server)));
        let mut wire = Vec::new();
        encrypt.apply(&[7; 40_000], &mut wire).unwrap();
        let at = flip.index(wire.len());
        wire[at] ^= 1u8 << bit;
        let got = taken(&mut consumer, &wire, 5000);
        // A record that claims to be longer than it is never ends: its bytes are missing instead.
        prop_assert!(got.is_err() || got.unwrap().len() < 40_000);
    }
}

#[test]
fn no_plain_byte_is_on_the_wire_and_nothing_follows_the_handshake() {
    let (server, mut consumer) = pair();
    assert!(agreed(&server).contains("TLSv1_3"), "{}", agreed(&server));
    let connection = Arc::new(Mutex::new(server));
    // Two engines after each other use one connection: records are numbered on.
    for _ in 0..2 {
        let mut out = Vec::new();
        Encrypt::new(connection.clone()).apply(&[b'z'; 300], &mut out).unwrap();
        assert_eq!(out.len(), 300 + OVERHEAD_BYTES, "one record, and no ticket before it");
        assert!(!out.windows(4).any(|four| four == b"zzzz"));
        assert_eq!(taken(&mut consumer, &out, 7).unwrap(), [b'z'; 300]);
    }
}

#[test]
fn a_broker_with_another_certificate_is_not_trusted() {
    let (broker, other) = (Broker::new().unwrap(), Broker::new().unwrap());
    let (near, far) = UnixStream::pair().unwrap();
    let certificate = other.certificate().to_vec();
    let consumer = thread::spawn(move || Consumer::greet(&certificate, &far.into()).map(|_| ()));
    assert!(broker.greet(&near.into()).is_err());
    let error = format!("{:#}", consumer.join().unwrap().unwrap_err());
    assert!(error.contains("certificate"), "{error}");
}

#[test]
fn a_peer_that_speaks_no_tls_is_an_error() {
    let (near, mut far) = UnixStream::pair().unwrap();
    far.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert!(Broker::new().unwrap().greet(&near.into()).is_err());
    drop(far.read(&mut [0; 100]));
}
