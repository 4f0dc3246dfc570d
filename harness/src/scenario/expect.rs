//! What does a file expect of a run?
//!
//! Each `[[expect]]` is one rule. It is read into what the record keeps (`zclab_report::record::Expect`):
//! labels of contenders, the key of a metric, and of each axis that it names the values that it means.
//! What does not exist in the file (a contender, an axis, a value of one) is refused here, so that a
//! rule cannot be true because it speaks of nothing.

use super::document::{Item, Reader, Section, describe, quoted};
use super::keys::{self, Key, Values};
use super::matrix::{self, Matrix, Parameter};
use super::problem::near;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::de::DeValue;
use zclab_report::metric::Metric;
use zclab_report::metric::kernel::Witness;
use zclab_report::record::{Claim, Expect};
use zclab_strategies::Family;

/// A file has no more rules than this.
pub const RULES_MAX: usize = 100;

/// The keys of which a rule has exactly one.
const CLAIMS: [Key; 3] = [keys::EXPECT_RATIO, keys::EXPECT_CROSSOVER, keys::EXPECT_VALUE];

/// What rules speak of.
pub(super) struct About<'m> {
    /// Labels of the contenders; absent where they could not be read.
    pub labels: Option<Vec<&'m str>>,
    /// The axes.
    pub matrix: &'m Matrix,
    /// Whose cost is compared.
    pub family: Family,
}

/// Reads the rules of a file.
pub(super) fn read<'a>(reader: &mut Reader<'a>, root: &Section<'a>, about: &About) -> Vec<Expect> {
    let Some(item) = root.get("expect") else { return Vec::new() };
    let rules = reader.list(&item);
    if rules.len() > RULES_MAX {
        let what = format!("{} rules", rules.len());
        reader.note(&item.path, &item.span, what).expected = format!("no more than {RULES_MAX}");
        return Vec::new();
    }
    let sections: Vec<_> = rules.iter().filter_map(|rule| reader.section(rule)).collect();
    sections.iter().filter_map(|section| rule(reader, section, about)).collect()
}

fn rule<'a>(reader: &mut Reader<'a>, section: &Section<'a>, about: &About) -> Option<Expect> {
    reader.only(section, &keys::of("expect"));
    let strategy = reader.required(section, &keys::EXPECT_STRATEGY);
    let strategy = strategy.and_then(|item| label(reader, &keys::EXPECT_STRATEGY, &item, about));
    let given: Vec<(&Key, Item<'a>)> =
        CLAIMS.iter().filter_map(|key| Some((key, section.get(key.name)?))).collect();
    let [(key, item)] = given.as_slice() else {
        let what = match given.as_slice() {
            [] => "the rule claims nothing",
            _ => "the rule claims several things",
        };
        let span = given.last().map_or(section.span.clone(), |(_, item)| item.span.clone());
        let names: Vec<&str> = CLAIMS.iter().map(|key| key.name).collect();
        reader.note(section.path(), &span, what).expected = format!("one of {}", names.join(", "));
        return None;
    };
    let metric = metric(reader, section, key, about.family);
    let claim = match key.name {
        "value" => value(reader, section, item),
        name => {
            let than = than(reader, section, strategy.as_deref(), about);
            match name {
                "ratio" => ratio(reader, item, than),
                _ => crossover(reader, item, than, about.matrix),
            }
        }
    };
    let crosses = key.name == "crossover";
    let places = section.get("where").map(|item| places(reader, &item, about.matrix, crosses));
    Some(Expect {
        strategy: strategy?,
        metric: metric?,
        claim: claim?,
        places: places.unwrap_or_default(),
    })
}

/// The label of a contender.
fn label<'a>(reader: &mut Reader<'a>, key: &Key, item: &Item<'a>, about: &About) -> Option<String> {
    let label = reader.text(key, item)?;
    match &about.labels {
        Some(labels) if !labels.contains(&label) => {
            let what = format!("{} is the label of no contender", quoted(label));
            let note = reader.note(&item.path, &item.span, what);
            note.near = near(label, labels.iter().copied());
            note.expected = format!("one of {}", labels.join(", "));
            None
        }
        _ => Some(label.to_owned()),
    }
}

/// Whom the rule's contender is compared with.
fn than<'a>(
    reader: &mut Reader<'a>,
    section: &Section<'a>,
    strategy: Option<&str>,
    about: &About,
) -> Option<String> {
    let item = reader.required(section, &keys::EXPECT_THAN)?;
    let than = label(reader, &keys::EXPECT_THAN, &item, about)?;
    if strategy == Some(than.as_str()) {
        let what = format!("{} is compared with itself", quoted(&than));
        reader.note(&item.path, &item.span, what).expected = "another contender".to_owned();
        return None;
    }
    Some(than)
}

fn metric<'a>(
    reader: &mut Reader<'a>,
    section: &Section<'a>,
    claim: &Key,
    family: Family,
) -> Option<String> {
    let counts = claim.name == "value";
    let known: Vec<&str> = match counts {
        true => Witness::ALL.iter().map(|one| one.key()).collect(),
        false => Metric::ALL.iter().map(|one| one.key()).collect(),
    };
    let item = match section.get(keys::EXPECT_METRIC.name) {
        Some(item) => item,
        None if counts => reader.required(section, &keys::EXPECT_METRIC)?,
        None => {
            let own = match family {
                Family::Transfer => Metric::SenderCpu,
                Family::Ingest | Family::Receive => Metric::ReceiverCpu,
            };
            return Some(own.key().to_owned());
        }
    };
    let key = reader.text(&keys::EXPECT_METRIC, &item)?;
    if !known.contains(&key) {
        reader.unknown_word(&item, key, &known, format!("one of {}", known.join(", ")));
        return None;
    }
    Some(key.to_owned())
}

fn ratio<'a>(reader: &mut Reader<'a>, item: &Item<'a>, than: Option<String>) -> Option<Claim> {
    let section = reader.section(item)?;
    reader.only(&section, &keys::of("expect.ratio"));
    let mut bound = |key: &Key| section.get(key.name).map(|item| reader.real(key, &item));
    let (above, below) = (bound(&keys::RATIO_ABOVE), bound(&keys::RATIO_BELOW));
    let claim = bounds(reader, item, above, below, &keys::EXPECT_RATIO)?;
    Some(Claim::Ratio { than: than?, above: claim.0, below: claim.1 })
}

fn value<'a>(reader: &mut Reader<'a>, rule: &Section<'a>, item: &Item<'a>) -> Option<Claim> {
    if let Some(than) = rule.get(keys::EXPECT_THAN.name) {
        let what = "a count is compared with its bounds, not with another contender";
        reader.note(&than.path, &than.span, what).expected = "no `than` beside `value`".to_owned();
    }
    let section = reader.section(item)?;
    reader.only(&section, &keys::of("expect.value"));
    let mut bound = |key: &Key| section.get(key.name).map(|item| amount(reader, key, &item));
    let (least, most) = (bound(&keys::VALUE_AT_LEAST), bound(&keys::VALUE_AT_MOST));
    let (at_least, at_most) = bounds(reader, item, least, most, &keys::EXPECT_VALUE)?;
    Some(Claim::Value { at_least, at_most })
}

/// A lower and an upper bound of which one may be absent, in their order.
fn bounds(
    reader: &mut Reader,
    item: &Item,
    low: Option<Option<f64>>,
    high: Option<Option<f64>>,
    key: &Key,
) -> Option<(Option<f64>, Option<f64>)> {
    let (low, high) = match (low, high) {
        (None, None) => {
            // A misspelt bound is no second problem.
            if matches!(item.value, DeValue::Table(table) if table.is_empty()) {
                let note = reader.note(&item.path, &item.span, "there is no bound");
                note.expected = key.values.describe();
            }
            return None;
        }
        (Some(None), _) | (_, Some(None)) => return None,
        (low, high) => (low.flatten(), high.flatten()),
    };
    if let (Some(low), Some(high)) = (low, high)
        && low > high
    {
        let what = format!("nothing lies between {low} and {high}");
        reader.note(&item.path, &item.span, what).expected =
            "a lower bound below the upper one".to_owned();
        return None;
    }
    Some((low, high))
}

/// A number that may be 0 and may have a fraction.
fn amount(reader: &mut Reader, key: &Key, item: &Item) -> Option<f64> {
    let number = match item.value {
        DeValue::Float(float) => float.as_str().replace('_', "").parse::<f64>().ok(),
        DeValue::Integer(integer) => {
            u64::from_str_radix(integer.as_str(), integer.radix()).ok().map(|whole| whole as f64)
        }
        _ => None,
    };
    let number = number.filter(|number| number.is_finite() && *number >= 0.0);
    if number.is_none() {
        let what = format!("{} is no number in bounds", describe(item.value));
        reader.note(&item.path, &item.span, what).expected = key.values.describe();
    }
    number
}

fn crossover<'a>(
    reader: &mut Reader<'a>,
    item: &Item<'a>,
    than: Option<String>,
    matrix: &Matrix,
) -> Option<Claim> {
    let section = reader.section(item)?;
    reader.only(&section, &keys::of("expect.crossover"));
    let axis = axes(matrix).into_iter().next();
    let Some((axis, numbers)) = axis.and_then(|axis| Some((axis, numbers(axis)?))) else {
        let what = match axis {
            Some(axis) => {
                format!("the first axis, `{}`, has values that are no numbers", axis.name)
            }
            None => "the file has no axis".to_owned(),
        };
        reader.note(&item.path, &item.span, what).expected =
            "a first axis of numbers to go along".to_owned();
        return None;
    };
    let mut end = |key: &Key| {
        let item = reader.required(&section, key)?;
        let number = number_of(reader, axis, &item)?;
        if !numbers.contains(&number) {
            not_of(reader, axis, &item.path, &item.span, &shown(&number.into()));
            return None;
        }
        Some(number)
    };
    let (from, to) = (end(&keys::CROSSOVER_FROM), end(&keys::CROSSOVER_TO));
    let (from, to) = (from?, to?);
    if from >= to {
        let what = "`from` is not less than `to`";
        reader.note(&item.path, &item.span, what).expected = "from less than to".to_owned();
        return None;
    }
    Some(Claim::Crossover { than: than?, from, to })
}

/// The values of each axis that `where` names.
fn places<'a>(
    reader: &mut Reader<'a>,
    item: &Item<'a>,
    matrix: &Matrix,
    crosses: bool,
) -> BTreeMap<String, Vec<Value>> {
    let mut places = BTreeMap::new();
    let Some(section) = reader.section(item) else { return places };
    let axes = axes(matrix);
    let names: Vec<&str> = axes.iter().map(|axis| axis.name).collect();
    for (name, item, key_span) in section.entries() {
        let Some(position) = names.iter().position(|axis| *axis == name) else {
            let what = match keys::of("matrix").contains(&name) {
                true => "this parameter has one value in this file: it is no axis",
                false => "unknown key",
            };
            let note = reader.note(&item.path, &key_span, what);
            note.near = near(name, names.iter().copied());
            note.expected = match names.is_empty() {
                true => "no keys here, since the file has no axis".to_owned(),
                false => format!("one of {}", names.join(", ")),
            };
            continue;
        };
        if crosses && position == 0 {
            let what = "the crossover goes along this axis";
            reader.note(&item.path, &key_span, what).expected =
                "`from` and `to` of the crossover, and here other axes".to_owned();
            continue;
        }
        let values = selected(reader, axes[position], &item);
        places.insert(name.to_owned(), values);
    }
    places
}

/// The values of an axis that a value, an array of them, or a stretch means.
fn selected<'a>(reader: &mut Reader<'a>, axis: &Parameter, item: &Item<'a>) -> Vec<Value> {
    if let (DeValue::Table(table), Some(numbers)) = (item.value, numbers(axis)) {
        let is_law =
            axis.name == "message" && !table.contains_key("from") && !table.contains_key("to");
        if !is_law {
            return stretch(reader, axis, &numbers, item);
        }
    }
    let known = values(axis);
    let mut chosen = Vec::new();
    for element in reader.list(item) {
        let key = key_of(axis);
        let Some(setting) = matrix::setting(reader, key, &element) else { continue };
        let value = setting.value();
        if !known.contains(&value) {
            not_of(reader, axis, &element.path, &element.span, &shown(&value));
        }
        chosen.push(value);
    }
    chosen
}

fn stretch<'a>(
    reader: &mut Reader<'a>,
    axis: &Parameter,
    numbers: &[f64],
    item: &Item<'a>,
) -> Vec<Value> {
    let Some(section) = reader.section(item) else { return Vec::new() };
    reader.only(&section, &keys::of("expect.where"));
    let before = reader.count();
    let mut end = |key: &Key| {
        let item = section.get(key.name)?;
        number_of(reader, axis, &item)
    };
    let (from, to) = (end(&keys::WHERE_FROM), end(&keys::WHERE_TO));
    if reader.count() > before {
        return Vec::new();
    }
    let within =
        |number: f64| from.is_none_or(|from| number >= from) && to.is_none_or(|to| number <= to);
    let chosen: Vec<Value> = values(axis)
        .into_iter()
        .zip(numbers)
        .filter(|(_, number)| within(**number))
        .map(|(value, _)| value)
        .collect();
    if chosen.is_empty() {
        not_of(reader, axis, &item.path, &item.span, "this stretch");
    }
    chosen
}

/// Notes that something means no value of an axis.
fn not_of(reader: &mut Reader, axis: &Parameter, path: &str, span: &Range<usize>, what: &str) {
    let what = format!("{what} is not among the values of `{}`", axis.name);
    let values: Vec<String> = values(axis).iter().map(shown).collect();
    reader.note(path, span, what).expected = format!("one of {}", values.join(", "));
}

/// The parameters with several values, in the file's order.
fn axes(matrix: &Matrix) -> Vec<&Parameter> {
    matrix.parameters.iter().filter(|parameter| parameter.settings.len() > 1).collect()
}

fn values(axis: &Parameter) -> Vec<Value> {
    axis.settings.iter().map(|(setting, _)| setting.value()).collect()
}

/// The values of an axis as numbers, where all of them are.
fn numbers(axis: &Parameter) -> Option<Vec<f64>> {
    values(axis).iter().map(Value::as_f64).collect()
}

/// A number as the parameter's own values are written.
fn number_of<'a>(reader: &mut Reader<'a>, axis: &Parameter, item: &Item<'a>) -> Option<f64> {
    let key = key_of(axis);
    let key = match key.values {
        Values::Form { .. } => Key { values: keys::MESSAGE_BYTES, ..*key },
        _ => *key,
    };
    reader.number(&key, item).map(|number| number as f64)
}

/// The key of a parameter; each has one.
fn key_of(axis: &Parameter) -> &'static Key {
    let found = keys::ALL.iter().find(|key| key.is_axis() && key.name == axis.name);
    found.unwrap_or(&keys::FETCH)
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(word) => format!("\"{word}\""),
        Value::Number(number) => match number.as_f64() {
            Some(whole) if whole.fract() == 0.0 => format!("{whole}"),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}
