//! What do the manual pages say?

use super::list::print;
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::ExitCode;

/// Print the manual page, or write those of all subcommands to a folder.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  zclab man | man -l -               read the page
  zclab man run | man -l -           read the page of a subcommand
  zclab man --dir ~/.local/share/man/man1")]
pub struct Args {
    /// The subcommand whose page is printed; without it, the program's own. Several words lead to
    /// a subcommand's subcommand.
    #[arg(value_name = "SUBCOMMAND")]
    pub words: Vec<String>,
    /// Write every page to this folder instead, which has to exist.
    #[arg(long, value_name = "DIR", conflicts_with = "words")]
    pub dir: Option<PathBuf>,
}

/// Prints or writes the pages of `command`, which is the whole program.
///
/// # Errors
/// An unknown subcommand; a folder or a standard output that cannot be written.
pub fn run(args: Args, command: clap::Command) -> Result<ExitCode> {
    match &args.dir {
        Some(dir) => clap_mangen::generate_to(command, dir)
            .with_context(|| format!("cannot write manual pages to {}", dir.display()))?,
        None => print(&text(&args, command)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The page of the subcommand that the words name, in roff.
///
/// # Errors
/// An unknown subcommand.
pub fn text(args: &Args, mut command: clap::Command) -> Result<String> {
    // Building fills in the full names of subcommands, which their pages are titled with.
    command.build();
    for word in &args.words {
        let known: Vec<String> =
            command.get_subcommands().map(|one| one.get_name().to_owned()).collect();
        command = match command.find_subcommand(word) {
            Some(found) => found.clone(),
            None => bail!("{word} is no subcommand; expected one of {}", known.join(", ")),
        };
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page).context("cannot render the manual page")?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
