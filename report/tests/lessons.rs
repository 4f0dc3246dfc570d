//! Does the page of lessons say what the strategies' documentation says, escaped and linked?

#[path = "support/html.rs"]
mod html;

use zclab_report::page::{self, Claim, Taught};

fn hop(to: &str, by: &str) -> (String, Option<(String, String)>) {
    (to.to_owned(), Some((by.to_owned(), "because <it> does".to_owned())))
}

fn taught(name: &str) -> Taught {
    Taught {
        name: name.to_owned(),
        lesson: "Is it <so>?\n\n`send` & others:\n* first\n* [`second`]\n\nSources: send(2).\n\n\
                 Timed: the call."
            .to_owned(),
        disturbs: "it evicts".to_owned(),
        options: vec![["depth".into(), "8".into(), "1 to 9".into(), "how deep".into()]],
        claims: vec![Claim {
            route: "a warm log".to_owned(),
            copies: 1.0,
            stops: vec![("page-cache".to_owned(), None), hop("wire", "cpu-copy")],
        }],
    }
}

#[test]
fn lessons_are_well_formed() {
    let text = page::lessons("0.1.0", &[taught("one-way"), taught("another")]);
    let page = html::read(&text);
    let ids = html::ids(&page);
    for tag in &page.tags {
        if let Some(id) = tag.attribute("href").and_then(|href| href.strip_prefix('#')) {
            assert!(ids.contains(id), "links to {id}");
        }
    }
    assert!(!text.contains("<so>") && !text.contains("<it>"), "what comes from outside is escaped");
    insta::assert_snapshot!("lessons", html::skeleton(&text));
}
