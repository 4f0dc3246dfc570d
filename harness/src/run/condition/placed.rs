//! Do the log's pages lie on the node that was asked for?
//!
//! The run is bound to the node, so what it reads in comes to lie there (`cpus::numa`); but pages that
//! are in memory already stay where they are. So a log with pages elsewhere is evicted and read in
//! anew. Somebody else's log is not, and its cells are refused.

use super::Measure;
use crate::cpus::numa;
use crate::scenario;
use crate::trial::proof::Witness;
use crate::trial::wire::{Cache, Trouble};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use zclab_report::record::Status;

impl Measure<'_> {
    /// Brings a warm log to the node. Cold ones come as they are read.
    pub(super) fn place_log(&mut self) {
        let Some(node) = self.ground.cpus.node() else { return };
        if self.condition.cache != scenario::Cache::Warm {
            return;
        }
        match self.placed(node) {
            Ok(pages) => self.log_pages = Some(json!(pages)),
            Err(trouble) => {
                (0..self.entries.len()).for_each(|at| self.give_up(at, trouble.clone()));
            }
        }
    }

    fn placed(&self, node: usize) -> Result<BTreeMap<String, u64>, Trouble> {
        let segments: Vec<(PathBuf, u64)> =
            self.ready.log.segments.iter().map(|s| (s.path.clone(), s.len_bytes)).collect();
        let witness = Witness::open(&segments)?;
        witness.arrange(Cache::Warm)?;
        let mut pages = pages_of(&segments)?;
        if elsewhere(&pages, node) > 0 && self.ready.owned {
            witness.arrange(Cache::Cold)?;
            witness.arrange(Cache::Warm)?;
            pages = pages_of(&segments)?;
        }
        match elsewhere(&pages, node) {
            0 => Ok(pages.into_iter().map(|(node, count)| (node.to_string(), count)).collect()),
            count if self.ready.owned => Err(Trouble::invalid(format!(
                "{count} pages of the log lie on other nodes than {node}, read in anew"
            ))),
            count => Err(Trouble::failed(format!(
                "{count} pages of the log lie on other nodes than {node}, and somebody else's log \
                 is not evicted: import it with --copy"
            ))
            .with_status(Status::Refused)),
        }
    }
}

fn elsewhere(pages: &BTreeMap<usize, u64>, node: usize) -> u64 {
    pages.iter().filter(|&(&on, _)| on != node).map(|(_, count)| count).sum()
}

fn pages_of(segments: &[(PathBuf, u64)]) -> Result<BTreeMap<usize, u64>, Trouble> {
    let mut all = BTreeMap::new();
    for (path, _) in segments {
        let name = path.display().to_string();
        let file =
            File::open(path).map_err(|error| crate::trial::sinks::io("open", &name, &error))?;
        let found =
            numa::pages_of(&file).map_err(|(call, errno)| Trouble::call(call, &name, errno))?;
        for (node, count) in found {
            *all.entry(node).or_default() += count;
        }
    }
    Ok(all)
}
