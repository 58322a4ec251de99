//! The `spread` crate.
