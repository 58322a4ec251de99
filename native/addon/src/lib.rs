//! The only crate that knows JavaScript.
//!
//! In: calls of JavaScript's thread, with paths, numbers and plans. Out: objects, and errors whose
//! `code` is a row of the engine's table. Never: a payload byte in a JavaScript value, a buffer of
//! JavaScript on a thread of ours, a panic that leaves this crate, work on libuv's threads.
//!
//! What is written here for `#[napi]` items is what `index.d.ts` says: it is for the TypeScript
//! reader.

// The arguments' shapes are the macro's: strings and objects come by value, the environment by
// reference. And an exported item is public for the macro, in a module that is not.
#![allow(
    clippy::needless_pass_by_value,
    clippy::trivially_copy_pass_by_ref,
    unreachable_pub
)]

mod applying;
mod content;
mod error;
mod following;
mod keys;
mod lock;
mod looking;
mod number;
mod outcome;
mod pacing;
mod probing;
mod promise;
mod rehearsing;
mod relay;
mod sites;
mod status;
mod storage;
mod talking;
mod teardown;
mod uploads;
mod verifying;
