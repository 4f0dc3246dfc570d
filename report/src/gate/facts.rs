//! Was the same done, in the same way, and is it proven as well?
//!
//! A program that falls back to another way, checks less of what it sent, or contradicts its claim is
//! worse whatever it costs. What is unknown of one side decides nothing.

use super::record::Counts;
use super::{Fact, Verdict};
use std::collections::BTreeSet;

/// Facts whose values are better and worse, the best first.
const RANKED: [(&str, &[&str]); 2] = [
    ("verified", &["content", "length", "none"]),
    ("agreement", &["agrees", "unobserved", "contradicts"]),
];

/// Compares the facts of both sides; between strategies the strategy differs on purpose.
pub(super) fn compare(base: &[&Counts], head: &[&Counts], strategies: bool) -> Vec<Fact> {
    let names: BTreeSet<&String> =
        base.iter().chain(head).flat_map(|one| one.facts.keys()).collect();
    names
        .into_iter()
        .map(|name| {
            let (of_base, of_head) = (value(base, name), value(head, name));
            let (verdict, reason) = match (&of_base, &of_head) {
                (Err(why), _) => (Verdict::Inconclusive, Some(format!("base: {why}"))),
                (_, Err(why)) => (Verdict::Inconclusive, Some(format!("head: {why}"))),
                (Ok(a), Ok(b)) if a == b => (Verdict::Pass, None),
                (Ok(_), Ok(_)) if name == "strategy" && strategies => (Verdict::Pass, None),
                (Ok(a), Ok(b)) => different(name, a, b),
            };
            let known = |side: Result<&str, String>| side.ok().map(str::to_owned);
            let (base, head) = (known(of_base), known(of_head));
            Fact { name: name.clone(), base, head, verdict, reason }
        })
        .collect()
}

/// What all captures of a side say.
fn value<'a>(captures: &[&'a Counts], name: &str) -> Result<&'a str, String> {
    let said: BTreeSet<Option<&String>> = captures.iter().map(|one| one.facts.get(name)).collect();
    match said.first() {
        Some(Some(one)) if said.len() == 1 => Ok(one),
        Some(_) if said.len() > 1 => Err("its captures disagree".into()),
        _ => Err("it is not known".into()),
    }
}

/// What a difference comes to.
fn different(name: &str, base: &str, head: &str) -> (Verdict, Option<String>) {
    if name == "strategy" {
        return (Verdict::Regression, Some("another strategy was used".into()));
    }
    let ranks = RANKED.iter().find(|(ranked, _)| *ranked == name).map(|(_, values)| values);
    let rank = |value| ranks.and_then(|values| values.iter().position(|one| *one == value));
    match (rank(base), rank(head)) {
        _ if [base, head].contains(&"unobserved") => {
            (Verdict::Inconclusive, Some("one side was not observed".into()))
        }
        (Some(base), Some(head)) if head > base => {
            (Verdict::Regression, Some("the head's is worse".into()))
        }
        (Some(_), Some(_)) if name == "agreement" => (Verdict::Improvement, None),
        (Some(_), Some(_)) => (Verdict::Pass, None),
        _ => (Verdict::Inconclusive, Some("both should be the same".into())),
    }
}
