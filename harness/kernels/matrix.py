"""What does each kernel do with a log's bytes?

Usage: matrix.py ZCLAB OUT [SERIES …]

Boots the newest Debian kernel of each series with the static program ZCLAB, and keeps the records that
the guests leave in OUT, beside `matrix.json`, which names every kernel that was asked for: what it is,
or why it is missing. Two guests run at a time. Kernels that were not asked for this time stay as they
are. Downloads stay in target/kernels. Ends with 1 when a guest failed, or zclab did in it; a kernel that
cannot be had is no failure, but a line that begins with SKIPPED.
"""

import concurrent.futures
import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import guest
import packages

SERIES = ["5.10", "6.1", "6.12", "6.18", "7.3"]
# What is checked on which file system. A device that gathers nothing, and a consumer that keeps nothing,
# do not care where a log lies.
CHECKS = {"ext4": "kernels", "tmpfs": "kernels/catalogue kernels/routes kernels/ingest"}
# Scenarios for every file system instead, when somebody is in a hurry.
if os.environ.get("KERNELS_CHECK"):
    CHECKS = dict.fromkeys(CHECKS, os.environ["KERNELS_CHECK"])
TOOLS = ["qemu-system-x86_64", "busybox", "mke2fs", "apt-get", "dpkg"]
CACHE = pathlib.Path(__file__).resolve().parents[2] / "target/kernels"


def keep(record, path):
    """A record without its samples: their times are those of an emulated machine, and they make half of it."""
    lines = record.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith('{"kind":"sample"')))


def wrong(said):
    """What zclab said, but for what kernels refuse: a line with the cell, and one with the reason."""
    refused = [index for index, line in enumerate(said) if line.startswith("  unsupported: ")]
    return [line for index, line in enumerate(said) if index not in refused and index - 1 not in refused]


def attempt(series, zclab, out, failed):
    """Tries one kernel; its entry for the list. What fails joins the others that did."""
    began, entry = time.monotonic(), {"series": series}
    try:
        missing = [tool for tool in TOOLS if not shutil.which(tool)]
        if missing:
            raise packages.Missing(f"not installed: {', '.join(missing)}")
        what, folder = packages.get(series, CACHE)
        entry |= what
        work = CACHE / "guests" / series
        work.mkdir(parents=True, exist_ok=True)
        try:
            entry["release"], left = guest.boot(folder, work, zclab, CHECKS)
        except guest.Silent as silent:
            # Seldom an emulated processor stands still for good, whatever runs on it: once is no finding.
            print(f"{series}: {silent}\n{series}: once more", flush=True)
            entry["silent"] = str(silent)
            entry["release"], left = guest.boot(folder, work, zclab, CHECKS)
        entry["records"] = []
        for filesystem in CHECKS:
            record = left / f"{filesystem}.jsonl"
            said = (left / f"{filesystem}.txt").read_text(errors="replace").strip().splitlines()
            if not said[-1].endswith("ended with 0"):
                print(f"{series}:", "\n  ".join(wrong(said)), flush=True)
                failed.append(series)
            if not record.exists():
                raise guest.Failed(f"no record on {filesystem}: " + " | ".join(said[-12:]))
            name = f"{series}-{filesystem}.jsonl"
            keep(record, out / name)
            entry["records"].append(name)
        print(f"{series}: {entry['release']}, {time.monotonic() - began:.0f} s", flush=True)
    except packages.Missing as error:
        entry["missing"] = str(error)
        print(f"SKIPPED: kernel {series}: {error}", flush=True)
    except (guest.Failed, OSError, subprocess.SubprocessError) as error:
        entry["missing"] = str(error)
        failed.append(series)
        print(f"{series}: {error}", flush=True)
    return entry


def write(path, by_series):
    order = sorted(by_series, key=lambda series: [int(part) for part in series.split(".")])
    qemu = shutil.which("qemu-system-x86_64")
    matrix = {
        "made_at": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "emulator": packages.run(qemu, "--version").splitlines()[0] if qemu else "nothing",
        "kernels": [by_series[series] for series in order],
    }
    path.write_text(json.dumps(matrix, indent=1) + "\n")


def main(zclab, out, *asked):
    # Where mke2fs lies, which the PATH of others than root may lack.
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    path = out / "matrix.json"
    known = json.loads(path.read_text())["kernels"] if path.exists() else []
    by_series = {entry["series"]: entry for entry in known}
    failed = []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for entry in pool.map(lambda series: attempt(series, zclab, out, failed), asked or SERIES):
            by_series[entry["series"]] = entry
            # After each: what is cut off has a list of what it did.
            write(path, by_series)
    kept = {name for entry in by_series.values() for name in entry.get("records", [])}
    for stale in out.glob("*.jsonl"):
        if stale.name not in kept:
            stale.unlink()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
