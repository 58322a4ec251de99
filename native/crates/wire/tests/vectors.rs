//! Goal: the formats stay what they are, byte by byte. Method: every golden vector is read,
//! its fields are compared with its JSON, and the values it was made of are encoded again.

// In a test a panic is the finding.
#![allow(clippy::expect_used)]

mod vector_set;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use vector_set::{Vector, describe, good, refused, to_lines};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../test/vectors")
}

/// Bytes of lines of hexadecimal digits.
fn from_lines(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    hex::decode(digits).expect("hexadecimal digits")
}

/// A vector as it lies in the repository, and its JSON.
fn stored(vector: &Vector) -> (Vector, serde_json::Value) {
    let file = folder().join(vector.name);
    let hex = fs::read_to_string(file.with_extension("hex")).expect("the vector's bytes");
    let json = fs::read_to_string(file.with_extension("json")).expect("the vector's fields");
    let bytes = from_lines(&hex);
    assert_eq!(to_lines(&bytes), hex, "{}: form of the digits", vector.name);
    let stored = Vector {
        name: vector.name,
        format: vector.format,
        bytes,
    };
    (stored, serde_json::from_str(&json).expect("JSON"))
}

#[test]
fn every_good_vector_is_read_as_its_json_says() {
    for vector in good() {
        let (stored, json) = stored(&vector);
        assert!(json.get("fields").is_some(), "{} is refused", vector.name);
        assert_eq!(describe(&stored), json, "{}", vector.name);
    }
}

#[test]
fn every_bad_vector_is_refused_as_its_json_says() {
    for vector in refused() {
        let (stored, json) = stored(&vector);
        assert!(json.get("refused").is_some(), "{} is read", vector.name);
        assert_eq!(describe(&stored), json, "{}", vector.name);
    }
}

#[test]
fn every_vector_is_encoded_to_the_same_bytes() {
    for vector in good().into_iter().chain(refused()) {
        let (stored, _) = stored(&vector);
        assert_eq!(
            to_lines(&vector.bytes),
            to_lines(&stored.bytes),
            "{}",
            vector.name
        );
    }
}

#[test]
fn no_file_lies_beside_the_vectors_that_nobody_reads() {
    let known: BTreeSet<String> = good()
        .iter()
        .chain(refused().iter())
        .flat_map(|vector| ["hex", "json"].map(|ending| format!("{}.{ending}", vector.name)))
        .collect();
    let names = fs::read_dir(folder()).expect("the vectors are there");
    let found: BTreeSet<String> = names
        .map(|file| {
            file.expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert_eq!(found, known);
}
