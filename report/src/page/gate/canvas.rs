//! What is a drawing of the gate's page made of?
//!
//! Shapes with classes: what a class looks like, light and dark, says the page's style sheet.

use crate::page::escape;
use std::fmt::Write;

/// An inline SVG in the making.
pub struct Canvas(String);

/// Which end of a text lies at its point.
#[derive(Clone, Copy)]
pub enum Anchor {
    /// It begins there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

impl Canvas {
    /// An empty one of this size in CSS pixels, with what it says to those who do not see it.
    #[must_use]
    pub fn new(id: &str, (width, height): (f64, f64), title: &str, description: &str) -> Canvas {
        Canvas(format!(
            "<svg class=\"chart gate\" role=\"img\" viewBox=\"0 0 {} {}\" \
             aria-labelledby=\"{id}-t {id}-d\"><title id=\"{id}-t\">{}</title>\
             <desc id=\"{id}-d\">{}</desc>",
            px(width),
            px(height),
            escape(title),
            escape(description)
        ))
    }

    /// A straight line.
    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let _ = write!(
            self.0,
            "<line class=\"{class}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>",
            px(from.0),
            px(from.1),
            px(to.0),
            px(to.1)
        );
    }

    /// A rectangle between two corners.
    pub fn rect(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let (left, right) = (from.0.min(to.0), from.0.max(to.0));
        let (top, bottom) = (from.1.min(to.1), from.1.max(to.1));
        let _ = write!(
            self.0,
            "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
            px(left),
            px(top),
            px(right - left),
            px(bottom - top)
        );
    }

    /// Words.
    pub fn text(&mut self, class: &str, at: (f64, f64), anchor: Anchor, words: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let _ = write!(
            self.0,
            "<text class=\"{class}\" x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            px(at.0),
            px(at.1),
            escape(words)
        );
    }

    /// A polygon.
    pub fn polygon(&mut self, class: &str, points: &[(f64, f64)]) {
        let points: Vec<String> =
            points.iter().map(|(x, y)| format!("{},{}", px(*x), px(*y))).collect();
        let _ = write!(self.0, "<polygon class=\"{class}\" points=\"{}\"/>", points.join(" "));
    }

    /// A dot, and what a reader who rests on it sees, if anything.
    pub fn dot(&mut self, class: &str, (x, y): (f64, f64), r: f64, hint: Option<&str>) {
        let _ = write!(
            self.0,
            "<circle class=\"{class}\" cx=\"{}\" cy=\"{}\" r=\"{}\"",
            px(x),
            px(y),
            px(r)
        );
        let _ = match hint {
            Some(hint) => write!(self.0, "><title>{}</title></circle>", escape(hint)),
            None => write!(self.0, "/>"),
        };
    }

    /// Very many small dots as one shape; those that fall on the same pixel are one dot.
    pub fn dust(&mut self, class: &str, dots: impl IntoIterator<Item = (f64, f64)>) {
        let pixel = |value: f64| value.round().clamp(-1e4, 1e4) as i32;
        let mut dots: Vec<(i32, i32)> =
            dots.into_iter().map(|(x, y)| (pixel(x), pixel(y))).collect();
        dots.sort_unstable();
        dots.dedup();
        if dots.is_empty() {
            return;
        }
        let _ = write!(self.0, "<path class=\"{class}\" d=\"");
        for (x, y) in dots {
            let _ = write!(self.0, "M{x} {y}h0");
        }
        self.0 += "\"/>";
    }

    /// A link to a place of the page around what is drawn by `inner`, with a title.
    pub fn link(&mut self, id: &str, title: &str, inner: impl FnOnce(&mut Canvas)) {
        let _ = write!(self.0, "<a href=\"#{id}\"><title>{}</title>", escape(title));
        inner(self);
        self.0 += "</a>";
    }

    /// The finished element.
    #[must_use]
    pub fn finish(self) -> String {
        self.0 + "</svg>"
    }
}

/// A coordinate with at most one decimal; what is no number lies at 0.
fn px(value: f64) -> String {
    if !value.is_finite() {
        return "0".to_owned();
    }
    let text = format!("{value:.1}");
    match text.strip_suffix(".0") {
        Some("-0") => "0".to_owned(),
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_short_and_finite() {
        assert_eq!([px(1.0), px(-0.01), px(2.345), px(f64::NAN)], ["1", "0", "2.3", "0"]);
    }

    #[test]
    fn words_are_escaped_and_dust_is_thinned() {
        let mut canvas = Canvas::new("c", (10.0, 5.0), "<t>", "\"d\"");
        canvas.text("tick", (1.0, 2.0), Anchor::End, "<i>");
        canvas.dust("turns", [(1.2, 3.0), (0.9, 3.3), (2.0, f64::INFINITY)]);
        canvas.dust("turns", []);
        let svg = canvas.finish();
        assert!(!svg.contains("<t>") && !svg.contains("<i>"), "{svg}");
        assert!(svg.contains("d=\"M1 3h0M2 10000h0\"") && svg.ends_with("</svg>"), "{svg}");
        assert_eq!(svg.matches("<path").count(), 1);
    }
}
