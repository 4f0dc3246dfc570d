//! What does each strategy do, when does it win, and when does it lose: as a page to learn from?

use super::escape;
use crate::lesson::{Block, Lesson, Span};
use askama::Template;
use std::fmt::Write;

/// A strategy to be taught: plain values, which the caller takes from its catalogue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Taught {
    /// Its name.
    pub name: String,
    /// Its documentation, in Markdown.
    pub lesson: String,
    /// What running it does to its neighbours, or nothing.
    pub disturbs: String,
    /// Its options: name, default, what else is allowed, what it does.
    pub options: Vec<[String; 4]>,
    /// What it claims for some routes.
    pub claims: Vec<Claim>,
}

/// What a strategy claims for a route.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claim {
    /// The route, in words.
    pub route: String,
    /// Sender-side copies for each byte.
    pub copies: f64,
    /// Places in order, and how bytes come to each of them from the one before: the mover's name (as in
    /// records) and why. The first place has no mover.
    pub stops: Vec<(String, Option<(String, String)>)>,
}

/// One page for all of them.
#[derive(Template)]
#[template(path = "lessons.html")]
pub struct LessonsPage {
    version: String,
    lessons: Vec<Shown>,
}

struct Shown {
    name: String,
    question: String,
    body: String,
    timed: String,
    sources: String,
    disturbs: String,
    options: Vec<[String; 4]>,
    claims: Vec<(String, String, String)>,
}

impl LessonsPage {
    /// Gathers what the page shows.
    #[must_use]
    pub fn new(version: &str, taught: &[Taught]) -> LessonsPage {
        LessonsPage { version: version.to_owned(), lessons: taught.iter().map(shown).collect() }
    }
}

fn shown(taught: &Taught) -> Shown {
    let lesson = Lesson::parse(&taught.lesson);
    Shown {
        name: taught.name.clone(),
        body: body(&lesson),
        timed: inline(&lesson.timed_spans()),
        sources: inline(&lesson.source_spans()),
        question: lesson.question,
        disturbs: taught.disturbs.clone(),
        options: taught.options.clone(),
        claims: taught
            .claims
            .iter()
            .map(|claim| (claim.route.clone(), way(claim), format!("{:.2}", claim.copies)))
            .collect(),
    }
}

/// The paragraphs and lists of a lesson, escaped.
pub(super) fn body(lesson: &Lesson) -> String {
    let mut html = String::new();
    for block in &lesson.blocks {
        let _ = match block {
            Block::Paragraph(spans) => writeln!(html, "<p>{}</p>", inline(spans)),
            Block::List(items) => {
                let items: String =
                    items.iter().map(|item| format!("<li>{}</li>", inline(item))).collect();
                writeln!(html, "<ul>{items}</ul>")
            }
        };
    }
    html
}

fn inline(spans: &[Span]) -> String {
    let text = |span: &Span| match span {
        Span::Plain(text) => escape(text),
        Span::Code(text) => format!("<code>{}</code>", escape(text)),
    };
    spans.iter().map(text).collect()
}

/// Places and movers as a line of chips and arrows.
fn way(claim: &Claim) -> String {
    let mut html = String::new();
    for (place, mover) in &claim.stops {
        html.push_str("<span class=\"leg\">");
        if let Some((mover, why)) = mover {
            let (mover, why) = (escape(mover), escape(why));
            let _ = write!(html, "<span class=\"by {mover}\" title=\"{why}\">{mover} →</span>");
        }
        let place = escape(&place.replace('-', " "));
        let _ = write!(html, "<span class=\"stop\">{place}</span></span> ");
    }
    html
}
