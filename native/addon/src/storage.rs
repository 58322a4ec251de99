//! What a data directory's file system can do, for the doctor.

use crate::number::to_js;
use crate::promise::on_thread;
use napi::Env;
use napi::bindgen_prelude::PromiseRaw;
use napi_derive::napi;
use std::path::Path;

#[napi(object, use_nullable = true)]
pub struct StorageProbe {
    pub openat2: bool,
    pub reflink: bool,
    pub free_bytes: i64,
    pub file_system: String,
    pub writable: bool,
}

/// Tries what the engine needs of a directory, leaving nothing behind.
#[napi(catch_unwind, ts_return_type = "Promise<StorageProbe>")]
pub fn probe_storage(env: &Env, directory: String) -> napi::Result<PromiseRaw<'_, StorageProbe>> {
    on_thread(env, "engine-probe", move || {
        let probe = content::probe_storage(Path::new(&directory))?;
        Ok(StorageProbe {
            openat2: probe.openat2,
            reflink: probe.reflink,
            free_bytes: to_js(probe.free_bytes),
            file_system: probe.file_system,
            writable: probe.writable,
        })
    })
}
