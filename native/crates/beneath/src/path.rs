//! Which relative paths are legal, and how bytes of a name are shown.

use crate::error::BeneathError;
use std::fmt::Write as _;

/// Longest relative path in bytes: the kernel takes 4,096 with the closing NUL.
pub const PATH_BYTES_MAX: usize = 4095;
/// Longest single name in bytes, the limit of every Linux file system in use.
pub const PATH_NAME_BYTES_MAX: usize = 255;

/// Checks that `path` is relative, has no empty, `.` or `..` component and no NUL, and keeps the
/// length limits. The empty path is legal: it names the root itself. Pure.
pub fn check_path(path: &[u8]) -> Result<(), BeneathError> {
    if path.is_empty() {
        return Ok(());
    }
    let legal = path.len() <= PATH_BYTES_MAX
        && !path.contains(&0)
        && path.split(|&byte| byte == b'/').all(is_name);
    if legal {
        Ok(())
    } else {
        Err(BeneathError::refused("check path", path))
    }
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name != b"." && name != b".." && name.len() <= PATH_NAME_BYTES_MAX
}

/// Cuts a legal path into parent and last name: `a/b/c` → (`a/b`, `c`); `c` → (root, `c`). Pure.
pub fn split_path(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&[], path),
    }
}

/// The path of `name` in the directory `path`; the empty path is the root. Pure.
pub fn join_path(path: &[u8], name: &[u8]) -> Vec<u8> {
    if path.is_empty() {
        name.to_vec()
    } else {
        [path, name].join(&b'/')
    }
}

/// Shows a name on one line: text stays, control characters, backslashes and invisible characters
/// are escaped as Rust does, bytes that are no UTF-8 become `\xNN`. Pure.
pub fn escaped(name: &[u8]) -> String {
    let mut shown = String::with_capacity(name.len());
    for part in name.utf8_chunks() {
        for character in part.valid().chars() {
            match character {
                '\'' | '"' => shown.push(character),
                _ => shown.extend(character.escape_debug()),
            }
        }
        for byte in part.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}
