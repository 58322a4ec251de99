//! Removing a whole tree without recursion, however deep it is.

use crate::error::{BeneathError, Failure};
use crate::path::join_path;
use crate::root::Root;
use crate::stat::Kind;
use std::rc::Rc;

/// From this length on a path is continued from a root of its own, so that trees deeper than a
/// path may be long can still be removed, with few descriptors.
const RELATIVE_BYTES_MAX: usize = 2048;
const OWNER_ALL: u32 = 0o700;

enum Visit {
    Enter(Rc<Root>, Vec<u8>),
    Leave(Rc<Root>, Vec<u8>),
}

/// Gives the owner the right to list and change a directory that is about to be removed.
pub(crate) fn make_enterable(root: &Root, path: &[u8], mode: u32) -> Result<(), BeneathError> {
    if mode & OWNER_ALL == OWNER_ALL {
        Ok(())
    } else {
        root.set_mode(path, OWNER_ALL)
    }
}

/// Removes all that is below `root`. What another process removes meanwhile counts as removed.
pub(crate) fn clear(root: Root) -> Result<(), BeneathError> {
    let mut visits = vec![Visit::Enter(Rc::new(root), Vec::new())];
    while let Some(visit) = visits.pop() {
        match visit {
            Visit::Enter(anchor, path) if path.len() > RELATIVE_BYTES_MAX => {
                let deeper = Rc::new(anchor.sub(&path)?);
                visits.push(Visit::Enter(deeper, Vec::new()));
            }
            Visit::Enter(anchor, path) => enter(&anchor, &path, &mut visits)?,
            Visit::Leave(anchor, path) => gone(anchor.rmdir(&path))?,
        }
    }
    Ok(())
}

fn enter(anchor: &Rc<Root>, path: &[u8], visits: &mut Vec<Visit>) -> Result<(), BeneathError> {
    for entry in anchor.read_dir(path)? {
        let child = join_path(path, &entry.name);
        let is_directory = match entry.kind {
            Kind::Directory => true,
            Kind::Unknown => anchor.stat(&child)?.kind == Kind::Directory,
            _ => false,
        };
        if is_directory {
            make_enterable(anchor, &child, anchor.stat(&child)?.mode)?;
            visits.push(Visit::Leave(Rc::clone(anchor), child.clone()));
            visits.push(Visit::Enter(Rc::clone(anchor), child));
        } else {
            gone(anchor.unlink(&child))?;
        }
    }
    Ok(())
}

fn gone(outcome: Result<(), BeneathError>) -> Result<(), BeneathError> {
    match outcome {
        Err(error) if error.failure == Failure::Missing => Ok(()),
        other => other,
    }
}
