//! Where is the middle of a set of values?

/// The values that are numbers, sorted.
fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The value below which the share `q` (0 to 1) of the values lies, interpolated linearly between the two
/// nearest order statistics (type 7 of Hyndman and Fan, The American Statistician 50, 1996).
/// `None` when there is no finite value.
#[must_use]
pub fn percentile(values: &[f64], q: f64) -> Option<f64> {
    let sorted = sorted(values);
    let last = sorted.len().checked_sub(1)?;
    let position = q.clamp(0.0, 1.0) * last as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(last);
    Some(sorted[below] + (sorted[above] - sorted[below]) * (position - below as f64))
}

/// The middle value. `None` when there is no finite value.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    percentile(values, 0.5)
}

/// The mean of the middle half of the values (interquartile mean); a value that straddles a quartile
/// counts in part. Nearly as precise as the mean for clean data, and deaf to the outer quarters.
/// `None` when there is no finite value.
#[must_use]
pub fn mid_mean(values: &[f64]) -> Option<f64> {
    let sorted = sorted(values);
    if sorted.is_empty() {
        return None;
    }
    let quarter = sorted.len() as f64 / 4.0;
    let (from, to) = (quarter, sorted.len() as f64 - quarter);
    let sum: f64 = sorted
        .iter()
        .enumerate()
        .map(|(index, value)| {
            let covered = (index as f64 + 1.0).min(to) - (index as f64).max(from);
            value * covered.max(0.0)
        })
        .sum();
    Some(sum / (to - from))
}

/// The mean. `None` when there is no finite value.
#[must_use]
pub fn mean(values: &[f64]) -> Option<f64> {
    let sorted = sorted(values);
    (!sorted.is_empty()).then(|| sorted.iter().sum::<f64>() / sorted.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_answers() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(percentile(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.25), Some(2.0));
        assert_eq!(percentile(&[10.0], 0.99), Some(10.0));
        assert_eq!(mid_mean(&[1.0, 2.0, 3.0, 1000.0]), Some(2.5));
        // Wikipedia, "Interquartile mean": 1, 3, 5, 7, 9, 11, 13, 15, 17 has the mid-mean 9.
        let odd: Vec<f64> = (0..9).map(|n| f64::from(n) * 2.0 + 1.0).collect();
        assert_eq!(mid_mean(&odd), Some(9.0));
        assert_eq!(mid_mean(&[7.0]), Some(7.0));
    }

    #[test]
    fn odd_data_has_no_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(mid_mean(&[f64::NAN]), None);
        assert_eq!(mean(&[f64::INFINITY]), None);
        assert_eq!(median(&[f64::NAN, 2.0]), Some(2.0));
    }

    proptest! {
        #[test]
        fn the_middle_is_within_the_values(values in prop::collection::vec(-1e9..1e9f64, 1..60)) {
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let slack = 1e-6;
            for middle in [median(&values), mid_mean(&values), percentile(&values, 0.99)] {
                let middle = middle.expect("there are values");
                prop_assert!(low - slack <= middle && middle <= high + slack);
            }
        }

        #[test]
        fn order_does_not_matter(mut values in prop::collection::vec(0.0..1e6f64, 1..40)) {
            let before = (median(&values), mid_mean(&values));
            values.reverse();
            prop_assert_eq!(before, (median(&values), mid_mean(&values)));
        }
    }
}
