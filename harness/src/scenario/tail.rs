//! What goes together with following the end of a log, and what does not?
//!
//! A follower reads what has just been appended: it is in the page cache, it becomes due by being
//! appended, and whoever falls behind does not follow any more. Keys that say otherwise are refused.

use super::check::values;
use super::document::Reader;
use super::matrix::{Matrix, Setting};
use super::{Access, Cache, keys};
use crate::trial::wire::demand::Driver;

/// Refuses what makes no sense at the end of a log, and a pace of appends where nothing is appended.
pub(super) fn consistency(reader: &mut Reader, matrix: &Matrix) {
    let access = values(matrix, keys::ACCESS.name);
    let follows = |setting: &Setting| matches!(setting, Setting::Access(Access::Tail));
    if access.is_empty() || !access.iter().all(|(setting, _)| follows(setting)) {
        let given = values(matrix, keys::APPEND_RATE.name);
        let asked = given.iter().find(|(setting, _)| !matches!(setting, Setting::AppendRate(0)));
        if let Some((_, span)) = asked {
            let what = "nothing is appended where `access` is not \"tail\"";
            reader.note("matrix.append_rate", span, what).expected =
                "no such key, or access = \"tail\" alone".to_owned();
        }
    }
    if !access.iter().any(|(setting, _)| follows(setting)) {
        return;
    }
    for parameter in &matrix.parameters {
        for (setting, span) in &parameter.settings {
            let Some((why, expected)) = excluded(setting) else { continue };
            let path = format!("matrix.{}", parameter.name);
            let what = format!("beside access = \"tail\": {why}");
            reader.note(&path, span, what).expected = expected.to_owned();
        }
    }
}

/// Why a setting cannot be where the end of a log is followed, and what can.
fn excluded(setting: &Setting) -> Option<(&'static str, &'static str)> {
    match *setting {
        Setting::Cache(cache) if cache != Cache::Warm => {
            Some(("what has just been appended is in the page cache", "\"warm\""))
        }
        Setting::Rate(rate) if rate > 0 => {
            Some(("a fetch is due when its bytes are there", "0; `append_rate` sets the pace"))
        }
        Setting::Slow(count) if count > 0 => {
            Some(("who falls behind does not follow the end any more", "0"))
        }
        Setting::Readers(count) | Setting::Senders(count) if count > 1 => {
            Some(("each of many senders would need the same producer", "1"))
        }
        Setting::Driver(Driver::Reactor) => Some((
            "it cannot wait for room by epoll and for an append at once",
            "\"blocking\" or \"threads\"",
        )),
        _ => None,
    }
}
