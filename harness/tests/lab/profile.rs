//! Does every measured cell get a profile, or the reason why not?

use crate::support::{finish, latest, lines, of_kind, results, scenario, zclab};
use serde_json::Value;
use std::time::Duration;

#[test]
fn cells_have_a_profile_whose_parts_add_up_or_a_reason() {
    let dir = results();
    let names = "\"read-write\", \"sendfile\"";
    let matrix = "fetch = [\"64 KiB\"]\ncache = [\"warm\", \"cold\"]";
    let budget = "launches = 1\nturns = 2\nslice = \"4 MiB\"";
    let file = scenario(dir.path(), "profiled", names, matrix, budget);
    let mut command = zclab();
    command.arg("run").arg(&file).arg("--quiet").arg("--results").arg(dir.path());
    let (output, out, err) = finish(&mut command, Duration::from_secs(120));
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let lines = lines(&latest(dir.path()));
    let profiles = of_kind(&lines, "profile");
    let ok = of_kind(&lines, "cell").into_iter().filter(|cell| cell["status"] == "ok").count();
    assert_eq!(profiles.len(), ok, "one for each measured cell");
    for profile in &profiles {
        adds_up(profile);
    }
    let share = |strategy: &str| {
        let id = format!("profiled/{strategy}/");
        let mut warm = profiles.iter().filter(|one| {
            let cell = one["cell"].as_str().unwrap_or_default();
            cell.contains(&id) && cell.contains("cache=warm")
        });
        let one = warm.next()?;
        let samples = one["samples"].as_f64().filter(|samples| *samples >= 50.0)?;
        (one["kernel_symbols"] == "yes").then_some(())?;
        Some(one["groups"]["copy"].as_f64().unwrap_or(0.0) / samples)
    };
    match (share("read-write"), share("sendfile")) {
        (Some(copying), Some(referring)) => {
            assert!(copying > 0.2 && referring < copying / 2.0, "{copying} {referring}");
        }
        _ => println!("SKIPPED: no samples with names: {}", profiles[0]["reason"]),
    }
}

fn adds_up(profile: &Value) {
    let samples = profile["samples"].as_u64().expect("samples");
    if samples == 0 {
        assert!(profile["reason"].is_string(), "{profile}");
        return;
    }
    let groups = profile["groups"].as_object().expect("groups");
    assert_eq!(groups.values().filter_map(Value::as_u64).sum::<u64>(), samples, "{profile}");
    let folded = profile["folded"].as_str().expect("stacks");
    let counts = folded.lines().filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
    let left_out = profile["left_out"].as_u64().expect("a number");
    assert_eq!(counts.sum::<u64>() + left_out, samples, "{profile}");
    for shown in ["fadvise", "mincore"] {
        assert!(!folded.contains(shown), "the preparation was sampled, too: {folded}");
    }
}
