//! What does a sender leave of its CPU to others?
//!
//! A canary computes `exp(ln x)` again and again and counts how often. It is a process of its own, so
//! that its CPU time is nobody else's, pinned to the sender's CPU, in the class `SCHED_IDLE` (sched(7)):
//! it runs when nobody else there wants to, and gives way at once to a sender that wakes up. What it
//! gets done is what is left: less than what the sender's CPU clock leaves, by whatever interrupts, the
//! kernel's threads, switches and cold caches take without being billed to the sender.
//!
//! How fast it works undisturbed is measured before every slice: the sender sleeps for a moment, while
//! the receiver waits as it will. That speed is work by the canary's own CPU clock, so that it is the same
//! where somebody else keeps the CPU busy; what such a one took of the moment is said, too. The idea is mmapbench's (Crotty, Leis and Pavlo, "Are You Sure
//! You Want to Use MMAP in Your Database Management System?", CIDR 2022), whose canary has a core of its
//! own. Here that of the sender is what others could use, at a fixed rate: at full speed it has nothing
//! to leave.
//!
//! It counts in memory that both processes have mapped, and does not run while the sender reads it.

use super::SELF;
use super::sinks::{PATIENCE, die_with_parent, io};
use super::wire::{Lines, NoLine, Trouble, say};
use crate::counters::{now, read_clock};
use crate::cpus::{Numbers, keep_to};
use anyhow::{Context, bail};
use memmap2::{MmapOptions, MmapRaw};
use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::io::IsTerminal;
use std::os::fd::{AsRawFd, RawFd};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// So long the canary has the CPU to itself before each slice.
pub const CONTROL: Duration = Duration::from_millis(50);

/// One unit of work is so many exponentials: about a microsecond, so that counting costs nothing.
const UNIT: u32 = 64;

/// How long it waits for an order beyond what others' blocks may take, as any child does.
const IDLE: Duration = Duration::from_secs(600);

/// The memory that both processes have mapped, and where in it what lies: each in a cache line of its own.
const BOARD_BYTES: usize = 4096;
const WORK_AT: usize = 0;
const STOP_AT: usize = 128;

/// What the canary is told first.
#[derive(Debug, Serialize, Deserialize)]
struct CanarySpec {
    cpu: usize,
    /// The memory that counts: a descriptor that it inherits.
    board: RawFd,
    /// How long others' blocks may take.
    idling_ms: u64,
}

/// What it is told to do: work until the board says stop.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Ask {
    Work,
}

/// What it says.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Said {
    /// It is pinned, and in this class of the scheduler, as read back.
    Ready(String),
    Works,
    Rests,
    Failed(String),
}

/// What a canary has done by a moment, or did in a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// The monotonic clock, or how long the stretch was.
    pub wall_ns: u64,
    /// CPU time of the canary.
    pub cpu_ns: u64,
    /// Units of work.
    pub work: u64,
}

impl Done {
    /// What was done between two moments.
    #[must_use]
    pub fn since(self, begin: Done) -> Done {
        Done {
            wall_ns: self.wall_ns.saturating_sub(begin.wall_ns),
            cpu_ns: self.cpu_ns.saturating_sub(begin.cpu_ns),
            work: self.work.saturating_sub(begin.work),
        }
    }
}

/// The memory that counts.
struct Board(MmapRaw);

impl Board {
    fn map(descriptor: RawFd) -> Result<Board, std::io::Error> {
        MmapOptions::new().len(BOARD_BYTES).map_raw(descriptor).map(Board)
    }

    fn word(&self, at_bytes: usize) -> &AtomicU64 {
        let word = self.0.as_mut_ptr().wrapping_add(at_bytes).cast::<u64>();
        // SAFETY: the word is aligned and lies in the page that `self` has mapped for longer than the
        // reference lives; here and in the other process it is touched by atomic operations alone.
        unsafe { AtomicU64::from_ptr(word) }
    }
}

/// A canary as the sender has it; ended when this is dropped.
pub struct Canary {
    process: Child,
    orders: ChildStdin,
    answers: Lines<ChildStdout>,
    board: Board,
    clock: ClockId,
    /// Its class of the scheduler.
    pub class: String,
    /// What it did beside the sleeping sender, while it works.
    control: Option<Done>,
}

impl Drop for Canary {
    fn drop(&mut self) {
        // It may have gone already; either way it is not left behind.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Canary {
    /// Starts one beside a sender on this CPU; it does nothing yet.
    ///
    /// # Errors
    /// The call that failed.
    pub fn start(cpu: usize, idling: Duration) -> Result<Canary, Trouble> {
        let failed = |call| move |errno: Errno| Trouble::call(call, "the canary's memory", errno);
        // Without close-on-exec: the canary, started next, is to inherit it.
        let memory =
            memfd_create(c"zclab-canary", MFdFlags::empty()).map_err(failed("memfd_create"))?;
        nix::unistd::ftruncate(&memory, BOARD_BYTES as i64).map_err(failed("ftruncate"))?;
        let board = memory.as_raw_fd();
        let mapped = Board::map(board).map_err(|e| io("mmap", "the canary's memory", &e))?;
        let mut command = Command::new(SELF);
        command.arg("canary").stdin(Stdio::piped()).stdout(Stdio::piped());
        die_with_parent(&mut command, nix::unistd::getpid());
        let mut process = command.spawn().map_err(|e| io("spawn", "the canary", &e))?;
        let (Some(orders), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Trouble::failed("the canary has no pipes"));
        };
        let clock = clock_getcpuclockid(Pid::from_raw(process.id() as i32))
            .map_err(|errno| Trouble::call("clock_getcpuclockid", "the canary", errno))?;
        let answers = Lines::new(answers);
        let (class, control) = (String::new(), None);
        let mut canary = Canary { process, orders, answers, board: mapped, clock, class, control };
        canary.tell(&CanarySpec { cpu, board, idling_ms: idling.as_millis() as u64 })?;
        match canary.hear()? {
            Said::Ready(class) => {
                canary.class = class;
                Ok(canary)
            }
            other => Err(Trouble::failed(format!("the canary said {other:?} first"))),
        }
    }

    /// Lets it work, and sees what it does while this process sleeps.
    ///
    /// # Errors
    /// A canary that has gone, or gets no CPU at all.
    pub fn begin(&mut self) -> Result<(), Trouble> {
        self.board.word(STOP_AT).store(0, Ordering::Relaxed);
        self.tell(&Ask::Work)?;
        self.expect(&Said::Works)?;
        let begin = self.done();
        std::thread::sleep(CONTROL);
        self.control = Some(self.done().since(begin));
        Ok(())
    }

    /// What it has done by now, and what it did beside the sleeping sender; nothing while it rests.
    #[must_use]
    pub fn at_work(&self) -> Option<(Done, Done)> {
        self.control.map(|control| (self.done(), control))
    }

    /// Lets it rest.
    ///
    /// # Errors
    /// A canary that has gone.
    pub fn end(&mut self) -> Result<(), Trouble> {
        if self.control.take().is_none() {
            return Ok(());
        }
        self.board.word(STOP_AT).store(1, Ordering::Relaxed);
        self.expect(&Said::Rests)
    }

    fn done(&self) -> Done {
        Done {
            wall_ns: now().0,
            // The clock of a canary that has gone cannot be read: `end` says so, and nothing is kept.
            cpu_ns: read_clock(self.clock).0,
            work: self.board.word(WORK_AT).load(Ordering::Relaxed),
        }
    }

    fn tell<T: Serialize>(&mut self, message: &T) -> Result<(), Trouble> {
        say(&mut self.orders, message).map_err(|e| io("write", "the canary's pipe", &e))
    }

    fn hear(&mut self) -> Result<Said, Trouble> {
        match self.answers.next(PATIENCE) {
            Ok(Said::Failed(why)) => Err(Trouble::failed(format!("the canary: {why}"))),
            Ok(said) => Ok(said),
            Err(NoLine::Closed) => Err(Trouble::failed("the canary ended before its time")),
            Err(other) => Err(Trouble::failed(format!("the canary: {other}"))),
        }
    }

    fn expect(&mut self, what: &Said) -> Result<(), Trouble> {
        let said = self.hear()?;
        (said == *what)
            .then_some(())
            .ok_or_else(|| Trouble::failed(format!("the canary said {said:?}, not {what:?}")))
    }
}

/// Runs a canary: specification and orders on stdin, answers on stdout.
///
/// # Errors
/// Only a broken protocol; what could not be set up is an answer.
pub fn run() -> anyhow::Result<()> {
    if std::io::stdin().is_terminal() {
        bail!("`zclab canary` is a part of a trial and is started by it");
    }
    let mut orders = Lines::new(std::io::stdin());
    let mut out = std::io::stdout();
    let spec: CanarySpec = orders.next(IDLE).context("reading the canary's specification")?;
    let (board, class) = match settle(&spec) {
        Ok(settled) => settled,
        Err(error) => return Ok(say(&mut out, &Said::Failed(format!("{error:#}")))?),
    };
    say(&mut out, &Said::Ready(class))?;
    let idle = IDLE + Duration::from_millis(spec.idling_ms);
    let mut total: u64 = 0;
    // The sender closes the pipe when it is done: that is the end, not an error.
    while let Ok(Ask::Work) = orders.next::<Ask>(idle) {
        say(&mut out, &Said::Works)?;
        while board.word(STOP_AT).load(Ordering::Relaxed) == 0 {
            work();
            total += 1;
            board.word(WORK_AT).store(total, Ordering::Relaxed);
        }
        say(&mut out, &Said::Rests)?;
    }
    Ok(())
}

/// Maps the board, and takes its place behind everybody else on the sender's CPU.
fn settle(spec: &CanarySpec) -> anyhow::Result<(Board, String)> {
    let board = Board::map(spec.board).context("mmap of the canary's memory")?;
    keep_to(&Numbers::one(spec.cpu))?;
    let none = libc::sched_param { sched_priority: 0 };
    // SAFETY: `none` lives on this stack frame for the whole call, which only reads it.
    let answer = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const none) };
    Errno::result(answer).context("sched_setscheduler(SCHED_IDLE)")?;
    // SAFETY: takes an integer and returns one.
    let class = unsafe { libc::sched_getscheduler(0) };
    let class = match Errno::result(class).context("sched_getscheduler")? {
        libc::SCHED_IDLE => "SCHED_IDLE".to_owned(),
        other => bail!("the kernel put the canary into class {other}, not SCHED_IDLE"),
    };
    Ok((board, class))
}

/// One unit of work, in registers alone: what it loses to others is time, not its own misses.
fn work() {
    let mut x = std::hint::black_box(1.5f64);
    for _ in 0..UNIT {
        x = x.ln().exp();
    }
    std::hint::black_box(x);
}
