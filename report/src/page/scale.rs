//! Which ticks does an axis have, and where does a value lie on it?

use crate::format;

/// What an axis counts, and so how its ticks read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A plain number; the unit stands in the title.
    Number,
    /// A multiple of the baseline: `0.5×`.
    Times,
    /// Nanoseconds: `12 µs`.
    Duration,
    /// Percent of a whole: from 0 to 100, never by logarithm.
    Share,
}

/// A value axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// Logarithmic rather than linear.
    pub log: bool,
    /// The lowest value shown.
    pub low: f64,
    /// The highest value shown.
    pub high: f64,
    unit: Unit,
}

impl Scale {
    /// A scale that holds all values: logarithmic where they are all above 0 and spread more than
    /// fourfold (a multiple always), else linear from 0. `None` without a finite value.
    #[must_use]
    pub fn holding(values: impl IntoIterator<Item = f64>, unit: Unit) -> Option<Scale> {
        let values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        let low = values.iter().copied().reduce(f64::min)?;
        let high = values.iter().copied().reduce(f64::max)?;
        if unit == Unit::Share {
            return Some(Scale { log: false, low: 0.0, high: high.max(100.0) * 1.03, unit });
        }
        let log = low > 0.0 && (unit == Unit::Times || high / low > 4.0);
        if log {
            let (low, high) = if high / low < 1.5 { (low / 1.1, high * 1.1) } else { (low, high) };
            let room = (high / low).powf(0.05);
            return Some(Scale { log, low: low / room, high: high * room, unit });
        }
        let high = if high > 0.0 { high * 1.06 } else { 1.0 };
        Some(Scale { log, low: low.min(0.0), high, unit })
    }

    /// Where a value lies, 0 at the bottom and 1 at the top.
    #[must_use]
    pub fn place(&self, value: f64) -> f64 {
        let position = |value: f64| if self.log { value.max(1e-300).ln() } else { value };
        let (low, high) = (position(self.low), position(self.high));
        (position(value) - low) / (high - low)
    }

    /// Round values within the scale, with their labels: 1, 2 and 5 times powers of ten (fewer
    /// where those are many), or equal steps.
    #[must_use]
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let values = if self.log { self.log_ticks() } else { self.linear_ticks() };
        values.into_iter().map(|value| (value, self.label(value))).collect()
    }

    fn log_ticks(&self) -> Vec<f64> {
        let decades = |steps: &[f64]| -> Vec<f64> {
            let from = self.low.log10().floor() as i32;
            let to = self.high.log10().ceil() as i32;
            (from..=to)
                .flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)))
                .filter(|value| (self.low..=self.high).contains(value))
                .collect()
        };
        const FINE: [f64; 15] =
            [1.0, 1.1, 1.2, 1.3, 1.5, 1.7, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
        let choices: [&[f64]; 5] =
            [&FINE, &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0], &[1.0, 2.0, 5.0], &[1.0, 3.0], &[1.0]];
        choices
            .iter()
            .map(|steps| decades(steps))
            .find(|ticks| ticks.len() <= 7)
            .unwrap_or_else(|| decades(&[1.0]).into_iter().step_by(2).collect())
    }

    fn linear_ticks(&self) -> Vec<f64> {
        let rough = (self.high - self.low) / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|step| step * power)
            .find(|step| *step >= rough)
            .unwrap_or(power * 10.0);
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step).floor() as i64;
        (first..=last).map(|n| n as f64 * step).collect()
    }

    fn label(&self, value: f64) -> String {
        match self.unit {
            Unit::Number | Unit::Share => format::tick(value),
            Unit::Times => format!("{}×", format::tick(value)),
            Unit::Duration => format::duration_tick(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn round_ticks() {
        let scale = Scale::holding([100.0, 4000.0], Unit::Number).expect("values");
        let labels: Vec<String> = scale.ticks().into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, ["100", "200", "500", "1,000", "2,000"]);
        let scale = Scale::holding([0.0, 9.0], Unit::Number).expect("values");
        let labels: Vec<String> = scale.ticks().into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, ["0", "2", "4", "6", "8"]);
        assert_eq!(Scale::holding([f64::NAN], Unit::Number), None);
        assert!(Scale::holding([0.0, 0.0], Unit::Number).is_some());
    }

    proptest! {
        #[test]
        fn values_lie_within(values in prop::collection::vec(0.0..1e9f64, 1..20)) {
            let scale = Scale::holding(values.iter().copied(), Unit::Number).expect("values");
            for value in values {
                prop_assert!((-1e-9..=1.0 + 1e-9).contains(&scale.place(value)));
            }
            prop_assert!(scale.ticks().len() <= 12);
        }
    }
}
