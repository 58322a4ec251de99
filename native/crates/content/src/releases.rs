//! The releases of a site on disk and the link that says which is live.
//!
//! ```text
//! <site>/releases/<n>/            a complete tree, durable before it has this name
//! <site>/releases/.staging-<n>/   one that is being built, or being removed
//! <site>/trees/<n>.tree           its manifest
//! <site>/live                     symbolic link to releases/<n>
//! ```

use crate::Outcome;
use crate::error::ContentError;
use beneath::{BeneathError, Failure, Kind, Root, escaped};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const LIVE: &[u8] = b"live";
const LIVE_NEW: &[u8] = b".live-new";
const RELEASES: &[u8] = b"releases";
const TREES: &[u8] = b"trees";
pub(crate) const STAGING_PREFIX: &str = ".staging-";

/// Where a release's tree stands: `<site>/releases/<n>`.
pub fn release_directory(site_directory: &Path, release: u64) -> PathBuf {
    site_directory.join("releases").join(release.to_string())
}

/// Where a release's manifest stands: `<site>/trees/<n>.tree`.
pub fn tree_path(site_directory: &Path, release: u64) -> PathBuf {
    site_directory.join("trees").join(format!("{release}.tree"))
}

/// The link that readers follow: `<site>/live`.
pub fn live_link(site_directory: &Path) -> PathBuf {
    site_directory.join("live")
}

/// Points `live` at a release by one rename and makes that durable. A reader sees the old release
/// wholly or the new one wholly. Doing it again changes nothing.
/// `ENGINE_ERR_RELEASE_UNKNOWN` when the release is not there, `ENGINE_ERR_LIVE_TAKEN` when `live`
/// is no link; then nothing is changed.
pub fn switch_live(site_directory: &Path, release: u64) -> Outcome<()> {
    let unknown = ContentError::ReleaseUnknown { release };
    let site = missing_is(Root::open(site_directory), || unknown.clone())?;
    let target = format!("releases/{release}");
    let stat = missing_is(site.stat(target.as_bytes()), || unknown.clone())?;
    if stat.kind != Kind::Directory {
        return Err(unknown);
    }
    refuse_other_live(&site, site_directory)?;
    absent_is_fine(site.unlink(LIVE_NEW))?;
    site.symlink(LIVE_NEW, target.as_bytes())?;
    site.rename(LIVE_NEW, LIVE)?;
    site.fsync(b"")?;
    Ok(())
}

/// The release that `live` points at; `None` when there is no site or no link yet. A `live` that is
/// anything else is an error: somebody else made it, and it is left alone.
pub fn read_live(site_directory: &Path) -> Outcome<Option<u64>> {
    let site = match Root::open(site_directory) {
        Err(error) if error.failure == Failure::Missing => return Ok(None),
        other => other?,
    };
    let target = match site.read_link(LIVE) {
        Err(error) if error.failure == Failure::Missing => return Ok(None),
        Err(error) => {
            refuse_other_live(&site, site_directory)?;
            return Err(error.into());
        }
        Ok(target) => target,
    };
    let release = target.strip_prefix(b"releases/").and_then(number);
    match release {
        Some(release) => Ok(Some(release)),
        None => Err(ContentError::Io {
            path: escaped(live_link(site_directory).as_os_str().as_bytes()),
            why: format!("it points at '{}', which is no release", escaped(&target)),
            errno: 0,
        }),
    }
}

/// A file or a directory in place of the link is not ours: a rename would remove the one and fail
/// on the other.
fn refuse_other_live(site: &Root, site_directory: &Path) -> Outcome<()> {
    match site.stat(LIVE) {
        Err(error) if error.failure == Failure::Missing => Ok(()),
        Ok(stat) if stat.kind != Kind::Link => Err(ContentError::LiveTaken {
            path: escaped(live_link(site_directory).as_os_str().as_bytes()),
        }),
        other => Ok(other.map(|_| ())?),
    }
}

/// The releases held here, ascending: those with a tree and its manifest.
pub fn list_releases(site_directory: &Path) -> Outcome<Vec<u64>> {
    let site = match Root::open(site_directory) {
        Err(error) if error.failure == Failure::Missing => return Ok(Vec::new()),
        other => other?,
    };
    let mut releases = Vec::new();
    for entry in names(&site, RELEASES)? {
        let Some(release) = number(&entry) else {
            continue;
        };
        let held = site.stat(format!("trees/{release}.tree").as_bytes());
        if held.is_ok_and(|stat| stat.kind == Kind::File) {
            releases.push(release);
        }
    }
    releases.sort_unstable();
    Ok(releases)
}

/// Removes the releases that are neither in `keep` nor live, with their manifests, and the staging
/// directories that are not in `staging`. Returns the releases removed, ascending.
///
/// Whatever has another name than a number or `.staging-<number>` stays. A release loses its name
/// before its first file goes, so that a crash leaves no half release that looks whole.
pub fn prune_releases(site_directory: &Path, keep: &[u64], staging: &[u64]) -> Outcome<Vec<u64>> {
    let live = read_live(site_directory)?;
    let site = match Root::open(site_directory) {
        Err(error) if error.failure == Failure::Missing => return Ok(Vec::new()),
        other => other?,
    };
    let mut removed = Vec::new();
    for name in names(&site, RELEASES)? {
        if let Some(release) = number(&name) {
            let kept = keep.contains(&release) || live == Some(release);
            if !kept && !staging.contains(&release) {
                remove_release(&site, release)?;
                removed.push(release);
            }
        } else if staged_number(&name).is_some_and(|release| !staging.contains(&release)) {
            site.remove_tree(&[RELEASES, &name].join(&b'/'))?;
        }
    }
    removed.sort_unstable();
    Ok(removed)
}

fn remove_release(site: &Root, release: u64) -> Outcome<()> {
    let doomed = format!("releases/{STAGING_PREFIX}{release}");
    site.remove_tree(doomed.as_bytes())?;
    site.rename(format!("releases/{release}").as_bytes(), doomed.as_bytes())?;
    absent_is_fine(site.unlink(&[TREES, format!("{release}.tree").as_bytes()].join(&b'/')))?;
    site.remove_tree(doomed.as_bytes())?;
    Ok(())
}

/// Removes a file, or a directory with all below it, never following a link. Nothing there is no
/// error. The path is the caller's own; only what lies below its last name is removed.
pub fn remove_tree(path: &Path) -> Outcome<()> {
    let invalid = ContentError::InvalidArgument {
        what: "path",
        why: "it names no entry",
    };
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(invalid);
    };
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    match Root::open(parent) {
        Err(error) if error.failure == Failure::Missing => Ok(()),
        other => Ok(other?.remove_tree(name.as_bytes())?),
    }
}

fn names(site: &Root, directory: &[u8]) -> Outcome<Vec<Vec<u8>>> {
    match site.read_dir(directory) {
        Err(error) if error.failure == Failure::Missing => Ok(Vec::new()),
        other => Ok(other?.into_iter().map(|entry| entry.name).collect()),
    }
}

/// A release number in its one decimal form.
pub(crate) fn number(name: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(name).ok()?;
    let value = text.parse::<u64>().ok()?;
    (value.to_string() == text).then_some(value)
}

/// The release number of a staging directory's name.
pub(crate) fn staged_number(name: &[u8]) -> Option<u64> {
    name.strip_prefix(STAGING_PREFIX.as_bytes())
        .and_then(number)
}

pub(crate) fn absent_is_fine(outcome: Result<(), BeneathError>) -> Result<(), BeneathError> {
    match outcome {
        Err(error) if error.failure == Failure::Missing => Ok(()),
        other => other,
    }
}

fn missing_is<T>(
    outcome: Result<T, BeneathError>,
    instead: impl FnOnce() -> ContentError,
) -> Outcome<T> {
    match outcome {
        Err(error) if error.failure == Failure::Missing => Err(instead()),
        other => Ok(other?),
    }
}
