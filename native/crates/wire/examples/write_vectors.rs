//! Writes the golden vectors and the seeds of the fuzz targets anew: `cargo run -p wire --example
//! write_vectors`. What changes then is a change of the protocol.

// A program for people at a terminal: it prints, and a failure may end it loudly.
#![allow(clippy::expect_used, clippy::panic)]

#[path = "../tests/vector_set/mod.rs"]
mod vector_set;

use std::fs;
use std::path::Path;

use vector_set::{Vector, describe, good, refused, to_lines};

fn main() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let vectors = here.join("../../../test/vectors");
    let corpus = here.join("../../fuzz/corpus");
    fs::create_dir_all(&vectors).expect("a folder for the vectors");
    for vector in good().iter().chain(refused().iter()) {
        let json = serde_json::to_string_pretty(&describe(vector)).expect("JSON");
        let file = vectors.join(vector.name);
        fs::write(file.with_extension("json"), json + "\n").expect("a vector's fields");
        fs::write(file.with_extension("hex"), to_lines(&vector.bytes)).expect("a vector's bytes");
        write_seed(&corpus, vector);
    }
}

fn write_seed(corpus: &Path, vector: &Vector) {
    let target = match vector.format {
        "header" | "section" | "trailer" | "stream" => "decode_header",
        "steps" => "decode_steps",
        "tree" => "decode_tree",
        "vouch" => "decode_vouch",
        "message" => "decode_peer",
        other => panic!("no target for {other}"),
    };
    // The target of trees appends the hash itself.
    let without_hash = vector.bytes.len() - if vector.format == "tree" { 32 } else { 0 };
    let folder = corpus.join(target);
    fs::create_dir_all(&folder).expect("a folder for the seeds");
    fs::write(folder.join(vector.name), &vector.bytes[..without_hash]).expect("a seed");
}
