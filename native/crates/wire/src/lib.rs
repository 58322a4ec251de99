//! The `wire` crate.
