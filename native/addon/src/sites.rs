//! Releases of a site: which is live, which are held, and the atomic switch between them.

use crate::error::{Fault, settle};
use crate::number::{from_js, to_js};
use crate::promise::on_thread;
use napi::Env;
use napi::bindgen_prelude::PromiseRaw;
use napi_derive::napi;
use std::path::{Path, PathBuf};

/// Points `<site>/live` at a release by one rename; durable when the promise settles.
#[napi(catch_unwind, ts_return_type = "Promise<void>")]
pub fn switch_live(
    env: &Env,
    site_directory: String,
    release: i64,
) -> napi::Result<PromiseRaw<'_, ()>> {
    let release = settle(env, from_js("the release", release))?;
    on_thread(env, "engine-switch", move || {
        Ok(content::switch_live(Path::new(&site_directory), release)?)
    })
}

/// The release that `<site>/live` points at; null when there is none.
#[napi(catch_unwind, ts_return_type = "number | null")]
pub fn read_live(env: &Env, site_directory: String) -> napi::Result<Option<i64>> {
    let live = content::read_live(Path::new(&site_directory)).map_err(Fault::from);
    Ok(settle(env, live)?.map(to_js))
}

/// The releases held whole, ascending.
#[napi(catch_unwind)]
pub fn list_releases(env: &Env, site_directory: String) -> napi::Result<Vec<i64>> {
    let releases = content::list_releases(Path::new(&site_directory)).map_err(Fault::from);
    Ok(settle(env, releases)?.into_iter().map(to_js).collect())
}

/// Removes the releases that are neither kept nor live, and stagings that nobody works on.
/// Gives the releases removed, ascending.
#[napi(catch_unwind, ts_return_type = "Promise<number[]>")]
pub fn prune_releases(
    env: &Env,
    site_directory: String,
    keep: Vec<i64>,
    staging: Vec<i64>,
) -> napi::Result<PromiseRaw<'_, Vec<i64>>> {
    let numbers = |values: Vec<i64>| -> Result<Vec<u64>, Fault> {
        values
            .into_iter()
            .map(|value| from_js("a release", value))
            .collect()
    };
    let keep = settle(env, numbers(keep))?;
    let staging = settle(env, numbers(staging))?;
    on_thread(env, "engine-prune", move || {
        let removed = content::prune_releases(Path::new(&site_directory), &keep, &staging)?;
        Ok(removed.into_iter().map(to_js).collect())
    })
}

/// Removes a tree without following a link; nothing there is no error.
#[napi(catch_unwind, ts_return_type = "Promise<void>")]
pub fn remove_tree(env: &Env, path: String) -> napi::Result<PromiseRaw<'_, ()>> {
    let path = PathBuf::from(path);
    on_thread(env, "engine-remove", move || {
        Ok(content::remove_tree(&path)?)
    })
}

/// Removes a stream's file and its parcels; nothing there is no error.
#[napi(catch_unwind, ts_return_type = "Promise<void>")]
pub fn remove_stream(env: &Env, path: String) -> napi::Result<PromiseRaw<'_, ()>> {
    let path = PathBuf::from(path);
    on_thread(env, "engine-remove", move || {
        Ok(content::remove_stream(&path)?)
    })
}
