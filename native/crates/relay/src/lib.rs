//! The `relay` crate.
