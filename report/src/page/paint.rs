//! With what is a chart painted?
//!
//! Plotters draws with placeholder colours; [`paint`] turns those into CSS variables and line classes (so that one
//! drawing serves light and dark), and gives the SVG its role, title and description.

use super::look::Look;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Whether it could be drawn; drawing into memory does not fail.
pub type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// Placeholders; no colour of a page is ever written as such.
pub const INK: RGBColor = RGBColor(1, 0, 0);
/// Ticks and names of axes.
pub const MUTED: RGBColor = RGBColor(1, 0, 1);
/// Gridlines.
pub const GRID: RGBColor = RGBColor(1, 0, 2);
const FLOOR: RGBColor = RGBColor(1, 0, 3);

/// Where a text stands, seen from its point.
pub type Anchor = (HPos, VPos);
/// Centred below it.
pub const BELOW: Anchor = (HPos::Center, VPos::Top);
/// Centred above it.
pub const ABOVE: Anchor = (HPos::Center, VPos::Bottom);
/// Above it, beginning there.
pub const ABOVE_LEFT: Anchor = (HPos::Left, VPos::Bottom);
/// Above it, ending there.
pub const ABOVE_RIGHT: Anchor = (HPos::Right, VPos::Bottom);
/// Right of it.
pub const BESIDE: Anchor = (HPos::Left, VPos::Center);
/// Left of it.
pub const BEFORE: Anchor = (HPos::Right, VPos::Center);
/// Right of it and below.
pub const CORNER: Anchor = (HPos::Left, VPos::Top);

/// Left of it and below.
pub const CORNER_RIGHT: Anchor = (HPos::Right, VPos::Top);

/// A drawing in the making.
pub struct Paint<'a>(DrawingArea<SVGBackend<'a>, Shift>);

/// What an SVG says to those who do not see it, and the looks in it.
pub struct Labelled<'l> {
    /// Unique within a page: ids of title and description are made from it.
    pub id: &'l str,
    /// What is shown.
    pub title: &'l str,
    /// The values.
    pub description: &'l str,
    /// The looks that are drawn.
    pub looks: &'l [Look],
}

/// Draws and returns an inline SVG element; `None` where drawing failed.
pub fn paint(
    size: (u32, u32),
    labelled: &Labelled,
    draw: impl FnOnce(&Paint) -> Drawn,
) -> Option<String> {
    let mut svg = String::new();
    let drawn = {
        let paint = Paint(SVGBackend::with_string(&mut svg, size).into_drawing_area());
        draw(&paint).and_then(|()| paint.0.present())
    };
    drawn.ok().map(|()| finish(&svg, size, labelled))
}

impl Paint<'_> {
    /// A thin line.
    pub fn line(&self, points: &[(i32, i32)], hue: RGBColor) -> Drawn {
        self.0.draw(&PathElement::new(points.to_vec(), hue))
    }

    /// A contender's line, in its style.
    pub fn series(&self, points: Vec<(i32, i32)>, look: Look) -> Drawn {
        self.0.draw(&PathElement::new(points, colour(look).stroke_width(2)))
    }

    /// A faint thin line in a contender's colour, from its last point to its name.
    pub fn link(&self, points: &[(i32, i32)], look: Look) -> Drawn {
        self.0.draw(&PathElement::new(points.to_vec(), colour(look).mix(0.5)))
    }

    /// An upright interval.
    pub fn interval(&self, x: i32, (low, high): (i32, i32), look: Look) -> Drawn {
        let hue = colour(look).filled();
        self.0.draw(&Rectangle::new([(x - 1, high), (x + 1, low)], hue))?;
        for end in [low, high] {
            self.0.draw(&Rectangle::new([(x - 4, end), (x + 4, end + 1)], hue))?;
        }
        Ok(())
    }

    /// An interval that lies.
    pub fn interval_across(&self, (low, high): (i32, i32), y: i32, look: Look) -> Drawn {
        let hue = colour(look).filled();
        self.0.draw(&Rectangle::new([(low, y - 1), (high, y + 1)], hue))?;
        for end in [low, high] {
            self.0.draw(&Rectangle::new([(end, y - 4), (end + 1, y + 4)], hue))?;
        }
        Ok(())
    }

    /// A contender's marker.
    pub fn marker(&self, (x, y): (i32, i32), r: f64, look: Look) -> Drawn {
        let outline: Vec<(i32, i32)> = look
            .outline(r)
            .iter()
            .map(|(dx, dy)| (x + dx.round() as i32, y + dy.round() as i32))
            .collect();
        if outline.is_empty() {
            return self.0.draw(&Circle::new((x, y), r.round() as i32, colour(look).filled()));
        }
        self.0.draw(&Polygon::new(outline, colour(look).filled()))
    }

    /// Words of a size in CSS pixels.
    pub fn text(
        &self,
        words: &str,
        at: (i32, i32),
        size: f64,
        hue: RGBColor,
        anchor: Anchor,
    ) -> Drawn {
        if words.is_empty() {
            return Ok(());
        }
        // Plotters' SVG backend divides sizes by 1.24.
        let style = TextStyle::from(("sans-serif", size * 1.24))
            .color(&hue)
            .pos(Pos::new(anchor.0, anchor.1));
        self.0.draw(&Text::new(words.to_owned(), at, style))
    }
}

fn colour(look: Look) -> RGBColor {
    look.colour.map_or(FLOOR, |n| RGBColor(1, 1 + look.dash as u8, n as u8))
}

/// Placeholders become CSS variables and dash classes; the element gets role, title and description.
fn finish(svg: &str, (width, height): (u32, u32), labelled: &Labelled) -> String {
    let mut body = svg.to_owned();
    for (hue, variable) in [(INK, "ink"), (MUTED, "muted"), (GRID, "grid")] {
        body = body.replace(&hex(hue), &format!("var(--{variable})"));
    }
    for look in labelled.looks {
        let stroke = format!("stroke=\"{}\" stroke-width=\"2\"", hex(colour(*look)));
        let line = format!("class=\"d{}\" stroke=\"{}\" stroke-width=\"2\"", look.dash, look.css());
        body = body.replace(&stroke, &line).replace(&hex(colour(*look)), &look.css());
    }
    let body = body.replace(" opacity=\"1\"", "").replace(" font-family=\"sans-serif\"", "");
    let inner = body.split_once('>').map_or("", |(_, rest)| rest);
    let id = labelled.id;
    format!(
        "<svg class=\"chart\" role=\"img\" viewBox=\"0 0 {width} {height}\" aria-labelledby=\"{id}-t {id}-d\">\
         <title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>{inner}",
        super::escape(labelled.title),
        super::escape(labelled.description),
    )
}

/// How Plotters' SVG backend spells a colour.
fn hex(colour: RGBColor) -> String {
    format!("#{:02X}{:02X}{:02X}", colour.0, colour.1, colour.2)
}
