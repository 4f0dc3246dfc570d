//! How likely is it that launches lie so far beyond a bound by chance alone?
//!
//! Launches vary, and few of them are measured, so the question is asked of Student's t over their
//! estimates. The distribution function is the exact finite series for whole degrees of freedom
//! (Abramowitz and Stegun 26.7.3 and 26.7.4). Where many such questions are asked at once, one of
//! them is answered wrongly sooner or later: [`holm`] corrects for that (Scandinavian Journal of
//! Statistics 6, 1979).

use super::centre;

/// A spread below this is rounding: the launches are equal.
const ROUNDING: f64 = 1e-12;

/// The chance of launches whose mean lies as far above `bound` as these, or further, where in truth
/// it does not lie above. 1 where there are not enough of them to say.
#[must_use]
pub fn chance_above(launches: &[f64], bound: f64) -> f64 {
    let n = launches.len() as f64;
    let Some(mean) = centre::mean(launches).filter(|_| launches.len() > 1) else { return 1.0 };
    let squares: f64 = launches.iter().map(|value| (value - mean).powi(2)).sum();
    let error = (squares / (n - 1.0) / n).sqrt();
    let beyond = mean - bound;
    if error < ROUNDING {
        return if beyond > ROUNDING { 0.0 } else { 1.0 };
    }
    upper_tail(beyond / error, launches.len() - 1)
}

/// The same for means that lie below.
#[must_use]
pub fn chance_below(launches: &[f64], bound: f64) -> f64 {
    let mirrored: Vec<f64> = launches.iter().map(|value| -value).collect();
    chance_above(&mirrored, -bound)
}

/// The chance that Student's t exceeds `t`.
fn upper_tail(t: f64, degrees: usize) -> f64 {
    let v = degrees as f64;
    let angle = (t.abs() / v.sqrt()).atan();
    let (sin, cos) = angle.sin_cos();
    let odd = degrees % 2 == 1;
    // cos + 2/3 cos³ + 2·4/(3·5) cos⁵ …, or 1 + 1/2 cos² + 1·3/(2·4) cos⁴ …, up to cos^(v−2).
    let mut term = if odd { cos } else { 1.0 };
    let mut sum = if degrees > 1 { term } else { 0.0 };
    let mut power = if odd { 3 } else { 2 };
    while power + 2 <= degrees {
        term *= cos * cos * f64::from(power as u32 - 1) / f64::from(power as u32);
        sum += term;
        power += 2;
    }
    let within = match odd {
        true => std::f64::consts::FRAC_2_PI * (angle + sin * sum),
        false => sin * sum,
    };
    let beyond = ((1.0 - within) / 2.0).clamp(0.0, 0.5);
    if t >= 0.0 { beyond } else { 1.0 - beyond }
}

/// Chances of as many questions, corrected for their number by Holm's method: where those below a
/// level are taken for answers, one of them is wrong no more often than that level says.
#[must_use]
pub fn holm(chances: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..chances.len()).collect();
    order.sort_by(|a, b| chances[*a].total_cmp(&chances[*b]));
    let mut corrected = vec![1.0; chances.len()];
    let mut least = 0.0_f64;
    for (rank, index) in order.into_iter().enumerate() {
        let left = (chances.len() - rank) as f64;
        least = least.max((chances[index] * left).min(1.0));
        corrected[index] = least;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Quantiles of the tables that every textbook prints.
    #[test]
    fn tails_are_those_of_the_tables() {
        let table = [
            (12.706, 1, 0.025),
            (4.303, 2, 0.025),
            (3.182, 3, 0.025),
            (5.841, 3, 0.005),
            (2.776, 4, 0.025),
            (2.201, 11, 0.025),
            (3.106, 11, 0.005),
            (2.042, 30, 0.025),
            (6.314, 1, 0.05),
            (0.0, 7, 0.5),
        ];
        for (t, degrees, tail) in table {
            let found = upper_tail(t, degrees);
            assert!((found - tail).abs() < 2e-5, "t {t}, {degrees} degrees: {found}");
            assert!((upper_tail(-t, degrees) - (1.0 - tail)).abs() < 2e-5);
        }
    }

    #[test]
    fn launches_beyond_a_bound() {
        // Mean 2, error 1/√3: t = 3.4641 with 2 degrees, whose tail is 0.03709.
        assert!((chance_above(&[1.0, 2.0, 3.0], 0.0) - 0.037_090).abs() < 1e-5);
        assert!((chance_below(&[1.0, 2.0, 3.0], 0.0) - 0.962_910).abs() < 1e-5);
        assert_eq!(chance_above(&[0.5, 0.5, 0.5], 0.4), 0.0);
        assert_eq!(chance_above(&[0.5, 0.5, 0.5], 0.5), 1.0);
        assert_eq!(chance_above(&[9.0], 0.0), 1.0);
        assert_eq!(chance_above(&[], 0.0), 1.0);
    }

    #[test]
    fn holms_method_by_hand() {
        // 0.01·4, 0.02·3, 0.03·2 and 0.04·1, none below the one before it.
        let found = holm(&[0.04, 0.01, 0.03, 0.02]);
        for (found, wanted) in found.iter().zip([0.06, 0.04, 0.06, 0.06]) {
            assert!((found - wanted).abs() < 1e-12, "{found} for {wanted}");
        }
        assert!(holm(&[]).is_empty());
        assert_eq!(holm(&[0.3]), [0.3]);
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
    }

    /// Ten questions at once, each with the truth exactly at its bound: one of the ten is answered
    /// wrongly in about 2.5 of 100 runs, as the level says, and uncorrected in far more.
    #[test]
    fn many_questions_at_once_keep_the_level() {
        let mut state = 7u64;
        let mut normal = || {
            let sum: f64 = (0..12)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    (state >> 11) as f64 / (1u64 << 53) as f64
                })
                .sum();
            sum - 6.0
        };
        let runs = 2000;
        let (mut wrong, mut uncorrected) = (0, 0);
        for _ in 0..runs {
            let chances: Vec<f64> = (0..10)
                .map(|_| {
                    let launches: Vec<f64> = (0..4).map(|_| 0.3 + 0.02 * normal()).collect();
                    chance_above(&launches, 0.3)
                })
                .collect();
            wrong += usize::from(holm(&chances).iter().any(|chance| *chance < 0.025));
            uncorrected += usize::from(chances.iter().any(|chance| *chance < 0.025));
        }
        let share = |count: usize| count as f64 / f64::from(runs);
        assert!((0.015..0.035).contains(&share(wrong)), "{}", share(wrong));
        assert!(share(uncorrected) > 0.15, "{}", share(uncorrected));
    }

    proptest! {
        #[test]
        fn a_correction_never_makes_less_of_a_chance(
            chances in prop::collection::vec(0.0..1.0f64, 0..30)
        ) {
            let corrected = holm(&chances);
            for (before, after) in chances.iter().zip(&corrected) {
                prop_assert!(before <= after && *after <= 1.0);
                prop_assert!(*after <= before * chances.len() as f64 + 1e-12);
            }
        }

        #[test]
        fn tails_fall(t in 0.0..50.0f64, step in 0.0..5.0f64, degrees in 1..200usize) {
            prop_assert!(upper_tail(t + step, degrees) <= upper_tail(t, degrees) + 1e-12);
        }
    }
}
