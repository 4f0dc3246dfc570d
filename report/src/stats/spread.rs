//! How far do the values of a set lie apart?

use super::centre;

/// The sample standard deviation (divided by n − 1). `None` for fewer than two finite values.
#[must_use]
pub fn deviation(values: &[f64]) -> Option<f64> {
    let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let mean = centre::mean(&finite)?;
    let degrees = finite.len().checked_sub(1).filter(|degrees| *degrees > 0)?;
    let squares: f64 = finite.iter().map(|value| (value - mean).powi(2)).sum();
    Some((squares / degrees as f64).sqrt())
}

/// The median of the absolute deviations from the median, times 1.4826, which makes it the standard
/// deviation of values that are normal (Rousseeuw and Croux, JASA 88, 1993). `None` without a finite value.
#[must_use]
pub fn median_absolute_deviation(values: &[f64]) -> Option<f64> {
    const NORMAL: f64 = 1.482_602_218_505_602;
    let median = centre::median(values)?;
    let away: Vec<f64> = values.iter().map(|value| (value - median).abs()).collect();
    centre::median(&away).map(|middle| middle * NORMAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        // Mean 5, squares 32: the population's deviation is 2, the sample's √(32/7).
        let values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
        assert_eq!(deviation(&values), Some((32.0f64 / 7.0).sqrt()));
        // Median 2, deviations 1 1 0 0 2 4 7: their median is 1.
        let values = [1.0, 1.0, 2.0, 2.0, 4.0, 6.0, 9.0];
        let found = median_absolute_deviation(&values).expect("values");
        assert!((found - 1.4826).abs() < 1e-4, "{found}");
    }

    #[test]
    fn too_few_values_have_none() {
        assert_eq!(deviation(&[1.0]), None);
        assert_eq!(deviation(&[1.0, f64::NAN]), None);
        assert_eq!(median_absolute_deviation(&[]), None);
        assert_eq!(median_absolute_deviation(&[3.0]), Some(0.0));
    }
}
