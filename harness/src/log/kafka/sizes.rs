//! How long is the next message? Draws that are the same on every machine.
//!
//! Integers come from ChaCha8; reals go through `libm`, whose results do not depend on the platform's
//! C library.

use super::{MessageSize, Spec};
use crate::log::LogError;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A generator of its own for each purpose, so that drawing more for one does not shift the others.
pub(super) fn rng(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(stream);
    rng
}

/// Uniform below `bound`; the bias is below bound / 2^64.
#[inline]
pub(super) fn below(rng: &mut ChaCha8Rng, bound: u64) -> u64 {
    ((u128::from(rng.next_u64()) * u128::from(bound)) >> 64) as u64
}

/// Uniform in (0, 1].
fn unit(rng: &mut ChaCha8Rng) -> f64 {
    ((rng.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64
}

/// Draws sizes of messages.
pub(super) struct Sizes {
    law: Law,
    rng: ChaCha8Rng,
}

enum Law {
    Fixed(u32),
    Uniform { min: u32, max: u32 },
    Lognormal { median: f64, sigma: f64, max: u32 },
    Zipf(Zipf),
}

impl Sizes {
    pub(super) fn new(spec: &Spec, rng: ChaCha8Rng) -> Result<Self, LogError> {
        let wrong = |why: &str| Err(LogError::Spec { key: "message", why: why.to_owned() });
        let law = match spec.message {
            MessageSize::Fixed(bytes) => Law::Fixed(bytes),
            MessageSize::Uniform { min, max } if min > max => {
                return wrong(&format!("min {min} is above max {max}"));
            }
            MessageSize::Uniform { min, max } => Law::Uniform { min, max },
            MessageSize::Lognormal { median, max, .. } if median == 0 || max == 0 => {
                return wrong("median and max must be at least 1");
            }
            MessageSize::Lognormal { median, sigma, max } => {
                if !(0.0..=10.0).contains(&sigma) {
                    return wrong(&format!("sigma {sigma} is not between 0 and 10"));
                }
                Law::Lognormal { median: f64::from(median), sigma, max }
            }
            MessageSize::Zipf { max, exponent } => {
                if max == 0 || !(exponent > 0.0 && exponent <= 20.0) {
                    return wrong("max must be at least 1, the exponent above 0 and at most 20");
                }
                Law::Zipf(Zipf::new(max, exponent))
            }
        };
        Ok(Self { law, rng })
    }

    /// No draw is greater.
    pub(super) fn max_bytes(&self) -> u32 {
        match &self.law {
            Law::Fixed(bytes) => *bytes,
            Law::Uniform { max, .. } | Law::Lognormal { max, .. } => *max,
            Law::Zipf(zipf) => zipf.max,
        }
    }

    #[inline]
    pub(super) fn draw(&mut self) -> u32 {
        match &self.law {
            Law::Fixed(bytes) => *bytes,
            Law::Uniform { min, max } => {
                min + below(&mut self.rng, u64::from(max - min) + 1) as u32
            }
            Law::Lognormal { median, sigma, max } => {
                // Box and Muller's transform of two uniform draws into a normal one.
                let radius = libm::sqrt(-2.0 * libm::log(unit(&mut self.rng)));
                let normal = radius * libm::cos(std::f64::consts::TAU * unit(&mut self.rng));
                let bytes = libm::round(median * libm::exp(sigma * normal));
                (bytes.clamp(1.0, f64::from(*max))) as u32
            }
            Law::Zipf(zipf) => zipf.draw(&mut self.rng),
        }
    }
}

/// Zipf's law over 1..=max by rejection-inversion (Hörmann and Derflinger 1996): invert the integral
/// of x^-s over the interval around k, reject the little that the curve lies above the bar.
struct Zipf {
    max: u32,
    exponent: f64,
    integral_first: f64,
    integral_last: f64,
    /// Below this distance from k nothing needs to be rejected.
    accepted_below: f64,
}

impl Zipf {
    fn new(max: u32, exponent: f64) -> Self {
        let mut zipf =
            Self { max, exponent, integral_first: 0.0, integral_last: 0.0, accepted_below: 0.0 };
        zipf.integral_first = zipf.integral(1.5) - 1.0;
        zipf.integral_last = zipf.integral(f64::from(max) + 0.5);
        zipf.accepted_below = 2.0 - zipf.inverse(zipf.integral(2.5) - zipf.weight(2.0));
        zipf
    }

    fn weight(&self, x: f64) -> f64 {
        libm::exp(-self.exponent * libm::log(x))
    }

    /// (x^(1-s) − 1) / (1 − s), and log x where s is 1.
    fn integral(&self, x: f64) -> f64 {
        let log = libm::log(x);
        let t = (1.0 - self.exponent) * log;
        let slope = if t.abs() > 1e-8 { libm::expm1(t) / t } else { 1.0 + t / 2.0 };
        slope * log
    }

    fn inverse(&self, y: f64) -> f64 {
        // Rounding may push the argument below the pole.
        let t = (y * (1.0 - self.exponent)).max(-1.0);
        let slope = if t.abs() > 1e-8 { libm::log1p(t) / t } else { 1.0 - t / 2.0 };
        libm::exp(slope * y)
    }

    fn draw(&self, rng: &mut ChaCha8Rng) -> u32 {
        loop {
            let y = self.integral_last + unit(rng) * (self.integral_first - self.integral_last);
            let x = self.inverse(y);
            let k = libm::round(x).clamp(1.0, f64::from(self.max));
            if k - x <= self.accepted_below || y >= self.integral(k + 0.5) - self.weight(k) {
                return k as u32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(message: MessageSize, count: usize) -> Vec<u32> {
        let spec = Spec { message, ..Spec::default() };
        let mut sizes = Sizes::new(&spec, rng(1, 1)).expect("a good law");
        (0..count).map(|_| sizes.draw()).collect()
    }

    #[test]
    fn a_lognormal_law_has_its_median_and_its_cut() {
        let law = MessageSize::Lognormal { median: 1000, sigma: 1.0, max: 5000 };
        let mut drawn = draws(law, 20_001);
        drawn.sort_unstable();
        let median = drawn[10_000];
        assert!((970..1030).contains(&median), "{median}");
        assert_eq!(drawn.last(), Some(&5000));
    }

    #[test]
    fn zipf_draws_follow_the_law() {
        for exponent in [0.5, 1.0, 1.5] {
            let drawn = draws(MessageSize::Zipf { max: 100, exponent }, 100_000);
            let total: f64 = (1..=100).map(|k| f64::from(k).powf(-exponent)).sum();
            for k in [1u32, 2, 10] {
                let expected = f64::from(k).powf(-exponent) / total * 100_000.0;
                let seen = drawn.iter().filter(|&&draw| draw == k).count() as f64;
                let noise = 5.0 * expected.sqrt();
                assert!((seen - expected).abs() < noise, "{exponent} {k}: {seen} {expected}");
            }
        }
    }

    #[test]
    fn uniform_draws_reach_both_ends() {
        let drawn = draws(MessageSize::Uniform { min: 3, max: 6 }, 1000);
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&3), Some(&6)));
    }
}
