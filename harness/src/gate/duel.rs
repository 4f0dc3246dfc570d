//! What is compared in one cell of a gate, and how is each side asked to do it?
//!
//! Two programs do the same cell, or one program does it by two strategies. Either way there are
//! three arms: base, head, and control, which is the base once more.

use super::program::Program;
use crate::log::Log;
use crate::run::cells::{self, Ground};
use crate::run::children::TrialChild;
use crate::run::logs::Ready;
use crate::scenario::{Budget, Cell, Condition, Contender, Scenario};
use crate::trial::wire::{Spec, Trouble};
use zclab_report::gate::record::{self, Arm};
use zclab_report::record::Status;
use zclab_strategies::{Entry, Family, find};

/// Which contenders of a scenario are compared with what.
#[derive(Clone, Debug)]
pub enum Pairing {
    /// Each one with itself, in another program.
    Same,
    /// The second one with the first, in the same program.
    Labels(String, String),
}

/// One cell: the contender of the base and that of the head, under one condition.
#[derive(Clone, Debug)]
pub struct Duel<'a> {
    /// Its scenario.
    pub scenario: &'a Scenario,
    /// Its condition.
    pub condition: &'a Condition,
    base: Contender,
    head: Contender,
}

/// The programs of both sides; a gate against stored counts has no base that could run.
#[derive(Clone, Copy)]
pub struct Sides<'a> {
    /// What the head is compared with.
    pub base: Option<&'a Program>,
    /// What is judged.
    pub head: &'a Program,
}

impl<'a> Duel<'a> {
    /// The duels of a scenario, condition by condition.
    ///
    /// # Errors
    /// A label that neither the scenario nor the catalogue has.
    pub fn of(scenario: &'a Scenario, pairing: &Pairing) -> anyhow::Result<Vec<Duel<'a>>> {
        let pairs: Vec<(Contender, Contender)> = match pairing {
            Pairing::Same => {
                let moving = scenario.contenders.iter().filter(|one| one.strategy.moves_the_log());
                moving.map(|one| (one.clone(), one.clone())).collect()
            }
            Pairing::Labels(a, b) => vec![(contender(scenario, a)?, contender(scenario, b)?)],
        };
        let duels = scenario.conditions.iter().flat_map(|condition| {
            pairs.iter().map(move |(base, head)| Duel {
                scenario,
                condition,
                base: base.clone(),
                head: head.clone(),
            })
        });
        Ok(duels.collect())
    }

    /// The cell of an arm.
    #[must_use]
    pub fn cell(&self, arm: Arm) -> Cell<'_> {
        let contender = match arm {
            Arm::Head => &self.head,
            Arm::Base | Arm::Control => &self.base,
        };
        Cell { scenario: self.scenario, contender, condition: self.condition }
    }

    /// Its id: that of the head's cell, and whom it was compared with where that was another one.
    #[must_use]
    pub fn id(&self) -> String {
        let id = self.cell(Arm::Head).id();
        match self.base.label == self.head.label {
            true => id,
            false => format!("{id},against={}", self.base.label),
        }
    }

    /// Its line of the record, `ok` so far.
    #[must_use]
    pub fn line(&self, arms: &[Arm]) -> record::Cell {
        let head = self.cell(Arm::Head);
        let label = match self.base.label == self.head.label {
            true => self.head.label.clone(),
            false => format!("{} against {}", self.head.label, self.base.label),
        };
        record::Cell {
            cell: self.id(),
            scenario: self.scenario.name.clone(),
            strategy: self.head.strategy.name().to_owned(),
            label,
            params: head.params(),
            status: arms.iter().map(|&arm| (arm, Status::Ok)).collect(),
            reasons: Vec::new(),
            untimed: self.untimed().map(str::to_owned),
            setup: Default::default(),
            latencies: Vec::new(),
        }
    }

    /// Why its times are not compared, if so: they need slices by turns.
    #[must_use]
    pub fn untimed(&self) -> Option<&'static str> {
        let apart = |arm| self.cell(arm).contender.needs_rounds(self.condition);
        match () {
            () if self.condition.family != Family::Transfer => {
                Some("times of the receive side are not gated")
            }
            () if self.condition.pressure.is_some() => {
                Some("under pressure on memory nothing can be sliced")
            }
            () if self.condition.demand.rate > 0 => {
                Some("an open loop's slices are as long as its schedule")
            }
            () if apart(Arm::Base) || apart(Arm::Head) => {
                Some("each sample needs a preparation of its own, so there are no slices by turns")
            }
            () => None,
        }
    }

    /// What can be refused without trying, with the arm that it stops.
    #[must_use]
    pub fn refused(&self, ready: &Ready, ground: Ground) -> Option<(Arm, Trouble)> {
        [Arm::Base, Arm::Head].into_iter().find_map(|arm| {
            cells::refused(&self.cell(arm), ready, ground).map(|trouble| (arm, trouble))
        })
    }

    /// Starts an arm and waits until it is ready and has shown that it understood what it is to do.
    ///
    /// # Errors
    /// Why it is not, or did not.
    pub fn start(
        &self,
        arm: Arm,
        sides: Sides,
        ready: &Ready,
        budget: Budget,
        ground: Ground,
    ) -> Result<TrialChild, Trouble> {
        let program = match (arm, sides.base) {
            (Arm::Base | Arm::Control, Some(base)) => base,
            _ => sides.head,
        };
        let fetches = cells::fetches(self.condition, budget);
        let spec = cells::spec(&self.cell(arm), ready, fetches, ground);
        TrialChild::spawn_program(&program.path, &spec).and_then(|child| open(child, &spec))
    }
}

/// Waits until a child is ready, and compares what it understood with what it was told.
fn open(mut child: TrialChild, spec: &Spec) -> Result<TrialChild, Trouble> {
    child.ready()?;
    let understood = child.program().map(|program| program.understood.clone());
    let Some(understood) = understood else {
        let why = "this build is too old for a gate: it does not say what it understood";
        return Err(Trouble::failed(why));
    };
    // What the child left out takes its default here; so only what matters differs.
    let understood = serde_json::from_value::<Spec>(understood)
        .map_err(|error| Trouble::failed(format!("this build understood something else: {error}")))?
        .without_batches();
    let told = spec.without_batches();
    match understood == told {
        true => Ok(child),
        false => Err(Trouble {
            status: Status::Unsupported,
            ..Trouble::failed(format!(
                "this build does not know what the cell asks for: {}",
                differences(&told, &understood)
            ))
        }),
    }
}

/// The parameters in which two specifications differ, by name.
fn differences(told: &serde_json::Value, understood: &serde_json::Value) -> String {
    let (Some(told), Some(understood)) = (told.as_object(), understood.as_object()) else {
        return "everything".to_owned();
    };
    let names: Vec<&str> = told
        .iter()
        .filter(|(name, value)| understood.get(*name) != Some(value))
        .map(|(name, _)| name.as_str())
        .collect();
    names.join(", ")
}

/// A contender by its label in the scenario, or else a strategy of the catalogue with its defaults.
fn contender(scenario: &Scenario, label: &str) -> anyhow::Result<Contender> {
    if let Some(found) = scenario.contenders.iter().find(|one| one.label == label) {
        return Ok(found.clone());
    }
    let strategy = find(label).ok_or_else(|| {
        anyhow::anyhow!(
            "{label} is neither a contender of {} nor a strategy: `zclab list strategies`",
            scenario.name
        )
    })?;
    let strategy = Entry::Transfer(strategy);
    let options = Default::default();
    Ok(Contender { label: label.to_owned(), strategy, bare: false, options })
}

/// The log's bytes.
#[must_use]
pub fn log_bytes(log: &Log) -> u64 {
    log.segments.iter().map(|segment| segment.len_bytes).sum()
}
