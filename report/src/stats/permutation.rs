//! How often would chance alone show as much as was seen?
//!
//! Where a launch's log-ratio differs from 0 by chance only, it may as well have had the other sign:
//! head and base could have changed places. So the mean over launches is set against the means that
//! other signs would have given (Fisher, The Design of Experiments, 1935, section 21). Nothing is
//! assumed of the distribution but its symmetry. Up to [`EXACT_MAX`] launches all assignments of
//! signs are looked at; beyond that [`DRAWS`] random ones, and the one that was seen counts among
//! them, so that no p is 0 (Phipson and Smyth, Statistical Applications in Genetics and Molecular
//! Biology 9, 2010).
//!
//! Many cells are many chances for a false alarm; [`holm`] corrects for that (Scandinavian Journal of
//! Statistics 6, 1979).

use super::interval::word;

/// Values up to which every assignment of signs is looked at.
pub const EXACT_MAX: usize = 20;
/// Random assignments beyond that.
pub const DRAWS: u32 = 99_999;
/// The generator's seed: the same record gives the same p, always.
const SEED: u64 = 0x7a63_6c61_6200_0002;

/// The share of sign assignments whose sum is as far from 0 as that of the values, or farther: a
/// two-sided p. 1 where no value is finite.
#[must_use]
pub fn sign_flip(values: &[f64]) -> f64 {
    let values: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    if values.is_empty() {
        return 1.0;
    }
    // Equal sums whose last bits differ are ties.
    let slack = 1e-12 * values.iter().map(|value| value.abs()).sum::<f64>();
    let seen = values.iter().sum::<f64>().abs() - slack;
    let tables: Vec<Vec<f64>> = values.chunks(8).map(signed_sums).collect();
    if values.len() <= EXACT_MAX {
        // The last sign stays: turning all signs round gives the same distance.
        let all = 1u64 << (values.len() - 1);
        let as_far = (0..all).filter(|signs| sum(&tables, || *signs).abs() >= seen).count();
        return as_far as f64 / all as f64;
    }
    let mut state = SEED;
    let as_far = (0..DRAWS).filter(|_| sum(&tables, || word(&mut state)).abs() >= seen).count();
    (as_far as f64 + 1.0) / (f64::from(DRAWS) + 1.0)
}

/// The sums of at most eight values under each assignment of signs; a set bit turns one round.
fn signed_sums(values: &[f64]) -> Vec<f64> {
    let signed = |signs: usize| {
        values.iter().enumerate().map(move |(n, v)| if signs >> n & 1 == 1 { -v } else { *v }).sum()
    };
    (0..1usize << values.len()).map(signed).collect()
}

/// The sum of all values, their signs taken from words of bits.
fn sum(tables: &[Vec<f64>], mut bits: impl FnMut() -> u64) -> f64 {
    let mut total = 0.0;
    for eight in tables.chunks(8) {
        let mut signs = bits();
        for table in eight {
            total += table[signs as usize & (table.len() - 1)];
            signs >>= 8;
        }
    }
    total
}

/// The smallest p that [`sign_flip`] can give for so many values.
#[must_use]
pub fn least_p(values: usize) -> f64 {
    if values <= EXACT_MAX {
        return 2.0f64.powi(1 - values as i32).min(1.0);
    }
    1.0 / (f64::from(DRAWS) + 1.0)
}

/// The smallest number of values with which one of so many tests can come below `alpha`; `None`
/// where no number can.
#[must_use]
pub fn least_values(tests: usize, alpha: f64) -> Option<usize> {
    (1..=EXACT_MAX + 1).find(|&values| least_p(values) * (tests.max(1) as f64) < alpha)
}

/// The p of several tests, corrected by Holm's method, in their order.
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut corrected = vec![1.0; p.len()];
    let mut largest = 0.0f64;
    for (rank, place) in order.into_iter().enumerate() {
        largest = largest.max(((p.len() - rank) as f64 * p[place]).min(1.0));
        corrected[place] = largest;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Darwin's maize: heights of crossed minus self-fertilised plants, in eighths of an inch. Fisher
    /// (The Design of Experiments, 1935, section 21) counts 863 of 32,768 assignments with a sum of 314
    /// or more, and as many on the other side: 5.267 %.
    #[test]
    fn fishers_answer_for_darwins_maize() {
        let maize = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48].map(f64::from);
        assert_eq!(sign_flip(&maize), 1726.0 / 32768.0);
    }

    /// The p of all 2²⁴ assignments, counted with numpy: 0.000718.
    #[test]
    fn random_assignments_come_near_all_of_them() {
        let launches = [
            0.0075, 0.0122, 0.0073, -0.009, 0.0131, 0.0085, -0.0014, 0.0098, 0.0076, 0.0069,
            0.0043, 0.0095, -0.0034, 0.0024, -0.0008, 0.01, 0.0044, 0.0011, -0.0038, 0.0014,
            0.0041, 0.0012, 0.0169, 0.0141,
        ];
        let p = sign_flip(&launches);
        assert!((p - 0.000_718).abs() < 3e-4, "{p}");
        // In two halves all are looked at, and both are known to go one way.
        assert!(sign_flip(&launches[..12]) < 0.05);
    }

    #[test]
    fn the_least_that_can_come_out() {
        assert_eq!(sign_flip(&[0.3; 8]), 2.0 / 256.0);
        assert_eq!(least_p(8), 2.0 / 256.0);
        assert_eq!(sign_flip(&[0.3; 40]), least_p(40));
        assert_eq!((sign_flip(&[]), sign_flip(&[f64::NAN]), sign_flip(&[1.0])), (1.0, 1.0, 1.0));
        assert_eq!(sign_flip(&[0.0; 9]), 1.0);
        assert_eq!(sign_flip(&[0.0; 30]), 1.0);
        // benchstat's reason to ask for samples, for this test: 2/2⁷ is above 0.01, 2/2⁸ below it.
        assert_eq!(least_values(1, 0.01), Some(8));
        assert_eq!(least_values(20, 0.01), Some(12));
        assert_eq!(least_values(1, 0.0), None);
    }

    /// The example that the article on the method in Wikipedia works through, and what R's
    /// `p.adjust(c(0.01, 0.02, 0.03, 0.5), "holm")` gives.
    #[test]
    fn holms_correction() {
        let near = |p: &[f64], expected: &[f64]| {
            let off = holm(p).iter().zip(expected).any(|(a, b)| (a - b).abs() > 1e-12);
            assert!(!off, "{:?}", holm(p));
        };
        near(&[0.01, 0.04, 0.03, 0.005], &[0.03, 0.06, 0.06, 0.02]);
        near(&[0.01, 0.02, 0.03, 0.5], &[0.04, 0.06, 0.06, 0.5]);
        near(&[0.9, 0.8], &[1.0, 1.0]);
        assert!(holm(&[]).is_empty());
        assert!(holm(&[f64::NAN, 0.5]).iter().all(|p| (0.0..=1.0).contains(p)));
    }

    /// Heavy tails, symmetric about 0: p below 5 % comes in about 5 of 100.
    #[test]
    fn the_level_is_held() {
        let mut state = 11;
        let mut uniform = || (word(&mut state) >> 11) as f64 / (1u64 << 53) as f64;
        let mut alarms = 0;
        for _ in 0..1000 {
            // Cauchy: the heaviest tails that anybody would expect.
            let values: Vec<f64> =
                (0..12).map(|_| (std::f64::consts::PI * (uniform() - 0.5)).tan()).collect();
            alarms += u32::from(sign_flip(&values) < 0.05);
        }
        assert!((30..=70).contains(&alarms), "{alarms}");
    }

    proptest! {
        #[test]
        fn neither_order_nor_side_nor_unit_matters(
            values in prop::collection::vec(-5.0..5.0f64, 1..14), unit in 0.001..1000.0f64
        ) {
            let p = sign_flip(&values);
            let turned: Vec<f64> = values.iter().rev().map(|value| -value * unit).collect();
            prop_assert!((sign_flip(&turned) - p).abs() < 1e-9);
            prop_assert!(p >= least_p(values.len()) && p <= 1.0);
        }

        #[test]
        fn corrected_is_never_smaller(p in prop::collection::vec(0.0..1.0f64, 1..30)) {
            let corrected = holm(&p);
            for (a, b) in p.iter().zip(&corrected) {
                prop_assert!(b >= a && *b <= (a * p.len() as f64).min(1.0).max(
                    corrected.iter().copied().fold(0.0, f64::max)));
            }
        }
    }
}
