//! How small an effect would this measurement still have seen?
//!
//! A launch's log-ratio has some spread `s`; the mean of n launches is off by about s/√n. A regression
//! is called where the lower end of the 95 % interval lies beyond margin and floor, and where the test
//! is significant for the strictest step of Holm's correction. So an effect δ is found in the share q of
//! gates if, with z(q) standard errors of bad luck, it still passes the higher of the two hurdles:
//!
//! `δ = max( max(margin, floor) + t(5 %) · s/√n , t(α/cells) · s/√n ) + z(q) · s/√n`
//!
//! all as logarithms, t two-sided with n − 1 degrees of freedom. It is the textbook's sum of a critical
//! value and a power quantile (Cohen, Statistical Power Analysis, 1988, chapter 2), with the two hurdles
//! in place of one. Where two sets of launches have to show it, all of them decide as above, and each
//! half has to be significant by itself and beyond the margin in the middle,
//!
//! `δ = max( margin , t(α) · s/√(n/2) ) + z(√q) · s/√(n/2)`
//!
//! of which the larger counts: q is 0.8, and both halves in a row are √0.8 each. With too few launches
//! for the test there is no such effect.

use super::{permutation, student};

/// Quantile of the normal distribution at 0.8.
const Z_ONCE: f64 = 0.841_621;
/// The same at √0.8: found twice in a row in 8 of 10.
const Z_TWICE: f64 = 1.250_421;
/// More launches than anybody would wait for.
const LAUNCHES_MAX: u32 = 10_000;

/// What decides how small an effect is seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hurdles {
    /// Standard deviation of the launches' log-ratios.
    pub spread: f64,
    /// Launches behind `floor`.
    pub launches: usize,
    /// Logarithm of what is tolerated.
    pub margin: f64,
    /// The part of the floor's logarithm that more launches leave as it is.
    pub floor_lasting: f64,
    /// The part that shrinks with the root of the launches.
    pub floor_shrinking: f64,
    /// Chance of a false alarm over all cells.
    pub alpha: f64,
    /// Cells that are tested.
    pub cells: usize,
    /// Whether each half of the launches has to show it too.
    pub twice: bool,
}

impl Hurdles {
    /// The logarithm of the smallest ratio that 8 of 10 gates of so many launches would have called a
    /// regression. `None` where no ratio would be.
    #[must_use]
    pub fn smallest_seen(&self, launches: usize) -> Option<f64> {
        let alpha = self.alpha / self.cells.max(1) as f64;
        let significant = permutation::least_p(launches) < alpha;
        if launches < super::DECISIVE_MIN || !significant || !self.spread.is_finite() {
            return None;
        }
        let root = (launches as f64).sqrt();
        let error = self.spread / root;
        let shrunk = self.floor_shrinking * (self.launches as f64).sqrt() / root;
        let beyond = self.margin.max(self.floor_lasting + shrunk);
        let interval = beyond + student::quantile(0.05, launches - 1) * error;
        let test = student::quantile(alpha, launches - 1) * error;
        let whole = interval.max(test) + Z_ONCE * error;
        let smallest = if self.twice { whole.max(self.by_halves(launches / 2)?) } else { whole };
        smallest.is_finite().then_some(smallest)
    }

    /// What each of two sets of so many launches shows by itself. `None` where none could.
    fn by_halves(&self, launches: usize) -> Option<f64> {
        if permutation::least_p(launches) >= self.alpha {
            return None;
        }
        let error = self.spread / (launches as f64).sqrt();
        let test = student::quantile(self.alpha, launches - 1) * error;
        Some(self.margin.max(test) + Z_TWICE * error)
    }

    /// The smallest number of launches with which `target`, a logarithm, would be seen.
    #[must_use]
    pub fn launches_wanted(&self, target: f64) -> Option<u32> {
        let enough =
            |launches| self.smallest_seen(launches as usize).is_some_and(|seen| seen <= target);
        if !enough(LAUNCHES_MAX) {
            return None;
        }
        let (mut few, mut many) = (0, LAUNCHES_MAX);
        while few + 1 < many {
            let middle = u32::midpoint(few, many);
            if enough(middle) { many = middle } else { few = middle }
        }
        Some(many)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Hurdles = Hurdles {
        spread: 1.0,
        launches: 34,
        margin: 0.0,
        floor_lasting: 0.0,
        floor_shrinking: 0.0,
        alpha: 0.05,
        cells: 1,
        twice: false,
    };

    /// Without margin and floor this is the plain one-sample t test: for a two-sided level of 5 %, a
    /// power of 80 % and an effect of half a standard deviation it takes 34 (G*Power 3.1, "means:
    /// difference from constant", d = 0.5).
    #[test]
    fn without_hurdles_it_is_the_textbooks_answer() {
        let seen = PLAIN.smallest_seen(34).expect("enough launches");
        assert!((seen - 0.5).abs() < 0.01, "{seen}");
        let wanted = PLAIN.launches_wanted(0.5).expect("a number");
        assert!((33..=34).contains(&wanted), "{wanted}");
    }

    #[test]
    fn hurdles_cells_and_halves_each_make_it_larger() {
        let seen = |hurdles: Hurdles| hurdles.smallest_seen(40).expect("enough launches");
        let plain = seen(PLAIN);
        assert!((seen(Hurdles { margin: 0.7, ..PLAIN }) - plain - 0.7).abs() < 1e-9);
        assert!(seen(Hurdles { floor_lasting: 0.2, ..PLAIN }) > plain + 0.19);
        assert!(seen(Hurdles { cells: 50, ..PLAIN }) > plain);
        assert!(seen(Hurdles { twice: true, ..PLAIN }) > plain);
    }

    #[test]
    fn what_lasts_cannot_be_waited_out() {
        let noise = Hurdles { floor_shrinking: 0.5, spread: 0.1, ..PLAIN };
        assert!(noise.launches_wanted(0.1).is_some_and(|launches| launches > 34));
        let bias = Hurdles { floor_lasting: 0.5, spread: 0.1, ..PLAIN };
        assert_eq!(bias.launches_wanted(0.1), None);
    }

    #[test]
    fn too_few_launches_see_nothing() {
        // 2/2⁵ = 0.0625 is not below 0.05; 2/2⁶ is.
        assert_eq!(PLAIN.smallest_seen(5), None);
        assert!(PLAIN.smallest_seen(6).is_some());
        assert_eq!(Hurdles { spread: f64::NAN, ..PLAIN }.smallest_seen(40), None);
        assert_eq!(Hurdles { alpha: 0.0, ..PLAIN }.launches_wanted(9.0), None);
    }
}
