//! Where does a ratio lie on an axis of changes in per cent?
//!
//! Positions are logarithms, so that twice and half are equally far from no change. What decides
//! (means, launches, margin) always lies within; what only spreads (single turns, the ends of wide
//! intervals) widens the axis no further than a few times that, and is drawn at its edge beyond.

/// An axis of ratios.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    low: f64,
    high: f64,
}

/// The least that an axis spans, as a logarithm: about a tenth of a per cent.
const SPAN_MIN: f64 = 0.001;

impl Axis {
    /// An axis that holds 1 and every ratio of `core`, and of `more` as far as that widens it by
    /// `stretch` times its span at each end. `None` without a finite ratio in `core`.
    #[must_use]
    pub fn holding(
        core: impl IntoIterator<Item = f64>,
        more: impl IntoIterator<Item = f64>,
        stretch: f64,
    ) -> Option<Axis> {
        let (low, high) = ends(core)?;
        let (low, high) = (low.min(0.0), high.max(0.0));
        let span = (high - low).max(SPAN_MIN);
        let (wide_low, wide_high) = ends(more).unwrap_or((low, high));
        let low = low.min(wide_low.max(low - stretch * span));
        let high = high.max(wide_high.min(high + stretch * span));
        let room = (high - low).max(SPAN_MIN) * 0.06;
        Some(Axis { low: low - room, high: high + room })
    }

    /// Where a ratio lies: 0 at the low end, 1 at the high end, beyond them outside.
    #[must_use]
    pub fn place(&self, ratio: f64) -> f64 {
        let log = if ratio > 0.0 { ratio.ln() } else { f64::NEG_INFINITY };
        ((log - self.low) / (self.high - self.low)).clamp(-9.0, 9.0)
    }

    /// Where a ratio is drawn, at the edge where it lies beyond; and whether it lies within.
    #[must_use]
    pub fn within(&self, ratio: f64) -> (f64, bool) {
        let place = self.place(ratio);
        (place.clamp(0.0, 1.0), (0.0..=1.0).contains(&place))
    }

    /// Round changes within the axis with their labels, no two closer than `gap` (a share of it);
    /// no change is always one of them.
    #[must_use]
    pub fn ticks(&self, gap: f64) -> Vec<(f64, String)> {
        // 0.01, 0.02, 0.05, 0.1 … 50 per cent.
        let steps = (-2..2).flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * 10f64.powi(power)));
        let even = steps
            .map(|step| self.multiples(step))
            .find(|ticks| ticks.len() > 1 && self.are_apart(ticks, gap));
        let percents = even.unwrap_or_else(|| self.chosen(gap));
        percents.into_iter().map(|percent| (1.0 + percent / 100.0, label(percent))).collect()
    }

    /// The multiples of a step within the axis, up to double.
    fn multiples(&self, step: f64) -> Vec<f64> {
        let (low, high) = (self.low.exp_m1() * 100.0, self.high.exp_m1() * 100.0);
        if high > 120.0 || low < -75.0 || (high - low) / step > 60.0 {
            return Vec::new();
        }
        let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
        (first..=last).map(|n| n as f64 * step).collect()
    }

    fn are_apart(&self, percents: &[f64], gap: f64) -> bool {
        let place = |percent: f64| self.place(1.0 + percent / 100.0);
        percents.windows(2).all(|two| place(two[1]) - place(two[0]) >= gap)
    }

    /// For wide axes: round changes, taken from no change outwards while they are apart.
    fn chosen(&self, gap: f64) -> Vec<f64> {
        const UP: [f64; 9] = [50.0, 100.0, 200.0, 400.0, 900.0, 1900.0, 4900.0, 9900.0, 99_900.0];
        const DOWN: [f64; 8] = [-20.0, -50.0, -75.0, -90.0, -95.0, -98.0, -99.0, -99.9];
        let mut ticks = vec![0.0];
        for side in [&UP[..], &DOWN[..]] {
            let mut last = self.place(1.0);
            for percent in side {
                let (place, inside) = self.within(1.0 + percent / 100.0);
                if inside && (place - last).abs() >= gap {
                    ticks.push(*percent);
                    last = place;
                }
            }
        }
        ticks.sort_by(f64::total_cmp);
        ticks
    }
}

/// The lowest and the highest logarithm of those that have one.
fn ends(ratios: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    let logs = ratios.into_iter().filter(|ratio| *ratio > 0.0).map(f64::ln);
    let mut logs = logs.filter(|log| log.is_finite());
    let first = logs.next()?;
    Some(logs.fold((first, first), |(low, high), log| (low.min(log), high.max(log))))
}

fn label(percent: f64) -> String {
    let size = crate::format::tick(percent.abs());
    match percent {
        percent if percent.abs() < 1e-9 => "0".to_owned(),
        percent if percent < 0.0 => format!("−{size} %"),
        _ => format!("+{size} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(axis: &Axis, gap: f64) -> Vec<String> {
        axis.ticks(gap).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round() {
        let axis = Axis::holding([0.985, 1.03], [], 0.0).expect("ratios");
        assert_eq!(labels(&axis, 0.15), ["−1 %", "0", "+1 %", "+2 %", "+3 %"]);
        let axis = Axis::holding([0.999, 1.001], [], 0.0).expect("ratios");
        assert_eq!(labels(&axis, 0.2), ["−0.1 %", "−0.05 %", "0", "+0.05 %", "+0.1 %"]);
        let axis = Axis::holding([0.3, 4.0], [], 0.0).expect("ratios");
        assert_eq!(labels(&axis, 0.15), ["−50 %", "0", "+100 %"]);
    }

    #[test]
    fn spread_widens_only_so_far() {
        let axis = Axis::holding([0.99, 1.01], [0.2, 9.0], 1.0).expect("ratios");
        assert!(axis.within(0.98).1 && axis.within(1.02).1);
        assert_eq!(axis.within(9.0), (1.0, false));
        assert_eq!(axis.within(f64::NAN).0, 0.0);
        assert_eq!(Axis::holding([f64::NAN, 0.0], [1.0], 1.0), None);
    }

    proptest! {
        #[test]
        fn every_axis_has_few_ticks_apart(low in 0.001..1.0f64, high in 1.0..1000.0f64) {
            let axis = Axis::holding([low, high], [], 0.0).expect("ratios");
            let ticks = axis.ticks(0.12);
            prop_assert!(!ticks.is_empty() && ticks.len() <= 9, "{ticks:?}");
            let places: Vec<f64> = ticks.iter().map(|(ratio, _)| axis.place(*ratio)).collect();
            prop_assert!(places.iter().all(|place| (0.0..=1.0).contains(place)), "{places:?}");
            prop_assert!(places.windows(2).all(|two| two[1] - two[0] >= 0.12 - 1e-9), "{places:?}");
            prop_assert!(ticks.iter().any(|(_, label)| label == "0"));
        }
    }
}
