//! What does a running server do with the bytes that it sends?
//!
//! The ledger is attached to the port of a server that somebody else runs. Nothing of the server is
//! touched: tracepoints count what leaves the port and what its processes ask of the kernel, and
//! `/proc` says the rest. Numbers in the kernel only grow; an interval is the difference of two
//! readings.

pub mod client;
pub mod devices;
pub mod diagnosis;
pub mod figures;
pub mod files;
pub mod refusal;
pub mod server;
pub mod show;

use crate::counters::process_cpu;
use crate::ledger::Ledger;
use crate::ledger::counts::Counts;
use crate::run::interrupt;
use anyhow::Context;
use client::Client;
use devices::Device;
use diagnosis::Seen;
use files::Names;
use server::{Process, Traits};
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use zclab_report::watch::{Cost, Moment, Overhead, Watch};

/// How often the server's end and Ctrl-C are looked for.
const STEP: Duration = Duration::from_millis(50);
/// How often new processes of the server are looked for.
const REFRESH: Duration = Duration::from_secs(2);
/// Intervals that are kept for the page; when there are more, two become one.
const KEPT_MAX: usize = 600;

/// Purposes of the ledger's programs that bear on watching.
const PURPOSES: [&str; 8] =
    ["queue", "receive", "cache-fill", "device", "switch", "enter", "leave", "complete"];

/// What to watch, and how to tell.
pub struct Options {
    /// The server's port.
    pub port: u16,
    /// Only this process and its children.
    pub pid: Option<u32>,
    /// Folder of the files that are served.
    pub dir: Option<PathBuf>,
    /// Time between two figures.
    pub interval: Duration,
    /// When it ends.
    pub duration: Option<Duration>,
    /// JSON on standard output.
    pub json: bool,
    /// Where a page goes.
    pub html: Option<PathBuf>,
    /// A command that asks the server for something, and whose end is the watch's; empty for none.
    pub command: Vec<String>,
}

/// Everything that grows, at a moment.
struct Reading {
    at: Instant,
    utc: time::OffsetDateTime,
    counts: Counts,
    cpu_ns: u64,
    read_bytes: Option<u64>,
    cost: BTreeMap<&'static str, (u64, Duration)>,
    own_cpu_ns: u64,
}

/// What a process of the server has cost since it was first seen: where it was then, and where it was
/// when it was last looked at.
#[derive(Clone, Copy, Default)]
struct Meter {
    cpu_ns: (u64, u64),
    read_bytes: Option<(u64, u64)>,
}

struct Session<'a> {
    options: &'a Options,
    ledger: Ledger,
    /// Held as long as the kernel is to take the programs' time.
    timing: Result<OwnedFd, String>,
    only: Option<Process>,
    processes: Vec<Process>,
    meters: BTreeMap<u32, Meter>,
    names: Names,
    traits: Traits,
    devices: Vec<Device>,
    gaps: BTreeMap<String, String>,
}

/// Watches until the time is over, Ctrl-C, or the server's end.
///
/// # Errors
/// Why the server cannot be watched, or what could not be written.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let page = options.html.as_ref().map(|path| {
        let file = std::fs::File::create(path);
        file.with_context(|| format!("creating {}", path.display()))
    });
    let mut page = page.transpose()?;
    let mut session = Session::start(options)?;
    interrupt::listen().context("sigaction")?;
    let first = session.read()?;
    eprintln!(
        "zclab: watching port {}: {}; {}",
        options.port,
        session.who().who(),
        match options.duration {
            Some(time) => format!("for {} s", time.as_secs_f64()),
            None if options.command.is_empty() => "Ctrl-C ends it with the report".to_owned(),
            None => format!("as long as {} runs", options.command.join(" ")),
        }
    );
    let mut client = Client::start(&options.command)?;
    let (mut kept, mut before) = (Vec::new(), None);
    let ended = session.follow(&first, &mut before, &mut kept, client.as_mut())?;
    if let Some(dir) = &options.dir {
        session.names.scan(dir);
    }
    let last = session.read()?;
    session.ledger.detach();
    session.tell(&first, before.as_ref().unwrap_or(&first), &last, &mut kept)?;
    let mut whole = session.stretch("watch", &first, &last);
    whole.ended = Some(ended.to_owned());
    if ended == "server gone" {
        eprintln!("zclab: the processes that served port {} are gone", options.port);
    }
    let mut out = std::io::stdout().lock();
    match options.json {
        true => writeln!(out, "{}", serde_json::to_string(&whole)?)?,
        false => show::report(&mut out, &whole)?,
    }
    out.flush()?;
    if let (Some(file), Some(path)) = (&mut page, &options.html) {
        let command: Vec<String> = std::env::args().collect();
        let html = zclab_report::page::watch(&whole, &kept, &command, env!("CARGO_PKG_VERSION"));
        file.write_all(html.as_bytes()).with_context(|| format!("writing {}", path.display()))?;
        eprintln!("zclab: page: {}", path.display());
    }
    client.map_or(Ok(()), |client| client.judge())
}

impl Session<'_> {
    fn start(options: &Options) -> anyhow::Result<Session<'_>> {
        if let Some(dir) = &options.dir {
            std::fs::read_dir(dir).with_context(|| format!("opening {}", dir.display()))?;
        }
        let (server, only) = refusal::find(options.port, options.pid)?;
        let ledger = Ledger::load().map_err(|why| refusal::no_ledger(&why))?;
        if let Some(why) = ledger.gaps().get("transmit") {
            anyhow::bail!("this kernel shows no packet on its way to a device: {why}");
        }
        let mut gaps: BTreeMap<String, String> = BTreeMap::new();
        for (purpose, why) in ledger.gaps() {
            if PURPOSES.contains(purpose) {
                gaps.insert((*purpose).to_owned(), why.clone());
            }
        }
        refusal::caveats(&server, &mut gaps);
        // Asked first: what runs before that is not timed.
        let timing = aya::sys::enable_stats(aya::sys::Stats::RunTime)
            .map_err(|error| format!("bpf(BPF_ENABLE_STATS): {error}; it needs CAP_SYS_ADMIN"));
        let mut session = Session {
            options,
            ledger,
            timing,
            only,
            processes: Vec::new(),
            meters: BTreeMap::new(),
            names: Names::default(),
            traits: Traits::default(),
            devices: Vec::new(),
            gaps,
        };
        if let Some(dir) = &options.dir {
            session.names.scan(dir);
        }
        session.ledger.attach_to_watch()?;
        let pids: Vec<u32> = server.processes.iter().map(|process| process.pid).collect();
        session.admit(server.processes);
        session.ledger.watch(options.port, &pids)?;
        Ok(session)
    }

    /// Takes processes for the server's.
    fn admit(&mut self, processes: Vec<Process>) {
        for process in processes {
            let (cpu, read) = (process.cpu_ns().unwrap_or(0), process.read_bytes());
            let meter = Meter { cpu_ns: (cpu, cpu), read_bytes: read.map(|read| (read, read)) };
            self.meters.insert(process.pid, meter);
            self.processes.push(process);
        }
    }

    /// Tells of the intervals until the end, whose kind is returned; `before` is the last of them.
    fn follow(
        &mut self,
        first: &Reading,
        before: &mut Option<Reading>,
        kept: &mut Vec<Moment>,
        mut client: Option<&mut Client>,
    ) -> anyhow::Result<&'static str> {
        let deadline = self.options.duration.map(|time| first.at + time);
        let mut due = first.at + self.options.interval;
        let mut refresh = first.at + REFRESH;
        loop {
            let until = deadline.map_or(due, |deadline| deadline.min(due));
            while Instant::now() < until {
                std::thread::sleep(STEP.min(until.saturating_duration_since(Instant::now())));
                if interrupt::asked() {
                    return Ok("interrupted");
                }
                if client.as_mut().map_or(Ok(false), |client| client.ended())? {
                    return Ok("command");
                }
                if !self.processes.iter().any(Process::lives) && !self.look_again()? {
                    return Ok("server gone");
                }
            }
            if deadline.is_some_and(|deadline| deadline <= due) {
                return Ok("duration");
            }
            if Instant::now() >= refresh {
                self.look_again()?;
                refresh = Instant::now() + REFRESH;
            }
            let now = self.read()?;
            self.tell(first, before.as_ref().unwrap_or(first), &now, kept)?;
            *before = Some(now);
            while due <= Instant::now() {
                due += self.options.interval;
            }
        }
    }

    /// Prints the interval between two readings, and keeps what a page draws of it.
    fn tell(
        &self,
        first: &Reading,
        before: &Reading,
        now: &Reading,
        kept: &mut Vec<Moment>,
    ) -> anyhow::Result<()> {
        let interval = self.stretch("interval", before, now);
        let mut out = std::io::stdout().lock();
        if self.options.json {
            writeln!(out, "{}", serde_json::to_string(&interval)?)?;
        } else if out.is_terminal() {
            let whole = self.stretch("watch", first, now);
            show::redraw(&mut out, &whole, &interval)?;
        } else {
            writeln!(out, "{}", show::line(&interval))?;
        }
        kept.push(Moment {
            at_ns: before.at.saturating_duration_since(first.at).as_nanos() as u64,
            duration_ns: interval.duration_ns,
            wire_bytes: interval.wire_bytes,
            parts: interval.parts(),
        });
        if kept.len() > KEPT_MAX {
            thin(kept);
        }
        Ok(out.flush()?)
    }

    /// Looks for new processes of the server; whether any lives.
    fn look_again(&mut self) -> anyhow::Result<bool> {
        let found = server::find(self.options.port, self.only.as_ref());
        let known = |one: &Process| self.processes.contains(one);
        let fresh: Vec<Process> =
            found.processes.into_iter().filter(|process| !known(process)).collect();
        let pids: Vec<u32> = fresh.iter().map(|process| process.pid).collect();
        self.ledger.follow(&pids)?;
        self.admit(fresh);
        Ok(self.processes.iter().any(Process::lives))
    }

    /// Reads everything that grows.
    fn read(&mut self) -> anyhow::Result<Reading> {
        for process in &self.processes {
            let Some(meter) = self.meters.get_mut(&process.pid).filter(|_| process.lives()) else {
                continue;
            };
            if let Some(cpu) = process.cpu_ns() {
                meter.cpu_ns.1 = cpu;
            }
            if let (Some(range), Some(read)) = (&mut meter.read_bytes, process.read_bytes()) {
                range.1 = read;
            }
        }
        let living: Vec<Process> =
            self.processes.iter().filter(|process| process.lives()).cloned().collect();
        self.names.ask(&living);
        if let Some(process) = living.first() {
            self.traits = server::traits(&living, self.options.dir.as_deref());
            match devices::devices(process.pid, self.options.port) {
                Ok(found) => self.keep(found),
                Err(why) => drop(self.gaps.insert("network-devices".to_owned(), why)),
            }
        }
        let grown = |range: (u64, u64)| range.1.saturating_sub(range.0);
        let reads = self.meters.values().map(|meter| meter.read_bytes.map(grown));
        Ok(Reading {
            cpu_ns: self.meters.values().map(|meter| grown(meter.cpu_ns)).sum(),
            read_bytes: reads.sum::<Option<u64>>(),
            cost: self.ledger.cost()?,
            own_cpu_ns: process_cpu().0,
            at: Instant::now(),
            utc: time::OffsetDateTime::now_utc(),
            counts: self.ledger.so_far()?,
        })
    }

    /// A device that once served a connection did so, even when no connection is open now.
    fn keep(&mut self, found: Vec<Device>) {
        let served = |name: &str| self.devices.iter().any(|old| old.name == name && old.serves);
        let found: Vec<Device> = found
            .into_iter()
            .map(|device| Device { serves: device.serves || served(&device.name), ..device })
            .collect();
        self.devices = found;
    }

    /// Who is watched, without figures.
    fn who(&self) -> Watch {
        let processes = self.processes.iter().map(|process| zclab_report::watch::Process {
            pid: process.pid,
            name: process.name.clone(),
        });
        Watch { port: self.options.port, processes: processes.collect(), ..Watch::default() }
    }

    /// The figures between two readings.
    fn stretch(&self, kind: &str, from: &Reading, to: &Reading) -> Watch {
        let counts = figures::since(&to.counts, &from.counts);
        let mut watch = self.who();
        watch.kind = kind.to_owned();
        watch.gaps = self.gaps.clone();
        watch.duration_ns = to.at.saturating_duration_since(from.at).as_nanos() as u64;
        let format = &time::format_description::well_known::Rfc3339;
        watch.started_at = from.utc.format(format).unwrap_or_default();
        let mut seen = Seen {
            counts: &counts,
            queue: !self.gaps.contains_key("queue"),
            calls: !self.gaps.contains_key("enter") && !self.gaps.contains_key("leave"),
            deferred: None,
            traits: &self.traits,
            devices: &self.devices,
        };
        figures::figures(&mut watch, &mut seen, &self.names);
        watch.server_cpu_ns = Some(to.cpu_ns.saturating_sub(from.cpu_ns));
        watch.server_read_bytes =
            to.read_bytes.zip(from.read_bytes).map(|(to, from)| to.saturating_sub(from));
        self.name_gaps(&mut watch);
        watch.overhead = self.overhead(&watch, from, to);
        watch
    }

    fn name_gaps(&self, watch: &mut Watch) {
        let nameless = watch.files.iter().filter(|file| file.path.is_none()).count();
        if nameless > 0 {
            let help = match (&self.options.dir, self.names.cut_off) {
                (None, _) => "--dir names the folder that is served".to_owned(),
                (Some(dir), true) => format!("{} has more files than are looked at", dir.display()),
                (Some(dir), false) => format!(
                    "not in {}, or on overlayfs or btrfs, where stat's numbers are not the kernel's",
                    dir.display()
                ),
            };
            let why = format!("{nameless} have no name, only an inode: {help}");
            watch.gaps.insert("files".to_owned(), why);
        }
        if watch.server_read_bytes.is_none() {
            let why = "/proc/<pid>/io of the server cannot be read".to_owned();
            watch.gaps.insert("server-reads".to_owned(), why);
        }
    }

    fn overhead(&self, watch: &Watch, from: &Reading, to: &Reading) -> Overhead {
        let mut overhead = Overhead {
            reader_cpu_ns: to.own_cpu_ns.saturating_sub(from.own_cpu_ns),
            ..Overhead::default()
        };
        if let Err(why) = &self.timing {
            overhead.unavailable = Some(why.clone());
            return overhead;
        }
        for (name, (runs, time)) in &to.cost {
            let (runs_before, time_before) = from.cost.get(name).copied().unwrap_or_default();
            let cost = Cost {
                runs: runs.saturating_sub(runs_before),
                ns: time.saturating_sub(time_before).as_nanos() as u64,
            };
            if cost.runs > 0 {
                overhead.programs.insert((*name).to_owned(), cost);
            }
        }
        let ns: u64 = overhead.programs.values().map(|cost| cost.ns).sum();
        overhead.programs_ns = Some(ns);
        let mib = watch.wire_bytes as f64 / f64::from(1 << 20);
        overhead.ns_per_mib = (watch.wire_bytes > 0).then(|| ns as f64 / mib);
        overhead.cpu_share = (watch.duration_ns > 0).then(|| ns as f64 / watch.duration_ns as f64);
        overhead
    }
}

/// Makes one interval of two, so that a page has bounded length however long it was watched.
fn thin(kept: &mut Vec<Moment>) {
    let merged = kept.chunks(2).map(|pair| {
        let [one, two] = pair else { return pair[0] };
        let total = one.wire_bytes + two.wire_bytes;
        let of = |moment: &Moment| moment.wire_bytes as f64 / total.max(1) as f64;
        let mut parts = one.parts;
        for (part, other) in parts.iter_mut().zip(two.parts) {
            *part = *part * of(one) + other * of(two);
        }
        let duration_ns = one.duration_ns + two.duration_ns;
        Moment { at_ns: one.at_ns, duration_ns, wire_bytes: total, parts }
    });
    *kept = merged.collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_intervals_keep_bytes_and_time() {
        let moment = |n: u64, share| Moment {
            at_ns: n * 10,
            duration_ns: 10,
            wire_bytes: 100 * n,
            parts: [share, 0.0, 1.0 - share, 0.0, 0.0],
        };
        let mut kept = vec![moment(1, 1.0), moment(3, 0.0), moment(5, 0.5)];
        thin(&mut kept);
        assert_eq!(kept.len(), 2);
        assert_eq!((kept[0].at_ns, kept[0].duration_ns, kept[0].wire_bytes), (10, 20, 400));
        assert!((kept[0].parts[0] - 0.25).abs() < 1e-9 && kept[1] == moment(5, 0.5));
    }
}
