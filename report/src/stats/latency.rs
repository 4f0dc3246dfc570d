//! How long did the slowest fetches take?

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;

/// Percentiles of fetch latency, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latency {
    /// Half of the fetches took no longer.
    pub p50_ns: u64,
    /// 99 of 100 took no longer.
    pub p99_ns: u64,
    /// 999 of 1000 took no longer.
    pub p999_ns: u64,
    /// The slowest.
    pub max_ns: u64,
    /// Fetches that were timed.
    pub fetches: u64,
}

/// Merges histograms encoded as base64 of HdrHistogram V2, compressed (`hdr-v2-deflate`).
///
/// # Errors
/// Says why there are no percentiles: no histogram, an encoding that is not this one, damaged data,
/// no fetch.
pub fn merge<'a>(encoded: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Latency, String> {
    let mut all: Option<Histogram<u64>> = None;
    for (encoding, data) in encoded {
        let one = decode(encoding, data)?;
        match &mut all {
            None => all = Some(one),
            Some(all) => {
                all.auto(true);
                all.add(&one).map_err(|error| format!("histograms do not fit: {error}"))?;
            }
        }
    }
    let all = all.ok_or("no latency histogram was recorded")?;
    if all.is_empty() {
        return Err("the latency histogram is empty".into());
    }
    Ok(Latency {
        p50_ns: all.value_at_quantile(0.5),
        p99_ns: all.value_at_quantile(0.99),
        p999_ns: all.value_at_quantile(0.999),
        max_ns: all.max(),
        fetches: all.len(),
    })
}

/// One histogram.
///
/// # Errors
/// Says what it is not.
pub(crate) fn decode(encoding: &str, data: &str) -> Result<Histogram<u64>, String> {
    if encoding != "hdr-v2-deflate" {
        return Err(format!("unknown histogram encoding {encoding:?}"));
    }
    let bytes =
        STANDARD.decode(data).map_err(|error| format!("histogram is not base64: {error}"))?;
    Deserializer::new()
        .deserialize(&mut bytes.as_slice())
        .map_err(|error| format!("histogram is damaged: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};

    fn encode(values: impl IntoIterator<Item = u64>) -> String {
        let mut histogram = Histogram::<u64>::new(3).expect("three digits");
        for value in values {
            histogram.record(value).expect("within range");
        }
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(&histogram, &mut bytes).expect("into memory");
        STANDARD.encode(bytes)
    }

    #[test]
    fn launches_are_merged() {
        let (low, high) = (encode(1..=500), encode(501..=1000));
        let merged = merge([("hdr-v2-deflate", low.as_str()), ("hdr-v2-deflate", high.as_str())])
            .expect("two histograms");
        assert_eq!((merged.p50_ns, merged.p99_ns, merged.max_ns), (500, 990, 1000));
        assert_eq!(merged.fetches, 1000);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        assert!(merge([]).unwrap_err().contains("no latency"));
        assert!(merge([("hdr-v3", "")]).unwrap_err().contains("hdr-v3"));
        assert!(merge([("hdr-v2-deflate", "@@")]).unwrap_err().contains("base64"));
        assert!(merge([("hdr-v2-deflate", "AAAA")]).unwrap_err().contains("damaged"));
        let empty = encode([]);
        assert!(merge([("hdr-v2-deflate", empty.as_str())]).unwrap_err().contains("empty"));
    }
}
