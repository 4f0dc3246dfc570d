//! On what machine did it run, and what does that machine allow?
//!
//! Facts are strings and numbers by name, for the record's first line. One that could not be read says
//! `unavailable: <reason>`; nothing is guessed.

use crate::cache::Device;
use crate::doctor;
use crate::net::ethtool;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

fn read(path: impl AsRef<Path>) -> Result<String, String> {
    doctor::read(path).map_err(|reason| format!("unavailable: {reason}"))
}

fn text(result: Result<String, String>) -> Value {
    Value::String(result.unwrap_or_else(|reason| reason))
}

fn number(result: Result<String, String>) -> Value {
    match result.as_ref().map(|text| text.parse::<u64>()) {
        Ok(Ok(number)) => json!(number),
        _ => text(result),
    }
}

/// The facts that bear on results, for logs that lie under `logs`.
#[must_use]
pub fn facts(logs: &Path) -> BTreeMap<String, Value> {
    let mut facts = BTreeMap::new();
    let mut set = |name: &str, value: Value| facts.insert(name.to_owned(), value);
    // As it was given: where a user's folders lie is nobody's business who reads the record.
    set("logs", json!(logs.display().to_string()));
    set("kernel", text(read("/proc/sys/kernel/osrelease")));
    set("kernel_version", text(read("/proc/sys/kernel/version")));
    set("architecture", json!(std::env::consts::ARCH));
    processor(&mut set);
    memory(&mut set);
    storage(&mut set, logs);
    network(&mut set);
    set("load_average", text(read("/proc/loadavg")));
    let irq_time = irq_time_accounting().map(|on| on.to_string());
    set("irq_time_accounting", text(irq_time.map_err(|why| format!("unavailable: {why}"))));
    set("effective_uid", json!(nix::unistd::geteuid().as_raw()));
    facts
}

fn processor(set: &mut impl FnMut(&str, Value) -> Option<Value>) {
    let kinds = RefreshKind::nothing()
        .with_cpu(CpuRefreshKind::nothing())
        .with_memory(MemoryRefreshKind::everything());
    let system = System::new_with_specifics(kinds);
    set("cpus", json!(system.cpus().len()));
    let model = system.cpus().first().map(|cpu| cpu.brand().to_owned()).unwrap_or_default();
    set("cpu_model", json!(model));
    set("memory_bytes", json!(system.total_memory()));
    set("swap_bytes", json!(system.total_swap()));
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = cpuinfo.lines().find(|line| line.starts_with("flags"));
    set(
        "virtual_machine",
        match flags {
            Some(flags) => json!(flags.split_whitespace().any(|flag| flag == "hypervisor")),
            None => json!("unavailable: /proc/cpuinfo has no flags here"),
        },
    );
    set("llc_bytes", last_level_cache().map_or_else(|reason| json!(reason), |bytes| json!(bytes)));
    let governor = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
    set("governor", text(read(governor)));
    set(
        "clocksource",
        text(read("/sys/devices/system/clocksource/clocksource0/current_clocksource")),
    );
    set("mitigations", json!(mitigations()));
}

fn last_level_cache() -> Result<u64, String> {
    let dir = "/sys/devices/system/cpu/cpu0/cache";
    let entries = std::fs::read_dir(dir).map_err(|e| format!("unavailable: {dir}: {e}"))?;
    let size = |path: &Path| -> Option<u64> {
        let size = read(path.join("size")).ok()?;
        Some(size.strip_suffix('K')?.parse::<u64>().ok()? * 1024)
    };
    let largest = entries.flatten().filter_map(|entry| size(&entry.path())).max();
    largest.ok_or_else(|| format!("unavailable: {dir} has no sizes"))
}

/// Vulnerabilities that are not `Not affected`, with what the kernel does about them.
fn mitigations() -> String {
    let dir = "/sys/devices/system/cpu/vulnerabilities";
    let Ok(entries) = std::fs::read_dir(dir) else { return format!("unavailable: {dir}") };
    let mut rows: Vec<String> = entries
        .flatten()
        .filter_map(|entry| {
            let state = read(entry.path()).ok()?;
            let name = entry.file_name().to_string_lossy().into_owned();
            (state != "Not affected").then(|| format!("{name}: {state}"))
        })
        .collect();
    rows.sort();
    rows.join("; ")
}

fn memory(set: &mut impl FnMut(&str, Value) -> Option<Value>) {
    use nix::sys::resource::{Resource, getrlimit};
    for (name, resource) in [
        ("memlock_limit_bytes", Resource::RLIMIT_MEMLOCK),
        ("files_limit", Resource::RLIMIT_NOFILE),
    ] {
        let value = match getrlimit(resource) {
            Ok((u64::MAX, _)) => json!("unlimited"),
            Ok((soft, _)) => json!(soft),
            Err(errno) => json!(format!("unavailable: getrlimit: {errno}")),
        };
        set(name, value);
    }
    set("pipe_size_limit_bytes", number(read("/proc/sys/fs/pipe-max-size")));
    set("proactive_reclaim", json!(proactive_reclaim()));
    let thp = read("/sys/kernel/mm/transparent_hugepage/enabled");
    set("transparent_hugepages", text(thp));
}

/// Whether a DAMON thread runs, which may reclaim cached pages while memory is free.
fn proactive_reclaim() -> String {
    match doctor::memory::proactive_reclaim() {
        Ok(true) => "a DAMON thread runs (kdamond): cached pages may go at any time".into(),
        Ok(false) => "no DAMON thread".into(),
        Err(reason) => format!("unavailable: {reason}"),
    }
}

fn storage(set: &mut impl FnMut(&str, Value) -> Option<Value>, logs: &Path) {
    match mount_of(logs) {
        Ok((filesystem, options)) => {
            set("filesystem", json!(filesystem));
            set("mount_options", json!(options));
        }
        Err(reason) => {
            set("filesystem", json!(format!("unavailable: {reason}")));
        }
    }
    match Device::under(logs) {
        Ok(device) => {
            let reason = "unavailable: the device has no queue/read_ahead_kb";
            let read_ahead = device.read_ahead_kib();
            set("read_ahead_kib", read_ahead.map_or(json!(reason), |kib| json!(kib)));
            let rotational = read(format!("/sys/class/block/{}/queue/rotational", device.name));
            set("rotational", text(rotational.map(|flag| (flag == "1").to_string())));
            set("device", json!(device.name));
        }
        Err(reason) => {
            set("device", json!(format!("unavailable: {reason}")));
        }
    }
}

/// File system type and mount options of the mount that holds a path, from `/proc/self/mountinfo`.
///
/// # Errors
/// Why the mount cannot be found.
pub(crate) fn mount_of(path: &Path) -> Result<(String, String), String> {
    mount_row(path).map(|row| (row.filesystem, row.options))
}

/// A mount, as the kernel's table has it.
pub(crate) struct Mount {
    /// The type of its file system.
    pub filesystem: String,
    /// What is mounted: a device's node, where it has one.
    pub source: String,
    options: String,
}

/// The mount that holds a path.
///
/// # Errors
/// Why it cannot be found.
pub(crate) fn mount_row(path: &Path) -> Result<Mount, String> {
    let path = std::fs::canonicalize(path)
        .map_err(|error| doctor::failed(&path.display().to_string(), &error))?;
    let table = doctor::read("/proc/self/mountinfo")?;
    let row = |line: &str| -> Option<(usize, Mount)> {
        let (left, right) = line.split_once(" - ")?;
        let left: Vec<&str> = left.split(' ').collect();
        // The kernel writes spaces in paths as \040; such mounts are compared in that form.
        let point = left.get(4)?.replace("\\040", " ");
        path.starts_with(&point).then_some(())?;
        let mut right = right.split(' ').map(str::to_owned);
        let (filesystem, source) = (right.next()?, right.next()?);
        Some((point.len(), Mount { filesystem, source, options: (*left.get(5)?).to_owned() }))
    };
    // Of mounts on the same point the last one is on top.
    let best = table.lines().filter_map(row).max_by_key(|(len, _)| *len);
    best.map(|(_, mount)| mount).ok_or_else(|| format!("no mount holds {}", path.display()))
}

fn network(set: &mut impl FnMut(&str, Value) -> Option<Value>) {
    let ipv4 = "/proc/sys/net/ipv4";
    set("congestion_default", text(read(format!("{ipv4}/tcp_congestion_control"))));
    set("send_buffer_limit_bytes", number(read("/proc/sys/net/core/wmem_max")));
    set("receive_buffer_limit_bytes", number(read("/proc/sys/net/core/rmem_max")));
    for offload in [ethtool::SCATTER_GATHER, ethtool::TX_CHECKSUM] {
        let reason = |errno| json!(format!("unavailable: ioctl(SIOCETHTOOL): {errno}"));
        let name = format!("loopback_{}", offload.name);
        set(&name, ethtool::get("lo", offload).map_or_else(reason, |on| json!(on)));
    }
    set("loopback_mtu", number(read("/sys/class/net/lo/mtu")));
}

/// Whether this kernel is of a version, or a later one, by its release; taken to be where that says
/// nothing of the kind. For claims that documents make of versions, and only for claims.
pub(crate) fn is_at_least(version: (u32, u32)) -> bool {
    let release = doctor::read("/proc/sys/kernel/osrelease").unwrap_or_default();
    is_of(&release, version)
}

fn is_of(release: &str, version: (u32, u32)) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= version,
        _ => true,
    }
}

/// Whether the kernel accounts for softirq time apart, from its configuration.
///
/// # Errors
/// Why the configuration cannot be read.
pub(crate) fn irq_time_accounting() -> Result<bool, String> {
    let release = doctor::read("/proc/sys/kernel/osrelease")?;
    let packed = std::fs::read("/proc/config.gz").ok().and_then(|bytes| {
        let mut text = String::new();
        let mut decoder = flate2::read::GzDecoder::new(&bytes[..]);
        std::io::Read::read_to_string(&mut decoder, &mut text).ok()?;
        Some(text)
    });
    let config = match packed {
        Some(config) => config,
        None => doctor::read(format!("/boot/config-{release}"))
            .map_err(|reason| format!("/proc/config.gz cannot be read, nor {reason}"))?,
    };
    Ok(config.lines().any(|line| line == "CONFIG_IRQ_TIME_ACCOUNTING=y"))
}

/// What the machine lets zclab do: `yes`, or `no: <reason>`, from the probes of `doctor`.
#[must_use]
pub fn capabilities(logs: &Path) -> BTreeMap<String, String> {
    let place = doctor::storage::Place::open(logs);
    let all = [
        ("io_uring", doctor::uring::setup()),
        ("direct_io", doctor::storage::direct_io(&place)),
        ("cachestat", doctor::storage::cachestat(&place)),
        ("process_io", doctor::accounting::process_io()),
        ("pinning", doctor::accounting::pinning()),
    ];
    all.into_iter().map(|(name, row)| (name.to_owned(), row.answer())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_or_say_why_not() {
        let facts = facts(Path::new("."));
        for name in ["kernel", "cpus", "filesystem", "device", "mitigations", "llc_bytes"] {
            assert!(facts.contains_key(name), "{name}");
        }
        assert!(facts["cpus"].as_u64().unwrap() >= 1);
        assert!(!facts["filesystem"].as_str().unwrap().starts_with("unavailable"));
    }

    #[test]
    fn versions_are_compared_by_number() {
        for (release, expected) in [
            ("5.10.0-46-cloud-amd64", false),
            ("5.12.0", true),
            ("5.9-rc1", false),
            ("6.1.0", true),
            ("7.3.4+deb13-cloud-amd64", true),
            ("", true),
        ] {
            assert_eq!(is_of(release, (5, 12)), expected, "{release}");
        }
    }

    #[test]
    fn capabilities_say_yes_or_why_not() {
        for (name, answer) in capabilities(Path::new(".")) {
            assert!(answer == "yes" || answer.starts_with("no: "), "{name}: {answer}");
        }
    }
}
