//! A small reader of HTML: enough to tell whether a page is well formed, and what it says.

#![allow(dead_code, reason = "each test file uses a part of this")]

use std::collections::BTreeSet;

const VOID: [&str; 3] = ["meta", "br", "img"];

/// Tags in order: name, attributes, whether it closes, whether it closes itself; and the text
/// between.
pub struct Page {
    pub tags: Vec<Tag>,
    pub text: String,
}

pub struct Tag {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub closing: bool,
    pub empty: bool,
}

impl Tag {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Reads a page; panics where it is not well formed.
pub fn read(html: &str) -> Page {
    assert!(html.starts_with("<!doctype html>"), "a doctype comes first");
    let mut page = Page { tags: Vec::new(), text: String::new() };
    let mut rest = &html["<!doctype html>".len()..];
    while let Some(start) = rest.find('<') {
        text(&rest[..start], &mut page);
        let end = start + tag_end(&rest[start..]);
        let tag = tag(&rest[start + 1..end]);
        rest = &rest[end + 1..];
        let raw = ["style", "script"].contains(&tag.name.as_str()) && !tag.closing;
        if raw {
            let close = rest.find(&format!("</{}>", tag.name)).expect("raw text ends");
            rest = &rest[close..];
        }
        page.tags.push(tag);
    }
    balanced(&page.tags);
    page
}

/// Where a tag ends: the first `>` outside quotes.
fn tag_end(text: &str) -> usize {
    let mut quoted = false;
    for (index, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '>' if !quoted => return index,
            _ => {}
        }
    }
    panic!("a tag does not end: {}", &text[..text.len().min(80)]);
}

fn tag(inner: &str) -> Tag {
    let closing = inner.starts_with('/');
    let empty = inner.ends_with('/');
    let inner = inner.trim_matches('/');
    let (name, mut rest) = inner.split_once(char::is_whitespace).unwrap_or((inner, ""));
    let mut attributes = Vec::new();
    rest = rest.trim();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let key = rest[..end].to_owned();
        rest = &rest[end..];
        let mut value = String::new();
        if let Some(quoted) = rest.strip_prefix("=\"") {
            let close = quoted.find('"').expect("a quoted value ends");
            value = quoted[..close].to_owned();
            rest = &quoted[close + 1..];
        }
        assert!(!attributes.iter().any(|(known, _)| *known == key), "{key} twice in {inner}");
        assert!(!value.contains('<'), "unescaped < in {inner}");
        attributes.push((key, value));
        rest = rest.trim();
    }
    Tag { name: name.to_lowercase(), attributes, closing, empty }
}

fn text(raw: &str, page: &mut Page) {
    assert!(!raw.contains('>'), "a stray > in {raw:?}");
    for (index, _) in raw.match_indices('&') {
        let entity = raw[index..].find(';').filter(|length| *length < 10);
        assert!(entity.is_some(), "a bare & in {raw:?}");
    }
    assert!(
        !raw.contains(|c: char| c.is_control() && c != '\n' && c != '\t'),
        "a control character in {raw:?}"
    );
    let words = raw.split_whitespace().collect::<Vec<_>>().join(" ");
    if !words.is_empty() {
        page.text += &words;
        page.text += "\n";
    }
}

fn balanced(tags: &[Tag]) {
    let mut open: Vec<&str> = Vec::new();
    for tag in tags {
        if tag.empty || VOID.contains(&tag.name.as_str()) {
            continue;
        }
        if tag.closing {
            assert_eq!(open.pop(), Some(tag.name.as_str()), "tags close in order");
        } else {
            open.push(&tag.name);
        }
    }
    assert!(open.is_empty(), "still open at the end: {open:?}");
}

/// Ids of a page; panics where one is used twice.
pub fn ids(page: &Page) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for id in page.tags.iter().filter_map(|tag| tag.attribute("id")) {
        assert!(ids.insert(id.to_owned()), "id {id} twice");
    }
    ids
}

/// The page's words without its drawings and raw parts, one text node a line.
pub fn skeleton(html: &str) -> String {
    let mut kept = String::new();
    let mut rest = html;
    while let Some(start) = rest.find("<svg") {
        kept += &rest[..start];
        let end = rest[start..].find("</svg>").expect("a drawing ends") + start + "</svg>".len();
        rest = &rest[end..];
    }
    read(&(kept + rest)).text
}
