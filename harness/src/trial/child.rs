//! How does the trial child follow its parent's orders?

use super::ingest::IngestWorker;
use super::wire::{Lines, Moved, NoLine, Order, Program, Reply, Spec, Trouble, say};
use super::work::Work;
use super::worker::Worker;
use anyhow::{Context, bail};
use std::io::IsTerminal;
use std::time::Duration;

/// A child without a token waits this long for the next order: others may have cold rounds to run.
const IDLE: Duration = Duration::from_secs(600);

/// Runs a trial: specification and orders on stdin, replies on stdout.
///
/// # Errors
/// Only a broken protocol; trouble with the trial itself is a reply.
pub fn run() -> anyhow::Result<()> {
    if std::io::stdin().is_terminal() {
        bail!("`zclab trial` is a part of a run: `zclab run -v` prints how one is started");
    }
    // Ctrl-C goes to the whole process group; the parent decides what becomes of its children.
    // SAFETY: SIG_IGN installs no handler, so nothing can run in signal context.
    unsafe {
        nix::sys::signal::signal(nix::sys::signal::SIGINT, nix::sys::signal::SigHandler::SigIgn)
    }
    .context("ignoring SIGINT")?;
    super::raise_files_limit();
    let mut orders = Lines::new(std::io::stdin());
    let mut out = std::io::stdout();
    let spec: Spec = orders.next(IDLE).context("reading the trial's specification")?;
    let idle = IDLE + super::limits::idling(&spec);
    let program = Some(Box::new(program(&spec)));
    let opened: Result<Box<dyn Work>, Trouble> = match spec.intake {
        None => Worker::open(spec).map(|worker| Box::new(worker) as Box<dyn Work>),
        Some(intake) => {
            IngestWorker::open(spec, intake).map(|worker| Box::new(worker) as Box<dyn Work>)
        }
    };
    let mut worker = match opened {
        Ok(worker) => worker,
        Err(trouble) => return Ok(say(&mut out, &Reply::Failed(trouble))?),
    };
    let ready = Reply::Ready { setup: worker.setup(), far: worker.far_end(), program };
    say(&mut out, &ready)?;
    loop {
        let order = match orders.next::<Order>(idle) {
            Ok(order) => order,
            Err(NoLine::Closed) => return Ok(()),
            Err(other) => return Err(other.into()),
        };
        let outcome = match order {
            Order::Verify { block, fetches_max } => moved(worker.verify(block, fetches_max)),
            Order::Slice { block, keep } => moved(worker.slice(block, keep)),
            Order::Round { block } => moved(worker.round(block)),
            Order::Count { block, fresh } => moved(worker.count(block, fresh)),
            Order::Vacate => worker.vacate().map(|()| Reply::Done),
            Order::Settle { passes, read_in } => {
                worker.settle(passes, read_in).map(|()| Reply::Done)
            }
            Order::Serve { rate_per_s } => {
                let served = worker.serve(rate_per_s, &mut orders, &mut out)?;
                served.map(|served| Reply::Served(Box::new(served)))
            }
            Order::Stop { .. } => Err(Trouble::failed("told to stop what was never begun")),
            Order::Alias => worker.alias().map(Reply::Aliased),
            Order::Finish => {
                let (histogram, classes) = (worker.histogram(), worker.classes());
                let setup = worker.setup_at_end();
                return Ok(say(&mut out, &Reply::Finished { histogram, classes, setup })?);
            }
        };
        match outcome {
            Ok(reply) => say(&mut out, &reply)?,
            Err(trouble) => return Ok(say(&mut out, &Reply::Failed(trouble))?),
        }
    }
}

fn moved(outcome: Result<Moved, Trouble>) -> Result<Reply, Trouble> {
    outcome.map(|moved| Reply::Moved(Box::new(moved)))
}

fn program(spec: &Spec) -> Program {
    Program {
        revision: env!("ZCLAB_REVISION").to_owned(),
        dirty: env!("ZCLAB_DIRTY") == "true",
        version: env!("CARGO_PKG_VERSION").to_owned(),
        understood: spec.without_batches(),
    }
}
