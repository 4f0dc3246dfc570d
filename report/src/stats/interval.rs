//! How far can an estimate be off, when what varies is the launch?
//!
//! Slices of one launch share its luck: where its memory lies, which slot its children got. So the
//! launch, not the slice, is the unit that varies, and an interval comes from the launches' own
//! estimates:
//!
//! - from [`BOOTSTRAP_MIN`] launches on, launches are resampled with replacement (the bootstrap
//!   clustered by launch) and the percentiles are widened for the small number of clusters:
//!   Hesterberg's "expanded percentile interval" (The American Statistician 69, 2015, section 5.2).
//!   The plain percentile interval of n values is too narrow by √((n−1)/n) · z/t, 12 % at n = 10;
//! - below that a resample has too few distinct outcomes, so it is Student's t over the launches,
//!   which holds its level for few and even unequal groups (Ibragimov and Müller, Journal of
//!   Business and Economic Statistics 28, 2010);
//! - one launch says nothing of how launches differ: there is no interval, and no winner is named.

use super::centre;

/// Launches from which on the interval is bootstrapped.
pub const BOOTSTRAP_MIN: usize = 8;
/// Launches from which on an interval decides anything: two give one of absurd width.
pub const DECISIVE_MIN: usize = 3;
/// Resamples of the bootstrap.
pub const RESAMPLES: usize = 4000;
/// The generator's seed: the same record gives the same interval, always.
const SEED: u64 = 0x7a63_6c61_6200_0001;

/// How an interval was obtained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Bootstrap clustered by launch, expanded percentiles.
    Bootstrap,
    /// Student's t over the launches.
    StudentT,
    /// There is none: a single launch.
    OneLaunch,
}

impl Basis {
    /// The name in exports and on pages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Basis::Bootstrap => "bootstrap clustered by launch",
            Basis::StudentT => "Student's t over launches",
            Basis::OneLaunch => "none: one launch",
        }
    }
}

/// A point estimate and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The estimate.
    pub point: f64,
    /// The interval's ends; absent when there is no basis for one.
    pub interval: Option<(f64, f64)>,
    /// How the interval was obtained.
    pub basis: Basis,
    /// Launches behind it.
    pub launches: usize,
}

impl Estimate {
    /// The same estimate on another scale; `scale` must be increasing.
    #[must_use]
    pub fn map(self, scale: impl Fn(f64) -> f64) -> Estimate {
        let interval = self.interval.map(|(low, high)| (scale(low), scale(high)));
        Estimate { point: scale(self.point), interval, ..self }
    }

    /// Whether the interval lies wholly below `value`; never with too few launches.
    #[must_use]
    pub fn below(&self, value: f64) -> bool {
        self.launches >= DECISIVE_MIN && self.interval.is_some_and(|(_, high)| high < value)
    }

    /// Whether the interval lies wholly above `value`; never with too few launches.
    #[must_use]
    pub fn above(&self, value: f64) -> bool {
        self.launches >= DECISIVE_MIN && self.interval.is_some_and(|(low, _)| low > value)
    }

    /// Whether `value` can be told from the estimate: the mark `~` stands where it cannot.
    #[must_use]
    pub fn differs_from(&self, value: f64) -> bool {
        self.below(value) || self.above(value)
    }
}

/// The mean of the launches' estimates and its interval. `None` when no estimate is finite.
#[must_use]
pub fn over_launches(launches: &[f64]) -> Option<Estimate> {
    let values: Vec<f64> = launches.iter().copied().filter(|value| value.is_finite()).collect();
    let point = centre::mean(&values)?;
    let (interval, basis) = match values.len() {
        1 => (None, Basis::OneLaunch),
        n if n < BOOTSTRAP_MIN => (Some(student(&values, point)), Basis::StudentT),
        _ => (Some(bootstrap(&values, point)), Basis::Bootstrap),
    };
    // Equal launches: the last bit of a mean of means may differ.
    let interval = interval.map(|(low, high)| (low.min(point), high.max(point)));
    Some(Estimate { point, interval, basis, launches: values.len() })
}

fn student(values: &[f64], mean: f64) -> (f64, f64) {
    let n = values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let half = t_95(values.len() - 1) * (squares / (n - 1.0) / n).sqrt();
    (mean - half, mean + half)
}

fn bootstrap(values: &[f64], mean: f64) -> (f64, f64) {
    let n = values.len();
    let mut state = SEED;
    let means: Vec<f64> = (0..RESAMPLES)
        .map(|_| (0..n).map(|_| values[draw(&mut state, n)]).sum::<f64>() / n as f64)
        .collect();
    let widened = (n as f64 / (n as f64 - 1.0)).sqrt() * t_95(n - 1);
    let tail = normal_below(-widened);
    let at = |q| centre::percentile(&means, q).unwrap_or(mean);
    (at(tail), at(1.0 - tail))
}

/// An index below `n`: a random word scaled by the high half of a product.
fn draw(state: &mut u64, n: usize) -> usize {
    ((u128::from(word(state)) * n as u128) >> 64) as usize
}

/// 64 random bits: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
pub(super) fn word(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The 97.5 % quantile of Student's t: a table to 30 degrees of freedom, then the expansion around
/// the normal quantile (Abramowitz and Stegun 26.7.5), whose error is below 0.001 there.
fn t_95(degrees: usize) -> f64 {
    const TABLE: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
        2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
        2.052, 2.048, 2.045, 2.042,
    ];
    const Z: f64 = 1.959_964;
    match degrees.checked_sub(1) {
        None => f64::INFINITY,
        Some(index) => TABLE.get(index).copied().unwrap_or_else(|| {
            let n = degrees as f64;
            Z + (Z.powi(3) + Z) / (4.0 * n)
                + (5.0 * Z.powi(5) + 16.0 * Z.powi(3) + 3.0 * Z) / (96.0 * n * n)
        }),
    }
}

/// The normal distribution function for x ≤ 0 (Abramowitz and Stegun 26.2.17, error below 7.5e-8).
fn normal_below(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * -x);
    let series = t
        * (0.319_381_530
            + t * (-0.356_563_782
                + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_launches_use_students_t() {
        let estimate = over_launches(&[1.0, 2.0, 3.0]).expect("three launches");
        assert_eq!((estimate.point, estimate.basis), (2.0, Basis::StudentT));
        let (low, high) = estimate.interval.expect("an interval");
        // 2 ± 4.303 · 1/√3
        assert!((low + 0.4843).abs() < 1e-3 && (high - 4.4843).abs() < 1e-3, "{low} {high}");
    }

    #[test]
    fn one_launch_has_no_interval() {
        let estimate = over_launches(&[1.5]).expect("one launch");
        assert_eq!((estimate.interval, estimate.basis), (None, Basis::OneLaunch));
        assert!(!estimate.differs_from(9.0));
        assert_eq!(over_launches(&[]), None);
        assert_eq!(over_launches(&[f64::NAN]), None);
    }

    #[test]
    fn tables_hold() {
        assert!((normal_below(-1.959_964) - 0.025).abs() < 1e-6);
        assert!((t_95(40) - 2.021).abs() < 1e-3);
        assert!((t_95(120) - 1.980).abs() < 1e-3);
    }

    /// The interval holds the truth in about 95 of 100 runs, for few launches and for many.
    #[test]
    fn coverage() {
        let mut state = 42;
        let mut uniform = || (draw(&mut state, 1 << 30) as f64 + 0.5) / f64::from(1 << 30);
        for launches in [3, 5, 8, 12, 20] {
            let runs = 600;
            let held = (0..runs)
                .filter(|_| {
                    let values: Vec<f64> = (0..launches)
                        .map(|_| {
                            let radius: f64 = (-2.0 * uniform().ln()).sqrt();
                            0.7 + 0.01 * radius * (std::f64::consts::TAU * uniform()).cos()
                        })
                        .collect();
                    let estimate = over_launches(&values).expect("launches");
                    !estimate.differs_from(0.7)
                })
                .count();
            let coverage = held as f64 / f64::from(runs);
            assert!((0.92..=0.98).contains(&coverage), "{launches} launches: {coverage}");
        }
    }
}
