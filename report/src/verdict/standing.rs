//! Who leads under one condition?

use crate::stats::paired::{self, Placed};
use crate::stats::{Estimate, centre};
use crate::study::{Point, Row, Study};

/// Who leads under one condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The value of the first axis, in words.
    pub x: String,
    /// The outcome.
    pub lead: Lead,
}

/// The outcome of a comparison under one condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Lead {
    /// These need the least; several when no winner can be named between them. Never all
    /// contenders.
    Led {
        /// Labels, the smallest estimate first.
        leaders: Vec<String>,
        /// The one that the leaders are compared with: the baseline, or the next when the baseline
        /// leads or has no result.
        other: String,
        /// CPU of the measured side of each leader as a share of `other`'s.
        ratios: Vec<Estimate>,
        /// The one that those behind are compared with: the baseline where it leads, else the first
        /// leader.
        reference: String,
        /// Those that need more, and their CPU as a multiple of `reference`'s.
        behind: Vec<(String, Estimate)>,
    },
    /// All contenders overlap.
    Open {
        /// How many were compared.
        contenders: usize,
    },
    /// Only one contender has a result.
    Alone(String),
    /// No contender has a result.
    Nobody,
}

impl Lead {
    /// Whether it can be said in a few words who leads: one or two.
    #[must_use]
    pub fn clear(&self) -> bool {
        matches!(self, Lead::Led { leaders, .. } if leaders.len() <= 2)
    }
}

/// Compares the contenders of one point by the measured side's CPU per KiB.
#[must_use]
pub fn standing(study: &Study, point: &Point) -> Standing {
    let own_cpu = |row: &Row| row.placed(row.side.cpu());
    Standing { x: study.x_label(point), lead: lead_by(study, point, &own_cpu) }
}

/// Compares the contenders of one point by some quantity of which less is better.
pub(super) fn lead_by(study: &Study, point: &Point, placed: &dyn Fn(&Row) -> Vec<Placed>) -> Lead {
    let mut ranked: Vec<(&Row, Vec<Placed>, f64)> = point
        .rows
        .iter()
        .filter(|row| row.ranked())
        .filter_map(|row| {
            let placed = placed(row);
            let typical = paired::typical(&placed)?.point;
            Some((row, placed, typical))
        })
        .collect();
    ranked.sort_by(|a, b| a.2.total_cmp(&b.2));
    let Some(((first, best, _), others)) = ranked.split_first() else { return Lead::Nobody };
    if others.is_empty() {
        return Lead::Alone(first.label.to_owned());
    }
    let behind: Vec<&(&Row, Vec<Placed>, f64)> = others
        .iter()
        .filter(|(_, placed, _)| paired::ratio(placed, best).is_some_and(|ratio| ratio.above(1.0)))
        .collect();
    let leaders: Vec<&(&Row, Vec<Placed>, f64)> = ranked
        .iter()
        .filter(|(row, _, _)| !behind.iter().any(|(one, _, _)| one.label == row.label))
        .collect();
    let other =
        behind.iter().find(|(row, _, _)| row.label == study.scenario.baseline).or(behind.first());
    let Some((other, others, _)) = other else {
        return Lead::Open { contenders: ranked.len() };
    };
    // A tied leader can still be indistinguishable from `other`: its own interval says so.
    let ratios = leaders.iter().map(|(_, placed, _)| ratio_or_none(placed, others)).collect();
    let reference = leaders
        .iter()
        .find(|(row, _, _)| row.label == study.scenario.baseline)
        .map_or((first, best), |(row, placed, _)| (row, placed));
    Lead::Led {
        leaders: leaders.iter().map(|(row, _, _)| row.label.to_owned()).collect(),
        other: other.label.to_owned(),
        ratios,
        reference: reference.0.label.to_owned(),
        behind: behind
            .iter()
            .map(|(row, placed, _)| (row.label.to_owned(), ratio_or_none(placed, reference.1)))
            .collect(),
    }
}

/// The paired ratio; where no turn pairs up, the ratio of the medians without an interval.
fn ratio_or_none(contender: &[Placed], other: &[Placed]) -> Estimate {
    paired::ratio(contender, other).unwrap_or_else(|| {
        let middle = |placed: &[Placed]| {
            let values: Vec<f64> = placed.iter().map(|one| one.value).collect();
            centre::median(&values).unwrap_or(f64::NAN)
        };
        Estimate {
            point: middle(contender) / middle(other),
            interval: None,
            basis: crate::stats::Basis::OneLaunch,
            launches: 0,
        }
    })
}
