//! What if the program really were slower? A fault for `zclab gate` to find.
//!
//! Built with the feature `planted` alone, which nothing but the proof of the gate's power uses. A file
//! beside the program, `<program>.fault`, says which fault: `cpu:0.9` spins so many nanoseconds for
//! each KiB that a step moved, `call` makes one system call more for each fetch, `copy` copies each byte
//! once more out of the page cache. Without the file there is no fault, so that both sides of a gate
//! can be the same build. Calls are counted as a strategy's own are: the fault is honest about them.

use super::sinks::io;
use super::wire::Trouble;
use std::hint::black_box;
use std::io::ErrorKind;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::OnceLock;
use std::time::Instant;
use zclab_strategies::{Call, Queue, Segment, sys};

/// Bytes that one call copies at most.
const BUFFER_BYTES: usize = 64 << 10;

/// Rounds of the loop that is timed to learn how long a round takes.
const ROUNDS: u64 = 20_000_000;

static FAULT: OnceLock<Fault> = OnceLock::new();

enum Fault {
    None,
    /// Rounds of a loop for each byte.
    Cpu(f64),
    Call,
    /// A descriptor of the log, and its length.
    Copy(RawFd, u64),
}

/// The file beside a program that says which fault is planted in it.
pub const FAULT_FILE: &str = "fault";

/// Reads which fault it is.
///
/// # Errors
/// A fault that there is not.
pub fn plant(segments: &[Segment]) -> Result<(), Trouble> {
    let program = std::env::current_exe().map_err(|e| Trouble::failed(e.to_string()))?;
    let file = program.with_added_extension(FAULT_FILE);
    let asked = match std::fs::read_to_string(&file) {
        Ok(asked) => asked,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(io("read", &file.display().to_string(), &error)),
    };
    let fault = match (asked.trim(), segments.first()) {
        ("", _) => Fault::None,
        ("call", _) => Fault::Call,
        ("copy", Some(first)) => Fault::Copy(first.file.as_raw_fd(), first.len.0),
        (other, _) => match other.strip_prefix("cpu:").map(str::parse::<f64>) {
            Some(Ok(ns_per_kib)) => Fault::Cpu(ns_per_kib / 1024.0 * rounds_per_ns()),
            _ => {
                let file = file.display();
                return Err(Trouble::failed(format!("{file}: {other}: not cpu:NS, call or copy")));
            }
        },
    };
    // A process opens one cell, so it is set once.
    let _ = FAULT.set(fault);
    Ok(())
}

/// How fast this CPU is at it now.
fn rounds_per_ns() -> f64 {
    let begun = Instant::now();
    spin(ROUNDS);
    ROUNDS as f64 / begun.elapsed().as_nanos().max(1) as f64
}

/// Each round waits for the one before and touches no memory: a value that went through memory took
/// twice as long in the short bursts after a system call as in the long loop that is timed.
#[inline(never)]
fn spin(rounds: u64) {
    let mut value = black_box(1u64);
    for round in 0..rounds {
        value = value.wrapping_mul(6364136223846793005).wrapping_add(round);
    }
    black_box(value);
}

/// Does its harm after a step that moved so many bytes.
pub fn after_step(queue: &Queue, moved_bytes: u64) {
    match FAULT.get() {
        Some(Fault::Cpu(rounds_per_byte)) => spin((moved_bytes as f64 * rounds_per_byte) as u64),
        Some(Fault::Call) => queue.finished().iter().for_each(|_| call(queue)),
        Some(Fault::Copy(log, len_bytes)) => copy(queue, *log, *len_bytes, moved_bytes),
        Some(Fault::None) | None => {}
    }
}

fn call(queue: &Queue) {
    queue.calls.count(Call::Poll);
    // SAFETY: no descriptor is given, so the kernel reads and writes no memory; with a time limit of
    // 0 it returns at once.
    unsafe { libc::poll(std::ptr::null_mut(), 0, 0) };
}

fn copy(queue: &Queue, log: RawFd, len_bytes: u64, moved_bytes: u64) {
    let mut buffer = [0u8; BUFFER_BYTES];
    let mut left = moved_bytes as usize;
    while left > 0 {
        let want = left.min(BUFFER_BYTES).min(len_bytes as usize);
        match sys::pread(&queue.calls, log, &mut buffer[..want], 0) {
            Ok(got) if got > 0 => left -= got.min(left),
            _ => return,
        }
    }
    black_box(&buffer);
}
