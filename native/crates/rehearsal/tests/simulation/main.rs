//! Goal: sessions of many nodes end with everybody complete, in the time that the scheme
//! promises, whatever dies. Method: the core at every node of a network in virtual time, so that
//! times are exact and the same in each run; a relay is imitated, chunks are always right.

// All of this is test code, outside of test functions too.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::panic)]

mod deaths;
mod guile;
mod pace;
mod plans;
mod run;
mod seeds;
