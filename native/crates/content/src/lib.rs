//! The `content` crate.
