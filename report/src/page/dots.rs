//! How is a comparison drawn when the axis is no number: which contender, under which condition?
//!
//! One row for each contender, grouped by condition, values along a logarithmic axis: names stand beside their
//! dots, so that no legend is needed.

use super::chart::Mark;
use super::look::Look;
use super::paint::{self, Labelled, Paint};
use super::scale::{Scale, Unit};

/// A dot plot.
pub struct Dots {
    /// Unique within a page.
    pub id: String,
    /// What is shown.
    pub title: String,
    /// Width in CSS pixels; the height follows from the rows.
    pub width: u32,
    /// Name of the value axis.
    pub x_name: String,
    /// The value to compare with, and its label.
    pub reference: (f64, String),
    /// The conditions.
    pub groups: Vec<Group>,
}

/// One condition.
pub struct Group {
    /// Its name; empty where there is only one.
    pub title: String,
    /// Its contenders.
    pub dots: Vec<Dot>,
}

/// One contender under one condition.
pub struct Dot {
    /// The contender.
    pub label: String,
    /// How it is drawn.
    pub look: Look,
    /// The value.
    pub mark: Mark,
}

/// Heights in CSS pixels.
const ROW: i32 = 24;
const HEAD: i32 = 26;
const TOP: i32 = 30;
const FOOT: i32 = 48;

impl Dots {
    /// The drawing as an inline SVG element; `None` where there is nothing to draw.
    #[must_use]
    pub fn svg(&self) -> Option<String> {
        let marks: Vec<&Mark> =
            self.groups.iter().flat_map(|group| group.dots.iter().map(|dot| &dot.mark)).collect();
        if marks.is_empty() {
            return None;
        }
        let values = marks
            .iter()
            .flat_map(|mark| [Some(mark.y), mark.interval.map(|i| i.0), mark.interval.map(|i| i.1)])
            .flatten()
            .chain([self.reference.0]);
        let scale = Scale::holding(values, Unit::Times)?;
        let rows: i32 = self.groups.iter().map(|group| group.dots.len() as i32).sum();
        let heads: i32 = self.groups.iter().filter(|group| !group.title.is_empty()).count() as i32;
        let height = TOP + rows * ROW + heads * HEAD + FOOT;
        let looks: Vec<Look> =
            self.groups.iter().flat_map(|group| group.dots.iter().map(|dot| dot.look)).collect();
        let description = self.description();
        let labelled =
            Labelled { id: &self.id, title: &self.title, description: &description, looks: &looks };
        paint::paint((self.width, height as u32), &labelled, |paint| {
            self.draw(paint, &scale, height)
        })
    }

    fn draw(&self, paint: &Paint, scale: &Scale, height: i32) -> paint::Drawn {
        let longest = self
            .groups
            .iter()
            .flat_map(|group| &group.dots)
            .map(|dot| dot.label.chars().count())
            .max();
        let left = 24 + longest.unwrap_or(0) as i32 * 7;
        let right = self.width as i32 - 24;
        let x = |value: f64| {
            left + (scale.place(value).clamp(0.0, 1.0) * f64::from(right - left)).round() as i32
        };
        let bottom = height - FOOT;
        let every = (scale.ticks().len() as i32 * 44 / (right - left).max(1) + 1) as usize;
        for (value, label) in scale.ticks().into_iter().step_by(every) {
            paint.line(&[(x(value), TOP), (x(value), bottom)], paint::GRID)?;
            paint.text(&label, (x(value), bottom + 7), 11.5, paint::MUTED, paint::BELOW)?;
        }
        let one = x(self.reference.0);
        paint.line(&[(one, TOP - 4), (one, bottom)], paint::INK)?;
        let anchor = if one > (left + right) / 2 { paint::ABOVE_RIGHT } else { paint::ABOVE_LEFT };
        paint.text(&self.reference.1, (one, TOP - 7), 11.5, paint::INK, anchor)?;
        paint.text(
            &self.x_name,
            ((left + right) / 2, height - 5),
            12.0,
            paint::MUTED,
            paint::ABOVE,
        )?;
        let mut y = TOP;
        for group in &self.groups {
            if !group.title.is_empty() {
                y += HEAD;
                paint.text(&group.title, (2, y - 8), 12.5, paint::INK, paint::BESIDE)?;
                paint.line(&[(2, y + 1), (right, y + 1)], paint::GRID)?;
            }
            for dot in &group.dots {
                y += ROW;
                let middle = y - ROW / 2 + 2;
                paint.text(&dot.label, (14, middle), 12.0, paint::INK, paint::BESIDE)?;
                if let Some((low, high)) = dot.mark.interval {
                    paint.interval_across((x(low), x(high)), middle, dot.look)?;
                }
                paint.marker((x(dot.mark.y), middle), 5.0, dot.look)?;
            }
        }
        Ok(())
    }

    fn description(&self) -> String {
        let groups: Vec<String> = self
            .groups
            .iter()
            .map(|group| {
                let dots: Vec<String> = group
                    .dots
                    .iter()
                    .map(|dot| format!("{} {}", dot.label, crate::format::number(dot.mark.y)))
                    .collect();
                let colon = if group.title.is_empty() { "" } else { ": " };
                format!("{}{colon}{}.", group.title, dots.join(", "))
            })
            .collect();
        groups.join(" ")
    }
}
