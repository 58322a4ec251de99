//! What a directory's file system can do, tried and not guessed.

use crate::Outcome;
use crate::error::ContentError;
use beneath::{Failure, Root};
use std::io::Write;
use std::path::Path;

/// What the doctor tells of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageProbe {
    /// Operations can be kept beneath a root by the kernel.
    pub openat2: bool,
    /// Unchanged files can share their blocks (FICLONE).
    pub reflink: bool,
    /// Bytes that this user may still write.
    pub free_bytes: u64,
    /// Name of the file system; its magic number in hexadecimal when it has no name here.
    pub file_system: String,
    /// A file can be created.
    pub writable: bool,
}

/// Tries what the engine needs of a directory, leaving nothing behind.
pub fn probe_storage(directory: &Path) -> Outcome<StorageProbe> {
    let stat = rustix::fs::statfs(directory)
        .map_err(|errno| ContentError::io(directory, &errno.into()))?;
    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation
    )]
    let magic = stat.f_type as u32;
    let file_system = file_system_name(magic);
    let root = match Root::open(directory) {
        Err(error) if error.failure == Failure::NoOpenat2 => {
            let free_bytes = 0;
            let (openat2, reflink, writable) = (false, false, false);
            return Ok(StorageProbe {
                openat2,
                reflink,
                free_bytes,
                file_system,
                writable,
            });
        }
        other => other?,
    };
    let (writable, reflink) = try_files(&root);
    let free_bytes = root.space()?.free_bytes;
    Ok(StorageProbe {
        openat2: true,
        reflink,
        free_bytes,
        file_system,
        writable,
    })
}

fn try_files(root: &Root) -> (bool, bool) {
    let name = |part: &str| format!(".engine-probe-{}-{part}", std::process::id()).into_bytes();
    let (from, to) = (name("from"), name("to"));
    let writable = root
        .create_file(&from, 0o600)
        .ok()
        .filter(|mut file| file.write_all(&[7; 4096]).is_ok());
    let clone = writable
        .as_ref()
        .and_then(|_| root.create_file(&to, 0o600).ok());
    let reflink = match (&writable, &clone) {
        (Some(source), Some(target)) => rustix::fs::ioctl_ficlone(target, source).is_ok(),
        _ => false,
    };
    for name in [&from, &to] {
        // Whatever was created is removed; what was not created cannot be.
        let _ = root.unlink(name);
    }
    (writable.is_some(), reflink)
}

fn file_system_name(magic: u32) -> String {
    let name = match magic {
        0xef53 => "ext4",
        0x9123_683e => "btrfs",
        0x5846_5342 => "xfs",
        0x0102_1994 => "tmpfs",
        0x794c_7630 => "overlay",
        0x6969 => "nfs",
        0x2fc1_2fc1 => "zfs",
        0xf2f5_2010 => "f2fs",
        0xca45_1a4e => "bcachefs",
        0xff53_4d42 => "cifs",
        0x6573_5546 => "fuse",
        0x4d44 => "vfat",
        _ => return format!("{magic:#x}"),
    };
    name.to_owned()
}
