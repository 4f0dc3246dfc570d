//! How likely is it that launches lie so far beyond a bound by chance alone?
//!
//! Launches vary, and a run has few of them: with four, a permutation of their signs has 16 outcomes,
//! which no correction for many questions survives. So the question is asked of Student's t over their
//! estimates, as the interval that is shown is for so few.

use crate::stats::{centre, spread, student};

/// A spread below this is rounding: the launches are equal.
const ROUNDING: f64 = 1e-12;

/// The chance of launches whose mean lies as far above `bound` as these, or further, where in truth
/// it does not lie above. 1 where there are not enough of them to say.
pub(super) fn above(launches: &[f64], bound: f64) -> f64 {
    let (Some(mean), Some(deviation)) = (centre::mean(launches), spread::deviation(launches))
    else {
        return 1.0;
    };
    let error = deviation / (launches.len() as f64).sqrt();
    let away = mean - bound;
    if error < ROUNDING {
        return if away > ROUNDING { 0.0 } else { 1.0 };
    }
    let one_side = student::beyond(away / error, launches.len() - 1) / 2.0;
    if away > 0.0 { one_side } else { 1.0 - one_side }
}

/// The same for means that lie below.
pub(super) fn below(launches: &[f64], bound: f64) -> f64 {
    let mirrored: Vec<f64> = launches.iter().map(|value| -value).collect();
    above(&mirrored, -bound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::permutation::holm;

    #[test]
    fn launches_beyond_a_bound() {
        // Mean 2, error 1/√3: t = 3.4641 with 2 degrees, whose tail is (1 − t/√(t² + 2))/2 = 0.03709.
        assert!((above(&[1.0, 2.0, 3.0], 0.0) - 0.037_090).abs() < 1e-5);
        assert!((below(&[1.0, 2.0, 3.0], 0.0) - 0.962_910).abs() < 1e-5);
        assert_eq!(above(&[0.5, 0.5, 0.5], 0.4), 0.0);
        assert_eq!(above(&[0.5, 0.5, 0.5], 0.5), 1.0);
        assert_eq!(above(&[9.0], 0.0), 1.0);
        assert_eq!(above(&[], 0.0), 1.0);
    }

    /// Ten questions at once, each with the truth exactly at its bound: one of the ten is answered
    /// wrongly in about 2.5 of 100 runs, as the level says, and uncorrected in far more.
    #[test]
    fn many_questions_at_once_keep_the_level() {
        let mut state = 7u64;
        let mut normal = || {
            let uniforms = (0..12).map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 11) as f64 / (1u64 << 53) as f64
            });
            uniforms.sum::<f64>() - 6.0
        };
        let runs = 2000;
        let (mut wrong, mut uncorrected) = (0, 0);
        for _ in 0..runs {
            let chances: Vec<f64> = (0..10)
                .map(|_| {
                    let launches: Vec<f64> = (0..4).map(|_| 0.3 + 0.02 * normal()).collect();
                    above(&launches, 0.3)
                })
                .collect();
            wrong +=
                usize::from(holm(&chances).iter().any(|chance| *chance < crate::expect::LEVEL));
            uncorrected += usize::from(chances.iter().any(|chance| *chance < crate::expect::LEVEL));
        }
        let share = |count: usize| count as f64 / f64::from(runs);
        assert!((0.015..0.035).contains(&share(wrong)), "{}", share(wrong));
        assert!(share(uncorrected) > 0.15, "{}", share(uncorrected));
    }
}
