//! From which size on is the other one cheaper?
//!
//! A ratio is known at a few points of an axis, with an interval at each. It crosses 1 between two points whose
//! intervals lie on different sides of 1 with none but undecided points between them. Where, is read off the
//! straight lines that join the estimates (logarithm of the ratio over logarithm of x); how exactly, off the
//! lines that join the intervals' ends: the stretch of the axis on which the band of intervals contains 1.

use super::Estimate;

/// A place where a ratio passes 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crossover {
    /// Where the estimate passes 1, interpolated between two measured points.
    pub x: f64,
    /// From where the intervals contain 1.
    pub low: f64,
    /// To where they do.
    pub high: f64,
    /// Whether the ratio is below 1 (the contender is cheaper) above `x`.
    pub cheaper_above: bool,
}

/// The crossovers of a ratio along an axis; `points` are sorted by x. Points without an estimate should be
/// left out. With an x that is not above 0 the axis is taken as linear.
#[must_use]
pub fn crossovers(points: &[(f64, Estimate)]) -> Vec<Crossover> {
    let linear = points.iter().any(|(x, _)| *x <= 0.0);
    let position = |x: f64| if linear { x } else { x.ln() };
    let place = |p: f64| if linear { p } else { p.exp() };
    let (low_end, high_end) = ends();
    let mut found = Vec::new();
    let mut last: Option<(usize, bool)> = None;
    for (index, (_, estimate)) in points.iter().enumerate() {
        let below = match (estimate.below(1.0), estimate.above(1.0)) {
            (true, _) => true,
            (_, true) => false,
            _ => continue,
        };
        if let Some((from, was_below)) = last
            && was_below != below
        {
            let span = &points[from..=index];
            let zero = |pick: fn(&Estimate) -> f64, last: bool| {
                let line: Vec<(f64, f64)> =
                    span.iter().map(|(x, e)| (position(*x), pick(e).ln())).collect();
                zero_of(&line, last).map(place)
            };
            let (first, second) = if below { (low_end, high_end) } else { (high_end, low_end) };
            if let (Some(x), Some(low), Some(high)) =
                (zero(|e| e.point, false), zero(first, false), zero(second, true))
            {
                found.push(Crossover { x, low, high, cheaper_above: below });
            }
        }
        last = Some((index, below));
    }
    found
}

/// The lower and the upper end of an estimate's interval; the estimate itself where there is none.
type End = fn(&Estimate) -> f64;
const fn ends() -> (End, End) {
    (
        |e| e.interval.map_or(e.point, |(low, _)| low),
        |e| e.interval.map_or(e.point, |(_, high)| high),
    )
}

/// Where a line through points passes 0: the first place, or the last.
fn zero_of(line: &[(f64, f64)], last: bool) -> Option<f64> {
    let mut zeros = line.windows(2).filter_map(|pair| {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        (y0 * y1 <= 0.0 && y0 != y1).then(|| x0 + (x1 - x0) * y0 / (y0 - y1))
    });
    if last { zeros.next_back() } else { zeros.next() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Basis;

    fn at(x: f64, point: f64, width: f64) -> (f64, Estimate) {
        let interval = Some((point / width, point * width));
        (x, Estimate { point, interval, basis: Basis::StudentT, launches: 5 })
    }

    #[test]
    fn a_straight_line_crosses_where_it_should() {
        // The logarithm of the ratio falls linearly in log x and is 0 at 2048.
        let points = [at(1024.0, 2.0, 1.1), at(4096.0, 0.5, 1.1)];
        let found = crossovers(&points);
        assert_eq!(found.len(), 1);
        let crossover = found[0];
        assert!((crossover.x - 2048.0).abs() < 1e-6 && crossover.cheaper_above);
        assert!(crossover.low < 2048.0 && 2048.0 < crossover.high);
        // The band is the line shifted by ln 1.1, which is ln 1.1 further along.
        assert!((crossover.high / 2048.0 - 1.1).abs() < 1e-9);
    }

    #[test]
    fn undecided_points_lie_within_the_crossover() {
        let points = [at(1.0, 0.5, 1.2), at(2.0, 0.97, 1.2), at(4.0, 1.05, 1.2), at(8.0, 2.0, 1.2)];
        let found = crossovers(&points);
        assert_eq!(found.len(), 1);
        assert!(!found[0].cheaper_above);
        assert!(found[0].low < 2.0 && found[0].high > 4.0, "{found:?}");
        assert!((2.0..4.0).contains(&found[0].x));
    }

    #[test]
    fn none_where_nothing_is_decided_on_both_sides() {
        assert!(crossovers(&[]).is_empty());
        assert!(crossovers(&[at(1.0, 0.5, 1.1), at(2.0, 0.9, 1.5)]).is_empty());
        assert!(crossovers(&[at(1.0, 0.5, 1.1), at(2.0, 0.4, 1.1)]).is_empty());
    }

    #[test]
    fn an_axis_that_starts_at_zero_is_linear() {
        let found = crossovers(&[at(0.0, 2.0, 1.1), at(10.0, 0.5, 1.1)]);
        assert!((found[0].x - 5.0).abs() < 1e-9);
    }
}
