//! How are sets of CPUs and nodes written, and read?
//!
//! As the kernel writes them (`Documentation/admin-guide/cputopology.rst`, `cpuset(7)`: "List
//! format"): numbers and ranges, separated by commas, such as `0-3,8`.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// No machine has a CPU of this number: it is the size of the kernel's largest set.
const NUMBERS_MAX: usize = 8192;

/// One number stands for itself, so that a child that is an older build of zclab understands its pair
/// of CPUs.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    One(usize),
    List(String),
}

/// A set of CPUs, or of nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Numbers(BTreeSet<usize>);

impl Numbers {
    /// A list as a file of the kernel has it, which may be empty.
    ///
    /// # Errors
    /// What is no list.
    pub fn of(text: &str) -> Result<Numbers, String> {
        if text.is_empty() { Ok(Numbers::default()) } else { text.parse() }
    }

    /// One number alone.
    #[must_use]
    pub fn one(number: usize) -> Numbers {
        Numbers(BTreeSet::from([number]))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        self.0.iter().copied()
    }

    /// Whether this one is among them.
    #[must_use]
    pub fn has(&self, number: usize) -> bool {
        self.0.contains(&number)
    }

    /// Those that are in both.
    #[must_use]
    pub fn and(&self, other: &Numbers) -> Numbers {
        Numbers(self.0.intersection(&other.0).copied().collect())
    }

    /// Those that the other has not.
    #[must_use]
    pub fn without(&self, other: &Numbers) -> Numbers {
        Numbers(self.0.difference(&other.0).copied().collect())
    }

    /// The only one, where there is but one.
    #[must_use]
    pub fn only(&self) -> Option<usize> {
        let mut all = self.iter();
        all.next().filter(|_| all.next().is_none())
    }
}

impl FromIterator<usize> for Numbers {
    fn from_iter<I: IntoIterator<Item = usize>>(all: I) -> Numbers {
        Numbers(all.into_iter().collect())
    }
}

impl FromStr for Numbers {
    type Err = String;

    fn from_str(text: &str) -> Result<Numbers, String> {
        let mut numbers = BTreeSet::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let number = |text: &str| {
                let number = text.trim().parse::<usize>().ok();
                number.filter(|&number| number < NUMBERS_MAX).ok_or_else(|| {
                    format!("{text:?} is no number below {NUMBERS_MAX}: a list such as 0-3,8")
                })
            };
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(format!("{part:?} is a range that ends before it begins"));
            }
            numbers.extend(first..=last);
        }
        Ok(Numbers(numbers))
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        let mut rest = self.iter().peekable();
        let mut comma = "";
        while let Some(first) = rest.next() {
            let mut last = first;
            while rest.next_if_eq(&(last + 1)).is_some() {
                last += 1;
            }
            match last - first {
                0 => write!(to, "{comma}{first}")?,
                _ => write!(to, "{comma}{first}-{last}")?,
            }
            comma = ",";
        }
        Ok(())
    }
}

impl TryFrom<Written> for Numbers {
    type Error = String;

    fn try_from(written: Written) -> Result<Numbers, String> {
        match written {
            Written::One(number) => Ok(Numbers::one(number)),
            Written::List(text) => Numbers::of(&text),
        }
    }
}

impl From<Numbers> for Written {
    fn from(numbers: Numbers) -> Written {
        numbers.only().map_or_else(|| Written::List(numbers.to_string()), Written::One)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_written_as_the_kernel_does() {
        for text in ["0", "0-3", "0-3,8", "1,3,5-6"] {
            assert_eq!(text.parse::<Numbers>().unwrap().to_string(), text);
        }
        assert_eq!("3,1-2, 0".parse::<Numbers>().unwrap().to_string(), "0-3");
        assert_eq!("7".parse::<Numbers>().unwrap().only(), Some(7));
        assert_eq!("7-8".parse::<Numbers>().unwrap().only(), None);
    }

    #[test]
    fn a_message_has_one_number_as_a_number_and_more_as_a_list() {
        for (text, json) in [("1", "1"), ("0-1", "\"0-1\""), ("", "\"\"")] {
            let numbers = Numbers::of(text).unwrap();
            assert_eq!(serde_json::to_string(&numbers).unwrap(), json);
            assert_eq!(serde_json::from_str::<Numbers>(json).unwrap(), numbers);
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in ["", "a", "1-", "-1", "3-1", "0,,1", "8192", "0-99999999999999999999"] {
            assert!(text.parse::<Numbers>().is_err(), "{text:?}");
        }
    }
}
