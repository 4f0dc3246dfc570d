//! Files, folders and names lead to scenarios; what leads nowhere is explained.

use crate::HEAD;
use std::fs;
use std::path::Path;
use zclab::scenario::{Origin, load, load_with_origin, shipped_names};

fn write(path: &Path, text: &str) -> String {
    fs::create_dir_all(path.parent().expect("a folder")).expect("mkdir");
    fs::write(path, text).expect("write");
    path.to_str().expect("UTF-8").to_owned()
}

fn names(args: &[&str]) -> Vec<String> {
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    load(&args).expect("loads").into_iter().map(|scenario| scenario.name).collect()
}

fn error(args: &[&str]) -> String {
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    format!("{:#}", load(&args).expect_err("refused"))
}

#[test]
fn a_file_is_named_by_its_stem_or_its_path_below_scenarios() {
    let folder = tempfile::tempdir().expect("tempdir");
    let loose = write(&folder.path().join("mine.toml"), HEAD);
    let below = write(&folder.path().join("scenarios/disk/cold.toml"), HEAD);
    assert_eq!(names(&[&loose, &below]), ["mine", "disk/cold"]);
    let found = load_with_origin(&[loose]).expect("loads");
    assert!(matches!(found[0].1, Origin::File(_)));
}

#[test]
fn a_folder_means_its_files_in_order_each_once() {
    let folder = tempfile::tempdir().expect("tempdir");
    let top = folder.path().join("scenarios");
    write(&top.join("b/two.toml"), HEAD);
    let one = write(&top.join("b/one.toml"), HEAD);
    write(&top.join("a.toml"), HEAD);
    write(&top.join("README.md"), "not a scenario");
    let top = top.to_str().expect("UTF-8");
    assert_eq!(names(&[top]), ["a", "b/one", "b/two"]);
    assert_eq!(names(&[&one, top]), ["b/one", "a", "b/two"]);
}

#[test]
fn two_files_of_one_name_are_refused() {
    let folder = tempfile::tempdir().expect("tempdir");
    let one = write(&folder.path().join("a/mine.toml"), HEAD);
    let two = write(&folder.path().join("b/mine.toml"), HEAD);
    assert!(error(&[&one, &two]).contains("two scenarios are called mine"));
}

#[test]
fn the_problems_of_all_files_are_told_together() {
    let folder = tempfile::tempdir().expect("tempdir");
    write(&folder.path().join("a.toml"), &format!("{HEAD}x = 1\n"));
    write(&folder.path().join("b.toml"), &format!("{HEAD}y = 1\n"));
    let message = error(&[folder.path().to_str().expect("UTF-8")]);
    assert!(message.contains("a.toml:4:1: x: unknown key"), "{message}");
    assert!(message.contains("b.toml:4:1: y: unknown key"), "{message}");
}

#[test]
fn what_leads_nowhere_is_explained() {
    let folder = tempfile::tempdir().expect("tempdir");
    let empty = folder.path().to_str().expect("UTF-8");
    assert!(error(&[empty]).contains("holds no scenario files"));
    assert!(error(&[]).contains("no scenario was named"));
    assert!(error(&["quick/sise"]).contains("did you mean `quick/size`?"));
    assert!(error(&["qiuck"]).contains("`quick/"));
    assert!(error(&["x\0y"]).contains("neither a file"));
    let absent = format!("{empty}/scenarios/quick/size.toml");
    assert!(error(&[&absent]).contains("the shipped scenario is called `quick/size`"));
    let message = error(&["nothing-like-it-at-all"]);
    assert!(message.contains("zclab list scenarios"), "{message}");
    let long = write(&folder.path().join("long.toml"), &"#".repeat((1 << 20) + 1));
    assert!(error(&[&long]).contains("longer than 1 MiB"));
}

#[test]
fn shipped_names_are_sorted_and_have_no_extension() {
    let names = shipped_names();
    assert!(names.contains(&"quick/size".to_owned()));
    assert!(names.is_sorted());
    assert!(names.iter().all(|name| !name.contains('.')));
}
