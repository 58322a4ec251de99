//! The `beneath` crate.
