//! Goal: no bytes make a decoder panic or read what it would not write. Method: the claims of
//! the fuzz targets, on the corpus, on every beginning of each seed and on seeds with one bit
//! turned.

// In a test a panic is the finding.
#![allow(clippy::expect_used)]

#[path = "../../../fuzz/src/lib.rs"]
#[allow(unreachable_pub)]
mod targets;

use std::path::Path;

/// Seeds longer than this are run as they are: turning every bit of a long one takes seconds.
const BENT_BYTES_MAX: usize = 1024;

fn run(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(name);
    let mut count = 0;
    for file in std::fs::read_dir(&folder).expect("the corpus is there") {
        let seed = std::fs::read(file.expect("an entry").path()).expect("a seed");
        target(&seed);
        count += 1;
        if seed.len() > BENT_BYTES_MAX {
            continue;
        }
        for end in 0..seed.len() {
            target(&seed[..end]);
            let mut bent = seed.clone();
            bent[end] ^= 1 << (end % 8);
            target(&bent);
        }
    }
    assert!(count >= 3, "{name} has only {count} seeds");
}

#[test]
fn headers_sections_and_trailers_hold_on_the_corpus() {
    run("decode_header", targets::decode_header);
}

#[test]
fn peer_messages_hold_on_the_corpus() {
    run("decode_peer", targets::decode_peer);
}

#[test]
fn steps_hold_on_the_corpus() {
    run("decode_steps", targets::decode_steps);
}

#[test]
fn trees_hold_on_the_corpus() {
    run("decode_tree", targets::decode_tree);
}

#[test]
fn vouches_hold_on_the_corpus() {
    run("decode_vouch", targets::decode_vouch);
}
