//! What does a scenario file expect of a run? Its `[[expect]]` rules, as the record keeps them: with
//! labels, keys and values of axes in full, so that verdicts can be made anew from the record alone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// One rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Expect {
    /// Label of the contender that it is about.
    pub strategy: String,
    /// Key of the quantity, as in exports: `sender_cpu_ns_per_kib`, `observed_copies_per_byte`.
    pub metric: String,
    /// What is claimed of it.
    pub claim: Claim,
    /// Where: of each axis that is named, the values; all of every other axis.
    #[serde(default, rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
    pub places: BTreeMap<String, Vec<Value>>,
}

/// What a rule claims.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Claim {
    /// The paired ratio to another contender lies within bounds.
    Ratio {
        /// Label of the other contender.
        than: String,
        /// The ratio is greater than this.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        above: Option<f64>,
        /// The ratio is less than this.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        below: Option<f64>,
    },
    /// Along the first axis the contender is worse than another one at `from`, and better at `to`.
    Crossover {
        /// Label of the other contender.
        than: String,
        /// A value of the first axis.
        from: f64,
        /// A greater one.
        to: f64,
    },
    /// What the kernel's programs observed lies within bounds, which are included.
    Value {
        /// It is no less than this.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_least: Option<f64>,
        /// It is no more than this.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_most: Option<f64>,
    },
}

impl Expect {
    /// A rule about two contenders without a file: the ratio of the first to the second lies within
    /// these bounds, everywhere.
    #[must_use]
    pub fn ratio(
        strategy: &str,
        than: &str,
        metric: crate::metric::Metric,
        above: Option<f64>,
        below: Option<f64>,
    ) -> Expect {
        Expect {
            strategy: strategy.to_owned(),
            metric: metric.key().to_owned(),
            claim: Claim::Ratio { than: than.to_owned(), above, below },
            places: BTreeMap::new(),
        }
    }
}
