//! Which keys say what a file expects of a run?

use super::{Key, Values};

const fn text(name: &'static str, required: bool, what: &'static str) -> Key {
    Key::new("expect", name, Values::Text { required }, what)
}

const fn form(
    table: &'static str,
    name: &'static str,
    forms: &'static str,
    what: &'static str,
) -> Key {
    Key::new(table, name, Values::Form { default: "", forms }, what)
}

/// A ratio between two contenders is neither nothing nor beyond all measure.
const RATIO: Values = Values::Real { above: 0.0, below: 1_000_000.0 };
const OF_FIRST_AXIS: &str = "a value of the first axis";
const COUNT: &str = "a number, 0 or greater";
const BOUND: &str = "a number as in the parameter's own values";

/// Whom a rule is about.
pub const EXPECT_STRATEGY: Key =
    text("strategy", true, "label of the contender that the rule is about");
/// Whom it is compared with.
pub const EXPECT_THAN: Key =
    text("than", false, "label of another contender; with `ratio` and `crossover`");
/// What is compared.
pub const EXPECT_METRIC: Key = form(
    "expect",
    "metric",
    "the key of a metric as in `zclab cmp --json`, such as \"sender_cpu_ns_per_kib\"",
    "what is compared: with `ratio` and `crossover` CPU time of the measured side by default; with \
     `value` a count of the kernel's programs",
);
/// Bounds of a ratio.
pub const EXPECT_RATIO: Key = form(
    "expect",
    "ratio",
    "{ below = number }, { above = number } or both",
    "bounds of the paired ratio of `strategy` to `than`",
);
/// Bounds of a crossover.
pub const EXPECT_CROSSOVER: Key = form(
    "expect",
    "crossover",
    "{ from = value, to = value } of the first axis, whose values are numbers",
    "along the first axis `strategy` is worse than `than` at `from` and better at `to`",
);
/// Bounds of a count.
pub const EXPECT_VALUE: Key = form(
    "expect",
    "value",
    "{ at_most = number }, { at_least = number } or both",
    "bounds of what the kernel's programs observed of `strategy`, included",
);
/// Where a rule is asked.
pub const EXPECT_WHERE: Key = form(
    "expect",
    "where",
    "axes, each with a value, an array of values, or { from, to }: { fetch = { from = \"8 KiB\" } }",
    "under which conditions the rule is asked; all of them without it",
);

/// The ratio is greater than this.
pub const RATIO_ABOVE: Key =
    Key::new("expect.ratio", "above", RATIO, "the ratio is greater than this");
/// The ratio is less than this.
pub const RATIO_BELOW: Key =
    Key::new("expect.ratio", "below", RATIO, "the ratio is less than this");
/// Where the contender is still the worse one.
pub const CROSSOVER_FROM: Key =
    form("expect.crossover", "from", OF_FIRST_AXIS, "`strategy` is the worse one there");
/// Where it is the better one.
pub const CROSSOVER_TO: Key =
    form("expect.crossover", "to", OF_FIRST_AXIS, "`strategy` is the better one there");
/// The least count.
pub const VALUE_AT_LEAST: Key =
    form("expect.value", "at_least", COUNT, "what was observed is no less");
/// The greatest count.
pub const VALUE_AT_MOST: Key =
    form("expect.value", "at_most", COUNT, "what was observed is no more");
/// The first value of a stretch of an axis.
pub const WHERE_FROM: Key = form("expect.where", "from", BOUND, "the least value, included");
/// The last one.
pub const WHERE_TO: Key = form("expect.where", "to", BOUND, "the greatest value, included");
