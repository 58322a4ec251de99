//! The `simnet` crate.
