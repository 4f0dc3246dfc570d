//! How far out does Student's t reach?
//!
//! For whole degrees of freedom the distribution is a finite sum (Abramowitz and Stegun 26.7.3 and
//! 26.7.4); its quantiles are found by halving.

use std::f64::consts::FRAC_2_PI;

/// More degrees of freedom than these change a quantile by less than one in a hundred.
const DEGREES_MAX: usize = 200;

/// The share of the distribution farther from 0 than `t`, on both sides together.
#[must_use]
pub fn beyond(t: f64, degrees: usize) -> f64 {
    let degrees = degrees.clamp(1, DEGREES_MAX);
    let angle = (t.abs() / (degrees as f64).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    let odd = degrees % 2 == 1;
    // Each term is the one before it times cos² and a quotient of neighbours.
    let mut term = if odd { cosine } else { 1.0 };
    let mut sum = if degrees == 1 { 0.0 } else { term };
    let first = if odd { 2 } else { 1 };
    for step in (first..degrees.saturating_sub(2)).step_by(2) {
        term *= cosine * cosine * step as f64 / (step + 1) as f64;
        sum += term;
    }
    let within = if odd { FRAC_2_PI * (angle + sine * sum) } else { sine * sum };
    (1.0 - within).clamp(0.0, 1.0)
}

/// How far from 0 the share `p` of the distribution begins, on both sides together. Infinite for a
/// share of 0 or none.
#[must_use]
pub fn quantile(p: f64, degrees: usize) -> f64 {
    if p.is_nan() || p <= 0.0 || degrees == 0 {
        return f64::INFINITY;
    }
    let (mut low, mut high) = (0.0, 1.0);
    while beyond(high, degrees) > p {
        low = high;
        high *= 2.0;
        if high > 1e12 {
            return f64::INFINITY;
        }
    }
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if beyond(middle, degrees) > p { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy 1.17.1: `stats.t.isf(p / 2, degrees)`.
    #[test]
    fn quantiles_are_those_of_others() {
        let known = [
            (0.05, 1, 12.706_204_7),
            (0.05, 2, 4.302_652_7),
            (0.05, 3, 3.182_446_3),
            (0.01, 4, 4.604_094_9),
            (0.001, 7, 5.407_882_5),
            (0.05, 11, 2.200_985_2),
            (0.01, 23, 2.807_335_7),
            (1e-4, 39, 4.332_791_3),
            (1e-6, 24, 6.504_063_2),
            (0.05, 199, 1.971_956_5),
        ];
        for (p, degrees, t) in known {
            let found = quantile(p, degrees);
            assert!((found / t - 1.0).abs() < 1e-6, "{p} {degrees}: {found}, not {t}");
            assert!((beyond(t, degrees) / p - 1.0).abs() < 1e-5);
        }
        assert_eq!(quantile(0.0, 5), f64::INFINITY);
        assert_eq!(quantile(1e-300, 1), f64::INFINITY);
        assert_eq!(beyond(0.0, 7), 1.0);
    }
}
