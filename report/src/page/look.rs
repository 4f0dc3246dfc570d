//! Which colour, line and marker does a contender have, on every page of a run?
//!
//! Looks are dealt out by catalogue order, then by label, over the whole record, so that a contender looks the
//! same wherever it appears. Colours are Okabe and Ito's (jfly.uni-koeln.de, "Color Universal Design", 2008),
//! which colour-blind readers can tell apart; line styles and markers tell them apart in print as well. The
//! colours themselves are CSS variables, `--s0` to `--s7`, light and dark.

use crate::record::Record;
use std::collections::BTreeMap;

/// Colours there are.
pub const COLOURS: usize = 8;
/// Line styles there are; the class is `d0` to `d4`.
const DASHES: usize = 5;
/// Marker shapes there are.
const MARKERS: usize = 7;

/// How a contender is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Index of the colour, below [`COLOURS`]; `None` for the floor, which is grey.
    pub colour: Option<usize>,
    /// Index of the line style.
    pub dash: usize,
    /// Index of the marker's shape.
    pub marker: usize,
}

/// The looks of a record's contenders.
#[derive(Clone, Debug)]
pub struct Looks(BTreeMap<String, Look>);

impl Looks {
    /// Deals out the looks.
    #[must_use]
    pub fn of(record: &Record) -> Looks {
        let catalogue = &record.run.catalogue;
        let strategy_of: BTreeMap<&str, &str> = record
            .cells
            .iter()
            .filter_map(|measured| measured.cell.as_ref())
            .map(|cell| (cell.label.as_str(), cell.strategy.as_str()))
            .collect();
        let mut labels: Vec<(usize, &str)> = record
            .scenarios
            .iter()
            .flat_map(|scenario| &scenario.contenders)
            .map(|label| {
                let strategy = strategy_of.get(label.as_str()).copied().unwrap_or(label);
                let place = catalogue.iter().position(|fact| fact.name == strategy);
                (place.unwrap_or(usize::MAX), label.as_str())
            })
            .collect();
        labels.sort_unstable();
        labels.dedup();
        let mut next = 0;
        let mut looks: BTreeMap<String, Look> = BTreeMap::new();
        for (place, label) in labels {
            let floor = catalogue.get(place).is_some_and(|fact| !fact.moves_the_log);
            let look = if floor {
                Look { colour: None, dash: 1, marker: MARKERS }
            } else {
                next += 1;
                let n = next - 1;
                Look {
                    colour: Some(n % COLOURS),
                    dash: (n + n / COLOURS) % DASHES,
                    marker: n % MARKERS,
                }
            };
            looks.insert(label.to_owned(), look);
            // A strategy by its bare name looks like the first of its contenders.
            if let Some(fact) = catalogue.get(place) {
                looks.entry(fact.name.clone()).or_insert(look);
            }
        }
        Looks(looks)
    }

    /// The look of a contender.
    #[must_use]
    pub fn get(&self, label: &str) -> Look {
        self.0.get(label).copied().unwrap_or(Look { colour: None, dash: 0, marker: 0 })
    }
}

impl Look {
    /// The CSS colour.
    #[must_use]
    pub fn css(self) -> String {
        self.colour.map_or_else(|| "var(--floor)".into(), |n| format!("var(--s{n})"))
    }

    /// Outline of the marker around (0, 0), about `r` in radius; empty for a circle.
    #[must_use]
    pub fn outline(self, r: f64) -> Vec<(f64, f64)> {
        let scaled = |points: &[(f64, f64)]| points.iter().map(|(x, y)| (x * r, y * r)).collect();
        match self.marker {
            1 => scaled(&[(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)]),
            2 => scaled(&[(0.0, -1.15), (1.1, 0.85), (-1.1, 0.85)]),
            3 => scaled(&[(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)]),
            4 => scaled(&[(0.0, 1.15), (1.1, -0.85), (-1.1, -0.85)]),
            5 => scaled(&[(-1.2, -0.5), (1.2, -0.5), (1.2, 0.5), (-1.2, 0.5)]),
            6 => scaled(&[(-0.5, -1.2), (0.5, -1.2), (0.5, 1.2), (-0.5, 1.2)]),
            _ => Vec::new(),
        }
    }

    /// A small inline SVG of line and marker, for legends and tables; decoration only.
    #[must_use]
    pub fn key(self) -> String {
        let colour = self.css();
        let shape = match self.outline(4.6).as_slice() {
            [] => format!("<circle cx=\"13\" cy=\"7\" r=\"4.4\" fill=\"{colour}\"/>"),
            points => {
                let points: Vec<String> =
                    points.iter().map(|(x, y)| format!("{:.1},{:.1}", x + 13.0, y + 7.0)).collect();
                format!("<polygon points=\"{}\" fill=\"{colour}\"/>", points.join(" "))
            }
        };
        format!(
            "<svg class=\"key\" viewBox=\"0 0 26 14\" width=\"26\" height=\"14\" aria-hidden=\"true\">\
             <line class=\"d{}\" x1=\"0\" y1=\"7\" x2=\"26\" y2=\"7\" stroke=\"{colour}\" stroke-width=\"2\"/>{shape}</svg>",
            self.dash
        )
    }
}
