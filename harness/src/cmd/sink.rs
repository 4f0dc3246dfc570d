//! `zclab sink`: who receives for a run on another host?

use crate::remote::house::House;
use crate::remote::{TOKEN_VARIABLE, listening_at, random, token_of};
use crate::run::interrupt;
use anyhow::Context;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Receive for a run on another host: `zclab run --to HOST:PORT` there
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Where to listen; a port alone is on the loopback address, and only what is written out leaves it
    #[arg(long, value_name = "[HOST:]PORT", default_value = "127.0.0.1:0")]
    listen: String,
    /// File with the token that senders have to show [default: a random one, which is printed]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// End with the first run that was served
    #[arg(long)]
    once: bool,
}

const EXAMPLES: &str = "\
Examples:
  zclab sink --listen 7070                    for senders on this host: a rehearsal
  zclab sink --listen 192.0.2.7:7070          for senders that reach this address
  zclab sink --listen 0.0.0.0:7070 --once     on all addresses, for one run

On the sending host: ZCLAB_TOKEN=... zclab run routes/remote --to 192.0.2.7:7070";

/// Runs the command until Ctrl-C, or until one run has ended.
///
/// # Errors
/// What keeps it from listening.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    interrupt::listen().context("listening for Ctrl-C")?;
    crate::trial::raise_files_limit();
    let address = listening_at(&args.listen)?;
    let token = match &args.token_file {
        Some(file) => token_of(file)?,
        None => random()?,
    };
    let house = House::open(address, token.clone())?;
    let mut out = std::io::stdout();
    writeln!(out, "listening on {}", house.address())?;
    if args.token_file.is_none() {
        writeln!(out, "token: {token} (for the sender's {TOKEN_VARIABLE} or --token-file)")?;
    }
    out.flush()?;
    house.serve(args.once)?;
    Ok(ExitCode::SUCCESS)
}
