//! A release held against its manifest, on a thread of its own.

use crate::error::{Fault, settle};
use crate::number::{from_js, to_js};
use crate::outcome::Outcome;
use crate::promise::Settler;
use content::{Cancel, VerifyProgress};
use napi::Env;
use napi::bindgen_prelude::PromiseRaw;
use napi_derive::napi;
use std::path::Path;
use std::sync::Arc;

#[napi(object, use_nullable = true)]
pub struct VerifyOptions {
    pub directory: String,
    pub tree_path: String,
    pub rate_bps: Option<i64>,
    pub findings_max: u32,
}

#[napi(object, use_nullable = true)]
#[derive(Clone)]
pub struct VerifyFinding {
    pub path: String,
    #[napi(ts_type = "import('../../src/model/verification.js').FindingKind")]
    pub kind: String,
}

#[napi(object, use_nullable = true)]
#[derive(Clone)]
pub struct VerifyResult {
    pub tree_hash: String,
    pub files: i64,
    pub bytes: i64,
    pub mismatches: i64,
    pub findings: Vec<VerifyFinding>,
}

/// How far a verification is.
#[napi(object, use_nullable = true)]
pub struct VerifyStatus {
    pub files: i64,
    pub bytes: i64,
    pub mismatches: i64,
}

/// One release being verified; its thread starts at once.
#[napi]
pub struct Verifying {
    cancel: Cancel,
    progress: VerifyProgress,
    outcome: Arc<Outcome<VerifyResult>>,
}

#[napi]
impl Verifying {
    #[napi(constructor, catch_unwind)]
    pub fn new(env: &Env, options: VerifyOptions) -> napi::Result<Self> {
        let rate = options.rate_bps.map(|rate| from_js("the rate", rate));
        let rate = settle(env, rate.transpose())?;
        if rate == Some(0) {
            return settle(env, Err(Fault::invalid("the rate", "it is nothing")));
        }
        let cancel = Cancel::new();
        let progress = VerifyProgress::default();
        let work = {
            let (cancel, progress) = (cancel.clone(), progress.clone());
            move || verify(&options, rate, &cancel, &progress)
        };
        let outcome = Outcome::of_thread(env, "engine-verify", cancel.clone(), work)?;
        Ok(Self {
            cancel,
            progress,
            outcome,
        })
    }

    /// Settles when every entry was looked at.
    #[napi(catch_unwind, ts_return_type = "Promise<VerifyResult>")]
    pub fn result<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, VerifyResult>> {
        let (settler, promise) = Settler::new(env)?;
        self.outcome.tell(settler);
        Ok(promise)
    }

    /// How far it is.
    #[napi(catch_unwind)]
    pub fn status(&self) -> VerifyStatus {
        VerifyStatus {
            files: to_js(self.progress.files()),
            bytes: to_js(self.progress.bytes()),
            mismatches: to_js(self.progress.mismatches()),
        }
    }

    /// Stops at the next block.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}

fn verify(
    options: &VerifyOptions,
    rate_bps: Option<u64>,
    cancel: &Cancel,
    progress: &VerifyProgress,
) -> Result<VerifyResult, Fault> {
    let verified = content::verify(&content::VerifyOptions {
        directory: Path::new(&options.directory),
        tree_path: Path::new(&options.tree_path),
        rate_bps,
        findings_max: options.findings_max as usize,
        cancel,
        progress,
    })?;
    let findings = verified.findings.iter().map(|finding| VerifyFinding {
        path: finding.shown(),
        kind: finding.difference.name().to_owned(),
    });
    Ok(VerifyResult {
        tree_hash: hex::encode(verified.tree_hash),
        files: to_js(verified.files),
        bytes: to_js(verified.bytes),
        mismatches: to_js(verified.mismatches),
        findings: findings.collect(),
    })
}
