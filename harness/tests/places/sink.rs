//! How do these tests get a `zclab sink`, here or in a network namespace of its own?

use crate::lab::zclab;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// A sink that runs; ended with its test.
pub struct Sink {
    pub process: Child,
    lines: BufReader<ChildStdout>,
    pub address: String,
    pub token: String,
}

impl Sink {
    /// On the loopback address of this host.
    pub fn start(arguments: &[&str]) -> Sink {
        let mut command = zclab();
        command.args(["sink", "--listen", "127.0.0.1:0"]).args(arguments);
        Sink::of(command)
    }

    /// By a command of one's own.
    pub fn of(mut command: Command) -> Sink {
        let mut process =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a sink");
        let mut lines = BufReader::new(process.stdout.take().expect("its output"));
        let mut word = |before: &str| {
            let mut line = String::new();
            lines.read_line(&mut line).expect("a line of the sink");
            let rest = line.strip_prefix(before).unwrap_or_else(|| panic!("{before}: {line}"));
            rest.split_whitespace().next().expect("a word").to_owned()
        };
        let (address, token) = (word("listening on "), word("token: "));
        Sink { process, lines, address, token }
    }

    /// A run to this sink, which has its token.
    pub fn sender(&self, command: &str) -> Command {
        let mut run = zclab();
        run.args([command, "--quiet", "--to", &self.address]).env("ZCLAB_TOKEN", &self.token);
        run
    }

    /// The next line that it prints.
    pub fn says(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a line of the sink");
        line
    }

    /// Its exit code, and what it said on standard error, within a bound.
    pub fn ended(mut self) -> (Option<i32>, String) {
        let code = soon("the sink ends", || self.process.try_wait().expect("wait")).code();
        let mut stderr = self.process.stderr.take().expect("its standard error");
        let mut words = String::new();
        std::io::Read::read_to_string(&mut stderr, &mut words).expect("a text");
        (code, words)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// On a busy machine the last packets of a cell may leave after its window has closed. The ledger then
/// says how many bytes were seen, and the cell is unobserved. So few cells of a check may be so.
pub const HIDDEN_MAX: usize = 4;

/// Whether a ledger says that packets were hidden in that way.
pub fn hidden(ledger: &serde_json::Value) -> bool {
    let reason = ledger["reason"].as_str().unwrap_or_default();
    ledger["agreement"] == "unobserved" && reason.contains("bytes were seen")
}

/// Waits until there is an answer, within a bound.
pub fn soon<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A process in a network namespace of its own, joined to this one by a veth pair: its end here is
/// `near`, of 198.18.R.1, the other one of 198.18.R.2. Devices and namespace go with the process.
pub struct OtherHost {
    holder: Child,
    pub near: String,
    pub address: String,
}

impl OtherHost {
    /// Nothing, with a line, where it cannot be made.
    pub fn make(what: &str, round: u8) -> Option<OtherHost> {
        let near = format!("zcr{}", std::process::id() % 100_000 * 10 + u32::from(round));
        let mut command = Command::new("sleep");
        command.arg("600");
        let apart = || {
            nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
            Ok(nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)?)
        };
        // SAFETY: between fork and exec the closure makes only prctl and unshare calls.
        unsafe { command.pre_exec(apart) };
        let holder = match command.spawn() {
            Ok(holder) => holder,
            Err(error) => {
                println!("SKIPPED: {what}: a network namespace: {error}");
                return None;
            }
        };
        let (id, net) = (holder.id(), format!("198.18.{round}"));
        let host = OtherHost { holder, near, address: format!("{net}.2") };
        let near = &host.near;
        let commands = format!(
            "ip link add {near} type veth peer name far netns {id}; \
             ip addr add {net}.1/24 dev {near}; \
             ip link set {near} up; nsenter -t {id} -n ip addr add {net}.2/24 dev far; \
             nsenter -t {id} -n ip link set far up"
        );
        let made = Command::new("sh").args(["-ec", &commands]).output().expect("a shell");
        if !made.status.success() {
            println!("SKIPPED: {what}: {}", String::from_utf8_lossy(&made.stderr).trim());
            return None;
        }
        Some(host)
    }

    /// A sink there.
    pub fn sink(&self) -> Sink {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.holder.id().to_string(), "-n"]).arg(env!("CARGO_BIN_EXE_zclab"));
        command.args(["sink", "--once", "--listen", &format!("{}:0", self.address)]);
        Sink::of(command)
    }
}

impl Drop for OtherHost {
    fn drop(&mut self) {
        // The near end goes with the far one, which goes with the namespace; sooner is better.
        let _ = Command::new("ip").args(["link", "del", &self.near]).output();
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
