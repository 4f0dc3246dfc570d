//! Is it shown where the CPU time goes, and why not where nobody knows?

#[path = "support/html.rs"]
mod html;
mod support;

use support::Builder;
use zclab_report::page;
use zclab_report::record::{Line, Profile};

const FOLDED: &str = "entry_SYSCALL_64_after_hwframe;do_syscall_64;tcp_sendmsg;_copy_from_iter 60\n\
    entry_SYSCALL_64_after_hwframe;do_syscall_64;tcp_sendmsg;<odd>&\"name 39\n\
    user 1\n";

/// The showcase with a profile of every finished cell of `quick/size`, as `of` makes it from a cell's id.
fn profiled(of: impl Fn(&str) -> Profile) -> Builder {
    let mut builder = support::showcase();
    let cells: Vec<(usize, String)> = builder
        .lines
        .iter()
        .enumerate()
        .filter_map(|(n, line)| match line {
            Line::Cell(cell) if cell.scenario == "quick/size" => Some((n, cell.cell.clone())),
            _ => None,
        })
        .collect();
    for (n, cell) in cells.into_iter().rev() {
        builder.lines.insert(n, Line::Profile(of(&cell)));
    }
    builder
}

fn sampled(cell: &str) -> Profile {
    let groups = [("copy", 60u64), ("tcp-ip", 39), ("user", 1)];
    Profile {
        cell: cell.to_owned(),
        samples: 100,
        period_ns: 250_000,
        side: "sender".into(),
        groups: groups.map(|(name, count)| (name.to_owned(), count)).into(),
        folded: FOLDED.into(),
        kernel_symbols: "yes".into(),
        ..Profile::default()
    }
}

fn size_page(builder: &Builder) -> String {
    page::site(&builder.record()).swap_remove(1).1
}

fn section(page: &str) -> &str {
    let start = page.find("<section id=\"profile\">").expect("a section");
    let end = page[start..].find("</section>").expect("its end");
    &page[start..start + end]
}

#[test]
fn bars_are_parted_by_group_and_labelled_where_there_is_room() {
    let page = size_page(&profiled(sampled));
    html::read(&page);
    let section = section(&page);
    assert!(section.contains(">copy 60 %</text>") && section.contains(">TCP/IP 39 %</text>"));
    assert!(section.contains("<title>user: 1 %, 1 of 100 samples"), "no room, but a title");
    assert!(!section.contains(">user 1 %</text>"));
    assert!(section.contains("class=\"swatch g-copy\"") && !section.contains("swatch g-memory"));
    assert!(section.contains("<summary>3 more conditions</summary>"), "of six, three are in sight");
    assert!(section.contains("ns/KiB</text>"), "the CPU time stands beside the bar");
}

#[test]
fn flame_graphs_unfold_and_escape_what_a_kernel_may_be_called() {
    let page = size_page(&profiled(sampled));
    let section = section(&page);
    assert_eq!(section.matches("<details class=\"flames\">").count(), 7, "one for each contender");
    assert!(section.contains("Flame graph: sendfile, fetch size 64 KiB, 100 samples"));
    assert!(section.contains("<title>_copy_from_iter: 60 %, 60 samples</title>"));
    assert!(section.contains("&lt;odd&gt;&amp;&quot;name"), "escaped");
    assert!(section.contains("<title>do_syscall_64: 99 %, 99 samples</title>"), "callers add up");
}

#[test]
fn without_samples_the_reason_stands_there_and_how_to_unlock_it() {
    let refused = |cell: &str| Profile {
        samples: 0,
        groups: Default::default(),
        folded: String::new(),
        reason: Some("perf_event_open: EACCES <2>".into()),
        ..sampled(cell)
    };
    let page = size_page(&profiled(refused));
    let part = section(&page);
    assert!(part.contains("Unavailable.") && part.contains("cap_perfmon"), "{part}");
    assert!(part.contains("perf_event_open: EACCES &#60;2&#62; (42 cells)"), "{part}");
    assert!(!part.contains("<svg"));
    let none = size_page(&support::showcase());
    assert!(section(&none).contains("this run took no profile"));
}

#[test]
fn hidden_symbols_and_lost_samples_are_said() {
    let hidden = |cell: &str| Profile {
        kernel_symbols: "kptr_restrict is 2".into(),
        lost: 3,
        folded: "kernel 100\n".into(),
        groups: [("other".to_owned(), 100)].into(),
        ..sampled(cell)
    };
    let page = size_page(&profiled(hidden));
    let part = section(&page);
    assert!(part.contains("Kernel functions have no names here: kptr_restrict is 2."));
    assert!(part.contains("Some samples were lost"));
}

#[test]
fn the_last_profile_of_a_cell_counts_and_a_broken_text_is_no_trouble() {
    let mut builder = profiled(sampled);
    let cell = builder.lines.iter().find_map(|line| match line {
        Line::Cell(cell) if cell.label == "sendfile" => Some(cell.cell.clone()),
        _ => None,
    });
    let cell = cell.expect("a cell");
    let broken = Profile { samples: 7, folded: "a;b x\n\n12\n;; 0\n".into(), ..sampled(&cell) };
    builder.lines.push(Line::Profile(broken));
    let record = builder.record();
    let found = record.cells.iter().find(|one| one.id == cell).expect("the cell");
    assert_eq!(found.profile.as_ref().map(|profile| profile.samples), Some(7));
    html::read(&size_page(&builder));
}
