//! How often does something happen that happened so many times out of so many?
//!
//! The exact interval of Clopper and Pearson (Biometrika 26, 1934), found by bisection of the binomial
//! distribution function, since that is short and needs no special function.

/// Probability of at most `successes` out of `trials` when each has the chance `p`.
fn at_most(successes: u64, trials: u64, p: f64) -> f64 {
    if p <= 0.0 {
        return 1.0;
    }
    if p >= 1.0 {
        return f64::from(u8::from(successes >= trials));
    }
    // Terms by recursion in logarithms: they underflow long before the sum matters.
    let mut log_term = trials as f64 * (1.0 - p).ln();
    let mut sum = log_term.exp();
    for k in 0..successes.min(trials) {
        log_term += ((trials - k) as f64 / (k + 1) as f64).ln() + (p / (1.0 - p)).ln();
        sum += log_term.exp();
    }
    sum.min(1.0)
}

/// The greatest chance that is still compatible with so few successes: one-sided, at this confidence.
/// 1 where there was no trial.
#[must_use]
pub fn upper_bound(successes: u64, trials: u64, confidence: f64) -> f64 {
    if successes >= trials {
        return 1.0;
    }
    bisect(|p| at_most(successes, trials, p) > 1.0 - confidence)
}

/// The least chance that is still compatible with so many successes: one-sided, at this confidence. 0
/// where there was no trial.
#[must_use]
pub fn lower_bound(successes: u64, trials: u64, confidence: f64) -> f64 {
    1.0 - upper_bound(trials.saturating_sub(successes), trials, confidence)
}

/// The largest p for which a condition holds that holds for small ones.
fn bisect(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        // None of n: 1 − 0.05^(1/n), the "rule of three".
        assert!((upper_bound(0, 300, 0.95) - (1.0 - 0.05f64.powf(1.0 / 300.0))).abs() < 1e-9);
        assert!((lower_bound(60, 60, 0.95) - 0.05f64.powf(1.0 / 60.0)).abs() < 1e-9);
        // R 4: binom.test(3, 20, conf.level = 0.90)$conf.int gives 0.04216941 and 0.34366374.
        assert!((lower_bound(3, 20, 0.95) - 0.042_169_41).abs() < 1e-6);
        assert!((upper_bound(3, 20, 0.95) - 0.343_663_74).abs() < 1e-4);
        assert_eq!((upper_bound(0, 0, 0.95), lower_bound(0, 0, 0.95)), (1.0, 0.0));
        assert_eq!(upper_bound(7, 7, 0.95), 1.0);
    }

    #[test]
    fn more_trials_narrow_it() {
        assert!(upper_bound(0, 100, 0.95) > upper_bound(0, 300, 0.95));
        assert!(upper_bound(1, 100, 0.95) > upper_bound(0, 100, 0.95));
        assert!(upper_bound(5000, 10_000, 0.95) < 0.51);
    }
}
