//! How does a shell complete the program's words?

use super::list::print;
use anyhow::Result;
use clap_complete::Shell;
use std::process::ExitCode;

/// Print the completion script of a shell.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  zclab completions bash > ~/.local/share/bash-completion/completions/zclab
  zclab completions zsh  > \"${fpath[1]}/_zclab\"
  zclab completions fish > ~/.config/fish/completions/zclab.fish")]
pub struct Args {
    /// Which shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Prints the script for `command`, which is the whole program.
///
/// # Errors
/// Standard output that cannot be written.
pub fn run(args: Args, command: clap::Command) -> Result<ExitCode> {
    print(&text(&args, command))?;
    Ok(ExitCode::SUCCESS)
}

/// The script, as it is printed.
#[must_use]
pub fn text(args: &Args, mut command: clap::Command) -> String {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
