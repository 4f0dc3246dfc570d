//! How is a record's file of lines read, whatever its lines are?
//!
//! Each line is a JSON object with a `kind`. The first is the opening, which says the schema, and there
//! is one of it. A writer that was killed may leave half a last line, which is dropped with a remark;
//! everything else that does not fit is an error that names its line.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// What a kind of file looks like.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// What a file is called, in errors: `a gate's record`.
    pub file: &'static str,
    /// The kind of the opening, which is also what it opens.
    pub opening: &'static str,
    /// The kinds of all lines.
    pub kinds: &'static [&'static str],
    /// The newest schema that is known.
    pub schema: u32,
}

/// A file's lines.
#[derive(Clone, Debug)]
pub struct Lines<O, L> {
    /// The first.
    pub opening: O,
    /// The others, none of which is an opening.
    pub others: Vec<L>,
    /// What a reader should know: that a line was cut off.
    pub remark: Option<String>,
}

/// Why a file is not one of the kind that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum LinesError {
    /// There is no line at all.
    #[error("empty: the first line of {file} should have kind {opening:?}")]
    Empty {
        /// What was looked for.
        file: &'static str,
        /// The kind that its first line has.
        opening: &'static str,
    },
    /// The first line is no line of such a file at all.
    #[error("not {file}: {why}")]
    Other {
        /// What was looked for.
        file: &'static str,
        /// What is wrong with the line.
        why: Box<LinesError>,
    },
    /// The first line is something else than the opening.
    #[error("line {line}: expected kind {opening:?} first, found {found:?}")]
    Headless {
        /// Line number, from 1.
        line: usize,
        /// The kind that was expected.
        opening: &'static str,
        /// The kind that was found.
        found: String,
    },
    /// A second opening: two records in one file.
    #[error("line {line}: a second {opening} starts here; give each {opening} a file of its own")]
    Second {
        /// Line number, from 1.
        line: usize,
        /// What starts.
        opening: &'static str,
    },
    /// The file is newer than this program.
    #[error(
        "line {line}: schema {found} is newer than {known}, the newest that this version reads; \
         use the zclab that wrote the record, or a later one"
    )]
    Newer {
        /// Line number, from 1.
        line: usize,
        /// The file's schema.
        found: u64,
        /// The newest schema that this version knows.
        known: u32,
    },
    /// A kind of line that this version does not know.
    #[error("line {line}: unknown kind {kind:?}")]
    UnknownKind {
        /// Line number, from 1.
        line: usize,
        /// The kind, or what stands in its place.
        kind: String,
    },
    /// Not JSON, or JSON that lacks a field.
    #[error("line {line}: {message}")]
    Malformed {
        /// Line number, from 1.
        line: usize,
        /// What the parser says.
        message: String,
    },
}

impl Form {
    /// Reads the text of one file.
    ///
    /// A last line without a line end that does not parse is taken for one that a kill cut off.
    ///
    /// # Errors
    /// [`LinesError`] names the line and what was expected.
    pub fn read<O: DeserializeOwned, L: DeserializeOwned>(
        &self,
        text: &str,
    ) -> Result<Lines<O, L>, LinesError> {
        let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line));
        let mut lines = numbered.filter(|(_, line)| !line.trim().is_empty()).peekable();
        let Form { file, opening, .. } = *self;
        let (number, first) = lines.next().ok_or(LinesError::Empty { file, opening })?;
        let mut read =
            Lines { opening: self.first(number, first)?, others: Vec::new(), remark: None };
        while let Some((number, line)) = lines.next() {
            match self.other(number, line) {
                Ok(line) => read.others.push(line),
                Err(error @ LinesError::Second { .. }) => return Err(error),
                Err(_) if lines.peek().is_none() && !text.ends_with('\n') => {
                    read.remark = Some(format!(
                        "line {number} is cut off ({} bytes) and was dropped: the {opening} was \
                         killed while writing it",
                        line.len()
                    ));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn first<O: DeserializeOwned>(&self, line: usize, text: &str) -> Result<O, LinesError> {
        // An opening that lacks a field is a damaged record; what has no kind that is known is some
        // other file.
        let other = |why| LinesError::Other { file: self.file, why: Box::new(why) };
        let (value, kind) = self.value(line, text).map_err(other)?;
        if kind != self.opening {
            return Err(LinesError::Headless { line, opening: self.opening, found: kind });
        }
        let schema = value.get("schema").and_then(Value::as_u64);
        if let Some(found) = schema.filter(|found| *found > u64::from(self.schema)) {
            return Err(LinesError::Newer { line, found, known: self.schema });
        }
        typed(line, &kind, value)
    }

    fn other<L: DeserializeOwned>(&self, line: usize, text: &str) -> Result<L, LinesError> {
        let (value, kind) = self.value(line, text)?;
        if kind == self.opening {
            return Err(LinesError::Second { line, opening: self.opening });
        }
        typed(line, &kind, value)
    }

    /// A line and its kind, looked at before its fields so that errors say what is wrong.
    fn value(&self, line: usize, text: &str) -> Result<(Value, String), LinesError> {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| LinesError::Malformed { line, message: error.to_string() })?;
        let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        match self.kinds.contains(&kind.as_str()) {
            true => Ok((value, kind)),
            false => Err(LinesError::UnknownKind { line, kind }),
        }
    }
}

fn typed<T: DeserializeOwned>(line: usize, kind: &str, value: Value) -> Result<T, LinesError> {
    serde_json::from_value(value)
        .map_err(|error| LinesError::Malformed { line, message: format!("kind {kind:?}: {error}") })
}
