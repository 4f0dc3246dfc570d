//! Do the pages work in a browser: whole without a network, quiet, and no wider than a phone?

use crate::support::{Ran, path_with, run, scratch, shell, zclab};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(90);

const SCENARIO: &str = "question = \"Does a browser show it, however <odd> it is?\"
analysis = \"First paragraph.\\n\\nSecond paragraph.\"
baseline = \"read-write\"
strategies = [\"null\", \"read-write\", \"sendfile\"]
[log]
size = \"4 MiB\"
[matrix]
fetch = [\"4 KiB\", \"64 KiB\"]
consumers = [1, 2]
[budget]
launches = 2
turns = 2
slice = \"1 MiB\"
";

/// The name of the browser, or nothing and a line that says so.
fn browser() -> Option<&'static str> {
    let works = |name: &&str| Command::new(name).arg("--version").output().is_ok();
    let found = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(works);
    if found.is_none() {
        println!("SKIPPED: chromium is not installed (apt-get install chromium)");
    }
    found
}

/// The document as the browser has it when scripts have run, and what it said on its console.
fn open(browser: &str, page: &Path, profile: &Path) -> Ran {
    let mut command = Command::new(browser);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-sync",
        "--no-first-run",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--allow-file-access-from-files",
        "--virtual-time-budget=5000",
        "--enable-logging=stderr",
        "--dump-dom",
    ]);
    command.arg(format!("--user-data-dir={}", profile.display()));
    command.arg(format!("file://{}", page.display()));
    run(&mut command, LIMIT)
}

/// The pages of a small run.
fn pages(dir: &Path) -> Vec<PathBuf> {
    let path = path_with(zclab(), dir);
    std::fs::write(dir.join("odd.toml"), SCENARIO).expect("a scenario");
    shell("zclab run odd.toml --quiet", dir, &path, LIMIT);
    let latest = std::fs::canonicalize(dir.join("results/runs/latest")).expect("a run");
    let entries = std::fs::read_dir(&latest).expect("its folder").flatten();
    let mut pages: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    pages.retain(|path| path.extension().is_some_and(|end| end == "html"));
    pages.sort();
    pages
}

/// A page that shows another one at a width and writes down how wide that one would like to be.
fn frame(page: &Path, width: u32) -> String {
    let name = page.file_name().and_then(|name| name.to_str()).expect("a name");
    format!(
        "<!doctype html><title>waiting</title>\
         <iframe id=f src=\"{name}\" style=\"width:{width}px;height:800px;border:0\"></iframe>\
         <script>const f = document.getElementById('f'); f.onload = () => {{\
         const of = f.contentDocument.documentElement;\
         document.title = `width ${{of.scrollWidth}} of ${{of.clientWidth}}`; }};</script>"
    )
}

#[test]
fn pages_are_whole_quiet_and_fit_a_phone() {
    let Some(browser) = browser() else { return };
    let dir = scratch();
    let profile = dir.path().join("profile");
    let pages = pages(dir.path());
    assert_eq!(pages.len(), 2, "an index and one scenario: {pages:?}");
    for page in &pages {
        let shown = open(browser, page, &profile);
        let complaints: Vec<&str> = shown.err.lines().filter(|l| l.contains("CONSOLE")).collect();
        assert!(complaints.is_empty(), "{}: {complaints:?}", page.display());
        let is_index = page.ends_with("index.html");
        let dom = shown.expect_ok("the page opens");
        let parts: &[&str] = match is_index {
            true => &["answer", "reproduce", "machine"],
            false => &["answer", "results", "paths", "reproduce", "machine"],
        };
        for part in parts {
            assert!(dom.contains(&format!("id=\"{part}\"")), "{}: no {part}", page.display());
        }
        assert!(!dom.contains("<odd>"), "a question is escaped");
        assert!(dom.contains("however &lt;odd&gt; it is?"), "the question stands there");
        loads_nothing(&dom, page);
        fits_a_phone(browser, page, &profile);
    }
}

fn fits_a_phone(browser: &str, page: &Path, profile: &Path) {
    let narrow = page.with_extension("phone.html");
    std::fs::write(&narrow, frame(page, 390)).expect("a wrapper");
    let dom = open(browser, &narrow, profile).expect_ok("the wrapper opens");
    let title = dom.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    let title = title.map(|(title, _)| title).unwrap_or_default();
    assert_eq!(title, "width 390 of 390", "{} overflows a phone", page.display());
}

#[test]
fn the_page_of_a_watched_server_is_whole_and_fits_a_phone() {
    use zclab_report::watch::{FileShare, Moment, Transfer, Watch};
    let Some(browser) = browser() else { return };
    let dir = scratch();
    let page = dir.path().join("watch.html");
    let mut seen = Watch { port: 80, wire_bytes: 5 << 30, duration_ns: 1, ..Watch::default() };
    seen.reference_share = Some(0.7);
    seen.copied_share = Some(0.3);
    seen.diagnosis = "The bytes are <odd>.".into();
    let path = Some(format!("/{}", "a-long-name/".repeat(12)));
    seen.files.push(FileShare { path, bytes: 9, ..FileShare::default() });
    seen.sends.push(Transfer { name: "sendfile_file_socket".into(), ..Transfer::default() });
    seen.gaps.insert("deferred".into(), "words ".repeat(30));
    let parts = [0.7, 0.0, 0.3, 0.0, 0.0];
    let moment = |at_ns| Moment { at_ns, duration_ns: 5, wire_bytes: 9, parts };
    let moments = [moment(0), moment(5), moment(10)];
    let html = zclab_report::page::watch(&seen, &moments, &["zclab".into()], "0");
    std::fs::write(&page, html).expect("a page");
    let profile = dir.path().join("profile");
    let shown = open(browser, &page, &profile);
    assert!(!shown.err.contains("CONSOLE"), "{}", shown.err);
    let dom = shown.expect_ok("the page opens");
    for part in ["answer", "time", "figures", "calls", "files", "misleading", "reproduce"] {
        assert!(dom.contains(&format!("id=\"{part}\"")), "no {part}");
    }
    assert!(dom.contains("&lt;odd&gt;"), "the sentence is escaped");
    loads_nothing(&dom, &page);
    fits_a_phone(browser, &page, &profile);
}

/// Nothing in the document makes a browser ask a network: no URL but XML namespaces, and no source.
fn loads_nothing(dom: &str, page: &Path) {
    for (at, _) in dom.match_indices("://") {
        let around: String =
            dom[..at].chars().rev().take(40).collect::<Vec<_>>().into_iter().rev().collect();
        let rest: String = dom[at..].chars().take(40).collect();
        assert!(rest.starts_with("://www.w3.org/"), "{}: {around}{rest}", page.display());
    }
    for source in [" src=\"http", " src=\"//", "@import", "<link", "url(http"] {
        assert!(!dom.contains(source), "{}: {source}", page.display());
    }
}
