//! What does a scenario's matrix look like once it is measured?
//!
//! A [`Study`] lays a record's cells out as the scenario's matrix: the first axis is the x of every
//! chart, each combination of the other axes is a [`Panel`], each x of a panel a [`Point`], each
//! contender there a [`Row`] with its figures. Pages, tables, exports and verdicts all read this
//! and nothing else.

mod row;
mod side;

pub(crate) use row::same;
pub use row::{Bottleneck, Figure, Row, State, Trouble};
pub use side::Side;

use crate::format;
use crate::metric::Metric;
use crate::record::{Axis, Measured, Record, Scenario, reading};
use serde_json::Value;

/// One scenario of one run, measured.
#[derive(Debug)]
pub struct Study<'a> {
    /// The run.
    pub record: &'a Record,
    /// The scenario.
    pub scenario: &'a Scenario,
    /// The first axis; absent where only one condition was measured.
    pub x: Option<&'a Axis>,
    /// One panel for each combination of the other axes' values.
    pub panels: Vec<Panel<'a>>,
    /// Ids of cells of this scenario that fit nowhere in its matrix.
    pub strays: Vec<&'a str>,
    /// Whose cost decides.
    pub side: Side,
}

/// The points that share the values of all axes but the first.
#[derive(Debug)]
pub struct Panel<'a> {
    /// Name and value of each axis but the first.
    pub fixed: Vec<(&'a str, &'a Value)>,
    /// The points, in the axis' order (numeric axes: ascending).
    pub points: Vec<Point<'a>>,
}

/// One condition.
#[derive(Debug)]
pub struct Point<'a> {
    /// Value of the first axis.
    pub x: Option<&'a Value>,
    /// The contenders, in the scenario's order.
    pub rows: Vec<Row<'a>>,
}

/// The studies of a record, in its order.
#[must_use]
pub fn studies(record: &Record) -> Vec<Study<'_>> {
    record.scenarios.iter().map(|scenario| Study::new(record, scenario)).collect()
}

impl<'a> Study<'a> {
    /// Whether anything was done to the bytes of any cell before they were sent.
    #[must_use]
    pub fn transforms(&self) -> bool {
        self.rows().flat_map(Row::samples).any(|s| s.readings.contains_key(reading::SENT_BYTES))
    }

    /// Whether a canary worked beside any cell.
    #[must_use]
    pub fn canary(&self) -> bool {
        self.rows().flat_map(Row::samples).any(|s| s.readings.contains_key(reading::CANARY_WORK))
    }

    /// Whether there is anything to show of a metric that only some scenarios have.
    #[must_use]
    pub fn shows(&self, metric: Metric) -> bool {
        match metric {
            Metric::SentBytes => self.transforms(),
            Metric::CpuLeft => self.canary(),
            _ => true,
        }
    }

    /// The metrics that are compared with the baseline turn by turn, and are there.
    #[must_use]
    pub fn compared(&self) -> Vec<Metric> {
        let compared = self.side.compared().into_iter();
        compared.filter(|metric| self.shows(*metric)).collect()
    }

    /// Lays out one scenario of a record.
    #[must_use]
    pub fn new(record: &'a Record, scenario: &'a Scenario) -> Study<'a> {
        let cells: Vec<&Measured> = record
            .cells
            .iter()
            .filter(|cell| {
                cell.cell.as_ref().is_some_and(|cell| cell.scenario == scenario.scenario)
            })
            .collect();
        let (x, others) = match scenario.axes.split_first() {
            Some((x, others)) => (Some(x), others),
            None => (None, &[][..]),
        };
        let panels: Vec<Panel> = combinations(others)
            .into_iter()
            .map(|fixed| Panel::new(record, scenario, &cells, x, fixed))
            .collect();
        let placed: Vec<&str> = panels
            .iter()
            .flat_map(Panel::rows)
            .filter_map(|row| row.measured.map(|measured| measured.id.as_str()))
            .collect();
        let strays =
            cells.iter().map(|cell| cell.id.as_str()).filter(|id| !placed.contains(id)).collect();
        let side = Side::of(record, scenario);
        Study { record, scenario, x, panels, strays, side }
    }

    /// Every row of every panel, in order.
    pub fn rows(&self) -> impl Iterator<Item = &Row<'a>> {
        self.panels.iter().flat_map(Panel::rows)
    }

    /// The first axis as numbers, where all of its values are.
    #[must_use]
    pub fn numeric_x(&self) -> bool {
        self.x.is_some_and(|axis| axis.values.len() > 1 && axis.values.iter().all(Value::is_number))
    }

    /// The value of the first axis, in words: `64 KiB`.
    #[must_use]
    pub fn x_label(&self, point: &Point) -> String {
        match (self.x, point.x) {
            (Some(axis), Some(value)) => format::parameter(&axis.name, value),
            _ => String::new(),
        }
    }

    /// The name of the first axis, in words: `fetch size`.
    #[must_use]
    pub fn x_name(&self) -> String {
        self.x.map(|axis| format::parameter_name(&axis.name)).unwrap_or_default()
    }
}

impl<'a> Panel<'a> {
    fn new(
        record: &'a Record,
        scenario: &'a Scenario,
        cells: &[&'a Measured],
        x: Option<&'a Axis>,
        fixed: Vec<(&'a str, &'a Value)>,
    ) -> Panel<'a> {
        let mut xs: Vec<Option<&Value>> = match x {
            Some(axis) => axis.values.iter().map(Some).collect(),
            None => vec![None],
        };
        if xs.iter().all(|x| x.is_some_and(Value::is_number)) {
            let number = |x: &Option<&Value>| x.and_then(Value::as_f64).unwrap_or_default();
            xs.sort_by(|a, b| number(a).total_cmp(&number(b)));
        }
        let points = xs
            .into_iter()
            .map(|value| {
                let mut condition = fixed.clone();
                condition.extend(x.zip(value).map(|(axis, value)| (axis.name.as_str(), value)));
                Point { x: value, rows: row::rows(record, scenario, cells, &condition) }
            })
            .collect();
        Panel { fixed, points }
    }

    /// Every row of every point, in order.
    pub fn rows(&self) -> impl Iterator<Item = &Row<'a>> {
        self.points.iter().flat_map(|point| &point.rows)
    }

    /// The values that its points share, in words: `cache: cold, consumers: 4`; empty when there is
    /// one panel.
    #[must_use]
    pub fn title(&self) -> String {
        let parts: Vec<String> = self
            .fixed
            .iter()
            .map(|(name, value)| {
                format!("{}: {}", format::parameter_name(name), format::parameter(name, value))
            })
            .collect();
        parts.join(", ")
    }
}

impl<'a> Point<'a> {
    /// The row of a contender.
    #[must_use]
    pub fn row(&self, label: &str) -> Option<&Row<'a>> {
        self.rows.iter().find(|row| row.label == label)
    }
}

/// Every combination of the axes' values, the last axis fastest.
fn combinations(axes: &[Axis]) -> Vec<Vec<(&str, &Value)>> {
    axes.iter().fold(vec![Vec::new()], |combinations, axis| {
        combinations
            .iter()
            .flat_map(|combination| {
                axis.values.iter().map(move |value| {
                    let mut longer = combination.clone();
                    longer.push((axis.name.as_str(), value));
                    longer
                })
            })
            .collect()
    })
}
