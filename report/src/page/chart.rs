//! How is a metric drawn along an axis, so that a glance answers and a closer look does not mislead?

use super::look::Look;
use super::paint::{self, Drawn, INK, Labelled, MUTED, Paint};
use super::scale::{Scale, Unit};

/// One drawing.
pub struct Chart {
    /// Unique within a page: ids of title and description are made from it.
    pub id: String,
    /// What is shown.
    pub title: String,
    /// What a reader who does not see it should know.
    pub description: String,
    /// Width and height in CSS pixels.
    pub size: (u32, u32),
    /// Name of the x axis, unit included; empty where there is none.
    pub x_name: String,
    /// Labels of the x values.
    pub x_labels: Vec<String>,
    /// Position of each x value between 0 and 1; lines are drawn only where these are numbers on an axis.
    pub x_places: Vec<f64>,
    /// Whether the points of a series are joined.
    pub joined: bool,
    /// Name of the y axis, unit included.
    pub y_name: String,
    /// How ticks read.
    pub unit: Unit,
    /// A line to compare with, and its label.
    pub reference: Option<(f64, String)>,
    /// The contenders.
    pub series: Vec<Series>,
    /// Whether the series are labelled beside their last points.
    pub labelled: bool,
}

/// One contender in a chart.
pub struct Series {
    /// The contender.
    pub label: String,
    /// How it is drawn.
    pub look: Look,
    /// One mark for each x; `None` where nothing is known.
    pub marks: Vec<Option<Mark>>,
}

/// One value with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    /// The value.
    pub y: f64,
    /// Its interval, where there is one.
    pub interval: Option<(f64, f64)>,
}

impl Chart {
    /// The drawing as an inline SVG element; `None` where there is nothing to draw.
    #[must_use]
    pub fn svg(&self) -> Option<String> {
        let values = self.series.iter().flat_map(|series| series.marks.iter().flatten());
        let values = values.flat_map(|mark| {
            [Some(mark.y), mark.interval.map(|i| i.0), mark.interval.map(|i| i.1)]
        });
        let mut values: Vec<f64> = values.flatten().collect();
        if values.is_empty() {
            return None;
        }
        values.extend(self.reference.as_ref().map(|(value, _)| *value));
        let scale = Scale::holding(values, self.unit)?;
        let looks: Vec<Look> = self.series.iter().map(|series| series.look).collect();
        let labelled = Labelled {
            id: &self.id,
            title: &self.title,
            description: &self.description,
            looks: &looks,
        };
        paint::paint(self.size, &labelled, |paint| self.draw(paint, &scale))
    }

    fn draw(&self, paint: &Paint, scale: &Scale) -> Drawn {
        let frame = Frame::new(self, scale);
        self.axes(paint, &frame, scale)?;
        for (n, series) in self.series.iter().enumerate() {
            self.one(paint, &frame, scale, n, series)?;
        }
        if self.labelled { self.labels(paint, &frame, scale) } else { Ok(()) }
    }

    /// Gridlines, ticks, names.
    fn axes(&self, paint: &Paint, frame: &Frame, scale: &Scale) -> Drawn {
        for (value, label) in scale.ticks() {
            let y = frame.y(scale, value);
            paint.line(&[(frame.left, y), (frame.right, y)], paint::GRID)?;
            paint.text(&label, (frame.left - 8, y), 11.5, MUTED, paint::BEFORE)?;
        }
        let room = (frame.right - frame.left) / self.x_labels.len().max(1) as i32;
        let longest = self.x_labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
        let every = if longest as i32 * 7 > room && self.joined { 2 } else { 1 };
        for (n, (label, place)) in self.x_labels.iter().zip(&self.x_places).enumerate() {
            let x = frame.x(*place);
            if self.joined {
                paint.line(&[(x, frame.bottom), (x, frame.bottom + 5)], MUTED)?;
            }
            if (self.x_labels.len() - 1 - n).is_multiple_of(every) {
                let at = (x, frame.bottom + 9);
                paint.text(label, at, 11.5, MUTED, paint::BELOW)?;
            }
        }
        paint.line(&[(frame.left, frame.bottom), (frame.right, frame.bottom)], MUTED)?;
        let middle = (frame.left + frame.right) / 2;
        let below = (middle, self.size.1 as i32 - 5);
        paint.text(&self.x_name, below, 12.0, MUTED, paint::ABOVE)?;
        paint.text(&self.y_name, (4, 4), 12.5, INK, paint::CORNER)?;
        if let Some((value, label)) = &self.reference {
            let y = frame.y(scale, *value);
            paint.line(&[(frame.left, y), (frame.right, y)], INK)?;
            if !self.labelled {
                let (at, anchor) = self.reference_spot(frame, scale, *value, y);
                paint.text(label, at, 11.5, INK, anchor)?;
            }
        }
        Ok(())
    }

    /// Where the reference's label hides the fewest marks: at either end, above or below its line.
    fn reference_spot(
        &self,
        frame: &Frame,
        scale: &Scale,
        value: f64,
        y: i32,
    ) -> ((i32, i32), paint::Anchor) {
        let hidden = |left: bool, above: bool| {
            let band = if above { y - 20..y + 4 } else { y - 4..y + 20 };
            let points =
                self.series.iter().flat_map(|series| self.x_places.iter().zip(&series.marks));
            points
                .filter_map(|(place, mark)| mark.map(|mark| (*place, mark.y)))
                .filter(|(place, y)| (*place < 0.5) == left && band.contains(&frame.y(scale, *y)))
                .count()
        };
        let options = [(true, true), (false, true), (true, false), (false, false)];
        let best = options.into_iter().min_by_key(|(left, above)| hidden(*left, *above));
        let (left, above) = best.unwrap_or((true, true));
        let top = scale.place(value) > 0.97;
        match (left, above && !top) {
            (true, true) => ((frame.left + 4, y - 5), paint::ABOVE_LEFT),
            (false, true) => ((frame.right - 4, y - 5), paint::ABOVE_RIGHT),
            (true, false) => ((frame.left + 4, y + 5), paint::CORNER),
            (false, false) => ((frame.right - 4, y + 5), paint::CORNER_RIGHT),
        }
    }

    /// One contender: line, intervals, markers.
    fn one(&self, paint: &Paint, frame: &Frame, scale: &Scale, n: usize, series: &Series) -> Drawn {
        let shift = if self.joined { 0.0 } else { self.dodge(n) };
        let spot = |place: f64, y: f64| (frame.x(place + shift), frame.y(scale, y));
        let known = self.x_places.iter().zip(&series.marks);
        if self.joined {
            for run in known.clone().collect::<Vec<_>>().split(|(_, mark)| mark.is_none()) {
                let line: Vec<(i32, i32)> = run
                    .iter()
                    .filter_map(|(place, mark)| mark.map(|mark| spot(**place, mark.y)))
                    .collect();
                if line.len() > 1 {
                    paint.series(line, series.look)?;
                }
            }
        }
        for (place, mark) in known {
            let Some(mark) = mark else { continue };
            let (x, y) = spot(*place, mark.y);
            if let Some((low, high)) = mark.interval {
                paint.interval(x, (frame.y(scale, low), frame.y(scale, high)), series.look)?;
            }
            paint.marker((x, y), 4.6, series.look)?;
        }
        Ok(())
    }

    /// How far a contender is moved aside within its category, as a share of the width.
    fn dodge(&self, n: usize) -> f64 {
        let category = 1.0 / self.x_labels.len().max(1) as f64;
        let count = self.series.len().max(1) as f64;
        ((n as f64 + 0.5) / count - 0.5) * category * 0.76
    }

    /// Names beside the last points, moved apart where they would overlap.
    fn labels(&self, paint: &Paint, frame: &Frame, scale: &Scale) -> Drawn {
        const LINE: i32 = 17;
        let mut ends: Vec<(i32, (i32, i32), Option<&Series>)> = self
            .series
            .iter()
            .filter_map(|series| {
                let last = series.marks.iter().rposition(Option::is_some)?;
                let mark = series.marks[last]?;
                let spot = (frame.x(self.x_places[last]), frame.y(scale, mark.y));
                Some((spot.1, spot, Some(series)))
            })
            .collect();
        if let Some((value, _)) = &self.reference {
            let spot = (frame.right, frame.y(scale, *value));
            ends.push((spot.1, spot, None));
        }
        ends.sort_by_key(|(y, _, _)| *y);
        for n in 1..ends.len() {
            ends[n].0 = ends[n].0.max(ends[n - 1].0 + LINE);
        }
        let mut lowest = frame.bottom;
        for (y, _, _) in ends.iter_mut().rev() {
            *y = (*y).min(lowest);
            lowest = *y - LINE;
        }
        let x = frame.right + 26;
        for (y, spot, series) in &ends {
            let Some(series) = series else {
                let label = self.reference.as_ref().map_or("", |(_, label)| label);
                paint.line(&[(frame.right, spot.1), (frame.right + 8, *y), (x + 5, *y)], INK)?;
                paint.text(label, (x + 9, *y), 12.5, INK, paint::BESIDE)?;
                continue;
            };
            let link = [(spot.0 + 7, spot.1), (frame.right + 8, *y), (x - 5, *y)];
            paint.link(&link, series.look)?;
            paint.marker((x, *y), 4.0, series.look)?;
            paint.text(&series.label, (x + 9, *y), 12.5, INK, paint::BESIDE)?;
        }
        Ok(())
    }
}

/// The plot's edges in pixels.
struct Frame {
    left: i32,
    right: i32,
    top: i32,
    bottom: i32,
    inset: i32,
}

impl Frame {
    fn new(chart: &Chart, scale: &Scale) -> Frame {
        let widest =
            scale.ticks().iter().map(|(_, label)| label.chars().count()).max().unwrap_or(0);
        let labels = chart.series.iter().map(|series| &series.label);
        let labels = labels.chain(chart.reference.as_ref().map(|(_, label)| label));
        let longest = labels.map(|label| label.chars().count()).max();
        let right = match longest {
            Some(longest) if chart.labelled => 42 + longest as i32 * 7,
            _ => 14,
        };
        Frame {
            left: 16 + widest as i32 * 7,
            right: chart.size.0 as i32 - right,
            top: 34,
            bottom: chart.size.1 as i32 - if chart.x_name.is_empty() { 32 } else { 50 },
            inset: if chart.joined { 14 } else { 0 },
        }
    }

    fn x(&self, place: f64) -> i32 {
        let width = f64::from(self.right - self.left - 2 * self.inset);
        self.left + self.inset + (place * width).round() as i32
    }

    fn y(&self, scale: &Scale, value: f64) -> i32 {
        let height = f64::from(self.bottom - self.top);
        self.bottom - (scale.place(value).clamp(0.0, 1.0) * height).round() as i32
    }
}
