//! Looking at what a release's directory really holds.

use crate::error::Fault;
use crate::number::to_js;
use crate::promise::on_thread;
use content::{Seen, name_of_kind};
use napi::Env;
use napi::bindgen_prelude::PromiseRaw;
use napi_derive::napi;
use std::os::fd::IntoRawFd;
use std::path::Path;

/// An entry as it is on disk; names and targets escaped as in manifests.
#[napi(object, use_nullable = true)]
pub struct SeenEntry {
    pub name: String,
    #[napi(ts_type = "import('../../src/model/file.js').FileKind")]
    pub kind: String,
    /// Permission bits.
    pub mode: u32,
    pub size_bytes: i64,
    /// Nanoseconds since 1970, in decimal digits.
    pub mtime_ns: String,
    /// In hexadecimal digits: no number that JavaScript counts with.
    pub inode: String,
    pub target: Option<String>,
}

impl From<Seen> for SeenEntry {
    fn from(seen: Seen) -> Self {
        Self {
            name: seen.name,
            kind: name_of_kind(seen.kind).to_owned(),
            mode: seen.mode,
            size_bytes: to_js(seen.size_bytes),
            mtime_ns: seen.mtime_ns.to_string(),
            inode: format!("{:x}", seen.inode),
            target: seen.target,
        }
    }
}

/// Some entries of a directory, ascending by the bytes of their names.
#[napi(object, use_nullable = true)]
pub struct SeenPage {
    pub entries: Vec<SeenEntry>,
    pub more: bool,
}

/// A file open for reading: whoever gets it closes it.
#[napi(object, use_nullable = true)]
pub struct OpenedFile {
    pub fd: i32,
    pub entry: SeenEntry,
}

/// What a manifest says of a file.
#[napi(object, use_nullable = true)]
pub struct PublishedFile {
    pub size_bytes: i64,
    pub mtime_ns: String,
    pub digest: String,
}

/// One entry of a release.
#[napi(catch_unwind, ts_return_type = "Promise<SeenEntry>")]
pub fn look_at(
    env: &Env,
    directory: String,
    path: String,
) -> napi::Result<PromiseRaw<'_, SeenEntry>> {
    on_thread(env, "engine-look", move || {
        Ok(content::look(Path::new(&directory), &path)?.into())
    })
}

/// A page of a directory of a release.
#[napi(catch_unwind, ts_return_type = "Promise<SeenPage>")]
pub fn list_at(
    env: &Env,
    directory: String,
    path: String,
    after: Option<String>,
    limit: u32,
) -> napi::Result<PromiseRaw<'_, SeenPage>> {
    on_thread(env, "engine-look", move || {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX - 1);
        let page = content::list(Path::new(&directory), &path, after.as_deref(), limit)?;
        Ok(SeenPage {
            entries: page.entries.into_iter().map(SeenEntry::from).collect(),
            more: page.more,
        })
    })
}

/// Opens a regular file of a release.
#[napi(catch_unwind, ts_return_type = "Promise<OpenedFile>")]
pub fn open_at(
    env: &Env,
    directory: String,
    path: String,
) -> napi::Result<PromiseRaw<'_, OpenedFile>> {
    on_thread(env, "engine-look", move || {
        let (file, seen) = content::open_seen(Path::new(&directory), &path)?;
        Ok(OpenedFile {
            fd: file.into_raw_fd(),
            entry: seen.into(),
        })
    })
}

/// What a manifest says of a file; null when it has no such file.
#[napi(catch_unwind, ts_return_type = "Promise<PublishedFile | null>")]
pub fn published_at(
    env: &Env,
    tree_path: String,
    path: String,
) -> napi::Result<PromiseRaw<'_, Option<PublishedFile>>> {
    on_thread(env, "engine-look", move || -> Result<_, Fault> {
        let found = content::published(Path::new(&tree_path), &path)?;
        Ok(found.map(|(size_bytes, mtime_ns, digest)| PublishedFile {
            size_bytes: to_js(size_bytes),
            mtime_ns: mtime_ns.to_string(),
            digest,
        }))
    })
}
