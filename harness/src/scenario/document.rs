//! How is a value read out of a TOML document, and what is said when it is not what it should be?
//!
//! Reading goes on after a problem, so that one look at a file shows all that is wrong with it.
//! Every reading method therefore gives `None` after it has noted a problem.

use super::keys::{Key, Values};
use super::problem::{BadScenario, Problem, Spot, near, printable};
use crate::size;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Item<'a> {
    /// The keys and positions that lead to it: `matrix.fetch[2]`.
    pub path: String,
    /// Its bytes in the file.
    pub span: Range<usize>,
    /// The value.
    pub value: &'a DeValue<'a>,
}

/// A table, and where it stands; one that the file lacks is an empty one.
#[derive(Clone, Debug)]
pub(super) struct Section<'a> {
    path: String,
    /// Its bytes in the file (those of its header, where it has one).
    pub span: Range<usize>,
    table: Option<&'a DeTable<'a>>,
}

/// The file that is read, and what was found wrong with it.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    problems: Vec<(usize, Problem)>,
}

impl<'a> Reader<'a> {
    /// A reader of this text; `file` is how the user named it.
    pub fn new(file: &'a str, text: &'a str) -> Reader<'a> {
        Reader { file, text, problems: Vec::new() }
    }

    /// Whether nothing was found wrong so far.
    pub fn is_content(&self) -> bool {
        self.problems.is_empty()
    }

    /// How much was found wrong so far.
    pub fn count(&self) -> usize {
        self.problems.len()
    }

    /// All that was found wrong, in the order of the file.
    pub fn into_problems(mut self) -> BadScenario {
        self.problems.sort_by_key(|(position, _)| *position);
        BadScenario { problems: self.problems.into_iter().map(|(_, problem)| problem).collect() }
    }

    /// Notes a problem; the caller may fill in what was expected and what comes near.
    pub fn note(
        &mut self,
        path: &str,
        span: &Range<usize>,
        what: impl Into<String>,
    ) -> &mut Problem {
        let problem = Problem {
            file: self.file.to_owned(),
            place: Some(Spot::find(self.text, span)),
            key: path.to_owned(),
            what: what.into(),
            expected: String::new(),
            near: None,
        };
        self.problems.push((span.start, problem));
        let last = self.problems.len() - 1;
        &mut self.problems[last].1
    }

    /// Notes a problem of the file as a whole.
    pub fn note_file(&mut self, key: &str, what: impl Into<String>) -> &mut Problem {
        let problem = self.note(key, &(0..0), what);
        problem.place = None;
        problem
    }

    fn refuse(&mut self, item: &Item, what: impl Into<String>, values: &Values) {
        self.note(&item.path, &item.span, what).expected = values.describe();
    }

    /// The text of a string.
    pub fn text(&mut self, key: &Key, item: &Item<'a>) -> Option<&'a str> {
        match item.value {
            DeValue::String(text) => Some(text.as_ref()),
            other => {
                self.refuse(item, format!("{} is no text", describe(other)), &key.values);
                None
            }
        }
    }

    /// One of the words that the key may be set to.
    pub fn word(&mut self, key: &Key, item: &Item<'a>) -> Option<&'static str> {
        let Values::Word { of, .. } = key.values else { return None };
        let words = of();
        let text = self.text(key, item)?;
        let found = words.iter().copied().find(|word| *word == text);
        if found.is_none() {
            self.unknown_word(item, text, &words, key.values.describe());
        }
        found
    }

    /// Notes a word that is none of those that are known.
    pub fn unknown_word(&mut self, item: &Item, word: &str, known: &[&str], expected: String) {
        let what = format!("{} is unknown", quoted(word));
        let problem = self.note(&item.path, &item.span, what);
        problem.near = near(word, known.iter().copied());
        problem.expected = expected;
    }

    /// A number within the key's bounds; a size in units where the key counts bytes.
    pub fn number(&mut self, key: &Key, item: &Item<'a>) -> Option<u64> {
        let (min, max, is_bytes) = match key.values {
            Values::Bytes { min, max, .. } => (min, max, true),
            Values::Count { min, max, .. } => (min, max, false),
            _ => return None,
        };
        let number = match whole_number(item.value, is_bytes) {
            Ok(number) => number,
            Err(what) => {
                self.refuse(item, what, &key.values);
                return None;
            }
        };
        if number < min || number > max {
            let least_or_most = if number < min { "too small" } else { "too great" };
            self.refuse(item, format!("{} is {least_or_most}", self.quote(item)), &key.values);
            return None;
        }
        Some(number)
    }

    /// The same in 32 bits, for keys whose bounds lie within.
    pub fn number32(&mut self, key: &Key, item: &Item<'a>) -> Option<u32> {
        self.number(key, item).map(|number| u32::try_from(number).unwrap_or(u32::MAX))
    }

    /// A real number within the key's bounds.
    pub fn real(&mut self, key: &Key, item: &Item<'a>) -> Option<f64> {
        let Values::Real { above, below } = key.values else { return None };
        let number = match item.value {
            DeValue::Float(float) => float.as_str().parse::<f64>().ok(),
            DeValue::Integer(_) => whole_number(item.value, false).ok().map(|whole| whole as f64),
            _ => None,
        };
        match number {
            Some(number) if number > above && number < below => Some(number),
            Some(_) => {
                self.refuse(item, format!("{} is out of bounds", self.quote(item)), &key.values);
                None
            }
            None => {
                let what = format!("{} is no number in bounds", describe(item.value));
                self.refuse(item, what, &key.values);
                None
            }
        }
    }

    /// The elements of an array, or a lone value as the only element. An empty array is a problem.
    pub fn list(&mut self, item: &Item<'a>) -> Vec<Item<'a>> {
        let DeValue::Array(array) = item.value else { return vec![item.clone()] };
        if array.is_empty() {
            self.note(&item.path, &item.span, "the array is empty").expected =
                "at least one value".to_owned();
        }
        let element = |(index, value): (usize, &'a Spanned<DeValue<'a>>)| Item {
            path: format!("{}[{}]", item.path, index + 1),
            span: value.span(),
            value: value.get_ref(),
        };
        array.iter().enumerate().map(element).collect()
    }

    /// The table that an item holds.
    pub fn section(&mut self, item: &Item<'a>) -> Option<Section<'a>> {
        match item.value {
            DeValue::Table(table) => Some(Section {
                path: item.path.clone(),
                span: item.span.clone(),
                table: Some(table),
            }),
            other => {
                let what = format!("{} is no table", describe(other));
                self.note(&item.path, &item.span, what).expected = "a table".to_owned();
                None
            }
        }
    }

    /// The item's own text, cut when it is long.
    fn quote(&self, item: &Item) -> String {
        self.text.get(item.span.clone()).map_or_else(String::new, |text| printable(text, 40))
    }

    /// Refuses every key of a section that is not known.
    pub fn only(&mut self, section: &Section<'a>, known: &[&str]) {
        for (name, item, key_span) in section.entries() {
            if known.contains(&name) {
                continue;
            }
            let problem = self.note(&item.path, &key_span, "unknown key");
            problem.near = near(name, known.iter().copied());
            problem.expected = match known {
                [] => "no keys here".to_owned(),
                [only] => format!("`{only}`"),
                many => format!("one of {}", many.join(", ")),
            };
        }
    }

    /// A key that the section must have; its absence is a problem.
    pub fn required(&mut self, section: &Section<'a>, key: &Key) -> Option<Item<'a>> {
        let found = section.get(key.name);
        if found.is_none() {
            let path = section.path_of(key.name);
            let problem = if section.path.is_empty() {
                self.note_file(&path, "the key is missing")
            } else {
                self.note(&path, &section.span, "the key is missing")
            };
            problem.expected = format!("{}: {}", key.what, key.values.describe());
        }
        found
    }
}

impl<'a> Section<'a> {
    /// The top of a document.
    pub fn root(table: &'a Spanned<DeTable<'a>>) -> Section<'a> {
        Section { path: String::new(), span: 0..0, table: Some(table.get_ref()) }
    }

    /// A table that the file lacks.
    pub fn absent(path: &str) -> Section<'a> {
        Section { path: path.to_owned(), span: 0..0, table: None }
    }

    /// The keys that lead to it.
    pub fn path(&self) -> &str {
        &self.path
    }

    fn path_of(&self, key: &str) -> String {
        let key = printable(key, 40);
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<Item<'a>> {
        let value = self.table?.get(key)?;
        Some(Item { path: self.path_of(key), span: value.span(), value: value.get_ref() })
    }

    /// Keys, values, and the bytes of the keys, in the order of the file.
    pub fn entries(&self) -> Vec<(&'a str, Item<'a>, Range<usize>)> {
        let Some(table) = self.table else { return Vec::new() };
        let mut entries: Vec<_> = table
            .iter()
            .map(|(key, value)| {
                let name: &'a str = key.get_ref().as_ref();
                let path = self.path_of(name);
                (name, Item { path, span: value.span(), value: value.get_ref() }, key.span())
            })
            .collect();
        entries.sort_by_key(|(_, _, key_span)| key_span.start);
        entries
    }
}

/// A whole number, or a size in units; else what is wrong with the value.
pub(super) fn whole_number(value: &DeValue, is_bytes: bool) -> Result<u64, String> {
    match value {
        DeValue::Integer(integer) => {
            let digits = integer.as_str();
            match u64::from_str_radix(digits.trim_start_matches('+'), integer.radix()) {
                Ok(number) => Ok(number),
                Err(_) if digits.starts_with('-') => {
                    Err(format!("{} is negative", printable(digits, 40)))
                }
                Err(_) => Err(format!("{} exceeds 2^64 - 1", printable(digits, 40))),
            }
        }
        DeValue::String(text) if is_bytes => {
            size::parse(text).map_err(|why| format!("{}: {why}", quoted(text)))
        }
        other => Err(format!("{} is no whole number", describe(other))),
    }
}

/// A user's word in quotes, harmless to a terminal.
pub(super) fn quoted(word: &str) -> String {
    format!("\"{}\"", printable(word, 40))
}

/// A value's type, as in "an array is no number".
pub(super) fn describe(value: &DeValue) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "a truth value",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
