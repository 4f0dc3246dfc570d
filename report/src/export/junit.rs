//! How does a CI system show it as a test report?
//!
//! JUnit XML as the schema of Jenkins' xUnit plugin (`junit-10.xsd`) has it: no attribute and no element
//! that it does not know. A suite for each scenario, a case for each check. What nothing can be said
//! about is `skipped` with its reason; a measurement that cannot be trusted is an `error`, a
//! regression or a failed cell a `failure`.

use super::Suite;
use super::suite::{Case, Check, Outcome};

pub(super) fn write(suite: &Suite) -> String {
    let cases: Vec<&Case> = suite.cases.iter().collect();
    let what = suite.conclusion.as_ref().map_or("zclab run", |_| "zclab gate");
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    out += &format!(
        "<testsuites name=\"{what}\" {}>\n",
        counts(&cases, &[Outcome::Failed, Outcome::Errored])
    );
    for scenario in suite.scenarios() {
        let own: Vec<&Case> = cases.iter().copied().filter(|c| c.scenario == scenario).collect();
        let all = [Outcome::Failed, Outcome::Errored, Outcome::Skipped];
        out += &format!("  <testsuite name=\"{}\" {}>\n", escaped(scenario), counts(&own, &all));
        out += &properties(suite);
        for case in own {
            out += &checks(suite, case);
        }
        out += "  </testsuite>\n";
    }
    out + "</testsuites>\n"
}

/// `tests="3" failures="1" errors="0" skipped="0" time="1.250"`.
fn counts(cases: &[&Case], outcomes: &[Outcome]) -> String {
    let checks = || cases.iter().flat_map(|case| &case.checks);
    let mut out = format!("tests=\"{}\"", checks().count());
    for outcome in outcomes {
        let name = match outcome {
            Outcome::Failed => "failures",
            Outcome::Errored => "errors",
            _ => "skipped",
        };
        let count = checks().filter(|check| check.outcome == *outcome).count();
        out += &format!(" {name}=\"{count}\"");
    }
    let seconds = cases.iter().fold(0.0, |sum, case| sum + seconds(case));
    out + &format!(" time=\"{seconds:.3}\"")
}

/// Timed seconds of all arms.
fn seconds(case: &Case) -> f64 {
    let slices = case.measured.values().flat_map(|measured| &measured.slices);
    // The sum of no numbers is −0.
    slices.fold(0.0, |sum, slice| sum + slice.wall_ns as f64 / 1e9)
}

fn properties(suite: &Suite) -> String {
    let mut out = String::from("    <properties>\n");
    let mut put = |name: &str, value: &str| {
        let (name, value) = (escaped(name), escaped(value));
        out += &format!("      <property name=\"{name}\" value=\"{value}\"/>\n");
    };
    for arm in &suite.arms {
        put(&arm.name, &arm.label);
        for (name, value) in &arm.machine {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            put(&format!("{}.{name}", arm.name), &value);
        }
    }
    if let Some(conclusion) = &suite.conclusion {
        put(&conclusion.word, &conclusion.sentence);
    }
    out + "    </properties>\n"
}

/// The checks of a case; the first one carries its time.
fn checks(suite: &Suite, case: &Case) -> String {
    let class = escaped(&case.scenario.replace('/', "."));
    let short = case.id.strip_prefix(&format!("{}/", case.scenario)).unwrap_or(&case.id);
    let mut out = String::new();
    for (n, check) in case.checks.iter().enumerate() {
        let seconds = if n == 0 { seconds(case) } else { 0.0 };
        let name = suite.quantity(&check.name).map_or(&check.name, |quantity| &quantity.name);
        let arm = check.arm.as_ref().filter(|_| suite.arm_key().is_some());
        let arm = arm.map(|arm| format!(" of {arm}")).unwrap_or_default();
        let name = escaped(&format!("{short}: {name}{arm}"));
        out += &format!(
            "    <testcase classname=\"{class}\" name=\"{name}\" time=\"{seconds:.3}\">{}</testcase>\n",
            result(check)
        );
    }
    if let (Some(end), false) = (out.rfind("</testcase>"), case.sentences.is_empty()) {
        let said = escaped(&case.sentences.join("\n"));
        out.insert_str(end, &format!("<system-out>{said}</system-out>"));
    }
    out
}

fn result(check: &Check) -> String {
    let element = match check.outcome {
        Outcome::Failed => "failure",
        Outcome::Errored => "error",
        Outcome::Skipped => "skipped",
        Outcome::Passed | Outcome::Improved if check.sentence.is_empty() => return String::new(),
        Outcome::Passed | Outcome::Improved => {
            let said = escaped(&format!("{}: {}", check.word, check.sentence));
            return format!("<system-out>{said}</system-out>");
        }
    };
    let (word, said) = (escaped(&check.word), escaped(&check.sentence));
    format!("<{element} type=\"{word}\" message=\"{word}: {said}\">{said}</{element}>")
}

/// Text for an element or attribute; characters that XML 1.0 does not allow become U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\n' => out += "&#10;",
            '\t' | '\r' => out.push(' '),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
