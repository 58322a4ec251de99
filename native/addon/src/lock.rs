//! One process owns a data directory: `flock` on its `engine.lock`.

use crate::error::{Fault, settle};
use napi::Env;
use napi_derive::napi;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{LazyLock, Mutex, PoisonError};

const LOCK_NAME: &str = "engine.lock";
/// Digits of a pid and a line's end, with room; what is longer was not written here.
const PID_BYTES_MAX: u64 = 32;

/// Held locks by number. Not in the JavaScript object: its collection must not let go of a lock.
static HELD: LazyLock<Mutex<Held>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Held {
    next: u32,
    files: HashMap<u32, File>,
}

/// Proof that this process owns a data directory, until `release` or the process's end.
#[napi]
pub struct DirectoryLock {
    number: u32,
}

#[napi]
impl DirectoryLock {
    /// Lets go of the directory. Idempotent.
    #[napi(catch_unwind)]
    pub fn release(&self) {
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = held.files.remove(&self.number) {
            // The pid is for the eye; a lock that cannot be emptied is still let go of.
            let _ = file.set_len(0);
        }
    }
}

/// Takes `<path>/engine.lock`. The directory must exist.
/// Errors: `ENGINE_ERR_DATA_DIR_IN_USE` with the owner's pid, `ENGINE_ERR_DATA_DIR_UNWRITABLE`.
#[napi(catch_unwind)]
pub fn lock_directory(env: &Env, path: String) -> napi::Result<DirectoryLock> {
    settle(env, take(Path::new(&path)))
}

fn take(directory: &Path) -> Result<DirectoryLock, Fault> {
    let unwritable = |error: std::io::Error| {
        let shown = directory.display().to_string();
        Fault::new(
            "ENGINE_ERR_DATA_DIR_UNWRITABLE",
            format!("{shown} cannot be written: {error}"),
        )
        .with("path", shown)
        .with("why", error.to_string())
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(directory.join(LOCK_NAME))
        .map_err(unwritable)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Err(in_use(directory, &mut file)),
        Err(errno) => return Err(unwritable(errno.into())),
    }
    file.set_len(0)
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .and_then(|_| writeln!(file, "{}", std::process::id()))
        .map_err(unwritable)?;
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    let number = held.next;
    held.next += 1;
    held.files.insert(number, file);
    Ok(DirectoryLock { number })
}

fn in_use(directory: &Path, file: &mut File) -> Fault {
    let mut text = String::new();
    // Empty for the moment between the owner's taking it and its writing the pid.
    let read = file.take(PID_BYTES_MAX).read_to_string(&mut text);
    let pid = match text.trim() {
        pid if read.is_ok() && pid.bytes().all(|b| b.is_ascii_digit()) && !pid.is_empty() => pid,
        _ => "unknown",
    };
    let shown = directory.display().to_string();
    Fault::new(
        "ENGINE_ERR_DATA_DIR_IN_USE",
        format!("{shown} is in use by process {pid}"),
    )
    .with("path", shown)
    .with("pid", pid)
}
