//! How does the trial child follow its parent's orders?

use super::wire::{Lines, NoLine, Order, Reply, Spec, say};
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
    let mut worker = match Worker::open(spec) {
        Ok(worker) => worker,
        Err(trouble) => return Ok(say(&mut out, &Reply::Failed(trouble))?),
    };
    say(&mut out, &Reply::Ready { setup: worker.setup(), far: worker.far_end() })?;
    loop {
        let order = match orders.next::<Order>(idle) {
            Ok(order) => order,
            Err(NoLine::Closed) => return Ok(()),
            Err(other) => return Err(other.into()),
        };
        let outcome = match order {
            Order::Verify { block, fetches_max } => worker.verify(block, fetches_max),
            Order::Slice { block, keep } => worker.slice(block, keep),
            Order::Round { block } => worker.round(block),
            Order::Count { block, fresh } => worker.count(block, fresh),
            Order::Alias => match worker.alias() {
                Ok(aliased) => {
                    say(&mut out, &Reply::Aliased(aliased))?;
                    continue;
                }
                Err(trouble) => Err(trouble),
            },
            Order::Finish => {
                let (histogram, classes) = worker.histograms();
                let setup = worker.setup_at_end();
                return Ok(say(&mut out, &Reply::Finished { histogram, classes, setup })?);
            }
        };
        match outcome {
            Ok(moved) => say(&mut out, &Reply::Moved(Box::new(moved)))?,
            Err(trouble) => return Ok(say(&mut out, &Reply::Failed(trouble))?),
        }
    }
}
