//! Which strategies, with which options, does a scenario compare?

use super::document::{Item, Reader, Section, describe, quoted, whole_number};
use super::{Contender, keys, problem};
use std::collections::{BTreeMap, BTreeSet};
use toml::de::DeValue;
use zclab_strategies::{Entry, Family, OptionKind, OptionSpec, OptionValue, Options, Path, Route};

/// The strategies that the harness has a bare loop for: `bare:<name>` measures its own tax.
pub const BARE: &[&str] = &["read-write", "mmap-write", "sendfile", "splice"];

/// What precedes a strategy's name to mean the bare loop of the same system calls.
const BARE_PREFIX: &str = "bare:";

/// A file that makes more contenders than this is refused.
const CONTENDERS_MAX: usize = 256;

/// The options that one table sets, in all combinations.
type Settings = Vec<BTreeMap<String, OptionValue>>;

impl Contender {
    /// A contender, with its label made from the options that differ from their defaults.
    #[must_use]
    pub fn new(strategy: Entry, bare: bool, options: BTreeMap<String, OptionValue>) -> Contender {
        let mut contender = Contender { label: String::new(), strategy, bare, options };
        let mut label = contender.name();
        for (name, value) in contender.changed_options() {
            label.push_str(&format!(" {name}={value}"));
        }
        contender.label = label;
        contender
    }

    /// The name in scenario files and ids: the strategy's, with `bare:` before it for a bare loop.
    #[must_use]
    pub fn name(&self) -> String {
        let prefix = if self.bare { BARE_PREFIX } else { "" };
        format!("{prefix}{}", self.strategy.name())
    }

    /// All its options, defaults filled in.
    #[must_use]
    pub fn complete_options(&self) -> Options {
        Options::new(self.strategy.options(), &self.options)
    }

    /// What it claims on a route, with its options.
    #[must_use]
    pub fn path(&self, on: &Route) -> Option<Path> {
        match self.strategy {
            Entry::Transfer(one) => Some(one.path_with(on, &self.complete_options())),
            Entry::Ingest(_) => None,
        }
    }

    /// The options that differ from their defaults, sorted by name.
    pub fn changed_options(&self) -> impl Iterator<Item = (&str, &OptionValue)> {
        let default = |name: &str| {
            let spec = self.strategy.options().iter().find(|spec| spec.name == name);
            spec.map(OptionSpec::default_value)
        };
        self.options
            .iter()
            .filter(move |(name, value)| default(name).as_ref() != Some(value))
            .map(|(name, value)| (name.as_str(), value))
    }
}

/// Reads the value of `strategies`.
pub(super) fn read<'a>(reader: &mut Reader<'a>, item: &Item<'a>) -> Vec<Contender> {
    match item.value {
        DeValue::String(word) if family_of(word).is_some() => {
            let members = family_of(word).into_iter().flat_map(Family::entries);
            members.map(|strategy| Contender::new(strategy, false, BTreeMap::new())).collect()
        }
        DeValue::Array(_) => {
            let mut contenders = Vec::new();
            let mut labels = BTreeSet::new();
            for element in reader.list(item) {
                for contender in read_element(reader, &element) {
                    one_family(reader, &element, contenders.first(), &contender);
                    if !labels.insert(contender.label.clone()) {
                        let what = format!("{} is listed twice", quoted(&contender.label));
                        reader.note(&element.path, &element.span, what);
                    }
                    contenders.push(contender);
                }
                if contenders.len() > CONTENDERS_MAX {
                    too_many(reader, &element);
                    break;
                }
            }
            contenders
        }
        other => {
            let what = match other {
                DeValue::String(word) => format!("{} alone is no list of strategies", quoted(word)),
                _ => format!("{} is no list of strategies", describe(other)),
            };
            reader.note(&item.path, &item.span, what).expected = keys::STRATEGIES.values.describe();
            Vec::new()
        }
    }
}

/// The family that a lone word stands for.
fn family_of(word: &str) -> Option<Family> {
    let alone = |family: &Family| match family {
        Family::Transfer => word == "all",
        other => word == other.name(),
    };
    Family::ALL.iter().copied().find(alone)
}

/// What reads a log and what writes one have nothing that could be compared.
fn one_family(reader: &mut Reader, item: &Item, first: Option<&Contender>, next: &Contender) {
    let Some(first) = first else { return };
    let (one, other) = (first.strategy.family(), next.strategy.family());
    if one != other {
        let what = format!(
            "{} is of the family {}, {} of {}",
            next.label,
            other.name(),
            first.label,
            one.name()
        );
        reader.note(&item.path, &item.span, what).expected = "strategies of one family".to_owned();
    }
}

fn too_many(reader: &mut Reader, item: &Item) {
    let what = format!("more than {CONTENDERS_MAX} contenders");
    reader.note(&item.path, &item.span, what).expected = "fewer of them".to_owned();
}

fn read_element<'a>(reader: &mut Reader<'a>, item: &Item<'a>) -> Vec<Contender> {
    match item.value {
        DeValue::String(name) => match resolve(reader, item, name) {
            Some((strategy, bare)) => vec![Contender::new(strategy, bare, BTreeMap::new())],
            None => Vec::new(),
        },
        DeValue::Table(_) => read_table(reader, item).unwrap_or_default(),
        other => {
            let what = format!("{} is no strategy", describe(other));
            reader.note(&item.path, &item.span, what).expected =
                "a name, or a table such as { strategy = \"splice\", pipe = \"1 MiB\" }".to_owned();
            Vec::new()
        }
    }
}

fn read_table<'a>(reader: &mut Reader<'a>, item: &Item<'a>) -> Option<Vec<Contender>> {
    let section = reader.section(item)?;
    let name_item = reader.required(&section, &keys::STRATEGY)?;
    let name = reader.text(&keys::STRATEGY, &name_item)?;
    let (strategy, bare) = resolve(reader, &name_item, name)?;
    let settings = read_options(reader, &section, strategy)?;
    Some(settings.into_iter().map(|options| Contender::new(strategy, bare, options)).collect())
}

/// The strategy of a name, and whether its bare loop is meant.
fn resolve(reader: &mut Reader, item: &Item, name: &str) -> Option<(Entry, bool)> {
    if let Some(imitated) = name.strip_prefix(BARE_PREFIX) {
        let found = BARE.iter().find(|bare| **bare == imitated).and_then(|bare| Entry::find(bare));
        if found.is_none() {
            let expected = format!("{BARE_PREFIX} and one of {}", BARE.join(", "));
            reader.unknown_word(item, name, &[], expected);
        }
        return found.map(|strategy| (strategy, true));
    }
    let found = Entry::find(name);
    if found.is_none() {
        let all = Family::ALL.iter().flat_map(|family| family.entries());
        let known: Vec<&str> = all.map(Entry::name).collect();
        let expected = format!("one of {}", known.join(", "));
        reader.unknown_word(item, name, &known, expected);
    }
    found.map(|strategy| (strategy, false))
}

/// Reads a table's options, in every combination of the values that are given as arrays.
fn read_options<'a>(
    reader: &mut Reader<'a>,
    section: &Section<'a>,
    strategy: Entry,
) -> Option<Settings> {
    let mut settings: Settings = vec![BTreeMap::new()];
    for (name, item, key_span) in section.entries() {
        if name == keys::STRATEGY.name {
            continue;
        }
        let Some(spec) = strategy.options().iter().find(|spec| spec.name == name) else {
            unknown_option(reader, &item, name, &key_span, strategy);
            continue;
        };
        let values: Vec<OptionValue> = reader
            .list(&item)
            .iter()
            .filter_map(|element| read_value(reader, spec, element))
            .collect();
        if settings.len().saturating_mul(values.len()) > CONTENDERS_MAX {
            too_many(reader, &item);
            return None;
        }
        settings = settings
            .iter()
            .flat_map(|options| {
                values.iter().map(|value| {
                    let mut options = options.clone();
                    options.insert(name.to_owned(), value.clone());
                    options
                })
            })
            .collect();
    }
    Some(settings)
}

fn unknown_option(
    reader: &mut Reader,
    item: &Item,
    name: &str,
    key_span: &std::ops::Range<usize>,
    strategy: Entry,
) {
    let known: Vec<&str> = strategy.options().iter().map(|spec| spec.name).collect();
    let what = format!("{} has no option of this name", strategy.name());
    let note = reader.note(&item.path, key_span, what);
    note.near = problem::near(name, known.iter().copied());
    note.expected = match known.as_slice() {
        [] => format!("no options: {} has none", strategy.name()),
        known => format!("one of {}", known.join(", ")),
    };
}

fn read_value(reader: &mut Reader, spec: &OptionSpec, item: &Item) -> Option<OptionValue> {
    let value = match (spec.kind, item.value) {
        (OptionKind::Choice { .. }, DeValue::String(word)) => {
            Ok(OptionValue::Word(word.to_string()))
        }
        (OptionKind::Choice { .. }, other) => Err(format!("{} is no word", describe(other))),
        // Options do not say whether they count bytes: a size is taken wherever a number is.
        (OptionKind::Number { .. }, value) => whole_number(value, true).map(OptionValue::Number),
    };
    let value = match value {
        Ok(value) => value,
        Err(what) => {
            reader.note(&item.path, &item.span, what).expected = spec.what.to_owned();
            return None;
        }
    };
    if let Err(expected) = spec.check(&value) {
        let what = format!("{} is not possible", quoted(&value.to_string()));
        let note = reader.note(&item.path, &item.span, what);
        if let (OptionKind::Choice { of, .. }, OptionValue::Word(word)) = (spec.kind, &value) {
            note.near = problem::near(word, of.iter().copied());
        }
        note.expected = expected;
        return None;
    }
    Some(value)
}
