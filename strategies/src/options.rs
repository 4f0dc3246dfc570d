//! Which knobs does a strategy have, and what may they be set to?

use std::collections::BTreeMap;
use std::fmt;

/// One knob of a strategy, which a scenario may set or sweep.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec {
    /// Its key in scenario files.
    pub name: &'static str,
    /// What it does, in a phrase, with its unit.
    pub what: &'static str,
    /// Its type, default and bounds.
    pub kind: OptionKind,
}

/// Type, default and bounds of an option.
#[derive(Clone, Copy, Debug)]
pub enum OptionKind {
    /// A whole number within bounds (both inclusive).
    Number {
        /// The value when the scenario is silent.
        default: u64,
        /// The least value.
        min: u64,
        /// The greatest value.
        max: u64,
    },
    /// One word of a list.
    Choice {
        /// The value when the scenario is silent.
        default: &'static str,
        /// The words.
        of: &'static [&'static str],
    },
}

/// A value of an option.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OptionValue {
    /// A whole number.
    Number(u64),
    /// A word.
    Word(String),
}

impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionValue::Number(number) => write!(f, "{number}"),
            OptionValue::Word(word) => f.write_str(word),
        }
    }
}

impl OptionSpec {
    /// The value when the scenario is silent.
    #[must_use]
    pub fn default_value(&self) -> OptionValue {
        match self.kind {
            OptionKind::Number { default, .. } => OptionValue::Number(default),
            OptionKind::Choice { default, .. } => OptionValue::Word(default.to_owned()),
        }
    }

    /// Whether the value is of the right type and within bounds; else what was expected.
    ///
    /// # Errors
    /// A phrase that completes "expected …".
    pub fn check(&self, value: &OptionValue) -> Result<(), String> {
        match (self.kind, value) {
            (OptionKind::Number { min, max, .. }, OptionValue::Number(n))
                if (min..=max).contains(n) =>
            {
                Ok(())
            }
            (OptionKind::Choice { of, .. }, OptionValue::Word(word))
                if of.contains(&word.as_str()) =>
            {
                Ok(())
            }
            (OptionKind::Number { min, max, .. }, _) => {
                Err(format!("a whole number from {min} to {max}"))
            }
            (OptionKind::Choice { of, .. }, _) => Err(format!("one of {}", of.join(", "))),
        }
    }
}

/// The options of one cell, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options(BTreeMap<String, OptionValue>);

impl Options {
    /// The defaults of these specs, overridden by what the scenario set. Values must have been
    /// checked.
    #[must_use]
    pub fn new(specs: &[OptionSpec], set: &BTreeMap<String, OptionValue>) -> Options {
        let value =
            |spec: &OptionSpec| set.get(spec.name).cloned().unwrap_or_else(|| spec.default_value());
        Options(specs.iter().map(|spec| (spec.name.to_owned(), value(spec))).collect())
    }

    /// The number of that name; zero when there is none, which only a misspelt name in a strategy's
    /// own file can cause.
    #[must_use]
    pub fn number(&self, name: &str) -> u64 {
        match self.0.get(name) {
            Some(OptionValue::Number(number)) => *number,
            _ => 0,
        }
    }

    /// The word of that name; empty when there is none.
    #[must_use]
    pub fn word(&self, name: &str) -> &str {
        match self.0.get(name) {
            Some(OptionValue::Word(word)) => word,
            _ => "",
        }
    }

    /// All of them, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &OptionValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}
