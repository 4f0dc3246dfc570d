//! How does the parent keep a trial child, and what if that child dies, hangs or talks nonsense?

use crate::ledger::Watched;
use crate::trial::limits;
use crate::trial::sinks::{die_with_parent, io};
use crate::trial::wire::{
    Aliased, FarEnd, Lines, Moved, NoLine, Order, Program, Reply, Served, Spec, Trouble, say,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Nothing that a child does for one order takes longer, but for what its block and its connections
/// may take (`trial::limits`), or it is killed: arranging a cold cache has 5 s for each segment, the
/// receiver 40 s of patience.
pub const ORDER_LIMIT: Duration = Duration::from_secs(120);

/// What the histogram of all fetches is called in the record.
const FETCH_LATENCY: &str = "fetch_latency_ns";

/// What a child says at its end.
#[derive(Debug, Default)]
pub struct Finished {
    /// Encoded latencies by what they are of; none where none was kept.
    pub histograms: Vec<(String, String)>,
    /// What became of the setup.
    pub setup: BTreeMap<String, Value>,
}

/// A trial child: one cell at work in a process of its own.
pub struct TrialChild {
    process: Child,
    limit: Duration,
    orders: ChildStdin,
    replies: Lines<ChildStdout>,
    stderr: File,
    far: FarEnd,
    program: Option<Box<Program>>,
    setup: BTreeMap<String, Value>,
}

impl TrialChild {
    /// Starts a child and gives it its specification; [`ready`](Self::ready) waits until it is open.
    ///
    /// # Errors
    /// The call that failed.
    pub fn spawn(spec: &Spec) -> Result<TrialChild, Trouble> {
        TrialChild::spawn_program(Path::new(crate::trial::SELF), spec)
    }

    /// The same with another build of zclab.
    ///
    /// # Errors
    /// The call that failed.
    pub fn spawn_program(program: &Path, spec: &Spec) -> Result<TrialChild, Trouble> {
        let stderr = tempfile::tempfile().map_err(|e| io("open", "a temporary file", &e))?;
        let for_child = stderr.try_clone().map_err(|e| io("dup", "a temporary file", &e))?;
        let mut command = Command::new(program);
        command.arg("trial").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(for_child);
        die_with_parent(&mut command, nix::unistd::getpid());
        let mut process = command
            .spawn()
            .map_err(|e| io("spawn", &format!("{} trial", program.display()), &e))?;
        let (Some(orders), Some(replies)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Trouble::failed("the child has no pipes"));
        };
        let (replies, far, program) = (Lines::new(replies), FarEnd::default(), None);
        let setup = BTreeMap::new();
        let limit = ORDER_LIMIT + limits::connecting(spec) + limits::block(spec);
        let mut child = TrialChild { process, limit, orders, replies, stderr, far, program, setup };
        if let Err(error) = say(&mut child.orders, spec) {
            return Err(child.obituary(&format!("writing its specification: {error}")));
        }
        Ok(child)
    }

    /// Waits until sinks and engine are open; what was set and read back.
    ///
    /// # Errors
    /// Why they are not, with the cell's status.
    pub fn ready(&mut self) -> Result<BTreeMap<String, Value>, Trouble> {
        match self.reply()? {
            Reply::Ready { setup, far, program } => {
                self.far = far;
                self.program = program;
                self.setup = setup.clone();
                Ok(setup)
            }
            other => Err(self.nonsense(&other)),
        }
    }

    /// Gives an order and waits until the block has moved.
    ///
    /// # Errors
    /// Why it did not.
    pub fn moved(&mut self, order: Order) -> Result<Moved, Trouble> {
        self.order(order)?;
        self.heard()
    }

    /// Has the child make the aliasing probe.
    ///
    /// # Errors
    /// Why it failed. That nothing could be probed is no error.
    pub fn aliased(&mut self) -> Result<Aliased, Trouble> {
        self.order(Order::Alias)?;
        match self.reply()? {
            Reply::Aliased(aliased) => Ok(aliased),
            other => Err(self.nonsense(&other)),
        }
    }

    /// Gives an order that is done when the child says so, and has nothing to tell.
    ///
    /// # Errors
    /// Why it was not done.
    pub fn done(&mut self, order: Order) -> Result<(), Trouble> {
        self.order(order)?;
        match self.reply()? {
            Reply::Done => Ok(()),
            other => Err(self.nonsense(&other)),
        }
    }

    /// Tells a child that serves to stop; how it served.
    ///
    /// # Errors
    /// Why it did not.
    pub fn stopped(&mut self, stretch_ns: (u64, u64)) -> Result<Served, Trouble> {
        self.order(Order::Stop { stretch_ns })?;
        match self.reply()? {
            Reply::Served(served) => Ok(*served),
            other => Err(self.nonsense(&other)),
        }
    }

    /// Gives an order to move a block, and calls `meanwhile` every so often until it has moved.
    ///
    /// # Errors
    /// Why it did not, or what `meanwhile` said.
    pub fn moved_while(
        &mut self,
        order: Order,
        every: Duration,
        mut meanwhile: impl FnMut() -> Result<(), Trouble>,
    ) -> Result<Moved, Trouble> {
        self.order(order)?;
        let begun = Instant::now();
        loop {
            match self.replies.next::<Reply>(every) {
                Err(NoLine::Late(_)) if begun.elapsed() < self.limit => meanwhile()?,
                Ok(Reply::Moved(moved)) => return Ok(*moved),
                Ok(Reply::Failed(trouble)) => return Err(trouble),
                Ok(other) => return Err(self.nonsense(&other)),
                Err(NoLine::Late(_)) => {
                    let message =
                        format!("the child was killed: no answer within {:?}", self.limit);
                    return Err(Trouble::failed(message));
                }
                Err(other) => return Err(self.obituary(&other.to_string())),
            }
        }
    }

    /// Gives an order to move a block, and waits for nothing.
    ///
    /// # Errors
    /// A child that has gone.
    pub fn tell(&mut self, order: Order) -> Result<(), Trouble> {
        self.order(order)
    }

    /// Waits until the block has moved that it was told to move.
    ///
    /// # Errors
    /// Why it did not.
    pub fn heard(&mut self) -> Result<Moved, Trouble> {
        match self.reply()? {
            Reply::Moved(moved) => Ok(*moved),
            other => Err(self.nonsense(&other)),
        }
    }

    /// Ends the child; its latencies and what became of the setup.
    ///
    /// # Errors
    /// Why it did not end well.
    pub fn finish(mut self) -> Result<Finished, Trouble> {
        self.order(Order::Finish)?;
        match self.reply()? {
            Reply::Finished { histogram, classes, setup } => {
                let all = (FETCH_LATENCY.to_owned(), histogram);
                let named = std::iter::once(all).chain(classes);
                let histograms = named.filter(|(_, data)| !data.is_empty()).collect();
                Ok(Finished { histograms, setup })
            }
            other => Err(self.nonsense(&other)),
        }
    }

    fn order(&mut self, order: Order) -> Result<(), Trouble> {
        say(&mut self.orders, &order)
            .map_err(|error| self.obituary(&format!("writing an order: {error}")))
    }

    fn reply(&mut self) -> Result<Reply, Trouble> {
        match self.replies.next::<Reply>(self.limit) {
            Ok(Reply::Failed(trouble)) => Err(trouble),
            Ok(reply) => Ok(reply),
            Err(NoLine::Late(limit)) => {
                Err(Trouble::failed(format!("the child was killed: no answer within {limit:?}")))
            }
            Err(other) => Err(self.obituary(&other.to_string())),
        }
    }

    fn nonsense(&self, reply: &Reply) -> Trouble {
        Trouble::failed(format!("the child answered out of turn: {reply:?}"))
    }

    /// How the child ended, by signal or code, with the last line that it wrote to stderr.
    fn obituary(&mut self, what: &str) -> Trouble {
        let deadline = Instant::now() + Duration::from_secs(2);
        let mut status = None;
        while status.is_none() && Instant::now() < deadline {
            status = self.process.try_wait().ok().flatten();
            std::thread::sleep(Duration::from_millis(5));
        }
        let how = match status {
            Some(status) => match (status.signal(), status.code()) {
                (Some(signal), _) => format!("the child was killed by {}", signal_name(signal)),
                (_, Some(code)) => format!("the child ended with code {code}"),
                _ => format!("the child ended: {status}"),
            },
            None => "the child closed its pipe but lives on".to_owned(),
        };
        let mut words = String::new();
        // Its last words are a help, not a need: without them the trouble is still reported.
        let _ = self.stderr.rewind().and_then(|()| self.stderr.read_to_string(&mut words));
        let last = words.lines().rev().find(|line| !line.trim().is_empty());
        Trouble::failed(match last {
            Some(last) => format!("{how} ({what}): {last}"),
            None => format!("{how} ({what})"),
        })
    }

    /// Whose work to count; known once it is ready.
    #[must_use]
    pub fn watched(&self) -> Watched {
        let FarEnd { receiver, ports, .. } = self.far.clone();
        Watched { sender: self.id(), receiver, ports }
    }

    /// The files that it reads instead of the log's, where it does.
    #[must_use]
    pub fn instead(&self) -> &[(PathBuf, u64)] {
        &self.far.instead
    }

    /// What it set and read back; known once it is ready.
    #[must_use]
    pub fn setup(&self) -> &BTreeMap<String, Value> {
        &self.setup
    }

    /// Who answers, and what it made of the specification; known once it is ready.
    #[must_use]
    pub fn program(&self) -> Option<&Program> {
        self.program.as_deref()
    }

    /// The process id, for tracers and tests.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for TrialChild {
    fn drop(&mut self) {
        // The receiver dies with its parent, the child. A child that has ended is merely reaped.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn signal_name(signal: i32) -> String {
    match nix::sys::signal::Signal::try_from(signal) {
        Ok(signal) => signal.as_str().to_owned(),
        Err(_) => format!("signal {signal}"),
    }
}
