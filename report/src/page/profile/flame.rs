//! How is a flame graph drawn, so that it can be read without a script?
//!
//! Callers stand above what they call; a function is as wide as its share of the samples. Names stand
//! where they fit, and in the titles. What would be a hair wide is left out.

use super::super::escape;
use super::{WIDTH, class};
use crate::format;
use crate::profile::{self, Group};
use crate::record::Profile;
use std::collections::BTreeMap;
use std::fmt::Write;

const ROW: f64 = 17.0;
/// Width of a letter, and the least width of a function that is drawn.
const LETTER: f64 = 6.1;
const WIDTH_MIN: f64 = 3.0;
/// Deeper than any stack of the kernel.
const DEPTH_MAX: usize = 127;

/// A function in a tree of calls.
#[derive(Default)]
struct Node<'a> {
    samples: u64,
    callees: BTreeMap<&'a str, Node<'a>>,
}

/// The drawing; nothing where there is no stack.
#[must_use]
pub fn svg(profile: &Profile, title: &str, id: &str) -> Option<String> {
    let mut root = Node::default();
    for (stack, count) in profile::stacks(&profile.folded) {
        root.samples += count;
        let mut node = &mut root;
        for name in stack.into_iter().take(DEPTH_MAX) {
            node = node.callees.entry(name).or_default();
            node.samples += count;
        }
    }
    if root.samples == 0 {
        return None;
    }
    let mut drawing = Drawing { body: String::new(), total: root.samples, deepest: 0 };
    drawing.level(&root, 0, 0.0, Group::Other);
    let height = ROW * (drawing.deepest as f64 + 1.0) + 2.0;
    Some(format!(
        "<svg class=\"flame\" role=\"img\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" aria-labelledby=\"{id}-t\"><title id=\"{id}-t\">Flame graph: \
         {}</title>{}</svg>",
        escape(title),
        drawing.body
    ))
}

struct Drawing {
    body: String,
    total: u64,
    deepest: usize,
}

impl Drawing {
    /// What a function calls, the most frequent first.
    fn level(&mut self, caller: &Node, depth: usize, left: f64, group: Group) {
        let mut callees: Vec<_> = caller.callees.iter().collect();
        callees.sort_by_key(|(_, node)| std::cmp::Reverse(node.samples));
        let mut x = left;
        for (name, node) in callees {
            let width = WIDTH * node.samples as f64 / self.total as f64;
            if width >= WIDTH_MIN {
                // A function of no group looks like its caller.
                let own = Group::of_frame(name).unwrap_or(group);
                self.function(name, node, (x, depth, width), own);
                self.level(node, depth + 1, x, own);
            }
            x += width;
        }
    }

    fn function(
        &mut self,
        name: &str,
        node: &Node,
        (x, depth, width): (f64, usize, f64),
        group: Group,
    ) {
        self.deepest = self.deepest.max(depth);
        let y = ROW * depth as f64;
        let percent = 100.0 * node.samples as f64 / self.total as f64;
        let _ = write!(
            self.body,
            "<g class=\"{}\"><title>{}: {} %, {} samples</title><rect x=\"{x:.1}\" y=\"{y}\" \
             width=\"{:.1}\" height=\"16\"/>",
            class(group),
            escape(name),
            format::significant(percent, 2),
            node.samples,
            (width - 0.6).max(1.0),
        );
        let letters = ((width - 6.0) / LETTER) as usize;
        let shown = if name.chars().count() <= letters {
            name.to_owned()
        } else if letters >= 5 {
            name.chars().take(letters - 1).chain(['…']).collect()
        } else {
            String::new()
        };
        if !shown.is_empty() {
            let _ = write!(
                self.body,
                "<text x=\"{:.1}\" y=\"{}\">{}</text>",
                x + 3.0,
                y + 12.0,
                escape(&shown)
            );
        }
        self.body += "</g>";
    }
}
