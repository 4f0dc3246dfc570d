//! Does each of several senders move a part of its own, is a sample the sum of theirs, and is each checked?

use crate::liar::library;
use crate::support::{finish, latest, lines, of_kind, results, scenario, zclab};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(300);

fn command(name: &str, file: &std::path::Path, results: &std::path::Path) -> Command {
    let mut command = zclab();
    command.arg(name).arg(file).arg("--quiet").arg("--results").arg(results);
    command
}

#[test]
fn a_sample_of_senders_is_their_sum() {
    let dir = results();
    let matrix = "senders = [1, 3]\nconsumers = 2";
    let budget = "launches = 2\nturns = 2\nslice = \"1 MiB\"";
    let strategies = "\"read-write\", \"sendfile\"";
    let file = scenario(dir.path(), "senders", strategies, matrix, budget);
    let (output, out, err) = finish(&mut command("run", &file, dir.path()), LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let record = lines(&latest(dir.path()));
    let cells = of_kind(&record, "cell");
    assert_eq!(cells.len(), 4);
    for cell in cells {
        assert_eq!(cell["status"], "ok", "{cell}");
        let senders = cell["params"]["senders"].as_u64().unwrap();
        assert!(cell["cell"].as_str().unwrap().contains(&format!("senders={senders}")), "{cell}");
        let placement = cell["setup"]["placement"].as_str().unwrap();
        assert!(placement.contains("3 senders") || placement.starts_with("each"), "{placement}");
        let samples = of_kind(&record, "sample").into_iter();
        let of: Vec<&Value> = samples.filter(|one| one["cell"] == cell["cell"]).collect();
        let pass = |name: &str| of.iter().filter(|one| one["pass"] == name).collect::<Vec<_>>();
        assert_eq!((pass("timing").len(), pass("verify").len()), (4, 4), "{cell}");
        assert!(pass("verify").iter().all(|one| one["verified"] == "content"), "{cell}");
        for sample in pass("timing") {
            assert_eq!(sample["bytes"], senders << 20, "{sample}");
            assert_eq!(sample["fetches"], senders * 16, "{sample}");
            let spread_ns = sample["readings"]["start_spread_ns"].as_u64().unwrap();
            assert_eq!(spread_ns == 0, senders == 1, "{sample}");
            assert!(spread_ns <= sample["wall_ns"].as_u64().unwrap(), "{sample}");
        }
    }
}

#[test]
fn senders_move_different_parts() {
    let dir = results();
    let budget = "launches = 1\nturns = 1\nslice = \"1 MiB\"";
    let file = scenario(dir.path(), "parts", "\"read-write\"", "senders = 3", budget);
    let mut check = command("check", &file, dir.path());
    let (output, out, err) = finish(check.arg("--verbose"), LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let ranges: BTreeSet<(u64, u64)> = err
        .lines()
        .filter_map(|line| line.split_once("<<< '")?.1.split_once("' (batches"))
        .filter_map(|(spec, _)| serde_json::from_str::<Value>(spec).ok())
        .filter_map(|spec| {
            let range = &spec["range_bytes"];
            Some((range[0].as_u64()?, range[1].as_u64()?))
        })
        .collect();
    let ranges: Vec<_> = ranges.into_iter().collect();
    assert_eq!(ranges.len(), 3, "{err}");
    assert_eq!(ranges[0].0, 0);
    assert!(ranges.windows(2).all(|pair| pair[0].1 == pair[1].0), "they abut: {ranges:?}");
}

/// Makes the sender whose turn it is in being started flip a byte of what it sends.
const FLIPS: &str = "
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>
static int lies;
__attribute__((constructor)) static void begin(void) {
    char line[64] = {0}, name[4096];
    int fd = open(\"/proc/self/cmdline\", O_RDONLY);
    ssize_t got = read(fd, line, sizeof line - 1);
    close(fd);
    if (got < 1 || strcmp(line + strlen(line) + 1, \"trial\")) return;
    for (int turn = 0; turn < 64; turn++) {
        snprintf(name, sizeof name, \"%s/turn.%d\", getenv(\"LIAR_DIR\"), turn);
        fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0600);
        if (fd < 0) continue;
        close(fd);
        lies = turn == atoi(getenv(\"LIAR_TURN\"));
        return;
    }
}
ssize_t send(int to, const void *from, size_t len, int flags) {
    static ssize_t (*real)(int, const void *, size_t, int);
    if (!real) real = dlsym(RTLD_NEXT, \"send\");
    if (lies && len > 4096) ((char *)from)[4095] ^= 1;
    return real(to, from, len, flags);
}
";

#[test]
fn whichever_sender_sends_a_wrong_byte_the_cell_fails() {
    for turn in 0..3 {
        let dir = results();
        let budget = "launches = 1\nturns = 1\nslice = \"1 MiB\"";
        let file = scenario(dir.path(), "lies", "\"read-write\"", "senders = 3", budget);
        let Some(library) = library(dir.path(), FLIPS) else { return };
        let mut check = command("check", &file, dir.path());
        check.env("LD_PRELOAD", library).env("LIAR_DIR", dir.path());
        check.env("LIAR_TURN", turn.to_string());
        let (output, out, err) = finish(&mut check, LIMIT);
        assert_eq!(output.status.code(), Some(1), "sender {turn}: {out}{err}");
        assert!(out.contains("0 of 1 cells ok") && out.contains("wrong bytes at"), "{out}{err}");
    }
}

#[test]
fn a_part_that_holds_no_fetch_is_a_row() {
    let dir = results();
    let matrix = "senders = [1, 8]\nfetch = \"2 MiB\"";
    let budget = "launches = 1\nturns = 1\nslice = \"2 MiB\"";
    let file = scenario(dir.path(), "parts", "\"sendfile\", \"read-write\"", matrix, budget);
    let (output, out, err) = finish(&mut command("check", &file, dir.path()), LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    assert!(out.contains("2 of 4 cells ok") && out.contains("each of 8 senders has"), "{out}");
}
