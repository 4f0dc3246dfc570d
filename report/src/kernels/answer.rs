//! Which sentence do the cells of a matrix allow?
//!
//! A contender is said to share or to copy only when every cell that was observed says the same; what
//! was not observed, or refused on some kernels only, is said beside it. Ways on which sharing is
//! impossible (a file, a device that gathers nothing) have sentences of their own, and so does the
//! other direction.

use super::{Fate, Matrix, Route, Way, times};
use crate::format;

/// The sentence that answers, and what qualifies it.
#[must_use]
pub fn answer(matrix: &Matrix) -> (String, Vec<String>) {
    let tried: Vec<&str> = matrix.tried().map(|kernel| kernel.asked.series.as_str()).collect();
    let (Some(oldest), Some(newest)) = (tried.first(), tried.last()) else {
        return ("No kernel was tried, so nothing can be said.".to_owned(), Vec::new());
    };
    let kernels = match tried.len() {
        1 => format!("On the one kernel tried ({oldest})"),
        count => format!("On all {count} kernels tried ({oldest} to {newest})"),
    };
    let Sorted { shared, unshared, uncopied, copied, partial, mixed } =
        Sorted::of(matrix, Way::may_share);
    let sentence = match shared.len() {
        0 => format!("{kernels} nothing shared the log’s own pages everywhere."),
        1 => format!("{kernels} {} hands on the log’s own pages, with no CPU copy.", shared[0]),
        _ => format!(
            "{kernels} {} hand on the log’s own pages, with no CPU copy.",
            format::list(&shared)
        ),
    };
    let mut clauses = copies(copied, "before it leaves");
    if !uncopied.is_empty() {
        let verbs = if uncopied.len() == 1 { ("copies", "hands") } else { ("copy", "hand") };
        let (who, (copy, hand)) = (format::list(&uncopied), verbs);
        clauses
            .push(format!("{who} {copy} nothing, but {hand} on other pages than the log’s own."));
    }
    if !unshared.is_empty() {
        let who = format::list(&unshared);
        let how = "Not shared, by the probe, and no program shows how often copied";
        clauses.push(format!("{how}: {who}."));
    }
    if !mixed.is_empty() {
        clauses.push(format!("Not the same everywhere: {}.", format::list(&mixed)));
    }
    let ways = matrix.ways();
    let bound = ways.iter().filter(|way| way.leaves() && !way.may_share());
    clauses.extend(bound.map(|way| hindered(matrix, way)));
    let taken = Sorted::of(matrix, |way| !way.leaves());
    clauses.extend(copies(taken.copied, "on its way in"));
    if !taken.mixed.is_empty() {
        let who = format::list(&taken.mixed);
        clauses.push(format!("On the way in it depends on how the far end sends: {who}."));
    }
    let partial = once([partial, taken.partial].concat());
    if !partial.is_empty() {
        let who = format::list(&partial);
        clauses.push(format!("Tried on some of these kernels only: {who}."));
    }
    clauses.extend(exceptions(matrix));
    clauses.extend(receivers(matrix));
    clauses.extend(probes(matrix));
    (sentence, clauses)
}

/// Contenders by what all of their observed cells on some ways say.
#[derive(Default)]
struct Sorted {
    shared: Vec<String>,
    unshared: Vec<String>,
    uncopied: Vec<String>,
    copied: Vec<(String, String)>,
    /// Not tried on every kernel and way that others were, so nothing is said of all of them.
    partial: Vec<String>,
    mixed: Vec<String>,
}

impl Sorted {
    fn of(matrix: &Matrix, ways: impl Fn(&Way) -> bool) -> Sorted {
        let mut sorted = Sorted::default();
        for label in labels(matrix) {
            let who = label.to_owned();
            if matches!(tried_on(matrix, label, &ways), (some, all) if 0 < some && some < all) {
                sorted.partial.push(who);
                continue;
            }
            match common(&fates(matrix, label, &ways)) {
                Common::Shared => sorted.shared.push(who),
                Common::Unshared => sorted.unshared.push(who),
                Common::Uncopied => sorted.uncopied.push(who),
                Common::Copied(times) => sorted.copied.push((times, who)),
                Common::Unknown => {}
                Common::Mixed => sorted.mixed.push(who),
            }
        }
        sorted
    }
}

/// Contenders in the order of the rows, each once.
fn labels(matrix: &Matrix) -> Vec<&str> {
    let mut labels: Vec<&str> = Vec::new();
    for (label, _) in matrix.routes.iter().flat_map(|route| &route.rows) {
        if !labels.contains(&label.as_str()) {
            labels.push(label);
        }
    }
    labels
}

fn fates<'a>(matrix: &'a Matrix, of: &str, ways: impl Fn(&Way) -> bool) -> Vec<&'a Fate> {
    let routes = matrix.routes.iter().filter(|route| ways(&route.way));
    let rows = routes.flat_map(|route| &route.rows);
    rows.filter(|(label, _)| label == of).flat_map(|(_, fates)| fates).collect()
}

/// On how many kernels a contender was tried on these ways, and how many kernels were tried at all.
fn tried_on(matrix: &Matrix, of: &str, ways: impl Fn(&Way) -> bool) -> (usize, usize) {
    let routes: Vec<&Route> = matrix.routes.iter().filter(|route| ways(&route.way)).collect();
    let on = |kernel: usize| {
        let mut rows = routes.iter().flat_map(|route| &route.rows).filter(|(label, _)| label == of);
        rows.any(|(_, fates)| fates[kernel] != Fate::Untried)
    };
    let kernels = (0..matrix.kernels.len()).filter(|&kernel| on(kernel));
    (kernels.count(), matrix.tried().count())
}

#[derive(PartialEq)]
enum Common {
    Shared,
    Unshared,
    Uncopied,
    Copied(String),
    Mixed,
    Unknown,
}

/// What all observed cells say alike.
fn common(fates: &[&Fate]) -> Common {
    let found = fates.iter().filter_map(|fate| match fate {
        Fate::Shared(_) | Fate::Aliased => Some(Common::Shared),
        Fate::Unshared(_) => Some(Common::Unshared),
        Fate::Uncopied => Some(Common::Uncopied),
        Fate::Copied(copies) => Some(Common::Copied(times(*copies))),
        Fate::Contradicts(_) | Fate::Failed(_) => Some(Common::Mixed),
        Fate::Refused(_) | Fate::Unobserved(_) | Fate::Untried => None,
    });
    let same = |one: Common, other: Common| match (one, other) {
        (one, other) if one == other => one,
        // What was counted elsewhere says more, and nothing else.
        (known @ (Common::Copied(_) | Common::Uncopied), Common::Unshared)
        | (Common::Unshared, known @ (Common::Copied(_) | Common::Uncopied)) => known,
        _ => Common::Mixed,
    };
    found.reduce(same).unwrap_or(Common::Unknown)
}

/// `a and b copy each byte once before it leaves.`
fn copies(mut copied: Vec<(String, String)>, when: &str) -> Vec<String> {
    copied.sort_by(|a, b| a.0.cmp(&b.0));
    let mut clauses: Vec<(String, Vec<String>)> = Vec::new();
    for (copies, label) in copied {
        match clauses.last_mut() {
            Some((known, labels)) if *known == copies => labels.push(label),
            _ => clauses.push((copies, vec![label])),
        }
    }
    let said = |(copies, labels): (String, Vec<String>)| {
        let how_often = match copies.as_str() {
            "1" => "once".to_owned(),
            "2" => "twice".to_owned(),
            copies => format!("{copies} times"),
        };
        let verb = if labels.len() == 1 { "copies" } else { "copy" };
        format!("{} {verb} each byte {how_often} {when}.", format::list(&labels))
    };
    clauses.into_iter().map(said).collect()
}

/// What a way on which sharing is impossible made of it.
fn hindered(matrix: &Matrix, way: &Way) -> String {
    let sorted = Sorted::of(matrix, |one| one == way);
    let name = way.words();
    match sorted.shared.is_empty() {
        true => format!("Nothing was shared on this way: {name}."),
        false => format!("{name}: shared by {}.", format::list(&sorted.shared)),
    }
}

/// Contradictions and failures wherever they are; what is unobserved or refused on some kernels only.
fn exceptions(matrix: &Matrix) -> Vec<String> {
    let words = [
        ("contradicts", ("contradicts its claim", "contradict their claims"), true),
        ("failed", ("failed", "failed"), true),
        ("unobserved", ("is unobserved", "are unobserved"), false),
        ("refused", ("is refused", "are refused"), false),
    ];
    let filesystems = once(matrix.routes.iter().map(|route| &*route.filesystem).collect());
    let tried = matrix.tried().count();
    let mut said = Vec::new();
    for (word, (one, many), always) in words {
        let mut by_places: Vec<(String, Vec<&str>)> = Vec::new();
        for label in labels(matrix) {
            let routes: Vec<(&Route, Vec<usize>)> = hits(matrix, label, word)
                .filter(|(_, kernels)| always || kernels.len() < tried || tried == 1)
                .collect();
            let hit = |filesystem: &str, kernel: usize| {
                let mut there = routes.iter().filter(|(route, _)| route.filesystem == filesystem);
                there.any(|(_, kernels)| kernels.contains(&kernel))
            };
            let Some(places) = matrix.places(&filesystems, hit) else { continue };
            match by_places.iter_mut().find(|(known, _)| *known == places) {
                Some((_, who)) => who.push(label),
                None => by_places.push((places, vec![label])),
            }
        }
        said.extend(by_places.into_iter().map(|(places, who)| {
            let words = if who.len() == 1 { one } else { many };
            format!("{} {words} on {places}.", format::list(&who))
        }));
    }
    said
}

fn once<T: PartialEq>(items: Vec<T>) -> Vec<T> {
    let mut kept = Vec::new();
    for item in items {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}

/// The routes on which this became of a contender's bytes, and the kernels.
fn hits<'a>(
    matrix: &'a Matrix,
    label: &'a str,
    word: &'a str,
) -> impl Iterator<Item = (&'a Route, Vec<usize>)> {
    matrix.routes.iter().filter_map(move |route| {
        let (_, fates) = route.rows.iter().find(|(of, _)| of == label)?;
        let hit = fates.iter().enumerate().filter(|(_, fate)| fate.word() == word);
        let kernels: Vec<usize> = hit.map(|(kernel, _)| kernel).collect();
        (!kernels.is_empty()).then_some((route, kernels))
    })
}

/// What the receivers' own copies say.
fn receivers(matrix: &Matrix) -> Option<String> {
    let (same, all) = matrix
        .kernels
        .iter()
        .fold((0, 0), |sum, kernel| (sum.0 + kernel.received.0, sum.1 + kernel.received.1));
    let said = match (same, all) {
        (_, 0) => return None,
        (same, all) if same == all => {
            format!(
                "In all {all} observed cells the receiver’s own copy was the payload, to the byte."
            )
        }
        (same, all) => {
            format!(
                "The receiver’s own copy was the payload, to the byte, in {same} of {all} cells."
            )
        }
    };
    Some(said)
}

/// What the second witness says.
fn probes(matrix: &Matrix) -> Option<String> {
    let (agree, all) = matrix
        .kernels
        .iter()
        .fold((0, 0), |sum, kernel| (sum.0 + kernel.probed.0, sum.1 + kernel.probed.1));
    (all > 0).then(|| {
        format!(
            "The second witness, which rewrites a private copy of the log while its bytes are in \
             flight, agreed in {agree} of {all} cells that it probed."
        )
    })
}
