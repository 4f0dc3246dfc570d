//! How does a thread for each sink serve consumers, and what do many threads add up to?
//!
//! Each thread has one sink, an engine and a queue of its own, and lives as long as its engine: it
//! is told what to move, fills its queue, says that it is ready, and waits at a gate. Opening the
//! gate starts the slice and the last thread to be done ends it; what each has stamped and counted is
//! handed over afterwards, so that nothing in between allocates.

use super::gate::Gate;
use super::{Drive, DriveError, Stamp, Waits};
use crate::trial::fetches::Block;
use crate::trial::opening::refusal;
use crate::trial::schedule::Schedule;
use crate::trial::wire::Trouble;
use nix::errno::Errno;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use zclab_report::record::Status;
use zclab_strategies::{
    Bytes, Calls, OpenError, Options, Queue, Segment, Setup, Sink, Strategy, transform,
};

/// A thread's stack: engines keep their buffers elsewhere.
const STACK_BYTES: usize = 512 << 10;

/// Threads are waited for no longer than this where they move no bytes.
const SOON: Duration = Duration::from_secs(40);

/// Everything that an engine is opened with, and the way to and from the threads.
struct Shared {
    strategy: &'static dyn Strategy,
    segments: Arc<Vec<Segment>>,
    options: Options,
    fetch_bytes_max: Bytes,
    header_bytes_max: Bytes,
    start: Gate,
    busy: Gate,
    start_ns: AtomicU64,
    patience: Duration,
}

/// What an engine of the crew is opened with.
pub struct Terms<'a> {
    /// How bytes move.
    pub strategy: &'static dyn Strategy,
    /// The log.
    pub segments: &'a Arc<Vec<Segment>>,
    /// Options of the strategy.
    pub options: &'a Options,
    /// The longest payload of a fetch.
    pub fetch_bytes: u64,
    /// The longest header of a fetch.
    pub header_bytes: u64,
    /// What is done to the bytes of each lane.
    pub transform: Option<&'a transform::Factory<'a>>,
    /// How long a slice may take.
    pub patience: Duration,
}

/// The work of one slice, for all threads.
struct Work {
    header: Vec<u8>,
    block: Block,
    schedule: Schedule,
}

enum Order {
    Fill(Arc<Work>),
    HandOver,
    Rest,
}

enum Said {
    Opened(Result<(), OpenError>),
    Ready,
    Done(Box<Done>),
    Rested(Box<Calls>),
}

/// What one thread did in a slice.
struct Done {
    lane: u32,
    stamps: Vec<Stamp>,
    lane_bytes: usize,
    outcome: Result<(), DriveError>,
}

/// A thread for each sink.
pub struct Crew {
    shared: Arc<Shared>,
    orders: Vec<Sender<Order>>,
    heard: Receiver<Said>,
    threads: Vec<JoinHandle<()>>,
    /// Some thread did not come back: nobody waits for it when the crew is dismissed.
    lost: bool,
}

impl Crew {
    /// Starts the threads; each opens its engine.
    ///
    /// # Errors
    /// Why the strategy cannot be opened, or why there are not so many threads.
    pub fn open(terms: &Terms, sinks: &[Sink]) -> Result<Crew, Trouble> {
        let shared = Arc::new(Shared {
            strategy: terms.strategy,
            segments: Arc::clone(terms.segments),
            options: terms.options.clone(),
            fetch_bytes_max: Bytes(terms.fetch_bytes),
            header_bytes_max: Bytes(terms.header_bytes),
            start: Gate::default(),
            busy: Gate::default(),
            start_ns: AtomicU64::new(0),
            patience: terms.patience,
        });
        let (says, heard) = mpsc::channel();
        let (orders, threads) = (Vec::new(), Vec::new());
        let mut crew = Crew { shared, orders, heard, threads, lost: false };
        for (lane, &sink) in sinks.iter().enumerate() {
            let (order, orders) = mpsc::channel();
            let (shared, says) = (Arc::clone(&crew.shared), says.clone());
            let builder = std::thread::Builder::new().stack_size(STACK_BYTES);
            // Made here, since their maker may not leave this thread; used there.
            let made = terms.transform.map(|make| make(lane)).transpose().map_err(refusal)?;
            let post = Post { lane: lane as u32, sink, made: Mutex::new(made) };
            let work = move || serve(&shared, &post, &orders, &says);
            let thread = builder.spawn(work).map_err(|error| too_few(lane, sinks.len(), &error))?;
            crew.orders.push(order);
            crew.threads.push(thread);
        }
        for _ in sinks {
            if let Said::Opened(outcome) = crew.hear()? {
                outcome.map_err(refusal)?;
            }
        }
        Ok(crew)
    }

    /// Fills every thread's queue, and returns when all stand at the gate.
    ///
    /// # Errors
    /// A thread that has gone.
    pub fn fill(
        &mut self,
        header: &[u8],
        block: &Block,
        schedule: &Schedule,
    ) -> Result<(), Trouble> {
        let (header, schedule) = (header.to_vec(), schedule.clone());
        let work = Arc::new(Work { header, block: block.clone(), schedule });
        self.shared.busy.set(self.orders.len() as u32);
        for order in &self.orders {
            order.send(Order::Fill(Arc::clone(&work))).map_err(|_| gone())?;
        }
        for _ in 0..self.orders.len() {
            self.hear()?;
        }
        Ok(())
    }

    /// Opens the gate, and returns when the last thread is done: the timed part.
    ///
    /// # Errors
    /// Threads that were not done in time.
    pub fn run(&mut self, start_ns: u64) -> Result<(), Trouble> {
        self.shared.start_ns.store(start_ns, Ordering::Release);
        self.shared.start.open();
        self.lost = !self.shared.busy.wait_for_zero(self.shared.patience);
        match self.lost {
            false => Ok(()),
            true => Err(Trouble::failed(format!(
                "{} threads were not done in {:?}",
                self.shared.busy.number(),
                self.shared.patience
            ))),
        }
    }

    /// Gathers what the threads have stamped; the memory of their queues.
    ///
    /// # Errors
    /// The first trouble that a thread had, as its drive says it.
    pub fn gather(
        &mut self,
        stamps: &mut Vec<Stamp>,
    ) -> Result<Result<usize, DriveError>, Trouble> {
        for order in &self.orders {
            order.send(Order::HandOver).map_err(|_| gone())?;
        }
        let mut lane_bytes = 0;
        let mut trouble = None;
        for _ in 0..self.orders.len() {
            let Said::Done(done) = self.hear()? else { continue };
            // Each thread has stamped for the only lane that it has.
            stamps.extend(done.stamps.iter().map(|stamp| Stamp { lane: done.lane, ..*stamp }));
            lane_bytes += done.lane_bytes;
            trouble = trouble.or(done.outcome.err());
        }
        Ok(trouble.map_or(Ok(lane_bytes), Err))
    }

    /// Lets each engine come to rest, and adds up what the threads have counted.
    ///
    /// # Errors
    /// A thread that has gone.
    pub fn rest(&mut self, calls: &Calls) -> Result<(), Trouble> {
        for order in &self.orders {
            order.send(Order::Rest).map_err(|_| gone())?;
        }
        for _ in 0..self.orders.len() {
            if let Said::Rested(counted) = self.hear()? {
                calls.add(&counted);
            }
        }
        Ok(())
    }

    fn hear(&mut self) -> Result<Said, Trouble> {
        self.heard.recv_timeout(SOON).map_err(|_| {
            self.lost = true;
            gone()
        })
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        // A thread without orders ends, and its engine with it.
        self.orders.clear();
        if !self.lost {
            self.threads.drain(..).for_each(|thread| drop(thread.join()));
        }
    }
}

fn gone() -> Trouble {
    Trouble::failed(format!("a thread of the sender ended, or said nothing for {SOON:?}"))
}

fn too_few(had: usize, wanted: usize, error: &std::io::Error) -> Trouble {
    let system = std::fs::read_to_string("/proc/sys/kernel/threads-max").unwrap_or_default();
    let message = format!(
        "thread {} of {wanted}: clone: {error}; the system allows {} threads in all \
         (/proc/sys/kernel/threads-max), a cgroup may allow fewer (pids.max), and a user `ulimit -u`",
        had + 1,
        system.trim()
    );
    Trouble { status: Status::Skipped, call: Some("clone".into()), ..Trouble::failed(message) }
}

/// Where one thread stands.
struct Post {
    lane: u32,
    sink: Sink,
    /// What is done to the bytes of its lane, until its engine takes it.
    made: Mutex<Option<Box<dyn transform::Transform>>>,
}

impl Post {
    /// Gives the transform to the engine; there is no second one.
    fn take(&self) -> transform::Made {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner).take();
        made.ok_or(OpenError::failed("taking a lane's transform twice", Errno::EBUSY))
    }
}

/// One thread's life.
fn serve(shared: &Shared, post: &Post, orders: &Receiver<Order>, says: &Sender<Said>) {
    let sinks = [post.sink];
    let make = |_| post.take();
    let transforms = post.made.lock().unwrap_or_else(PoisonError::into_inner).is_some();
    let setup = Setup {
        segments: &shared.segments,
        sinks: &sinks,
        options: &shared.options,
        fetch_bytes_max: shared.fetch_bytes_max,
        header_bytes_max: shared.header_bytes_max,
        transform: if transforms { Some(&make) } else { None },
    };
    let mut engine = match transform::open(shared.strategy, &setup) {
        Ok(engine) => engine,
        Err(error) => return drop(says.send(Said::Opened(Err(error)))),
    };
    // Whoever no longer listens has no more orders either: then this loop ends by itself.
    let _ = says.send(Said::Opened(Ok(())));
    let mut queue = Queue::new(&sinks);
    let mut stamps = Vec::new();
    let mut outcome = Ok(());
    // Kept until it is handed over, so that nothing is freed while others move bytes.
    let mut kept = None;
    while let Ok(order) = orders.recv() {
        match order {
            Order::Fill(work) => {
                let mut schedule = work.schedule.of_lane(post.lane);
                work.block.fill(&mut queue, &work.header, &[0], schedule.holds());
                stamps.reserve(work.block.fetches.len());
                kept = Some(work);
                let closed = shared.start.number();
                let _ = says.send(Said::Ready);
                if !shared.start.wait_while(closed, shared.patience) {
                    return;
                }
                schedule.begin(shared.start_ns.load(Ordering::Acquire));
                let (engine, waits) = (engine.as_mut(), &mut Waits::Poll);
                let (queue, schedule, into) = (&mut queue, &mut schedule, &mut stamps);
                outcome = Drive { engine, queue, schedule, waits, stamps: into }.run();
                shared.busy.arrive();
            }
            Order::HandOver => {
                let (stamps, outcome) =
                    (std::mem::take(&mut stamps), std::mem::replace(&mut outcome, Ok(())));
                let (lane, lane_bytes) = (post.lane, queue.lane_bytes());
                drop(kept.take());
                let done = Done { lane, stamps, lane_bytes, outcome };
                let _ = says.send(Said::Done(Box::new(done)));
            }
            Order::Rest => {
                engine.rest(&queue);
                let calls = Calls::default();
                calls.add(&queue.calls);
                let _ = says.send(Said::Rested(Box::new(calls)));
            }
        }
    }
}
