//! What does a strategy teach, as a page or a terminal shows it?
//!
//! Lessons are the documentation of the strategies' own files: a little Markdown. Only what stands in them
//! is understood: paragraphs, lists with `*`, code in backticks, and emphasis, whose marks are dropped.

use serde::Serialize;

/// One lesson, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lesson {
    /// The question that it opens with.
    pub question: String,
    /// What it says, in order.
    pub blocks: Vec<Block>,
    /// Where it comes from, in one sentence; may be empty.
    pub sources: String,
    /// What is timed, and what is not.
    pub timed: String,
}

/// A paragraph or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A paragraph.
    Paragraph(Vec<Span>),
    /// A list.
    List(Vec<Vec<Span>>),
}

/// A run of text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Span {
    /// Plain words.
    Plain(String),
    /// A name from a program.
    Code(String),
}

impl Lesson {
    /// Takes a text apart.
    #[must_use]
    pub fn parse(markdown: &str) -> Lesson {
        let mut lesson = Lesson::default();
        for paragraph in markdown.split("\n\n").map(str::trim).filter(|text| !text.is_empty()) {
            let joined = || paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" ");
            if lesson.question.is_empty() {
                lesson.question = joined();
            } else if let Some(sources) = joined().strip_prefix("Sources: ") {
                sources.clone_into(&mut lesson.sources);
            } else if let Some(timed) = joined().strip_prefix("Timed: ") {
                timed.clone_into(&mut lesson.timed);
            } else {
                blocks(paragraph, &mut lesson.blocks);
            }
        }
        lesson
    }

    /// The sources, taken apart.
    #[must_use]
    pub fn source_spans(&self) -> Vec<Span> {
        spans(&self.sources)
    }

    /// What is timed, taken apart.
    #[must_use]
    pub fn timed_spans(&self) -> Vec<Span> {
        spans(&self.timed)
    }
}

/// The blocks of one paragraph: words, then perhaps a list right below them.
fn blocks(paragraph: &str, into: &mut Vec<Block>) {
    let (mut words, mut items): (String, Vec<String>) = (String::new(), Vec::new());
    for line in paragraph.lines() {
        let text = line.trim();
        match (text.strip_prefix("* ").or_else(|| text.strip_prefix("- ")), items.last_mut()) {
            (Some(item), _) => items.push(item.to_owned()),
            (None, Some(item)) => *item = format!("{item} {text}"),
            (None, None) if words.is_empty() => text.clone_into(&mut words),
            (None, None) => words = format!("{words} {text}"),
        }
    }
    if !words.is_empty() {
        into.push(Block::Paragraph(spans(&words)));
    }
    if !items.is_empty() {
        into.push(Block::List(items.iter().map(|item| spans(item)).collect()));
    }
}

/// Text as runs: between backticks it is code, elsewhere the marks of links and emphasis are dropped.
fn spans(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    for (at, part) in text.split('`').enumerate() {
        let code = at % 2 == 1;
        // A link to code is written [`name`]: its brackets stand outside the backticks.
        let plain = || part.trim_start_matches(']').trim_end_matches('[').replace("**", "");
        let run = if code { Span::Code(part.to_owned()) } else { Span::Plain(plain()) };
        if !matches!(&run, Span::Plain(words) if words.is_empty()) {
            spans.push(run);
        }
    }
    spans
}

/// Runs as plain text, code as it stands.
#[must_use]
pub fn plain(spans: &[Span]) -> String {
    let text = |span: &Span| match span {
        Span::Plain(text) | Span::Code(text) => text.clone(),
    };
    spans.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lesson_is_taken_apart() {
        let text = "Is it so?\n\nIt **is**, says [`Name`] of\n`code`:\n* one\n  more\n* two\n\n\
                    Sources: `a` in\nb.\n\nTimed: nothing.";
        let lesson = Lesson::parse(text);
        assert_eq!(lesson.question, "Is it so?");
        assert_eq!((lesson.sources.as_str(), lesson.timed.as_str()), ("`a` in b.", "nothing."));
        let Block::Paragraph(words) = &lesson.blocks[0] else { panic!("{lesson:?}") };
        assert_eq!(plain(words), "It is, says Name of code:");
        assert_eq!(words[1], Span::Code("Name".to_owned()));
        let Block::List(items) = &lesson.blocks[1] else { panic!("{lesson:?}") };
        assert_eq!(items.iter().map(|item| plain(item)).collect::<Vec<_>>(), ["one more", "two"]);
        assert_eq!(lesson.blocks.len(), 2);
        assert_eq!(plain(&lesson.source_spans()), "a in b.");
    }

    #[test]
    fn nothing_and_odd_marks_are_no_trouble() {
        assert_eq!(Lesson::parse("  \n\n "), Lesson::default());
        let odd = Lesson::parse("Q\n\n` [ ` ] ``` *");
        assert!(matches!(odd.blocks.as_slice(), [Block::Paragraph(_)]), "{odd:?}");
    }
}
