//! Paths: bytes relative to a root, never strings.

use crate::error::Fault;
use crate::limits::{COMPONENT_BYTES_MAX, PATH_BYTES_MAX};

/// Checks that `path` is in the one form that the formats allow: relative to the root, components
/// joined by single slashes, none of them empty, `.` or `..`, no NUL; `""` is the root itself.
///
/// # Errors
/// [`Fault::PathEscapes`] for a form that is not allowed, [`Fault::Limit`] for a length.
pub fn check_path(path: &[u8]) -> Result<(), Fault> {
    if path.is_empty() {
        return Ok(());
    }
    if path.len() > PATH_BYTES_MAX {
        return Err(Fault::Limit("path"));
    }
    for component in path.split(|&byte| byte == b'/') {
        if component.is_empty() || component == b"." || component == b".." {
            return Err(Fault::PathEscapes);
        }
        if component.len() > COMPONENT_BYTES_MAX {
            return Err(Fault::Limit("path component"));
        }
        if component.contains(&0) {
            return Err(Fault::PathEscapes);
        }
    }
    Ok(())
}

/// The path of the directory that holds `path`; `None` for the root.
pub fn parent_of(path: &[u8]) -> Option<&[u8]> {
    if path.is_empty() {
        return None;
    }
    let cut = path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    path.get(..cut)
}
