//! Do the routes to another host and into a pipe work, and is nothing left of them?

use crate::support::{finish, latest, lines, of_kind, results, scenario, zclab};
use serde_json::Value;
use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(240);
const SMALL: &str = "launches = 1\nturns = 2\nslice = \"1 MiB\"\nfetches_max = 100";

fn record(subcommand: &str, strategies: &str, matrix: &str) -> Vec<Value> {
    let dir = results();
    let file = scenario(dir.path(), "route", strategies, matrix, SMALL);
    let mut run = zclab();
    run.arg(subcommand).arg(&file).arg("--quiet").arg("--results").arg(dir.path());
    let (output, out, err) = finish(&mut run, LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let record = out.lines().find_map(|line| line.strip_prefix("record: "));
    lines(&record.map_or_else(|| latest(dir.path()), PathBuf::from))
}

/// Whether there is a cell that had to be skipped; says why.
fn skipped(record: &[Value]) -> bool {
    let cell = of_kind(record, "cell").into_iter().find(|cell| cell["status"] == "skipped");
    if let Some(cell) = cell {
        println!("SKIPPED: two hosts: {}", cell["reasons"][0]);
    }
    cell.is_some()
}

#[test]
fn a_run_to_another_host_is_measured_and_its_device_recorded() {
    let matrix = "sink = \"tcp-veth\"\ncache = [\"warm\", \"cold\"]\nconsumers = 3\nmtu = 9000\n\
                  bandwidth = [0, \"200 MB\"]\nsegmentation = \"off\"";
    let record = record("run", "\"read-write\", \"sendfile\"", matrix);
    if skipped(&record) {
        return;
    }
    let cells = of_kind(&record, "cell");
    assert_eq!(cells.len(), 8);
    for cell in cells {
        assert_eq!(cell["status"], "ok", "{cell}");
        let setup = &cell["setup"];
        let bounded = cell["params"]["bandwidth"] != 0;
        assert_eq!(setup["queue"], if bounded { "tbf" } else { "noqueue" }, "{setup}");
        assert_eq!(setup["bandwidth_bytes_per_s"].is_null(), !bounded, "{setup}");
        assert_eq!(setup["mtu_bytes"], 9000, "{setup}");
        for (name, on) in [
            ("scatter_gather", true),
            ("tx_checksum", true),
            ("tcp_segmentation", false),
            ("generic_segmentation", false),
        ] {
            assert_eq!(setup[name], on, "{name}: {setup}");
        }
        assert!(setup["hosts"].as_str().unwrap().starts_with("two network namespaces"), "{setup}");
    }
    let samples = of_kind(&record, "sample");
    let verified = |how: &str| samples.iter().filter(|sample| sample["verified"] == how).count();
    assert!(verified("content") >= 16 && verified("length") >= 8, "{}", samples.len());
    assert_eq!(verified("none"), 0);
}

#[test]
fn a_receiver_on_another_host_may_discard_and_one_of_a_pipe_may_not() {
    let matrix = "sink = [\"tcp-veth\", \"pipe\"]\nreceiver = \"discard\"";
    let record = record("run", "\"read-write\"", matrix);
    let cells = of_kind(&record, "cell");
    assert_eq!(cells[1]["status"], "unsupported", "{}", cells[1]);
    assert!(cells[1]["reasons"][0].as_str().unwrap().contains("MSG_TRUNC"), "{}", cells[1]);
    if !skipped(&record) {
        assert_eq!(cells[0]["status"], "ok", "{}", cells[0]);
    }
}

#[test]
fn every_byte_comes_out_of_pipes_of_any_size() {
    let matrix = "sink = \"pipe\"\nfetch = 4097\nconsumers = [1, 3]\n\
                  socket_buffer = [0, 1]\nwait = [\"auto\", \"sleep\"]";
    let all: Vec<String> =
        zclab_strategies::ALL.iter().map(|one| format!("\"{}\"", one.name())).collect();
    let record = record("check", &all.join(", "), matrix);
    for cell in of_kind(&record, "cell") {
        let expected = ["ok", "unsupported"];
        assert!(expected.contains(&cell["status"].as_str().unwrap()), "{cell}");
        if cell["status"] == "ok" {
            let tiny = cell["params"]["socket_buffer"] == 1;
            assert_eq!(cell["setup"]["pipe_bytes"], if tiny { 4096 } else { 65536 }, "{cell}");
        }
    }
}

#[test]
fn a_parameter_of_a_device_that_is_not_there_is_refused() {
    let matrix = "sink = [\"tcp-loopback\", \"unix-stream\", \"pipe\", \"file\", \"null\"]\n\
                  mtu = [1500, 9000]";
    let record = record("check", "\"read-write\"", matrix);
    for cell in of_kind(&record, "cell") {
        let default = cell["params"]["mtu"] == 1500;
        assert_eq!(cell["status"], if default { "ok" } else { "refused" }, "{cell}");
        let sink = cell["params"]["sink"].as_str().unwrap();
        let reason = cell["reasons"][0].as_str().unwrap_or_default();
        assert!(default || reason.contains(&format!("{sink} has no device")), "{reason}");
        assert!(default || reason.contains("mtu = 9000"), "{reason}");
    }
}

/// Processes that belong to a process, with it.
fn family(parent: i32) -> Vec<i32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let children = text.split_whitespace().filter_map(|pid| pid.parse().ok());
    std::iter::once(parent).chain(children.flat_map(family)).collect()
}

fn network(pid: i32) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/ns/net")).ok()
}

/// Every network namespace that a process, a thread of it or a descriptor is in, or that is mounted.
fn networks() -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let entries = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten();
    for process in entries(Path::new("/proc")) {
        for task in entries(&process.path().join("task")) {
            found.extend(std::fs::read_link(task.path().join("ns/net")));
        }
        for descriptor in entries(&process.path().join("fd")) {
            let link = std::fs::read_link(descriptor.path()).unwrap_or_default();
            found.extend(link.to_str().is_some_and(|l| l.starts_with("net:[")).then_some(link));
        }
        let mounts = std::fs::read_to_string(process.path().join("mountinfo")).unwrap_or_default();
        let names = mounts.split_whitespace().filter(|word| word.starts_with("net:["));
        found.extend(names.map(PathBuf::from));
    }
    found
}

fn devices() -> BTreeSet<String> {
    let all = nix::ifaddrs::getifaddrs().expect("getifaddrs");
    all.map(|one| one.interface_name).collect()
}

#[test]
fn nothing_is_left_of_two_hosts_however_a_run_ends() {
    let dir = results();
    let budget = "launches = 40\nturns = 40\nslice = \"4 MiB\"";
    let matrix = "sink = \"tcp-veth\"";
    let file = scenario(dir.path(), "long", "\"read-write\", \"sendfile\"", matrix, budget);
    let before = devices();
    let mut run = zclab();
    run.arg("run").arg(&file).arg("--quiet").arg("--results").arg(dir.path());
    let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let started = Instant::now();
    loop {
        let text = std::fs::read_to_string(latest(dir.path())).unwrap_or_default();
        if text.contains("\"status\":\"skipped\"") {
            println!("SKIPPED: two hosts of a killed run: {text:.300}");
            run.kill().unwrap();
            run.wait().unwrap();
            return;
        }
        if text.matches("\"pass\":\"timing\"").count() >= 2 {
            break;
        }
        assert!(started.elapsed() < LIMIT, "no samples came");
        std::thread::sleep(Duration::from_millis(10));
    }
    let family = family(run.id() as i32);
    let own = network(std::process::id() as i32);
    let hosts: BTreeSet<PathBuf> = family
        .iter()
        .filter_map(|&pid| network(pid))
        .filter(|net| Some(net) != own.as_ref())
        .collect();
    assert_eq!(hosts.len(), 4, "two hosts for each of two contenders: {hosts:?}");
    assert!(hosts.is_subset(&networks()), "the test sees them");
    assert_eq!(devices(), before, "none of their devices is here");
    run.kill().unwrap();
    run.wait().unwrap();
    let started = Instant::now();
    let alive = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
    };
    while family.iter().any(alive) || !hosts.is_disjoint(&networks()) {
        assert!(started.elapsed() < Duration::from_secs(20), "{family:?} or {hosts:?} live on");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(devices(), before);
}

/// A check of veth as `nobody`, with the program copied to where that user can read it; `around` is put
/// before the command.
fn as_nobody(around: &str) -> Option<Vec<Value>> {
    const NOBODY: u32 = 65534;
    if !nix::unistd::geteuid().is_root() {
        println!("SKIPPED: two hosts of another user: only root can become one");
        return None;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(dir.path(), open).expect("chmod");
    let own = dir.path().join("own");
    std::fs::create_dir(&own).expect("a folder");
    chown(&own, Some(NOBODY), Some(NOBODY)).expect("chown");
    std::fs::create_dir(dir.path().join("root")).expect("a folder");
    let program = dir.path().join("zclab");
    std::fs::copy(env!("CARGO_BIN_EXE_zclab"), &program).expect("a copy");
    let strategies = "\"read-write\", \"sendfile\"";
    let matrix = "sink = [\"tcp-veth\", \"tcp-loopback\"]";
    let file = scenario(&own, "nobody", strategies, matrix, SMALL);
    let at = dir.path().display();
    let command = format!(
        "{} {} check {} --quiet --results {}",
        around.replace("ROOT", &format!("{at}/root")),
        program.display(),
        file.display(),
        own.display()
    );
    // In a mount namespace of its own, so that nothing that is mounted stays.
    let mut shell = Command::new("unshare");
    shell.args(["--mount", "--propagation", "private", "sh", "-ec", &command]);
    let (output, out, err) = finish(&mut shell, LIMIT);
    let Some(record) = out.lines().find_map(|line| line.strip_prefix("record: ")) else {
        println!("SKIPPED: two hosts of another user: {:?}: {out}{err}", output.status);
        return None;
    };
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    Some(lines(Path::new(record)))
}

#[test]
fn who_has_no_privilege_is_told_which_call_was_refused_and_what_helps() {
    // Within another root the kernel refuses namespaces of users (user_namespaces(7)).
    let around = "mount --rbind / ROOT; exec chroot --userspec=65534:65534 ROOT";
    let Some(record) = as_nobody(around) else { return };
    let errors = of_kind(&record, "error");
    assert_eq!(errors.len(), 2, "{errors:?}");
    for error in errors {
        assert_eq!(error["status"], "skipped", "{error}");
        assert_eq!(error["call"], "unshare(CLONE_NEWUSER | CLONE_NEWNET)", "{error}");
        assert_eq!(error["errno"], "EPERM", "{error}");
        let message = error["message"].as_str().unwrap();
        for words in ["unshare(CLONE_NEWNET)", "CAP_NET_ADMIN", "as root", "zclab doctor"] {
            assert!(message.contains(words), "{message}");
        }
    }
    let cells = of_kind(&record, "cell");
    assert_eq!(cells.iter().filter(|cell| cell["status"] == "ok").count(), 2, "loopback works");
}

#[test]
fn a_namespace_of_users_gives_anybody_two_hosts_and_the_record_says_so() {
    let around = "exec setpriv --reuid 65534 --regid 65534 --clear-groups";
    let Some(record) = as_nobody(around) else { return };
    if skipped(&record) {
        return;
    }
    let cells = of_kind(&record, "cell");
    let veth = cells.iter().filter(|cell| cell["params"]["sink"] == "tcp-veth");
    for cell in veth {
        assert_eq!(cell["status"], "ok", "{cell}");
        assert!(cell["setup"]["hosts"].to_string().contains("user namespace"), "{cell}");
    }
    let shared = of_kind(&record, "aliasing").into_iter().filter(|probe| {
        probe["expected"] == "shared" && probe["shared_bytes"] == probe["probed_bytes"]
    });
    assert_eq!(shared.count(), 2, "sendfile on both routes");
}
