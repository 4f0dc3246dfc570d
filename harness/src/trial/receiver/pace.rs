//! When may a slow consumer read again, and how much?
//!
//! It reads a hundredth of a second's worth, then no more until that much time has passed. What it
//! missed because nothing had come, or because it was not on a CPU, it does not make up for, but for
//! a little.

/// Shares of a second that are read at once.
const READS: u64 = 100;

/// No read is larger.
const READ_BYTES_MAX: u64 = 64 << 10;

/// So much time is made up for after having been late.
const LATE_NS_MAX: u64 = 50_000_000;

/// A slow consumer that found nothing looks again so much later.
const AGAIN_NS: u64 = 1_000_000;

/// The pace of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    rate_bytes: u64,
    next_ns: u64,
}

impl Pace {
    /// A reader of so many bytes in a second, who may begin at once.
    pub fn new(rate_bytes: u64) -> Pace {
        Pace { rate_bytes: rate_bytes.max(1), next_ns: 0 }
    }

    /// The same at its beginning.
    pub fn anew(self) -> Pace {
        Pace::new(self.rate_bytes)
    }

    /// When it may read again.
    pub fn next_ns(&self) -> u64 {
        self.next_ns
    }

    /// How much it may read at this time.
    pub fn allows(&self, now_ns: u64) -> Option<u64> {
        (now_ns >= self.next_ns).then(|| self.rate_bytes.div_ceil(READS).min(READ_BYTES_MAX))
    }

    /// It has read so many bytes.
    pub fn took(&mut self, now_ns: u64, bytes: u64) {
        let wait_ns = match bytes {
            0 => AGAIN_NS,
            _ => (u128::from(bytes) * 1_000_000_000 / u128::from(self.rate_bytes)) as u64,
        };
        self.next_ns = self.next_ns.max(now_ns.saturating_sub(LATE_NS_MAX)) + wait_ns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads whenever it may, with a clock that ticks by `tick_ns`, for a second.
    fn read_in_a_second(rate_bytes: u64, tick_ns: u64) -> u64 {
        let mut pace = Pace::new(rate_bytes);
        let (mut now_ns, mut bytes) = (1_000_000_000, 0);
        pace.took(now_ns, 0);
        while now_ns < 2_000_000_000 {
            if let Some(some) = pace.allows(now_ns) {
                pace.took(now_ns, some);
                bytes += some;
            }
            now_ns += tick_ns;
        }
        bytes
    }

    #[test]
    fn a_pace_is_kept_however_coarse_the_clock() {
        for rate_bytes in [1, 99, 1000, 1 << 20, 1 << 26] {
            for tick_ns in [10_000, 1_000_000] {
                let bytes = read_in_a_second(rate_bytes, tick_ns);
                let most = rate_bytes + rate_bytes / 10 + 1;
                assert!(bytes <= most, "{bytes} at {rate_bytes}, ticks of {tick_ns}");
                let least = rate_bytes.min(READ_BYTES_MAX * 1_000_000_000 / tick_ns) * 9 / 10;
                assert!(bytes >= least, "{bytes} at {rate_bytes}, ticks of {tick_ns}");
            }
        }
    }

    #[test]
    fn a_pause_is_made_up_for_but_for_a_little() {
        let mut pace = Pace::new(1_000_000);
        pace.took(0, 1000);
        assert_eq!((pace.allows(999_999), pace.next_ns()), (None, 1_000_000));
        let now_ns = 10_000_000_000;
        let mut at_once = 0;
        while let Some(bytes) = pace.allows(now_ns) {
            pace.took(now_ns, bytes);
            at_once += bytes;
        }
        assert!((50_000..=60_000).contains(&at_once), "{at_once}");
        pace.took(20_000_000_000, 0);
        assert!(pace.allows(19_951_999_999 - 1_000_000).is_none());
    }
}
