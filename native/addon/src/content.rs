//! Scanning and packing, which block and are called in a worker thread; what a manifest says.

use crate::error::{Fault, Thrown};
use crate::keys::read_key;
use crate::number::{from_js, to_js};
use crate::promise::on_thread;
use content::{Command, PackBase};
use napi::Env;
use napi::bindgen_prelude::{BigInt, Buffer, Function, PromiseRaw, Uint8Array};
use napi_derive::napi;
use std::path::Path;

#[napi(object, use_nullable = true)]
pub struct ScanOptions {
    pub directory: String,
    pub out_tree_path: String,
    pub shadow_tree_path: Option<String>,
}

#[napi(object, use_nullable = true)]
pub struct ScanProgress {
    pub files: i64,
    pub bytes: i64,
}

#[napi(object, use_nullable = true)]
pub struct ScanResult {
    pub tree_hash: String,
    pub entry_count: i64,
    pub file_count: i64,
    pub total_bytes: i64,
    pub files_added: i64,
    pub files_changed: i64,
    pub files_deleted: i64,
    pub shadow_file_count: i64,
    pub identical: bool,
}

/// Reads a directory, writes its manifest, compares it with the shadow's. Blocks.
/// `onProgress` is called from this thread about every 50 ms; false stops the scan.
#[napi(catch_unwind)]
pub fn scan(
    env: &Env,
    options: ScanOptions,
    on_progress: Function<'_, ScanProgress, bool>,
) -> napi::Result<ScanResult> {
    let mut thrown = Thrown::default();
    let asked = content::ScanOptions {
        directory: Path::new(&options.directory),
        shadow_tree_path: options.shadow_tree_path.as_deref().map(Path::new),
        out_tree_path: Path::new(&options.out_tree_path),
    };
    let scanned = content::scan(&asked, &mut |progress| {
        let news = ScanProgress {
            files: to_js(progress.files),
            bytes: to_js(progress.bytes),
        };
        thrown.goes_on(on_progress.call(news))
    });
    thrown.settle(env, scanned.map(result_of).map_err(Fault::from))
}

pub(crate) fn result_of(found: content::Scanned) -> ScanResult {
    ScanResult {
        tree_hash: hex::encode(found.summary.tree_hash),
        entry_count: to_js(found.summary.entry_count),
        file_count: to_js(found.summary.file_count),
        total_bytes: to_js(found.summary.total_bytes),
        files_added: to_js(found.comparison.files_added),
        files_changed: to_js(found.comparison.files_changed),
        files_deleted: to_js(found.comparison.files_deleted),
        shadow_file_count: to_js(found.comparison.shadow_file_count),
        identical: found.comparison.identical,
    }
}

#[napi(object, use_nullable = true)]
pub struct PackOptions {
    pub directory: String,
    pub tree_path: String,
    pub base_directory: Option<String>,
    pub base_tree_path: Option<String>,
    pub serial: i64,
    #[napi(ts_type = "'publish' | 'replicate'")]
    pub command: String,
    pub site: String,
    pub release: i64,
    pub base_release: i64,
    pub out_path: String,
    pub vouch_path: String,
    pub chunk_bytes: u32,
    pub signing_key: Uint8Array,
    pub created_ns: BigInt,
    pub held: Option<Vec<HeldRelease>>,
}

/// A whole release of which files may be read as content.
#[napi(object, use_nullable = true)]
pub struct HeldRelease {
    pub directory: String,
    pub tree_path: String,
}

#[napi(object, use_nullable = true)]
pub struct PackBatch {
    pub assignment_id: String,
    pub chunk_bytes: u32,
    pub vouch: Option<Buffer>,
    pub chunks: u32,
    pub stream_bytes: i64,
    pub files_packed: i64,
    pub bytes_packed: i64,
}

#[napi(object, use_nullable = true)]
pub struct PackResult {
    pub assignment_id: String,
    pub serial: i64,
    pub chunk_bytes: u32,
    pub chunk_count: u32,
    pub stream_bytes: i64,
    pub data_digest: String,
    pub content_bytes: i64,
}

/// Writes an assignment in one pass. Blocks. `onBatch` is called from this thread for each batch of
/// vouched chunks; false stops the packing.
#[napi(catch_unwind)]
pub fn pack(
    env: &Env,
    options: PackOptions,
    on_batch: Function<'_, PackBatch, bool>,
) -> napi::Result<PackResult> {
    let mut thrown = Thrown::default();
    let packed = pack_with(&options, &mut |batch| {
        let news = PackBatch {
            assignment_id: hex::encode(batch.assignment),
            chunk_bytes: batch.chunk_bytes,
            vouch: batch.vouch.map(Buffer::from),
            chunks: batch.chunks,
            stream_bytes: to_js(batch.stream_bytes),
            files_packed: to_js(batch.files_packed),
            bytes_packed: to_js(batch.bytes_packed),
        };
        thrown.goes_on(on_batch.call(news))
    });
    let result = packed.map(|packed| PackResult {
        assignment_id: hex::encode(packed.assignment),
        serial: to_js(packed.serial),
        chunk_bytes: packed.chunk_bytes,
        chunk_count: packed.chunk_count,
        stream_bytes: to_js(packed.stream_bytes),
        data_digest: hex::encode(packed.data_digest),
        content_bytes: to_js(packed.content_bytes),
    });
    thrown.settle(env, result)
}

fn pack_with(
    options: &PackOptions,
    on_batch: &mut dyn FnMut(&content::PackBatch<'_>) -> bool,
) -> Result<content::Packed, Fault> {
    let base_release = from_js("the base release", options.base_release)?;
    let base = match (&options.base_directory, &options.base_tree_path) {
        (Some(directory), Some(tree)) => Some(PackBase {
            release: base_release,
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
    let command = match options.command.as_str() {
        "publish" => Command::Publish,
        "replicate" => Command::Replicate,
        _ => {
            return Err(Fault::invalid(
                "the command",
                "it is neither publish nor replicate",
            ));
        }
    };
    let (is_negative, created_ns, is_whole) = options.created_ns.get_u64();
    if is_negative || !is_whole {
        return Err(Fault::invalid("createdNs", "it is no time since 1970"));
    }
    let asked = content::PackOptions {
        directory: Path::new(&options.directory),
        tree_path: Path::new(&options.tree_path),
        base,
        serial: from_js("the serial", options.serial)?,
        command,
        site: &options.site,
        release: from_js("the release", options.release)?,
        out_path: Path::new(&options.out_path),
        vouch_path: Path::new(&options.vouch_path),
        chunk_bytes: options.chunk_bytes,
        signing_key: &read_key("the signing key", &options.signing_key)?,
        created_ns,
    };
    let Some(held) = &options.held else {
        return Ok(content::pack(&asked, on_batch)?);
    };
    let held: Vec<_> = held
        .iter()
        .map(|release| content::HeldRelease {
            directory: Path::new(&release.directory),
            tree_path: Path::new(&release.tree_path),
        })
        .collect();
    Ok(content::pack_blobs(&asked, &held, on_batch)?)
}

/// What a manifest says of its tree.
#[napi(object, use_nullable = true)]
pub struct TreeSummary {
    pub tree_hash: String,
    pub file_count: i64,
    pub total_bytes: i64,
    pub entry_count: i64,
}

impl From<content::TreeSummary> for TreeSummary {
    fn from(summary: content::TreeSummary) -> Self {
        Self {
            tree_hash: hex::encode(summary.tree_hash),
            file_count: to_js(summary.file_count),
            total_bytes: to_js(summary.total_bytes),
            entry_count: to_js(summary.entry_count),
        }
    }
}

/// Reads a manifest, on a thread of its own, and says what its tree is.
#[napi(catch_unwind, ts_return_type = "Promise<TreeSummary>")]
pub fn tree_hash(env: &Env, tree_path: String) -> napi::Result<PromiseRaw<'_, TreeSummary>> {
    on_thread(env, "engine-tree", move || {
        Ok(content::summary(&content::read_tree(Path::new(&tree_path))?).into())
    })
}
