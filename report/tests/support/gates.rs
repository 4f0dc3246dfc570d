//! Whole gates, one for each thing that a gate can come to.

use super::HOSTILE;
use super::gate::{Gate, Truth};
use serde_json::json;
use zclab_report::gate::record::{Line, Phase};
use zclab_report::record::Status;

/// Two cells, nothing changed.
pub fn passes() -> Gate {
    let mut gate = Gate::default();
    gate.cell("quick/size", "sendfile", &Truth::default());
    gate.cell("quick/size", "read-write", &Truth { ns_per_kib: 210.0, ..Truth::default() });
    gate.end()
}

/// 6 % more in one of two cells, seen again.
pub fn regresses() -> Gate {
    let mut gate = Gate::default();
    let slower = Truth { head: 1.06, confirmation: Some(1.06), ..Truth::default() };
    gate.cell("quick/size", "sendfile", &slower);
    gate.cell("quick/size", "read-write", &Truth { ns_per_kib: 210.0, ..Truth::default() });
    gate.end()
}

/// 6 % more at first, nothing in fresh processes.
pub fn is_not_confirmed() -> Gate {
    let mut gate = Gate::default();
    let once = Truth { head: 1.06, confirmation: Some(1.0), ..Truth::default() };
    gate.cell("quick/size", "sendfile", &once);
    gate.end()
}

/// 6 % more, and nobody has looked again yet.
pub fn awaits_confirmation() -> Gate {
    let mut gate = Gate::default();
    gate.cell("quick/size", "sendfile", &Truth { head: 1.06, ..Truth::default() });
    gate
}

/// 8 % less.
pub fn improves() -> Gate {
    let mut gate = Gate::default();
    gate.cell("quick/size", "sendfile", &Truth { head: 0.92, ..Truth::default() });
    gate.end()
}

/// Launches differ so much that nothing can be said.
pub fn is_too_noisy() -> Gate {
    let mut gate = Gate::default();
    let noisy = Truth { head: 1.02, launch_noise: 0.12, ..Truth::default() };
    gate.cell("quick/size", "sendfile", &noisy);
    gate.end()
}

/// The second copy of the base needs 4 % more than the first.
pub fn cannot_be_trusted() -> Gate {
    let mut gate = Gate::default();
    gate.cell("quick/size", "sendfile", &Truth { control: 1.04, head: 1.04, ..Truth::default() });
    gate.end()
}

/// One more system call for each fetch and one more copy of each byte.
pub fn does_more() -> Gate {
    let mut gate = Gate::default();
    gate.cell("quick/size", "sendfile", &Truth { calls: (1, 2), ..Truth::default() });
    gate.cell("quick/size", "splice", &Truth { copies: (0, 1), ..Truth::default() });
    gate.end()
}

/// One strategy against another in the same program.
pub fn strategies() -> Gate {
    let mut gate = Gate::new("strategies");
    let mut truth = Truth { head: 0.4, calls: (2, 1), copies: (1, 0), ..Truth::default() };
    truth.ns_per_kib = 220.0;
    gate.cell("quick/size", "sendfile", &truth);
    for line in &mut gate.lines {
        if let Line::Counts(counts) = line {
            let strategy =
                if counts.counts["cpu_copied_bytes"] > 0 { "mmap-write" } else { "sendfile" };
            counts.facts.insert("strategy".into(), strategy.into());
        }
    }
    gate.end()
}

/// Against stored counts of another machine: no times.
pub fn baseline() -> Gate {
    let mut gate = Gate::new("baseline");
    let opening = gate.opening();
    opening.timing = "no: the base was captured on another machine (kernel 6.12.1)".into();
    opening.base.label = "results/baseline/two-cores.jsonl".into();
    opening.base.program_sha256 = None;
    opening.base.machine = opening.machine.clone();
    opening.base.machine.insert("kernel".into(), json!("6.12.1"));
    gate.cell("quick/size", "sendfile", &Truth::default());
    gate.lines.retain(|line| !matches!(line, Line::Sample(_)));
    for line in &mut gate.lines {
        if let Line::Cell(cell) = line {
            cell.latencies.clear();
        }
    }
    gate.end()
}

/// 300 launches of 4 turns.
pub fn many_launches() -> Gate {
    let mut gate = Gate::default().sized(300, 4);
    gate.cell("quick/size", "sendfile", &Truth { head: 1.004, ..Truth::default() });
    gate.end()
}

/// Cells that ended otherwise than well, beside one that did not.
pub fn ended_otherwise() -> Gate {
    let mut gate = Gate::default();
    gate.cell("quick/size", "sendfile", &Truth::default());
    let refused = "io_uring_setup: EPERM (seccomp)";
    gate.ended("quick/size", "uring-splice", [Status::Unsupported; 2], refused);
    let broken = "head: splice(pipe, sink) at offset 4096: EPIPE";
    gate.ended("quick/size", "splice", [Status::Ok, Status::Failed], broken);
    gate.ended("quick/size", "direct-write", [Status::Refused, Status::Ok], "base: unknown");
    gate.end()
}

/// Killed in its second cell, while it wrote a line.
pub fn killed() -> String {
    let mut gate = Gate::default();
    gate.cell("quick/size", "sendfile", &Truth::default());
    gate.samples("quick/size/splice/fetch=65536", Phase::First, &Truth::default());
    gate.text() + "{\"kind\":\"sample\",\"cell\":\"quick/si"
}

/// Hostile text wherever text can stand.
pub fn hostile() -> Gate {
    let mut gate = Gate::default().sized(12, 4);
    let opening = gate.opening();
    opening.argv.push(HOSTILE.into());
    for side in [&mut opening.base, &mut opening.head] {
        side.label = HOSTILE.into();
        side.revision = HOSTILE.into();
        side.dirty = true;
    }
    opening.machine.insert(HOSTILE.into(), json!(HOSTILE));
    gate.cell(HOSTILE, HOSTILE, &Truth { calls: (1, 2), ..Truth::default() });
    gate.ended("quick/size", "splice", [Status::Ok, Status::Failed], HOSTILE);
    for line in &mut gate.lines {
        if let Line::Counts(counts) = line {
            counts.counts.insert(format!("calls:{HOSTILE}"), 3);
            counts.facts.insert(HOSTILE.into(), HOSTILE.into());
            counts.gaps.insert(HOSTILE.into(), HOSTILE.into());
        }
    }
    gate.end()
}
