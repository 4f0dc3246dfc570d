//! Does each rule fire where it should, and say nothing that was not seen?

use super::*;
use crate::ledger::counts::Classes;

const MIB: u64 = 1 << 20;
/// Numbers of system calls of x86-64.
const WRITE: u16 = 1;
const PREAD: u16 = 17;
const SENDFILE: u16 = 40;
const SENDTO: u16 = 44;
/// `enum end`: user memory, a file, a socket.
const READ: [u8; 2] = [3, 1];
const SEND: [u8; 2] = [1, 5];
const SPLICE: [u8; 2] = [3, 5];

fn one(call: u16, [from, to]: [u8; 2], flags: u8, calls: u64, bytes: u64) -> Move {
    Move::of(call, [from, to, flags], calls, bytes)
}

fn said(wire: Classes, queued: Classes, moves: Vec<Move>) -> String {
    with(wire, queued, moves, &Traits::default(), &[])
}

fn with(
    wire: Classes,
    queued: Classes,
    moves: Vec<Move>,
    traits: &Traits,
    devices: &[Device],
) -> String {
    let counts = Counts { wire, queued, moves, ..Counts::default() };
    let deferred = None;
    diagnose(&Seen { counts: &counts, queue: true, calls: true, deferred, traits, devices })
}

fn private() -> Classes {
    Classes { private: 997 * MIB, linear: 3 * MIB, ..Classes::default() }
}

#[test]
fn nothing_sent_says_nothing_else() {
    let text = said(Classes::default(), Classes::default(), Vec::new());
    assert_eq!(text, "Nothing left the port while it was watched.");
}

#[test]
fn sendfile_from_page_cache_is_zero_copy() {
    let wire = Classes { file: 999 * MIB, linear: MIB, ..Classes::default() };
    let headers = one(WRITE, SEND, 0, 5000, MIB);
    let text = said(wire, wire, vec![one(SENDFILE, SPLICE, 0, 4000, 999 * MIB), headers]);
    let expected = "99.9 % of the bytes are page-cache pages of files, handed over by sendfile: \
                    zero copy.";
    assert_eq!(text, expected);
    let shared = said(wire, wire, vec![one(SENDTO, SEND, 2, 4000, 999 * MIB)]);
    assert!(shared.contains("sendto with MSG_ZEROCOPY from a mapping"), "{shared}");
}

#[test]
fn read_and_write_is_told_from_tls() {
    let read = one(PREAD, READ, 0, 16_000, 1000 * MIB);
    let plain = said(private(), private(), vec![read, one(WRITE, SEND, 0, 16_000, 1000 * MIB)]);
    assert!(plain.starts_with("99.7 % of the bytes are copied: the server reads files by pread64"));
    assert!(plain.contains("as many bytes as it sends") && plain.contains("64"), "{plain}");
    assert!(!plain.contains("TLS records") && plain.contains("No TLS record"), "{plain}");
    let records = one(WRITE, SEND, 4, 64_000, 1000 * MIB);
    let tls = said(private(), private(), vec![read, records]);
    assert!(tls.contains("sends TLS records (100.0 %") && tls.contains("16 KiB a call"), "{tls}");
    assert!(tls.contains("reads files by pread64, encrypts in user space"), "{tls}");
    let proxy = said(private(), private(), vec![records]);
    assert!(proxy.contains("It encrypts in user space") && !proxy.contains("pread"), "{proxy}");
}

#[test]
fn a_mapped_library_alone_proves_no_tls() {
    let traits = Traits { tls_library: Some("libssl.so.3".to_owned()), ..Traits::default() };
    let read = one(PREAD, READ, 0, 16_000, 1000 * MIB);
    let sent = one(WRITE, SEND, 0, 16_000, 1000 * MIB);
    let text = with(private(), private(), vec![read, sent], &traits, &[]);
    assert!(!text.contains("libssl"), "{text}");
    let unseen = with(private(), private(), Vec::new(), &traits, &[]);
    assert!(
        unseen.contains("libssl.so.3 is mapped in the process, so TLS is possible"),
        "{unseen}"
    );
}

#[test]
fn a_call_for_each_message_is_named() {
    let traits = Traits { mapped_files: 3, ..Traits::default() };
    let sends = vec![one(WRITE, SEND, 0, 602_351, 600 * MIB)];
    let text = with(private(), private(), sends, &traits, &[]);
    assert!(text.contains("mapping of a file (3 files of the folder are mapped)"), "{text}");
    assert!(text.contains("no read call of a file explains them"), "{text}");
    assert!(
        text.ends_with("602,351 sends of 1.0 KiB on average: about one write(2) for each message."),
        "{text}"
    );
    let few = said(private(), private(), vec![one(WRITE, SEND, 0, 20, 20_000)]);
    assert!(!few.contains("each message"), "{few}");
}

#[test]
fn a_device_without_scatter_gather_is_named_if_it_serves() {
    let queued = Classes { file: 1000 * MIB, ..Classes::default() };
    let wire = Classes { linear: 1000 * MIB, ..Classes::default() };
    let moves = vec![one(SENDFILE, SPLICE, 0, 4000, 1000 * MIB)];
    let device = |name: &str, gathers, serves| Device { name: name.to_owned(), gathers, serves };
    let off = [device("lo", Some(true), false), device("veth0", Some(false), true)];
    let text = with(wire, queued, moves.clone(), &Traits::default(), &off);
    assert!(text.contains("100.0 % of the bytes were page-cache pages when"), "{text}");
    assert!(text.ends_with("scatter-gather is off on veth0."), "{text}");
    let other = [device("veth0", Some(false), false)];
    let text = with(wire, queued, moves.clone(), &Traits::default(), &other);
    assert!(text.contains("off on veth0, which may be the device"), "{text}");
    let none = said(wire, queued, moves);
    assert!(none.contains("gathers no fragments, or cannot make their checksums"), "{none}");
}

#[test]
fn sendfile_that_copies_is_no_zero_copy() {
    let direct = said(private(), private(), vec![one(SENDFILE, SPLICE, 1, 4000, 1000 * MIB)]);
    assert!(direct.contains("opened with O_DIRECT"), "{direct}");
    let moves = vec![one(SENDFILE, SPLICE, 0, 4000, 1000 * MIB)];
    let copies = said(private(), private(), moves.clone());
    assert!(copies.contains("the packets hold other pages"), "{copies}");
    let traits = Traits { kernel_tls: 2, ..Traits::default() };
    let tls = with(private(), private(), moves, &traits, &[]);
    assert!(tls.contains("2 connections with kernel TLS"), "{tls}");
}

#[test]
fn shared_memory_and_its_late_copy_are_told() {
    let wire = Classes { anon: 1000 * MIB, ..Classes::default() };
    let moves = vec![one(SENDTO, SEND, 2, 4000, 1000 * MIB)];
    let counts = Counts { wire, queued: wire, moves, ..Counts::default() };
    let traits = Traits::default();
    let seen = Seen {
        counts: &counts,
        queue: true,
        calls: true,
        deferred: Some(0.98),
        traits: &traits,
        devices: &[],
    };
    let text = diagnose(&seen);
    assert!(text.contains("shared with the packets by sendto with MSG_ZEROCOPY"), "{text}");
    assert!(
        text.contains("98.0 % of the bytes were shared when they were sent, but copied"),
        "{text}"
    );
}

#[test]
fn mixed_bytes_are_listed() {
    let wire = Classes { file: 600 * MIB, private: 400 * MIB, ..Classes::default() };
    let moves = vec![
        one(SENDFILE, SPLICE, 0, 4000, 600 * MIB),
        one(WRITE, SEND, 0, 8000, 400 * MIB),
        one(PREAD, READ, 0, 8000, 200 * MIB),
    ];
    let text = said(wire, wire, moves);
    assert!(
        text.starts_with("The bytes are mixed: 60.0 % are page-cache pages of files and"),
        "{text}"
    );
    assert!(text.contains("40.0 % are copied"), "{text}");
}

#[test]
fn unseen_calls_are_not_guessed() {
    let counts = Counts { wire: private(), ..Counts::default() };
    let traits = Traits::default();
    let text = diagnose(&Seen {
        counts: &counts,
        queue: false,
        calls: false,
        deferred: None,
        traits: &traits,
        devices: &[],
    });
    assert_eq!(text, "99.7 % of the bytes are copied: by which calls was not seen.");
}
