//! How does a run go from scenarios to a record?
//!
//! `scenarios → cells → logs → trials (child processes) → run.jsonl`. Everything else (statistics,
//! verdicts, pages, exports) is made from the record, by `zclab report` as well as at the end of a run.

pub mod aliasing;
pub mod capacity;
pub mod cells;
pub mod children;
pub mod claims;
pub mod condition;
pub mod evidence;
pub mod interrupt;
pub mod logs;
pub mod opened;
pub mod turns;
pub mod writer;

use crate::cpus::{Asked, Cpus};
use crate::remote::link::Link;
use crate::scenario::{Budget, Cell, Condition, Scenario};
use crate::trial::wire::Trouble;
use crate::volume::Volumes;
use anyhow::Context;
use cells::Ground;
use condition::{Around, Measure, without};
use evidence::Evidence;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use writer::Writer;
use zclab_report::record::{
    Line, PURPOSE_CHECK, PURPOSE_MEASURE, Resumed, Run, SCHEMA, Status, StrategyFact,
};
use zclab_strategies::{Entry, Family, SinkKind};

/// Where things lie and how much is said.
#[derive(Clone, Debug)]
pub struct Places {
    /// The folder of results: `runs/` and `logs/` lie below it.
    pub results: PathBuf,
    /// Generated and imported logs.
    pub logs: PathBuf,
    /// Where file sinks lie; beside the logs where nothing else was said.
    pub scratch: Option<PathBuf>,
    /// The sink on another host.
    pub to: Option<To>,
    /// Where processes run, and whose memory they take.
    pub cpus: Asked,
    /// No progress on stderr.
    pub quiet: bool,
    /// Print how each child could be started by hand.
    pub verbose: bool,
}

impl Places {
    /// Where file sinks lie.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        self.scratch.as_deref().unwrap_or(&self.logs)
    }
}

/// A sink on another host, as it was named.
#[derive(Clone, Debug)]
pub struct To {
    /// `HOST:PORT`.
    pub address: String,
    /// Where its token is, unless it is in the environment.
    pub token_file: Option<PathBuf>,
}

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Timing, by each scenario's budget.
    Measure,
    /// Every cell once, content-checked: `zclab check`.
    Check,
}

/// What became of a run.
#[derive(Debug)]
pub struct Outcome {
    /// Where the record lies.
    pub record: PathBuf,
    /// How many cells have which status, cells of an earlier part of a resumed run included.
    pub statuses: BTreeMap<Status, usize>,
    /// Cells that were over when a resumed run was taken up.
    pub over_before: usize,
    /// Cells of all scenarios.
    pub planned: usize,
    /// It was ended by a signal.
    pub interrupted: bool,
}

impl Outcome {
    /// 0, 1 (a cell failed), 3 (a condition could not be proven), 2 (interrupted).
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let some = |status| self.statuses.get(&status).is_some_and(|&count| count > 0);
        match () {
            () if self.interrupted => 2,
            () if some(Status::Failed) => 1,
            () if some(Status::Invalid) => 3,
            () => 0,
        }
    }
}

/// Runs scenarios into a new record, or on into one that was cut off.
///
/// # Errors
/// What keeps the run as a whole from going on; trouble with a cell is a row.
pub fn run(
    scenarios: &[Scenario],
    purpose: Purpose,
    places: &Places,
    resume: Option<&Path>,
) -> anyhow::Result<Outcome> {
    let cpus = places.cpus.settle()?;
    interrupt::listen().context("listening for Ctrl-C")?;
    std::fs::create_dir_all(&places.logs)
        .with_context(|| format!("mkdir {}", places.logs.display()))?;
    let link = match &places.to {
        Some(to) => Some(Link::open(&to.address, crate::remote::token(to.token_file.as_deref())?)?),
        None => None,
    };
    let store = logs::Store::new(&places.logs, places.quiet);
    for condition in scenarios.iter().flat_map(|scenario| &scenario.conditions) {
        store.knows(&condition.log)?;
    }
    let evidence = evidence(places.quiet);
    let (mut writer, finished) = match resume {
        Some(path) => taken_up(path)?,
        None => (begun(scenarios, purpose, places, &evidence)?, HashMap::new()),
    };
    let over_before = finished.len();
    let mut statuses = BTreeMap::new();
    for status in finished.values() {
        *statuses.entry(*status).or_default() += 1;
    }
    let mut session = Session {
        places,
        cpus,
        purpose,
        link,
        volumes: Volumes::new(&places.logs, scenarios),
        stores: HashMap::from([(places.logs.clone(), store)]),
        bar: bar(scenarios, purpose, places.quiet),
        finished,
        statuses,
        evidence,
    };
    let outcome = session.scenarios(scenarios, &mut writer);
    session.bar.finish_and_clear();
    let interrupted = interrupt::asked();
    let ended = writer.lines(&[Line::End(writer::end(outcome.is_err()))]);
    outcome?;
    ended?;
    let record = writer.path().to_owned();
    let planned = scenarios.iter().map(|scenario| scenario.cells().count()).sum();
    let statuses = session.statuses;
    Ok(Outcome { record, statuses, over_before, planned, interrupted })
}

/// Begins a record. What all scenarios ask stands at its head, so that it can be resumed from itself.
fn begun(
    scenarios: &[Scenario],
    purpose: Purpose,
    places: &Places,
    evidence: &Evidence,
) -> anyhow::Result<Writer> {
    let run_id = writer::run_id();
    let runs = places.results.join("runs");
    let mut writer = Writer::create(&runs, &run_id, writer::RUN)?;
    if purpose == Purpose::Measure {
        // A check measures nothing: `latest` stays with the newest run.
        writer::point(writer::LATEST, &runs, &run_id)?;
    }
    let fact = |strategy: Entry| StrategyFact {
        name: strategy.name().to_owned(),
        question: strategy.question().to_owned(),
        moves_the_log: strategy.moves_the_log(),
        family: strategy.family().name().to_owned(),
    };
    let mut capabilities = crate::machine::capabilities(&places.logs);
    capabilities.extend(evidence.capabilities());
    writer.lines(&[Line::Run(Box::new(Run {
        schema: SCHEMA,
        run_id,
        purpose: match purpose {
            Purpose::Measure => PURPOSE_MEASURE.to_owned(),
            Purpose::Check => PURPOSE_CHECK.to_owned(),
        },
        started_at: writer::timestamp(),
        revision: env!("ZCLAB_REVISION").to_owned(),
        dirty: env!("ZCLAB_DIRTY") == "true",
        version: env!("CARGO_PKG_VERSION").to_owned(),
        argv: std::env::args().collect(),
        catalogue: Family::ALL.iter().flat_map(|one| one.entries()).map(fact).collect(),
        machine: facts(places),
        capabilities,
    }))])?;
    let asked: Vec<Line> = scenarios.iter().map(|s| Line::Scenario(s.to_record())).collect();
    writer.lines(&asked)?;
    Ok(writer)
}

/// The machine, and where file sinks lie if not beside the logs.
fn facts(places: &Places) -> BTreeMap<String, serde_json::Value> {
    let mut facts = crate::machine::facts(&places.logs);
    if let Some(scratch) = &places.scratch {
        let filesystem = crate::machine::mount_of(scratch).map(|(filesystem, _)| filesystem);
        let filesystem = filesystem.unwrap_or_else(|why| format!("unavailable: {why}"));
        facts.insert("scratch".to_owned(), scratch.display().to_string().into());
        facts.insert("scratch_filesystem".to_owned(), filesystem.into());
    }
    facts.extend(places.cpus.facts());
    facts
}

fn taken_up(path: &Path) -> anyhow::Result<(Writer, HashMap<String, Status>)> {
    let (mut writer, finished) = Writer::resume(path)?;
    let resumed = Resumed { resumed_at: writer::timestamp(), argv: std::env::args().collect() };
    writer.lines(&[Line::Resumed(resumed)])?;
    Ok((writer, finished))
}

/// Everything that outlives one condition.
struct Session<'a> {
    places: &'a Places,
    cpus: Cpus,
    purpose: Purpose,
    link: Option<Link>,
    volumes: Volumes,
    stores: HashMap<PathBuf, logs::Store>,
    bar: ProgressBar,
    finished: HashMap<String, Status>,
    statuses: BTreeMap<Status, usize>,
    evidence: Evidence,
}

impl Session<'_> {
    fn scenarios(&mut self, scenarios: &[Scenario], writer: &mut Writer) -> anyhow::Result<()> {
        for scenario in scenarios {
            for condition in &scenario.conditions {
                if interrupt::asked() {
                    return Ok(());
                }
                self.condition(scenario, condition, writer)?;
            }
        }
        Ok(())
    }

    fn condition(
        &mut self,
        scenario: &Scenario,
        condition: &Condition,
        writer: &mut Writer,
    ) -> anyhow::Result<()> {
        let cells: Vec<Cell> = scenario
            .contenders
            .iter()
            .map(|contender| Cell { scenario, contender, condition })
            .filter(|cell| !self.finished.contains_key(&cell.id()))
            .collect();
        if cells.is_empty() {
            return Ok(());
        }
        let mut write = |lines: &[Line]| writer.lines(lines);
        let place = match self.place(condition) {
            Ok(place) => place,
            Err(trouble) => {
                let ground = self.ground(&self.places.logs);
                let statuses = without(cells, &trouble, &self.evidence, ground, &mut write)?;
                statuses.into_iter().for_each(|s| *self.statuses.entry(s).or_default() += 1);
                return Ok(());
            }
        };
        let quiet = self.places.quiet;
        let store = self.stores.entry(place.clone());
        let ready = store
            .or_insert_with(|| logs::Store::new(&place, quiet))
            .get(&condition.log)
            .with_context(|| format!("the log of scenario {}", scenario.name))?;
        let budget = budget(scenario.budget, self.purpose);
        let bar = self.bar.clone();
        let tick = move |what: &str| {
            bar.set_message(what.to_owned());
            bar.inc(1);
        };
        let around = Around {
            ready,
            ground: Ground {
                scratch: self.places.scratch(),
                beside: &place,
                link: self.link.as_ref(),
                cpus: &self.cpus,
            },
            evidence: &mut self.evidence,
            write: &mut write,
            tick: &tick,
            verbose: self.places.verbose,
        };
        let Some(measure) = Measure::new(cells, budget, around) else { return Ok(()) };
        let statuses = match self.purpose {
            Purpose::Measure => measure.run()?,
            Purpose::Check => measure.check()?,
        };
        for status in statuses.into_iter().flatten() {
            *self.statuses.entry(status).or_default() += 1;
        }
        Ok(())
    }
}

impl Session<'_> {
    fn ground<'a>(&'a self, beside: &'a Path) -> Ground<'a> {
        let link = self.link.as_ref();
        Ground { scratch: self.places.scratch(), beside, link, cpus: &self.cpus }
    }

    /// The folder of a condition's log, unless the condition cannot be made here.
    fn place(&mut self, condition: &Condition) -> Result<PathBuf, Trouble> {
        match (condition.sink, &self.link) {
            (SinkKind::TcpRemote, None) => {
                let why =
                    "it needs a sink on another host: `zclab sink` there, --to HOST:PORT here";
                return Err(Trouble { status: Status::Skipped, ..Trouble::failed(why) });
            }
            (SinkKind::TcpRemote, Some(link)) => {
                link.gone().map_or(Ok(()), |why| Err(Trouble::failed(why)))?;
            }
            _ => {}
        }
        self.volumes.place(condition.filesystem)
    }
}

/// The kernel counters, or one line that says what is missing and how to get it.
fn evidence(quiet: bool) -> Evidence {
    let evidence = Evidence::load();
    if let Some(why) = evidence.refusal().filter(|_| !quiet) {
        eprintln!(
            "zclab: no kernel counters, so no copy is observed ({why}); there are as root, or \
             after `sudo setcap cap_bpf,cap_perfmon+ep` on the program; `zclab doctor` says more"
        );
    }
    evidence
}

/// A check moves every cell once, and no more bytes than it takes to see its fetches through.
fn budget(budget: Budget, purpose: Purpose) -> Budget {
    match purpose {
        Purpose::Measure => budget,
        Purpose::Check => {
            let slice_bytes = budget.slice_bytes.min(2 << 20);
            Budget { launches: 1, turns: 1, slice_bytes, fetches_max: budget.fetches_max.min(256) }
        }
    }
}

/// A bar over all blocks that will be moved; refused cells make it jump, not lie.
fn bar(scenarios: &[Scenario], purpose: Purpose, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let blocks = |scenario: &Scenario| {
        let Budget { launches, turns, .. } = budget(scenario.budget, purpose);
        let cells = (scenario.conditions.len() * scenario.contenders.len()) as u64;
        let per_launch = |condition: &Condition| match condition.cache {
            crate::scenario::Cache::Warm if purpose == Purpose::Measure => u64::from(turns) + 3,
            _ => 4,
        };
        let first = scenario.conditions.first().map_or(4, per_launch);
        // And one child of each cell for the aliasing probe.
        cells * (u64::from(launches) * first + 1)
    };
    let bar = ProgressBar::new(scenarios.iter().map(blocks).sum());
    let style = "[{bar:30}] {percent}% {eta} left  {wide_msg}";
    bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| bar.style()));
    bar
}
