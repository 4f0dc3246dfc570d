//! What is a cell called, and which parameters make it what it is?

use super::{
    Access, Cell, Condition, FileSystem, LogChoice, Pressure, Scenario, ingest, keys, words,
};
use crate::trial::wire::Demand;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use zclab_report::record;
use zclab_strategies::Family;

impl Scenario {
    /// Every contender under every condition: condition by condition, contenders in their order.
    pub fn cells(&self) -> impl Iterator<Item = Cell<'_>> {
        self.conditions.iter().flat_map(move |condition| {
            self.contenders.iter().map(move |contender| Cell {
                scenario: self,
                contender,
                condition,
            })
        })
    }

    /// What the record says about the scenario.
    #[must_use]
    pub fn to_record(&self) -> record::Scenario {
        record::Scenario {
            scenario: self.name.clone(),
            question: self.question.clone(),
            analysis: self.analysis.clone(),
            baseline: self.baseline.clone(),
            contenders: self.contenders.iter().map(|one| one.label.clone()).collect(),
            axes: self.axes.clone(),
            source: self.source.clone(),
            expect: self.expect.clone(),
        }
    }
}

impl Condition {
    /// The parameters of the matrix and the kind of log, by name: what tells one condition of a
    /// scenario from another.
    #[must_use]
    pub fn key_params(&self) -> BTreeMap<String, Value> {
        let mut params = BTreeMap::from([
            ("log".to_owned(), json!(self.log.name())),
            ("fetch".to_owned(), json!(self.fetch_bytes)),
            ("header".to_owned(), json!(self.header_bytes)),
            ("consumers".to_owned(), json!(self.consumers)),
            ("access".to_owned(), json!(self.access.name())),
            ("cache".to_owned(), json!(self.cache.name())),
            ("sink".to_owned(), json!(self.sink.name())),
            ("receiver".to_owned(), json!(self.receiver.name())),
            ("wait".to_owned(), json!(self.wait.name())),
            ("transform".to_owned(), json!(self.transform.name())),
            ("socket_buffer".to_owned(), json!(self.socket_buffer_bytes)),
        ]);
        // Cells of records from before there was a choice keep their names.
        if self.filesystem != FileSystem::Here {
            params.insert("filesystem".to_owned(), json!(self.filesystem.name()));
        }
        params.extend(self.link_params());
        if let Some(readers) = self.readers {
            params.insert("readers".to_owned(), json!(readers));
        }
        if let Some(senders) = self.senders {
            params.insert("senders".to_owned(), json!(senders.count));
        }
        if self.canary {
            params.insert("canary".to_owned(), json!(words::switch(true)));
        }
        if let Some(size) = self.message() {
            params.insert("message".to_owned(), words::message(size));
        }
        if self.family != Family::Transfer {
            params.retain(|name, _| !ingest::OF_TRANSFERS.contains(&name.as_str()));
            params.extend(self.intake.params(self.family));
        }
        // Like the options of a strategy: cells are called as they were before these keys existed.
        let usual = demand(&Demand::default());
        let of_demand = demand(&self.demand).into_iter();
        params.extend(of_demand.filter(|(name, value)| usual.get(name) != Some(value)));
        if self.append_rate_bytes != keys::APPEND_RATE.values.default_number() {
            params.insert(keys::APPEND_RATE.name.to_owned(), json!(self.append_rate_bytes));
        }
        params
    }

    /// All parameters, by name: those of the matrix, and those of a generated log. Sizes are bytes.
    #[must_use]
    pub fn params(&self) -> BTreeMap<String, Value> {
        let mut params = self.key_params();
        if self.family == Family::Transfer {
            params.extend(demand(&self.demand));
            params.insert("canary".to_owned(), json!(words::switch(self.canary)));
        }
        if self.access == Access::Tail {
            params.insert(keys::APPEND_RATE.name.to_owned(), json!(self.append_rate_bytes));
        }
        if let LogChoice::Kafka(spec) = &self.log {
            params.extend([
                ("log_size".to_owned(), json!(spec.total_bytes)),
                ("batch".to_owned(), json!(spec.batch_bytes)),
                ("codec".to_owned(), json!(words::codec(spec.codec))),
                ("segment".to_owned(), json!(spec.segment_bytes)),
                ("key".to_owned(), json!(spec.key_bytes)),
                ("headers".to_owned(), json!(spec.headers)),
                ("seed".to_owned(), json!(spec.seed)),
            ]);
        }
        params.extend(self.pressure.iter().flat_map(Pressure::params));
        params
    }
}

/// How consumers ask, by the names of the matrix.
fn demand(demand: &Demand) -> BTreeMap<String, Value> {
    BTreeMap::from([
        ("driver".to_owned(), json!(demand.driver.name())),
        ("slow".to_owned(), json!(demand.slow)),
        ("slow_rate".to_owned(), json!(demand.slow_rate_bytes)),
        ("rate".to_owned(), json!(demand.rate)),
        ("arrivals".to_owned(), json!(demand.arrivals.name())),
    ])
}

impl Cell<'_> {
    /// `<scenario>/<strategy>/<parameters>`: the parameters of the matrix and the options that
    /// differ from their defaults, as `key=value`, sorted by key, comma separated.
    #[must_use]
    pub fn id(&self) -> String {
        let mut params = self.condition.key_params();
        let changed = self.contender.changed_options();
        params.extend(changed.map(|(name, value)| (name.to_owned(), words::option(value))));
        let pairs: Vec<String> =
            params.iter().map(|(key, value)| format!("{key}={}", plain(value))).collect();
        format!("{}/{}/{}", self.scenario.name, self.contender.name(), pairs.join(","))
    }

    /// Every parameter that makes the cell what it is, the strategy's complete options among them.
    /// Sizes are bytes.
    #[must_use]
    pub fn params(&self) -> BTreeMap<String, Value> {
        let mut params = self.condition.params();
        let options = self.contender.complete_options();
        params.extend(options.iter().map(|(name, value)| (name.to_owned(), words::option(value))));
        params
    }
}

/// A value as an id spells it: texts without quotes.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
