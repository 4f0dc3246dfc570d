//! Which transforms take memory while they are being timed?
//!
//! Everything that this binary's Rust code allocates is counted by thread. What a library in C takes is
//! not seen.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use zclab::trial::transform::tls::{Broker, Consumer, Encrypt};
use zclab::trial::transform::{Transforms, crc32c, lz4, zstd};
use zclab::trial::wire::Transform as Kind;
use zclab_strategies::Transform;

thread_local! {
    static TAKEN: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is handed to the system's allocator as it came; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        TAKEN.set(TAKEN.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` or `realloc` above, that is from the system.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        TAKEN.set(TAKEN.get() + 1);
        // SAFETY: the pointer came from the system, and the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

const CHUNK_BYTES: usize = 300_000;

/// How often memory is taken for chunks of several sizes, after the warm-up.
fn taken_by(transform: &mut dyn Transform) -> u64 {
    let log: Vec<u8> = (0..CHUNK_BYTES as u32).map(|n| (n / 11 * 7) as u8).collect();
    let mut out = Vec::with_capacity(transform.bound_bytes(CHUNK_BYTES));
    transform.warm_up(CHUNK_BYTES).unwrap();
    let before = TAKEN.get();
    for len in [1, 70, 4097, 70_000, CHUNK_BYTES] {
        out.clear();
        transform.apply(&log[..len], &mut out).unwrap();
    }
    TAKEN.get() - before
}

#[test]
fn only_tls_takes_memory_for_what_it_sends() {
    assert_eq!(taken_by(&mut crc32c::Check::new(Arc::default())), 0);
    assert_eq!(taken_by(&mut lz4::Compress::new()), 0);
    assert_eq!(taken_by(&mut zstd::Compress::new().unwrap()), 0);
    let broker = Broker::new().unwrap();
    let (near, far) = UnixStream::pair().unwrap();
    let certificate = broker.certificate().to_vec();
    let consumer = std::thread::spawn(move || Consumer::greet(&certificate, &far.into()));
    let connection = broker.greet(&near.into()).unwrap();
    consumer.join().unwrap().unwrap();
    // The documents name it as the exception; should rustls stop, they have to be corrected.
    let mut tls = Encrypt::new(Arc::new(Mutex::new(connection)));
    assert!(taken_by(&mut tls) > 0, "rustls takes no memory any more: say so");
}

#[test]
fn a_sink_without_a_connection_has_no_tls() {
    assert!(Transforms::new(Kind::Tls, 1, Vec::new()).make(0).is_err());
    assert!(Transforms::new(Kind::None, 1, Vec::new()).make(0).is_err());
    assert!(Transforms::new(Kind::Crc32c, 1, Vec::new()).make(1).is_err());
}
