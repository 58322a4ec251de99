//! The execution of one assignment on a thread of its own, while its stream still arrives.

use crate::error::{Fault, settle};
use crate::keys::read_hex;
use crate::number::to_js;
use crate::outcome::Outcome;
use crate::promise::Settler;
use crate::relay::Relay;
use content::{ApplyBase, Cancel, StreamSource, WholeFile};
use napi::Env;
use napi::bindgen_prelude::PromiseRaw;
use napi_derive::napi;
use std::path::Path;
use std::sync::Arc;

#[napi(object, use_nullable = true)]
pub struct ApplyOptions {
    pub stream_path: String,
    pub assignment_id: String,
    pub base_directory: Option<String>,
    pub base_tree_path: Option<String>,
    pub target_directory: String,
    pub tree_path: String,
}

#[napi(object, use_nullable = true)]
#[derive(Clone)]
pub struct ApplyResult {
    pub tree_hash: String,
    pub files_written: i64,
    pub files_shared: i64,
    pub bytes_written: i64,
}

/// One assignment being executed; its thread starts at once.
#[napi]
pub struct Applying {
    cancel: Cancel,
    outcome: Arc<Outcome<ApplyResult>>,
}

#[napi]
impl Applying {
    /// With a relay and its session the stream is followed while it arrives; without, the file is
    /// complete.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        env: &Env,
        options: ApplyOptions,
        relay: Option<&Relay>,
        session: Option<u32>,
    ) -> napi::Result<Self> {
        let source = settle(env, find_source(&options, relay, session))?;
        let assignment = settle(env, read_hex("the assignment", &options.assignment_id))?;
        let cancel = Cancel::new();
        let work = {
            let cancel = cancel.clone();
            move || apply(&options, assignment, &*source, &cancel)
        };
        let outcome = Outcome::of_thread(env, "engine-apply", cancel.clone(), work)?;
        Ok(Self { cancel, outcome })
    }

    /// Settles when the staged tree is whole, checked and durable.
    #[napi(catch_unwind, ts_return_type = "Promise<ApplyResult>")]
    pub fn result<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, ApplyResult>> {
        let (settler, promise) = Settler::new(env)?;
        self.outcome.tell(settler);
        Ok(promise)
    }

    /// Stops at the next step.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}

fn find_source(
    options: &ApplyOptions,
    relay: Option<&Relay>,
    session: Option<u32>,
) -> Result<Box<dyn StreamSource>, Fault> {
    match (relay, session) {
        (Some(relay), Some(session)) => relay.source_of(session),
        (None, None) => Ok(Box::new(WholeFile::open(Path::new(&options.stream_path))?)),
        _ => Err(Fault::invalid(
            "the source",
            "relay and session go together",
        )),
    }
}

fn apply(
    options: &ApplyOptions,
    assignment: [u8; 16],
    source: &dyn StreamSource,
    cancel: &Cancel,
) -> Result<ApplyResult, Fault> {
    let base = match (&options.base_directory, &options.base_tree_path) {
        (Some(directory), Some(tree)) => Some(ApplyBase {
            directory: Path::new(directory),
            tree_path: Path::new(tree),
        }),
        (None, None) => None,
        _ => {
            return Err(Fault::invalid(
                "the base",
                "directory and manifest go together",
            ));
        }
    };
    let applied = content::apply(&content::ApplyOptions {
        source,
        stream_path: Path::new(&options.stream_path),
        assignment,
        base,
        target_directory: Path::new(&options.target_directory),
        tree_path: Path::new(&options.tree_path),
        cancel,
    })?;
    Ok(ApplyResult {
        tree_hash: hex::encode(applied.tree_hash),
        files_written: to_js(applied.files_written),
        files_shared: to_js(applied.files_shared),
        bytes_written: to_js(applied.bytes_written),
    })
}
