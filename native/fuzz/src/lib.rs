//! What each fuzz target claims of any bytes at all. The same claims are checked on the corpus by
//! an ordinary test of `wire`, which includes this file.

use wire::assignment::{Header, Trailer};
use wire::peer::{Message, MessageHeader};
use wire::section::SectionHeader;
use wire::steps;
use wire::tree::{Entry, EntryKind, Tree, TreeWalk};
use wire::vouch::Vouch;

/// Headers, section headers and trailers that are read are written as the same bytes.
pub fn decode_header(bytes: &[u8]) {
    if let Ok((header, used)) = Header::decode(bytes) {
        assert_eq!(header.encode(), bytes[..used]);
        assert_eq!(header.check(), Ok(()));
    }
    if let Ok(section) = SectionHeader::decode(bytes) {
        assert_eq!(section.encode(), bytes[..section.encode().len()]);
        assert!(!Trailer::begins(bytes));
    }
    if let Ok(trailer) = Trailer::decode(bytes) {
        assert_eq!(trailer.encode(), bytes);
        assert!(Trailer::begins(bytes));
    }
}

/// A message that is read is written as the same bytes, and a header alone says how long it is.
pub fn decode_peer(bytes: &[u8]) {
    let header = MessageHeader::decode(bytes);
    let message = Message::decode(bytes);
    if let Ok(message) = &message {
        let header = header.as_ref().expect("a message has a header");
        assert_eq!(message.encode(), bytes);
        assert_eq!(message.kind(), header.kind);
        assert!(header.length as usize <= header.kind.payload_bytes_max());
    }
    if let Ok(header) = header {
        assert_eq!(header.encode(), bytes[..16]);
    }
}

/// Steps that are read are written as the same bytes, and applying them never panics.
pub fn decode_steps(bytes: &[u8]) {
    let Ok(steps) = steps::decode(bytes) else {
        return;
    };
    assert_eq!(steps::encode(&steps), bytes);
    for base in [None, Some(&small_tree())] {
        if let Ok(tree) = Tree::apply(base, &steps) {
            assert_eq!(Tree::apply(base, &tree.diff(base)).as_ref(), Ok(&tree));
        }
    }
}

/// A tree that is read is written as the same bytes. The hash is put behind the bytes here, else
/// no input would ever come past it.
pub fn decode_tree(bytes: &[u8]) {
    if let Ok(tree) = Tree::decode(bytes) {
        assert_eq!(tree.encode(), bytes);
    }
    let mut hashed = bytes.to_vec();
    hashed.extend_from_slice(&wire::digest_of(bytes));
    if let Ok(tree) = Tree::decode(&hashed) {
        assert_eq!(tree.encode(), hashed);
        assert_eq!(tree.hash(), wire::digest_of(bytes));
        assert_eq!(Tree::apply(None, &tree.diff(None)).as_ref(), Ok(&tree));
        assert_eq!(walked(bytes).as_deref(), Some(tree.entries()));
    } else {
        let _ = walked(bytes);
    }
}

/// The entries of a tree read one by one; `None` when one of them, or what follows, is not right.
fn walked(bytes: &[u8]) -> Option<Vec<Entry>> {
    let mut walk = TreeWalk::open(bytes.get(..TreeWalk::HEAD_BYTES)?).ok()?;
    let mut at = TreeWalk::HEAD_BYTES;
    let mut entries = Vec::new();
    loop {
        let window = &bytes[at..bytes.len().min(at + TreeWalk::WINDOW_BYTES)];
        match walk.next(window).ok()? {
            None => break,
            Some((entry, used)) => {
                entries.push(entry);
                at += used;
            }
        }
    }
    (at == bytes.len()).then_some(entries)
}

/// A vouch that is read is written as the same bytes, alone or before others.
pub fn decode_vouch(bytes: &[u8]) {
    if let Ok((vouch, used)) = Vouch::decode_first(bytes) {
        assert_eq!(vouch.encode(), bytes[..used]);
        assert!(vouch.next() > vouch.first);
    }
}

/// A base for steps to change.
fn small_tree() -> Tree {
    let entry = |path: &str, kind| {
        let mode = if matches!(kind, EntryKind::Link { .. }) {
            0o777
        } else {
            0o755
        };
        Entry {
            path: path.as_bytes().to_vec(),
            mode,
            mtime_ns: 1,
            kind,
        }
    };
    let file = || EntryKind::File {
        size_bytes: 3,
        digest: [3; 32],
    };
    let entries = vec![
        entry("", EntryKind::Directory),
        entry("a", EntryKind::Directory),
        entry("a/f", file()),
        entry("f", file()),
        entry(
            "l",
            EntryKind::Link {
                target: b"f".to_vec(),
            },
        ),
    ];
    Tree::new(entries).expect("a tree")
}
