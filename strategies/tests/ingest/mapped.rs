//! Are pages mapped where the far end's packets have whole ones, and none where they have not?

use crate::world::{Manner, Near, Set, Watchdog, drive, file, noise, open, say};
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;
use zclab_strategies::ingest::find;
use zclab_strategies::{Bytes, Call, Intake, SinkKind, Source};

const FETCH_BYTES: u64 = 64 << 10;
const FETCHES: u64 = 16;

/// Plain sends fill shares of large allocations: nothing is whole, and everything comes by `recv`.
#[test]
fn nothing_of_a_plain_send_can_be_mapped() {
    let _watchdog = Watchdog::over("a plain send".to_owned());
    let total = FETCH_BYTES * FETCHES;
    let near = Near::open(SinkKind::TcpLoopback, Manner::PLAIN, noise(total as usize, 3));
    let (intake, _) = receive(near.source);
    near.close();
    assert_eq!(intake.mapped(), Bytes(0));
    assert!(intake.calls.of(Call::Recv) > 0 && intake.calls.of(Call::Getsockopt) > 0);
}

/// A looped zero-copy send is copied page by page on delivery: most of it can be mapped.
#[test]
fn a_looped_zero_copy_send_is_mapped() {
    let _watchdog = Watchdog::over("a zero-copy send".to_owned());
    let (near, far) = whole_pages();
    let one: libc::c_int = 1;
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    let (level, option) = (libc::SOL_SOCKET, libc::SO_ZEROCOPY);
    // SAFETY: the option's value is one int on this stack frame, read only during the call.
    let answer =
        unsafe { libc::setsockopt(far.as_raw_fd(), level, option, (&raw const one).cast(), len) };
    if let Err(errno) = Errno::result(answer) {
        return say(&format!("SKIPPED: zerocopy-receive: setsockopt(SO_ZEROCOPY): {errno}"));
    }
    let source = Source { fd: near.as_raw_fd(), kind: SinkKind::TcpLoopback };
    let sender = thread::spawn(move || {
        let bytes = memmap2::MmapMut::map_anon((FETCH_BYTES * FETCHES) as usize).unwrap();
        for chunk in bytes.chunks(FETCH_BYTES as usize) {
            let mut sent = 0;
            while sent < chunk.len() {
                let rest = &chunk[sent..];
                // SAFETY: the mapping lives until the near end has taken every byte; the kernel
                // copies from it on delivery.
                let got = unsafe {
                    libc::send(
                        far.as_raw_fd(),
                        rest.as_ptr().cast(),
                        rest.len(),
                        libc::MSG_ZEROCOPY,
                    )
                };
                assert!(got > 0, "send: {}", std::io::Error::last_os_error());
                sent += got as usize;
            }
        }
        (bytes, far)
    });
    let (intake, total) = receive(source);
    drop(sender.join().unwrap());
    let mapped = intake.mapped().0;
    say(&format!("zerocopy-receive mapped {mapped} of {total} bytes of zero-copy sends"));
    assert!(mapped > total / 2, "{mapped} of {total} bytes were mapped");
    assert_eq!(mapped % 4096, 0);
}

/// A connection whose packets hold seven pages, since the near end asks for no more: a packet as long
/// as loopback allows would end within a page. Twelve bytes are the time stamp's.
fn whole_pages() -> (OwnedFd, OwnedFd) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    setsockopt(&listener, sockopt::TcpMaxSeg, &(7 * 4096 + 12)).unwrap();
    let far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    far.set_nodelay(true).unwrap();
    (listener.accept().unwrap().0.into(), far.into())
}

fn receive(source: Source) -> (Intake, u64) {
    let strategy = find("zerocopy-receive").unwrap();
    let (file, _) = file(env!("CARGO_TARGET_TMPDIR"), 0);
    let total = FETCH_BYTES * FETCHES;
    let mut engine =
        open(strategy, source, &file, [total, FETCH_BYTES], &Set::new()).expect("TCP can");
    let mut intake = Intake::new(source);
    (0..FETCHES).for_each(|_| intake.push(FETCH_BYTES));
    drive(&mut *engine, &mut intake).unwrap();
    (intake, total)
}
