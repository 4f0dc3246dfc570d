//! Does a fetch leave as one packet, although its header and its chunks are sent one by one?
//!
//! Without `MSG_MORE` (or `SPLICE_F_MORE`) a small header would go out alone, and with Nagle's
//! algorithm the data behind it would wait for an acknowledgement.

use crate::far_end::{FarEnd, Manner};
use crate::world::{Log, Set, Watchdog, drive, fetch, fill, open, piece};
use std::os::fd::RawFd;
use zclab_strategies::{ALL, OptionValue, Queue, SinkKind};

/// Where `tcpi_data_segs_out` lies in the kernel's `struct tcp_info` (include/uapi/linux/tcp.h).
const DATA_SEGMENTS_OUT: usize = 156;

fn data_segments_out(socket: RawFd) -> u32 {
    let mut info = [0_u8; DATA_SEGMENTS_OUT + 4];
    let mut len = info.len() as libc::socklen_t;
    let (level, name, into) = (libc::IPPROTO_TCP, libc::TCP_INFO, info.as_mut_ptr().cast());
    // SAFETY: the kernel writes at most `len` bytes of the array, which outlives the call.
    let result = unsafe { libc::getsockopt(socket, level, name, into, &raw mut len) };
    assert_eq!((result, len as usize), (0, info.len()), "TCP_INFO");
    u32::from_ne_bytes(info[DATA_SEGMENTS_OUT..].try_into().unwrap())
}

#[test]
fn a_small_fetch_is_one_segment() {
    let log = Log::new(&[100_000]);
    let fetches = [fetch("a header", &[piece(0, 777, 12_000)])];
    let number = |name: &str| Set::from([(name.to_owned(), OptionValue::Number(4096))]);
    // Nothing tells sendfile that the end of the last block will follow the whole ones.
    for strategy in ALL.iter().filter(|strategy| strategy.name() != "direct-sendfile") {
        // Whole, and in chunks of a page.
        let chunked = ["buffer", "pipe"]
            .into_iter()
            .filter(|name| strategy.options().iter().any(|spec| spec.name == *name));
        for set in chunked.map(number).chain([Set::new()]) {
            let what = format!("{} {set:?}", strategy.name());
            let _watchdog = Watchdog::over(what.clone());
            let tcp = SinkKind::TcpLoopback;
            let far = FarEnd::open(tcp, Manner::PLAIN, log.dir.path(), 0);
            let sinks = [far.sink];
            let mut queue = Queue::new(&sinks);
            let Some(mut engine) = open(*strategy, &log, &sinks, &fetches, &set) else { continue };
            fill(&mut queue, &fetches);
            drive(&mut *engine, &mut queue).unwrap();
            assert_eq!(data_segments_out(far.sink.fd), 1, "{what}");
            // An engine may hold the sink open.
            drop(engine);
            assert_eq!(far.received().map(|bytes| bytes.len()), Some(8 + 12_000));
        }
    }
}
