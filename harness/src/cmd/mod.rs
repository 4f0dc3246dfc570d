//! Which subcommand does what? One file for each: `Args`, and `run` which gives the exit code.

pub mod check;
pub mod cmp;
pub mod completions;
pub mod doctor;
pub mod export;
pub mod gate;
pub mod gate_power;
pub mod list;
pub mod log;
pub mod man;
pub mod report;
pub mod run;
pub mod show;
pub mod sink;
pub mod teach;
pub mod watch;

use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;

/// Moves a broker log's bytes by interchangeable strategies, counts what it cost, and shows it.
#[derive(Debug, Parser)]
#[command(name = "zclab", version = VERSION, after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Version and origin: `zclab gate` reads them off the programs that it compares.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (revision ", env!("ZCLAB_ORIGIN"), ")");

const EXAMPLES: &str = "\
Examples:
  zclab doctor                    what this machine can do, and how to unlock the rest
  zclab run quick                 the short tour: size, fan-out, access and cache
  zclab check                     every strategy through every shipped condition, content-checked
  zclab show quick/size           what a scenario resolves to
  zclab teach sendfile            what a strategy does, when it wins and when it loses
  zclab cmp results/runs/latest   the table of a run, in the terminal
  zclab gate --base HEAD~1        did it get worse? counts and sender CPU, pass or fail
  zclab log verify DIR            check a Kafka partition's CRCs, offsets and indexes
  zclab watch --port 9092         what a running server does with the bytes it sends (root)

Exit codes: 0 done (unsupported, refused and skipped rows are no failures) · 1 a cell failed, or damage
was found · 2 could not run, or was interrupted · 3 a condition could not be proven";

#[derive(Debug, Subcommand)]
enum Command {
    Doctor(doctor::Args),
    List(list::Args),
    Show(show::Args),
    Teach(teach::Args),
    Check(check::Args),
    Run(run::Args),
    Report(report::Args),
    Cmp(cmp::Args),
    Gate(Box<gate::Args>),
    #[command(hide = true)]
    GatePower(gate_power::Args),
    Log(log::Args),
    Sink(sink::Args),
    Watch(watch::Args),
    Completions(completions::Args),
    Man(man::Args),
    /// One cell in a process of its own: a part of a run.
    #[command(hide = true)]
    Trial,
    /// The far end of a trial's sockets: a part of a trial.
    #[command(hide = true)]
    Receive,
    /// The far end of an ingest trial's socket: a part of a trial.
    #[command(hide = true)]
    Feed,
    /// What appends to a log whose end is followed: a part of a trial.
    #[command(hide = true)]
    Append,
    /// Takes what a sender leaves of its CPU: a part of a trial.
    #[command(hide = true)]
    Canary,
}

/// Runs the subcommand that was asked for.
///
/// # Errors
/// What kept it from running: exit code 2.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Doctor(args) => doctor::run(args),
        Command::List(args) => list::run(args),
        Command::Show(args) => show::run(args),
        Command::Teach(args) => teach::run(args),
        Command::Check(args) => check::run(args),
        Command::Run(args) => run::run(args),
        Command::Report(args) => report::run(args),
        Command::Cmp(args) => cmp::run(args),
        Command::Gate(args) => gate::run(*args),
        Command::GatePower(args) => gate_power::run(args),
        Command::Log(args) => log::run(args),
        Command::Sink(args) => sink::run(args),
        Command::Watch(args) => watch::run(args),
        Command::Completions(args) => completions::run(args, Cli::command()),
        Command::Man(args) => man::run(args, Cli::command()),
        Command::Trial => crate::trial::child::run().map(|()| ExitCode::SUCCESS),
        Command::Receive => crate::trial::receiver::run().map(|()| ExitCode::SUCCESS),
        Command::Canary => crate::trial::canary::run().map(|()| ExitCode::SUCCESS),
        Command::Feed => crate::trial::ingest::feeder::run().map(|()| ExitCode::SUCCESS),
        Command::Append => crate::trial::tail::producer::run().map(|()| ExitCode::SUCCESS),
    }
}
