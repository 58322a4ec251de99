//! Content from afar: manifests as text, what is wanted of them, and files that were received.

use crate::content::{ScanResult, TreeSummary, result_of};
use crate::error::Fault;
use crate::number::to_js;
use crate::promise::on_thread;
use napi::Env;
use napi::bindgen_prelude::PromiseRaw;
use napi_derive::napi;
use std::path::Path;

/// Reads a text manifest and writes the tree that it describes.
#[napi(catch_unwind, ts_return_type = "Promise<TreeSummary>")]
pub fn read_manifest(
    env: &Env,
    manifest_path: String,
    tree_path: String,
) -> napi::Result<PromiseRaw<'_, TreeSummary>> {
    on_thread(env, "engine-manifest", move || {
        Ok(content::read_manifest(Path::new(&manifest_path), Path::new(&tree_path))?.into())
    })
}

/// Writes the text manifest of a tree.
#[napi(catch_unwind, ts_return_type = "Promise<void>")]
pub fn write_manifest(
    env: &Env,
    tree_path: String,
    out_path: String,
) -> napi::Result<PromiseRaw<'_, ()>> {
    on_thread(env, "engine-manifest", move || {
        Ok(content::write_manifest(
            Path::new(&tree_path),
            Path::new(&out_path),
        )?)
    })
}

/// Contents that are to be brought.
#[napi(object, use_nullable = true)]
pub struct Wanted {
    pub count: i64,
    pub bytes: i64,
}

/// Writes which contents of a tree none of the held ones has.
#[napi(catch_unwind, ts_return_type = "Promise<Wanted>")]
pub fn write_wanted(
    env: &Env,
    tree_path: String,
    held_tree_paths: Vec<String>,
    out_path: String,
) -> napi::Result<PromiseRaw<'_, Wanted>> {
    on_thread(env, "engine-wanted", move || {
        let held: Vec<_> = held_tree_paths.iter().map(Path::new).collect();
        let wanted = content::write_wanted(Path::new(&tree_path), &held, Path::new(&out_path))?;
        Ok(Wanted {
            count: to_js(wanted.count),
            bytes: to_js(wanted.bytes),
        })
    })
}

/// Compares a tree with the shadow's, as a scan does.
#[napi(catch_unwind, ts_return_type = "Promise<ScanResult>")]
pub fn compare_trees(
    env: &Env,
    tree_path: String,
    shadow_tree_path: Option<String>,
) -> napi::Result<PromiseRaw<'_, ScanResult>> {
    on_thread(env, "engine-compare", move || {
        let shadow = shadow_tree_path.as_deref().map(Path::new);
        Ok(result_of(content::compare_trees(
            Path::new(&tree_path),
            shadow,
        )?))
    })
}

/// Applies edits (JSON) to a tree and writes what they make of it.
#[napi(catch_unwind, ts_return_type = "Promise<TreeSummary>")]
pub fn edit_tree(
    env: &Env,
    base_tree_path: Option<String>,
    edits: String,
    out_tree_path: String,
) -> napi::Result<PromiseRaw<'_, TreeSummary>> {
    on_thread(env, "engine-edit", move || {
        let base = base_tree_path.as_deref().map(Path::new);
        Ok(content::edit_tree(base, &edits, Path::new(&out_tree_path))?.into())
    })
}

/// Checks edits as far as they can be without a tree.
#[napi(catch_unwind)]
pub fn check_edits(env: &Env, edits: String) -> napi::Result<()> {
    content::check_edits(&edits).map_err(|error| Fault::from(error).into_error(env))
}

/// A file as it was read.
#[napi(object, use_nullable = true)]
pub struct FileDigest {
    pub size_bytes: i64,
    pub digest: String,
}

/// The length and digest of a file; with `sync` it is durable then.
#[napi(catch_unwind, ts_return_type = "Promise<FileDigest>")]
pub fn digest_file(
    env: &Env,
    path: String,
    sync: bool,
) -> napi::Result<PromiseRaw<'_, FileDigest>> {
    on_thread(env, "engine-digest", move || {
        let (size_bytes, digest) = content::digest_file(Path::new(&path), sync)?;
        Ok(FileDigest {
            size_bytes: to_js(size_bytes),
            digest: hex::encode(digest),
        })
    })
}

/// Makes all that was written to a directory's file system durable.
#[napi(catch_unwind, ts_return_type = "Promise<void>")]
pub fn sync_file_system(env: &Env, directory: String) -> napi::Result<PromiseRaw<'_, ()>> {
    on_thread(env, "engine-sync", move || {
        Ok(content::sync_file_system(Path::new(&directory))?)
    })
}
