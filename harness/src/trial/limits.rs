//! How long may a block of fetches take before somebody is sure that it never ends?
//!
//! Ten thousand consumers of a mebibyte each take minutes on a slow machine, one consumer of a page
//! takes a millisecond. So the bounds grow with what is asked for: bytes at the slowest speed that
//! is still a speed, a slow consumer's bytes at its own pace, an open loop's schedule. What the
//! bounds without all that are stands in the table of waits.

use super::wire::Spec;
use std::time::Duration;

/// Sender and receiver together, checksums included, move more than so many bytes in a second.
const SLOWEST_BYTES: u64 = 16 << 20;

/// A connection is made in less time than this, also where thousands wait for their turn.
const CONNECTION: Duration = Duration::from_millis(4);

/// No block is given more time than this.
const BLOCK_MAX: Duration = Duration::from_secs(3600);

/// A child that has no order waits for others, each of which has blocks of its own.
const OTHERS: u32 = 4;

/// What moving a block may take beyond what any order may.
#[must_use]
pub fn block(spec: &Spec) -> Duration {
    let Spec { fetch_bytes, header_bytes, fetches, consumers, demand, .. } = spec;
    let each_bytes = (fetch_bytes + header_bytes).saturating_mul(u64::from(*fetches));
    let bytes = each_bytes.saturating_mul(u64::from(*consumers));
    let slow = match demand.slow {
        0 => 0.0,
        _ => each_bytes as f64 / demand.slow_rate_bytes.max(1) as f64,
    };
    let due = match demand.rate {
        0 => 0.0,
        rate => f64::from(*fetches) * f64::from(*consumers) / rate as f64,
    };
    let appended = match demand.tail {
        Some(tail) if tail.append_rate_bytes > 0 => {
            (fetch_bytes.saturating_mul(u64::from(*fetches))) as f64 / tail.append_rate_bytes as f64
        }
        _ => 0.0,
    };
    // Twice, since neither a pace nor a schedule can be kept to the second on a busy machine.
    let seconds = bytes as f64 / SLOWEST_BYTES as f64 + 2.0 * (slow + due + appended);
    Duration::from_secs_f64(seconds.min(BLOCK_MAX.as_secs_f64()))
}

/// What all connections of a trial may take beyond what one may.
#[must_use]
pub fn connecting(spec: &Spec) -> Duration {
    CONNECTION * spec.consumers
}

/// What a child or receiver may have to wait for an order beyond what any has.
#[must_use]
pub fn idling(spec: &Spec) -> Duration {
    block(spec) * OTHERS
}

#[cfg(test)]
mod tests {
    use super::super::fetches::tests::spec;
    use super::super::wire::{Access, Demand};
    use super::*;

    #[test]
    fn limits_grow_with_what_is_asked_for_and_no_further() {
        let small = spec(Access::Sequential, 4096, 4);
        assert!(block(&small) < Duration::from_millis(10));
        let many = Spec { consumers: 10_000, ..spec(Access::Sequential, 1 << 20, 1) };
        assert_eq!(block(&many), Duration::from_secs(625));
        assert_eq!(connecting(&many), Duration::from_secs(40));
        let demand = Demand { slow: 1, slow_rate_bytes: 1000, rate: 2, ..Demand::default() };
        let slow = Spec { demand, ..spec(Access::Sequential, 5000, 4) };
        let seconds = block(&slow).as_secs_f64();
        assert!((seconds - 2.0 * (20.0 + 2.0)).abs() < 0.01, "{seconds}");
        let endless = Spec { fetches: u32::MAX, consumers: u32::MAX, ..many };
        assert_eq!(block(&endless), BLOCK_MAX);
    }
}
