//! Goal: each rule of trees and steps refuses by its own name.
//! Method: one broken value for each rule.

// In a test a panic is the finding.
#![allow(clippy::expect_used)]

use wire::path::{check_path, parent_of};
use wire::steps::{self, Step};
use wire::tree::{Entry, EntryKind, Tree};
use wire::{Fault, Part, WireError, digest_of, limits};

fn entry(path: &str, kind: EntryKind) -> Entry {
    let mode = if matches!(kind, EntryKind::Link { .. }) {
        0o777
    } else {
        0o750
    };
    Entry {
        path: path.as_bytes().to_vec(),
        mode,
        mtime_ns: 5,
        kind,
    }
}

fn directory(path: &str) -> Entry {
    entry(path, EntryKind::Directory)
}

fn file(path: &str, content: &str) -> Entry {
    let (size_bytes, digest) = (content.len() as u64, digest_of(content.as_bytes()));
    entry(path, EntryKind::File { size_bytes, digest })
}

fn link(path: &str, target: &str) -> Entry {
    entry(
        path,
        EntryKind::Link {
            target: target.as_bytes().to_vec(),
        },
    )
}

fn base() -> Tree {
    let entries = vec![
        directory(""),
        directory("d"),
        file("d/f", "text"),
        file("e", ""),
        link("l", "d/f"),
    ];
    Tree::new(entries).expect("a tree")
}

fn delete(path: &str) -> Step {
    Step::Delete {
        path: path.as_bytes().to_vec(),
    }
}

fn make_directory(path: &str) -> Step {
    Step::MakeDirectory {
        path: path.as_bytes().to_vec(),
        mode: 0o755,
        mtime_ns: 0,
    }
}

fn copy(path: &str, from: &str) -> Step {
    let (path, from) = (path.as_bytes().to_vec(), from.as_bytes().to_vec());
    Step::CopyFile {
        path,
        from,
        mode: 0o644,
        mtime_ns: 0,
    }
}

fn write(path: &str) -> Step {
    let path = path.as_bytes().to_vec();
    Step::WriteFile {
        path,
        mode: 0o644,
        mtime_ns: 0,
        size_bytes: 1,
        digest: [1; 32],
    }
}

fn set(path: &str) -> Step {
    Step::SetAttributes {
        path: path.as_bytes().to_vec(),
        mode: 0o600,
        mtime_ns: 9,
    }
}

fn make_link(path: &str, target: &[u8]) -> Step {
    Step::MakeLink {
        path: path.as_bytes().to_vec(),
        mtime_ns: 0,
        target: target.to_vec(),
    }
}

fn why<T: std::fmt::Debug>(result: Result<T, WireError>) -> String {
    result.expect_err("it is refused").to_string()
}

#[test]
fn a_renamed_file_is_copied_from_its_old_place_but_not_an_empty_one() {
    let renamed = Tree::new(vec![
        directory(""),
        directory("d"),
        file("d/empty", ""),
        file("d/g", "text"),
        link("l", "d/f"),
    ]);
    let renamed = renamed.expect("a tree");
    let mut wanted = vec![delete("e"), delete("d/f")];
    let Some(EntryKind::File { size_bytes, digest }) =
        renamed.get(b"d/empty").map(|entry| entry.kind.clone())
    else {
        unreachable!("it is a file")
    };
    let path = b"d/empty".to_vec();
    wanted.push(Step::WriteFile {
        path,
        mode: 0o750,
        mtime_ns: 5,
        size_bytes,
        digest,
    });
    let (path, from) = (b"d/g".to_vec(), b"d/f".to_vec());
    wanted.push(Step::CopyFile {
        path,
        from,
        mode: 0o750,
        mtime_ns: 5,
    });
    assert_eq!(renamed.diff(Some(&base())), wanted);
}

#[test]
fn two_files_that_change_places_are_copied_from_the_base() {
    let one = Tree::new(vec![directory(""), file("a", "1"), file("b", "2")]).expect("a tree");
    let other = Tree::new(vec![directory(""), file("a", "2"), file("b", "1")]).expect("a tree");
    let steps = other.diff(Some(&one));
    assert!(
        steps
            .iter()
            .all(|step| matches!(step, Step::CopyFile { .. })),
        "{steps:?}"
    );
    assert_eq!(Tree::apply(Some(&one), &steps), Ok(other));
}

#[test]
fn a_step_that_does_not_fit_its_base_is_refused_by_name() {
    let cases: Vec<(Vec<Step>, &str)> = vec![
        (vec![delete("x")], "nothing is there to delete"),
        (vec![delete("d")], "a directory to delete is not empty"),
        (
            vec![delete("d"), make_directory("d")],
            "a directory to delete is not empty",
        ),
        (vec![delete("")], "an impossible step on the root"),
        (vec![make_directory("d")], "something else is in the way"),
        (vec![make_directory("e")], "something else is in the way"),
        (vec![write("d")], "something else is in the way"),
        (vec![write("l")], "something else is in the way"),
        (vec![make_link("e", b"x")], "something else is in the way"),
        (vec![copy("n", "d")], "nothing is there to copy"),
        (vec![copy("n", "x")], "nothing is there to copy"),
        (vec![set("x")], "nothing is there to set"),
        (vec![set("l")], "something else is in the way"),
        (vec![write("x/y")], "an impossible parent directory"),
        (vec![write("e/y")], "an impossible parent directory"),
        (
            vec![write("n"), write("n")],
            "deletes descend, the rest ascends",
        ),
        (
            vec![write("n"), write("m")],
            "deletes descend, the rest ascends",
        ),
        (
            vec![delete("d"), delete("d/f")],
            "deletes descend, the rest ascends",
        ),
        (
            vec![write("n"), delete("e")],
            "deletes descend, the rest ascends",
        ),
    ];
    for (steps, reason) in cases {
        let said = why(Tree::apply(Some(&base()), &steps));
        assert!(said.contains(reason), "{steps:?}: {said}");
    }
    assert!(why(Tree::apply(None, &[write("a")])).contains("impossible root"));
    assert!(why(Tree::apply(None, &[])).contains("impossible root"));
}

#[test]
fn a_step_may_replace_its_like_and_set_the_root() {
    let steps = [
        set(""),
        set("d"),
        write("d/f"),
        copy("e", "d/f"),
        make_link("l", b"e"),
    ];
    let tree = Tree::apply(Some(&base()), &steps).expect("they fit");
    assert_eq!(
        tree.get(b"").map(|root| (root.mode, root.mtime_ns)),
        Some((0o600, 9))
    );
    assert_eq!(
        tree.get(b"e").map(|copy| &copy.kind),
        base().get(b"d/f").map(|file| &file.kind)
    );
    assert_eq!(tree.entries().len(), base().entries().len());
}

#[test]
fn steps_that_may_not_be_are_not_read() {
    let long = "c".repeat(256);
    let deep = ["abc"; 1024].join("/");
    assert_eq!(deep.len(), limits::PATH_BYTES_MAX);
    let cases: Vec<(Vec<Step>, Fault)> = vec![
        (vec![write("/a")], Fault::PathEscapes),
        (vec![write("a//b")], Fault::PathEscapes),
        (vec![write("a/")], Fault::PathEscapes),
        (vec![write(".")], Fault::PathEscapes),
        (vec![write("a/../b")], Fault::PathEscapes),
        (vec![write("a\0")], Fault::PathEscapes),
        (vec![copy("a", "../b")], Fault::PathEscapes),
        (vec![copy("a", "")], Fault::Value("step on the root")),
        (vec![write("")], Fault::Value("step on the root")),
        (vec![delete("")], Fault::Value("step on the root")),
        (vec![make_link("", b"x")], Fault::Value("step on the root")),
        (vec![make_link("l", b"")], Fault::Value("link target")),
        (vec![make_link("l", b"a\0b")], Fault::Value("link target")),
        (vec![write(&long)], Fault::Limit("path component")),
        (
            vec![write("b"), write("a")],
            Fault::Order("deletes descend, the rest ascends"),
        ),
        (
            vec![write("a"), delete("b")],
            Fault::Order("deletes descend, the rest ascends"),
        ),
        (
            vec![delete("a"), delete("b")],
            Fault::Order("deletes descend, the rest ascends"),
        ),
        (
            vec![delete("a"), delete("a")],
            Fault::Order("deletes descend, the rest ascends"),
        ),
    ];
    for (steps, fault) in cases {
        let error = steps::decode(&steps::encode(&steps)).expect_err("it is refused");
        assert_eq!(error, WireError::new(Part::Steps, fault), "{steps:?}");
    }
    assert!(steps::decode(&steps::encode(&[write(&deep)])).is_ok());
    let mut setuid = steps::encode(&[make_directory("a")]);
    setuid[4..6].copy_from_slice(&0o4755_u16.to_le_bytes());
    let error = steps::decode(&setuid).expect_err("it is refused");
    assert_eq!(error.fault, Fault::Value("mode"));
}

#[test]
fn a_reader_of_steps_ends_after_its_first_error() {
    let mut bytes = steps::encode(&[write("a"), write("b")]);
    let whole = bytes.len();
    bytes.truncate(whole - 1);
    let read: Vec<bool> = steps::StepReader::new(&bytes)
        .expect("short")
        .map(|step| step.is_ok())
        .collect();
    assert_eq!(read, [true, false]);
}

#[test]
fn entries_that_form_no_tree_are_refused_by_name() {
    let cases = [
        (vec![], "root"),
        (vec![file("", "x")], "root"),
        (vec![directory("a")], "root"),
        (
            vec![directory(""), file("a", ""), file("a", "")],
            "entries by path",
        ),
        (vec![directory(""), file("a/b", "")], "parent directory"),
        (
            vec![directory(""), file("a", ""), file("a/b", "")],
            "parent directory",
        ),
        (
            vec![directory(""), file("a/../b", "")],
            "leads out of the root",
        ),
        (vec![directory(""), link("l", "")], "link target"),
        (
            vec![
                directory(""),
                Entry {
                    mode: 0o1777,
                    ..directory("a")
                },
            ],
            "mode",
        ),
        (
            vec![
                directory(""),
                Entry {
                    mode: 0o644,
                    ..link("l", "x")
                },
            ],
            "link mode",
        ),
    ];
    for (entries, reason) in cases {
        let said = why(Tree::new(entries));
        assert!(said.contains(reason), "{said}");
    }
}

#[test]
fn a_tree_counts_and_finds_what_it_holds() {
    let tree = Tree::new(vec![
        file("a b", "12"),
        directory(""),
        file("a/c", "345"),
        directory("a"),
    ])
    .expect("a tree, whatever the order");
    let paths: Vec<&[u8]> = tree
        .entries()
        .iter()
        .map(|entry| entry.path.as_slice())
        .collect();
    assert_eq!(paths, [&b""[..], b"a", b"a b", b"a/c"]);
    assert_eq!((tree.file_count(), tree.total_bytes()), (2, 5));
    assert!(tree.get(b"a/c").is_some() && tree.get(b"c").is_none());
    assert_eq!(tree.clone().into_entries().len(), 4);
}

#[test]
fn a_path_knows_its_parent() {
    assert_eq!(parent_of(b""), None);
    assert_eq!(parent_of(b"a"), Some(&b""[..]));
    assert_eq!(parent_of(b"a/b/c"), Some(&b"a/b"[..]));
    assert_eq!(
        check_path(&[b'a'; limits::PATH_BYTES_MAX + 1]),
        Err(Fault::Limit("path"))
    );
}
