//! What became of a contender's bytes on one way, on all kernels and file systems at once?
//!
//! Mostly the same everywhere, and then it is said once; where it is not, the exceptions are said with
//! the kernels and file systems that they are of.

use super::{Fate, Matrix, Way, times};
use crate::format;

/// A finding, and where it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The class of the finding: [`Fate::word`].
    pub word: &'static str,
    /// The finding, in a word or a number: `shared`, `×2`.
    pub text: String,
    /// Kernels and file systems, where others found something else; empty for most of them.
    pub places: String,
}

/// A finding, and the file systems and kernels that it was made on.
struct Finding<'a> {
    word: &'static str,
    text: String,
    at: Vec<(&'a str, usize)>,
}

impl Matrix {
    /// What was found of a contender on a way, the most frequent first.
    #[must_use]
    pub fn summary(&self, way: &Way, label: &str) -> Vec<Said> {
        let mut found: Vec<Finding<'_>> = Vec::new();
        for route in self.routes.iter().filter(|route| route.way == *way) {
            let rows = route.rows.iter().filter(|(of, _)| of == label);
            for (kernel, fate) in rows.flat_map(|(_, fates)| fates.iter().enumerate()) {
                if self.kernels[kernel].asked.missing.is_some() {
                    continue;
                }
                let (word, text, place) = (fate.word(), short(fate), (&*route.filesystem, kernel));
                match found.iter_mut().find(|one| one.word == word && one.text == text) {
                    Some(known) => known.at.push(place),
                    None => found.push(Finding { word, text, at: vec![place] }),
                }
            }
        }
        found.sort_by_key(|one| std::cmp::Reverse(one.at.len()));
        let filesystems = self.filesystems(way);
        let said = |(index, Finding { word, text, at }): (usize, Finding<'_>)| {
            let hit = |filesystem: &str, kernel: usize| at.contains(&(filesystem, kernel));
            let places = match index {
                0 => String::new(),
                _ => self.places(&filesystems, hit).unwrap_or_default(),
            };
            Said { word, text, places }
        };
        found.into_iter().enumerate().map(said).collect()
    }

    /// The file systems on which a way was tried.
    pub(super) fn filesystems(&self, way: &Way) -> Vec<&str> {
        let routes = self.routes.iter().filter(|route| route.way == *way);
        routes.map(|route| route.filesystem.as_str()).collect()
    }

    /// Where something holds: `5.10 (ext4) and every kernel (tmpfs)`.
    pub(super) fn places(
        &self,
        filesystems: &[&str],
        hit: impl Fn(&str, usize) -> bool,
    ) -> Option<String> {
        let mut by_kernels: Vec<(Vec<&str>, Vec<&str>)> = Vec::new();
        for filesystem in filesystems {
            let kernels = self.kernels.iter().enumerate();
            let kernels = kernels.filter(|(index, _)| hit(filesystem, *index));
            let kernels: Vec<&str> = kernels.map(|(_, k)| k.asked.series.as_str()).collect();
            match by_kernels.iter_mut().find(|(known, _)| *known == kernels) {
                Some((_, on)) => on.push(filesystem),
                None => by_kernels.push((kernels, vec![filesystem])),
            }
        }
        by_kernels.retain(|(kernels, _)| !kernels.is_empty());
        let tried = self.tried().count();
        let part = |(kernels, on): &(Vec<&str>, Vec<&str>)| {
            let every = tried > 1 && kernels.len() == tried;
            let kernels = if every { "every kernel".to_owned() } else { format::list(kernels) };
            match on.len() == filesystems.len() {
                true => kernels,
                false => format!("{kernels} ({})", format::list(on)),
            }
        };
        let parts: Vec<String> = by_kernels.iter().map(part).collect();
        (!parts.is_empty()).then(|| format::list(&parts))
    }
}

/// A fate as a narrow column has it.
fn short(fate: &Fate) -> String {
    match fate {
        Fate::Copied(copies) => format!("×{}", times(*copies)),
        Fate::Aliased => "shared, by the probe".to_owned(),
        Fate::Unshared(_) => "not shared".to_owned(),
        Fate::Uncopied => "no copy".to_owned(),
        Fate::Untried => "not tried".to_owned(),
        fate => fate.word().to_owned(),
    }
}
