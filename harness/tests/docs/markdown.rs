//! Which blocks of code does a document have, and what does it say above each?

/// A fenced block.
#[derive(Debug, PartialEq)]
pub struct Block {
    /// The word behind the opening fence: `sh` blocks are run, `console` blocks are not.
    pub language: String,
    /// The last line of text before it, unless another block lies between.
    pub above: String,
    /// Its lines, each with its end.
    pub text: String,
}

/// The fenced blocks of a document, in order.
pub fn blocks(document: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut above = String::new();
    let mut open: Option<Block> = None;
    for line in document.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(language), None) => {
                let (language, above) = (language.to_owned(), std::mem::take(&mut above));
                open = Some(Block { language, above, text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) if !line.trim().is_empty() => above = line.to_owned(),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is never closed");
    blocks
}

/// The text between the first two backticks from `from` on, and what follows it.
pub fn code(from: &str) -> Option<(&str, &str)> {
    let (_, rest) = from.split_once('`')?;
    rest.split_once('`')
}

#[test]
fn blocks_are_found_with_what_stands_above() {
    let found = blocks("One:\n\n```sh\na\n\nb\n```\n```\nc\n```\nIn `x`, after:\n```rust\n```\n");
    let seen: Vec<_> = found.iter().map(|b| (&*b.language, &*b.above, &*b.text)).collect();
    assert_eq!(seen, [("sh", "One:", "a\n\nb\n"), ("", "", "c\n"), ("rust", "In `x`, after:", "")]);
    assert_eq!(code("In `x`, after `y`"), Some(("x", ", after `y`")));
}
