//! At whose requests is a server watched?
//!
//! A command of the user's may ask the server for work that is the same each time; the watch then
//! lasts as long as the command.

use anyhow::{Context, bail};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// What a server still does for a client that has ended takes less: it closes, and writes its log.
const SETTLE: Duration = Duration::from_millis(100);

/// A command that runs while the server is watched; it is killed when nobody waits for it any more.
pub struct Client {
    name: String,
    child: Child,
    status: Option<ExitStatus>,
}

impl Client {
    /// Starts a command; none when there is none. What it prints goes to standard error, since standard
    /// output is the watch's.
    ///
    /// # Errors
    /// A command that cannot be started.
    pub fn start(command: &[String]) -> anyhow::Result<Option<Client>> {
        let Some((name, arguments)) = command.split_first() else { return Ok(None) };
        let child = Command::new(name)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(std::io::stderr())
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        Ok(Some(Client { name: name.clone(), child, status: None }))
    }

    /// Whether it has ended, and its server has done with it.
    ///
    /// # Errors
    /// waitpid(2) failed.
    pub fn ended(&mut self) -> anyhow::Result<bool> {
        if self.status.is_none() {
            self.status =
                self.child.try_wait().with_context(|| format!("waiting for {}", self.name))?;
            if self.status.is_some() {
                std::thread::sleep(SETTLE);
            }
        }
        Ok(self.status.is_some())
    }

    /// How it ended.
    ///
    /// # Errors
    /// It failed, so that the watch saw less than all of its work.
    pub fn judge(&self) -> anyhow::Result<()> {
        match self.status {
            Some(status) if !status.success() => bail!("{} ended with {status}", self.name),
            _ => Ok(()),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if self.status.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
