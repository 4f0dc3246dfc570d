//! Does the doctor agree with others who know: the kernel's files, `ip`, `df`, and the run's own record?

use crate::support::{doctor, folder, kernel, row, said};
use std::process::Command;

#[test]
fn limits_are_what_the_kernels_files_say() {
    let rows = doctor(folder().path());
    for (name, path) in [
        ("pipe_max_size", "/proc/sys/fs/pipe-max-size"),
        ("pipe_user_pages_soft", "/proc/sys/fs/pipe-user-pages-soft"),
        ("optmem_max", "/proc/sys/net/core/optmem_max"),
    ] {
        let Some(value) = kernel(path) else { continue };
        let (_, said) = said(&rows, "limits", name);
        let number: String = said.chars().take_while(char::is_ascii_digit).collect();
        assert_eq!(number, value, "{name}: {said}");
    }
    let limits = std::fs::read_to_string("/proc/self/limits").expect("own limits");
    for (name, line) in [("nofile", "Max open files"), ("memlock", "Max locked memory")] {
        let line = limits.lines().find(|l| l.starts_with(line)).expect("a limit");
        let soft = line.split_whitespace().nth(3).expect("a soft limit");
        let (_, said) = said(&rows, "limits", name);
        assert!(said.starts_with(&format!("soft {soft}, hard ")), "{line}: {said}");
    }
}

#[test]
fn congestion_controls_are_those_that_the_kernel_lists() {
    let rows = doctor(folder().path());
    let (_, settable) = said(&rows, "sockets", "congestion_control");
    if let Some(available) = kernel("/proc/sys/net/ipv4/tcp_available_congestion_control") {
        let name = "net.ipv4.tcp_available_congestion_control";
        assert!(settable.ends_with(&format!("{name} = {available}")), "{settable}");
    }
    let (state, value) = said(&rows, "sockets", "congestion_default");
    if let Some(default) = kernel("/proc/sys/net/ipv4/tcp_congestion_control") {
        assert!(value.starts_with(&default), "{value}");
        assert_eq!(state == "partly", default.starts_with("bbr"), "{default}: {state}");
    }
}

#[test]
fn devices_are_those_of_this_namespace_with_their_mtu() {
    let rows = doctor(folder().path());
    let (state, _) = said(&rows, "devices", "lo");
    assert_eq!(state, "yes");
    // /proc/net/dev answers for the namespace of the reader, unlike sysfs.
    let listed = kernel("/proc/net/dev").expect("a list of devices");
    let listed = listed.lines().skip(2).filter_map(|line| line.split_once(':'));
    let listed: Vec<&str> = listed.map(|(name, _)| name.trim()).collect();
    let found = rows.iter().filter(|row| row["group"] == "devices").count();
    assert_eq!(found, listed.len(), "{listed:?}");
    let Ok(links) = Command::new("ip").args(["-o", "link"]).output() else {
        println!("SKIPPED: MTUs by ip: ip is not installed (apt-get install iproute2)");
        return;
    };
    let links = String::from_utf8(links.stdout).expect("text");
    for device in listed {
        let mark = format!(": {device}");
        let link = links.lines().find(|line| {
            let after = line.split_once(&mark).map(|(_, after)| after);
            after.is_some_and(|after| after.starts_with([':', '@']))
        });
        let mut words = link.unwrap_or_else(|| panic!("{device}\n{links}")).split(' ');
        let mtu = words.find(|word| *word == "mtu").and_then(|_| words.next()).expect("an MTU");
        let (_, value) = said(&rows, "devices", device);
        assert!(value.starts_with(&format!("mtu {mtu}, ")), "{device}: {mtu}: {value}");
    }
}

#[test]
fn the_file_system_is_the_one_that_df_names() {
    let dir = folder();
    let rows = doctor(dir.path());
    let group = format!("storage:{}", dir.path().display());
    let (_, value) = said(&rows, &group, "folder");
    match Command::new("df").arg("--output=fstype").arg(dir.path()).output() {
        Ok(listed) if listed.status.success() => {
            let listed = String::from_utf8(listed.stdout).expect("text");
            let name = listed.lines().nth(1).expect("a row below the header").trim();
            assert!(value.starts_with(&format!("{name} (")), "{name}: {value}");
        }
        _ => println!("SKIPPED: the file system's name: df --output is not there (coreutils)"),
    }
    let device = nix::sys::stat::stat(dir.path()).expect("stat").st_dev;
    let device =
        format!("device {}:{}", nix::sys::stat::major(device), nix::sys::stat::minor(device));
    assert!(value.ends_with(&device), "{device}: {value}");
}

#[test]
fn the_ledgers_tracepoints_are_in_the_kernels_types() {
    let rows = doctor(folder().path());
    let (state, value) = said(&rows, "tracepoints", "ledger");
    let Ok(types) = std::fs::read("/sys/kernel/btf/vmlinux") else {
        println!("SKIPPED: tracepoints: the kernel has no BTF (CONFIG_DEBUG_INFO_BTF)");
        return;
    };
    let has = |name: &str| {
        let name = [b"\0btf_trace_", name.as_bytes(), b"\0"].concat();
        types.windows(name.len()).any(|window| window == name)
    };
    for name in ["sched_switch", "sock_send_length", "tcp_sendmsg_locked", "mm_filemap_get_pages"] {
        let missing = value.contains(&format!(":{name}"));
        assert_ne!(has(name), missing, "{name}: {state}: {value}");
    }
}

#[test]
fn a_run_records_the_same_answers() {
    let dir = folder();
    let rows = doctor(dir.path());
    let storage = format!("storage:{}", dir.path().display());
    let recorded = zclab::machine::capabilities(dir.path());
    let names: Vec<&str> = recorded.keys().map(String::as_str).collect();
    assert_eq!(names, ["cachestat", "direct_io", "io_uring", "pinning", "process_io"]);
    for (name, group, in_doctor) in [
        ("cachestat", &*storage, "cachestat"),
        ("direct_io", &*storage, "direct_io"),
        ("io_uring", "io_uring", "setup"),
        ("pinning", "accounting", "pinning"),
        ("process_io", "accounting", "process_io"),
    ] {
        let row = row(&rows, group, in_doctor);
        let value = row["value"].as_str().expect("a value");
        let expected = match row["state"].as_str() {
            Some("yes") => "yes".to_owned(),
            _ => format!("no: {value}"),
        };
        assert_eq!(recorded[name], expected, "{name}");
    }
}
