//! Does a real send over loopback say that it was copied?

use super::*;
use io_uring::{IoUring, opcode, types::Fd};
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

const BYTES: usize = 64 << 10;
const LIMIT: Duration = Duration::from_secs(20);

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (sender, listener.accept().unwrap().0)
}

fn read_all(receiver: &mut TcpStream, bytes: usize) {
    receiver.set_read_timeout(Some(LIMIT)).unwrap();
    receiver.read_exact(&mut vec![0; bytes]).unwrap();
}

fn error(errno: u32, origin: u8, code: u8, info: u32, data: u32) -> libc::sock_extended_err {
    libc::sock_extended_err {
        ee_errno: errno,
        ee_origin: origin,
        ee_type: 0,
        ee_code: code,
        ee_pad: 0,
        ee_info: info,
        ee_data: data,
    }
}

#[test]
fn only_notifications_are_read_as_such() {
    let released = |first, last, copied| Some(Released { first, last, copied });
    assert_eq!(notification(&error(0, 5, 1, 3, 7)), released(3, 7, true));
    assert_eq!(notification(&error(0, 5, 0, 3, 3)), released(3, 3, false));
    assert_eq!(notification(&error(111, 5, 1, 3, 7)), None, "an errno is an error");
    assert_eq!(notification(&error(0, 2, 1, 3, 7)), None, "from ICMP");
    assert_eq!(released(3, 7, true).unwrap().sends(), 5);
    assert_eq!(released(u32::MAX, 1, true).unwrap().sends(), 3, "numbers wrap around");
}

#[test]
fn a_completion_says_copied_in_its_highest_bit() {
    const NOTIF: u32 = 1 << 3;
    const MORE: u32 = 1 << 1;
    assert_eq!(copied(NOTIF, i32::MIN), Some(true));
    assert_eq!(copied(NOTIF, 0), Some(false));
    assert_eq!(copied(MORE, 65536), None, "the result of the send itself");
}

#[test]
fn an_empty_error_queue_has_no_notification() {
    let (sender, _receiver) = pair();
    assert_eq!(released(&Calls::default(), sender.as_raw_fd()), Ok(None));
    assert_eq!(released(&Calls::default(), -1), Err(Errno::EBADF));
}

#[test]
fn msg_zerocopy_over_loopback_says_that_it_was_copied() {
    let (sender, mut receiver) = pair();
    let one: libc::c_int = 1;
    let (level, option) = (libc::SOL_SOCKET, libc::SO_ZEROCOPY);
    // SAFETY: the option's value is one int on this stack frame, read only during the call.
    let set =
        unsafe { libc::setsockopt(sender.as_raw_fd(), level, option, (&raw const one).cast(), 4) };
    if let Err(errno) = Errno::result(set) {
        return println!("SKIPPED: MSG_ZEROCOPY: setsockopt(SO_ZEROCOPY): {errno} (Linux 4.14)");
    }
    let bytes = vec![7u8; BYTES];
    let mut sends = 0;
    for _ in 0..3 {
        let flags = libc::MSG_ZEROCOPY;
        // SAFETY: the bytes outlive the socket's use of them: they are dropped after every
        // notification was seen.
        let sent = unsafe { libc::send(sender.as_raw_fd(), bytes.as_ptr().cast(), BYTES, flags) };
        match Errno::result(sent) {
            Err(Errno::ENOBUFS) => {
                return println!(
                    "SKIPPED: MSG_ZEROCOPY: ENOBUFS (net.core.optmem_max, RLIMIT_MEMLOCK)"
                );
            }
            sent => read_all(&mut receiver, sent.unwrap() as usize),
        }
        sends += 1;
    }
    let (calls, started) = (Calls::default(), Instant::now());
    let mut seen = 0;
    while seen < sends {
        assert!(started.elapsed() < LIMIT, "{seen} of {sends} sends were released");
        match released(&calls, sender.as_raw_fd()).unwrap() {
            Some(released) => {
                assert_eq!(u64::from(released.first), seen, "in order");
                assert!(released.copied, "loopback copies: {released:?}");
                seen += released.sends();
            }
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    assert_eq!(seen, sends);
    assert!(calls.of(Call::Recvmsg) >= 1);
}

#[test]
fn send_zc_over_loopback_says_that_it_was_copied() {
    let mut ring = match IoUring::new(4) {
        Ok(ring) => ring,
        Err(error) => return println!("SKIPPED: SEND_ZC: io_uring_setup: {error}"),
    };
    let (sender, mut receiver) = pair();
    let bytes = vec![7u8; BYTES];
    let entry = opcode::SendZc::new(Fd(sender.as_raw_fd()), bytes.as_ptr(), BYTES as u32);
    let entry = entry.zc_flags(REPORT_USAGE).build();
    // SAFETY: the bytes outlive the operation: both of its completions are waited for below.
    unsafe { ring.submission().push(&entry) }.unwrap();
    ring.submit_and_wait(1).unwrap();
    let first = ring.completion().next().unwrap();
    if first.result() < 0 {
        let errno = Errno::from_raw(-first.result());
        return println!("SKIPPED: SEND_ZC: {errno} (Linux 6.0, usage reports 6.2)");
    }
    assert_eq!(copied(first.flags(), first.result()), None);
    read_all(&mut receiver, first.result() as usize);
    ring.submit_and_wait(1).unwrap();
    let second = ring.completion().next().unwrap();
    assert_eq!(copied(second.flags(), second.result()), Some(true), "loopback copies");
}
