//! By which law are the sizes of messages spread?

use super::super::document::{Item, Reader, Section};
use super::super::keys::{self, Key};
use crate::log::kafka::MessageSize;
use toml::de::DeValue;

/// The laws that a table of message sizes may name.
const LAWS: &[&str] = &["uniform", "lognormal", "zipf"];

/// The size of messages: a number of bytes, or a law.
pub(super) fn message<'a>(reader: &mut Reader<'a>, item: &Item<'a>) -> Option<MessageSize> {
    if !matches!(item.value, DeValue::Table(_)) {
        let key = Key { values: keys::MESSAGE_BYTES, ..keys::MESSAGE };
        return reader.number32(&key, item).map(MessageSize::Fixed);
    }
    let section = reader.section(item)?;
    reader.only(&section, LAWS);
    let entries = section.entries();
    let [(law, item, _)] = entries.as_slice() else {
        let what = format!("{} laws of message size", entries.len());
        reader.note(&item.path, &item.span, what).expected = keys::MESSAGE.values.describe();
        return None;
    };
    if !LAWS.contains(law) {
        return None;
    }
    let numbers = reader.section(item)?;
    match *law {
        "uniform" => uniform(reader, item, &numbers),
        "lognormal" => lognormal(reader, item, &numbers),
        _ => {
            reader.only(&numbers, &keys::of("message.zipf"));
            let max = required32(reader, &numbers, &keys::ZIPF_MAX);
            let exponent = required_real(reader, &numbers, &keys::ZIPF_EXPONENT);
            Some(MessageSize::Zipf { max: max?, exponent: exponent? })
        }
    }
}

fn uniform<'a>(
    reader: &mut Reader<'a>,
    item: &Item<'a>,
    numbers: &Section<'a>,
) -> Option<MessageSize> {
    reader.only(numbers, &keys::of("message.uniform"));
    let min = required32(reader, numbers, &keys::UNIFORM_MIN);
    let max = required32(reader, numbers, &keys::UNIFORM_MAX);
    let (min, max) = (min?, max?);
    if min > max {
        let what = format!("min ({min}) is greater than max ({max})");
        reader.note(&item.path, &item.span, what).expected = "min no greater than max".to_owned();
        return None;
    }
    Some(MessageSize::Uniform { min, max })
}

fn lognormal<'a>(
    reader: &mut Reader<'a>,
    item: &Item<'a>,
    numbers: &Section<'a>,
) -> Option<MessageSize> {
    reader.only(numbers, &keys::of("message.lognormal"));
    let median = required32(reader, numbers, &keys::LOGNORMAL_MEDIAN);
    let sigma = required_real(reader, numbers, &keys::LOGNORMAL_SIGMA);
    let max = required32(reader, numbers, &keys::LOGNORMAL_MAX);
    let (median, sigma, max) = (median?, sigma?, max?);
    if median > max {
        let what = format!("median ({median}) is greater than max ({max})");
        reader.note(&item.path, &item.span, what).expected =
            "median no greater than max".to_owned();
        return None;
    }
    Some(MessageSize::Lognormal { median, sigma, max })
}

fn required32<'a>(reader: &mut Reader<'a>, section: &Section<'a>, key: &Key) -> Option<u32> {
    let item = reader.required(section, key)?;
    reader.number32(key, &item)
}

fn required_real<'a>(reader: &mut Reader<'a>, section: &Section<'a>, key: &Key) -> Option<f64> {
    let item = reader.required(section, key)?;
    reader.real(key, &item)
}
