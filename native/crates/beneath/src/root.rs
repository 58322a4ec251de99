//! The root directory and the operations below it.

use crate::error::{BeneathError, Failure};
use crate::path::{check_path, split_path};
use crate::stat::{DirEntry, Kind, Stat};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, AtFlags, Mode, OFlags, RawDir, ResolveFlags, Timespec, Timestamps};
use rustix::io::Errno;
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

type Outcome<T> = Result<T, BeneathError>;

/// Buffer for names of one directory: some hundred entries a system call.
const NAMES_BUFFER_BYTES: usize = 32 * 1024;
/// `openat2` answers EAGAIN when something moved while it resolved; a few tries outlast any honest
/// rename, and somebody who renames in a loop only gets an error.
const RESOLVE_TRIES_MAX: u32 = 32;

/// What is free on the file system of a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that this user may still write.
    pub free_bytes: u64,
    /// Size of the file system in bytes.
    pub total_bytes: u64,
    /// Inodes left; `u64::MAX` where the file system does not count them.
    pub free_inodes: u64,
}

/// A directory held by its descriptor; every operation takes a path relative to it.
///
/// The empty path is the root itself. All operations check the path first and resolve it without
/// following any link, so the worst a hostile path can do is fail with `ENGINE_ERR_PATH_ESCAPES`.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
    resolve: ResolveFlags,
}

enum Parent<'a> {
    Root(BorrowedFd<'a>),
    Opened(OwnedFd),
}

impl AsFd for Parent<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Root(fd) => *fd,
            Self::Opened(fd) => fd.as_fd(),
        }
    }
}

// Without O_NOFOLLOW: it would turn the refusal of a link (ELOOP) into "not a directory".
const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

impl Root {
    /// Opens an existing directory by the operator's own path (links in *this* path are followed),
    /// and proves that `openat2` works. `ENGINE_ERR_KERNEL` when it does not.
    pub fn open(path: &Path) -> Outcome<Self> {
        let bytes = path.as_os_str().as_bytes();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::open(path, flags, Mode::empty())
            .map_err(|errno| BeneathError::new("open directory", bytes, errno))?;
        let resolve = ResolveFlags::BENEATH
            | ResolveFlags::NO_SYMLINKS
            | ResolveFlags::NO_MAGICLINKS
            | ResolveFlags::NO_XDEV;
        let root = Self { fd, resolve };
        root.resolve("open directory", b"", DIRECTORY, Mode::empty())
            .map_err(|error| match Errno::from_raw_os_error(error.errno) {
                Errno::NOSYS | Errno::PERM | Errno::INVAL => error.with(Failure::NoOpenat2),
                _ => error,
            })?;
        Ok(root)
    }

    /// As [`Root::open`], after making the directory and its missing parents (mode 0777 & umask).
    pub fn create(path: &Path) -> Outcome<Self> {
        std::fs::create_dir_all(path).map_err(|error| {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            BeneathError::new("create directory", path.as_os_str().as_bytes(), errno)
        })?;
        Self::open(path)
    }

    /// The same root, allowed to enter file systems mounted below it. For reading a source that the
    /// operator chose; never for a directory that is written to on somebody's word.
    #[must_use]
    pub fn across_mounts(mut self) -> Self {
        self.resolve -= ResolveFlags::NO_XDEV;
        self
    }

    /// Opens a directory below as a root of its own: names in it then resolve without a detour.
    pub fn sub(&self, path: &[u8]) -> Outcome<Self> {
        let fd = self.resolve("open directory", path, DIRECTORY, Mode::empty())?;
        Ok(Self {
            fd,
            resolve: self.resolve,
        })
    }

    /// Opens a file for reading. Never waits for a pipe's writer.
    pub fn open_file(&self, path: &[u8]) -> Outcome<File> {
        let flags =
            OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        self.resolve("open file", path, flags, Mode::empty())
            .map(File::from)
    }

    /// Creates a file that must not exist yet, for reading and writing; `mode` as given, whatever
    /// the umask.
    pub fn create_file(&self, path: &[u8], mode: u32) -> Outcome<File> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = self.resolve("create file", path, flags, Mode::from_raw_mode(0o600))?;
        if mode != 0o600 {
            fs::fchmod(&fd, Mode::from_raw_mode(mode & 0o7777))
                .map_err(|errno| BeneathError::new("set mode of", path, errno))?;
        }
        Ok(File::from(fd))
    }

    /// Creates one directory; its parent must exist. The umask applies: use [`Root::set_mode`] for
    /// an exact mode.
    pub fn create_dir(&self, path: &[u8], mode: u32) -> Outcome<()> {
        self.on_name("create directory", path, |parent, name| {
            fs::mkdirat(parent, name, Mode::from_raw_mode(mode & 0o7777))
        })
    }

    /// Gives the file `from` below `other` a second name here. [`Failure::CannotLink`] when the two
    /// are on different file systems, the file has all the links it may have, or links are refused.
    pub fn link_from(&self, path: &[u8], other: &Root, from: &[u8]) -> Outcome<()> {
        let (source, source_name) = other.parent("link file", from)?;
        let (target, target_name) = self.parent("link file", path)?;
        fs::linkat(&source, source_name, &target, target_name, AtFlags::empty()).map_err(|errno| {
            let error = BeneathError::new("link file", path, errno);
            match errno {
                Errno::XDEV | Errno::MLINK | Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS => {
                    error.with(Failure::CannotLink)
                }
                _ => error,
            }
        })
    }

    /// Makes a symbolic link whose target is the bytes given; they are never looked at.
    pub fn symlink(&self, path: &[u8], target: &[u8]) -> Outcome<()> {
        self.on_name("create link", path, |parent, name| {
            fs::symlinkat(target, parent, name)
        })
    }

    /// Reads the target of a symbolic link.
    pub fn read_link(&self, path: &[u8]) -> Outcome<Vec<u8>> {
        self.on_name("read link", path, |parent, name| {
            fs::readlinkat(parent, name, Vec::new()).map(std::ffi::CString::into_bytes)
        })
    }

    /// Attributes of an entry; of a link, its own.
    pub fn stat(&self, path: &[u8]) -> Outcome<Stat> {
        if path.is_empty() {
            let raw =
                fs::fstat(&self.fd).map_err(|errno| BeneathError::new("stat", path, errno))?;
            return Ok(Stat::from(&raw));
        }
        self.on_name("stat", path, |parent, name| {
            fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).map(|raw| Stat::from(&raw))
        })
    }

    /// Sets the permission bits of a file or directory, even one that its owner may not read.
    pub fn set_mode(&self, path: &[u8], mode: u32) -> Outcome<()> {
        let mode = Mode::from_raw_mode(mode & 0o7777);
        let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = self.resolve("set mode of", path, flags, Mode::empty())?;
        // A descriptor opened by O_PATH takes no fchmod; its own name under /proc does, and cannot
        // be swapped by anybody. A link opened that way is refused by the kernel.
        let name = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&fd));
        fs::chmod(name, mode).map_err(|errno| BeneathError::new("set mode of", path, errno))
    }

    /// Sets the modification time (nanoseconds since 1970) of a file, directory or link itself; the
    /// access time becomes the same.
    pub fn set_mtime(&self, path: &[u8], mtime_ns: i64) -> Outcome<()> {
        let times = times_of(mtime_ns);
        if path.is_empty() {
            return fs::futimens(&self.fd, &times)
                .map_err(|errno| BeneathError::new("set time of", path, errno));
        }
        self.on_name("set time of", path, |parent, name| {
            fs::utimensat(parent, name, &times, AtFlags::SYMLINK_NOFOLLOW)
        })
    }

    /// Removes a name that is no directory.
    pub fn unlink(&self, path: &[u8]) -> Outcome<()> {
        self.on_name("remove", path, |parent, name| {
            fs::unlinkat(parent, name, AtFlags::empty())
        })
    }

    /// Removes an empty directory.
    pub fn rmdir(&self, path: &[u8]) -> Outcome<()> {
        self.on_name("remove directory", path, |parent, name| {
            fs::unlinkat(parent, name, AtFlags::REMOVEDIR)
        })
    }

    /// Renames, replacing a file or link (or an empty directory by a directory) of the new name.
    pub fn rename(&self, from: &[u8], to: &[u8]) -> Outcome<()> {
        let (source, source_name) = self.parent("rename", from)?;
        let (target, target_name) = self.parent("rename", to)?;
        fs::renameat(&source, source_name, &target, target_name)
            .map_err(|errno| BeneathError::new("rename", to, errno))
    }

    /// Swaps two names in one step: readers see either both before or both after.
    pub fn exchange(&self, one: &[u8], other: &[u8]) -> Outcome<()> {
        let (source, source_name) = self.parent("exchange", one)?;
        let (target, target_name) = self.parent("exchange", other)?;
        let flags = fs::RenameFlags::EXCHANGE;
        fs::renameat_with(&source, source_name, &target, target_name, flags)
            .map_err(|errno| BeneathError::new("exchange", other, errno))
    }

    /// Lists a directory in the file system's order, without `.` and `..`.
    pub fn read_dir(&self, path: &[u8]) -> Outcome<Vec<DirEntry>> {
        let failed = |errno| BeneathError::new("list directory", path, errno);
        let fd = self.resolve("list directory", path, DIRECTORY, Mode::empty())?;
        let mut buffer = vec![MaybeUninit::uninit(); NAMES_BUFFER_BYTES];
        let mut names = RawDir::new(fd, &mut buffer);
        let mut entries = Vec::new();
        while let Some(entry) = names.next() {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                entries.push(DirEntry {
                    name: name.to_vec(),
                    kind: entry.file_type().into(),
                });
            }
        }
        Ok(entries)
    }

    /// Makes a directory's names durable (the empty path: the root's own).
    pub fn fsync(&self, path: &[u8]) -> Outcome<()> {
        let fd = self.resolve("sync directory", path, DIRECTORY, Mode::empty())?;
        fs::fsync(&fd).map_err(|errno| BeneathError::new("sync directory", path, errno))
    }

    /// Makes everything on the root's file system durable, once for any number of files.
    pub fn sync_file_system(&self) -> Outcome<()> {
        fs::syncfs(&self.fd).map_err(|errno| BeneathError::new("sync file system of", b"", errno))
    }

    /// What is free on the root's file system.
    pub fn space(&self) -> Outcome<Space> {
        let raw = fs::fstatvfs(&self.fd)
            .map_err(|errno| BeneathError::new("ask free space of", b"", errno))?;
        Ok(Space {
            free_bytes: raw.f_bavail.saturating_mul(raw.f_frsize),
            total_bytes: raw.f_blocks.saturating_mul(raw.f_frsize),
            free_inodes: if raw.f_files == 0 {
                u64::MAX
            } else {
                raw.f_favail
            },
        })
    }

    /// Removes an entry and, of a directory, all below it; links are removed, never followed.
    /// Nothing of that name is no error.
    pub fn remove_tree(&self, path: &[u8]) -> Outcome<()> {
        if path.is_empty() {
            return Err(BeneathError::refused("remove tree", path));
        }
        match self.stat(path) {
            Err(error) if error.failure == Failure::Missing => Ok(()),
            Err(error) => Err(error),
            Ok(stat) if stat.kind == Kind::Directory => {
                crate::clear::make_enterable(self, path, stat.mode)?;
                crate::clear::clear(self.sub(path)?)?;
                self.rmdir(path)
            }
            Ok(_) => self.unlink(path),
        }
    }

    /// The root's own descriptor, for calls that need one (`statfs`, `FICLONE` probes).
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    fn resolve(
        &self,
        operation: &'static str,
        path: &[u8],
        flags: OFlags,
        mode: Mode,
    ) -> Outcome<OwnedFd> {
        check_path(path)?;
        let name: &[u8] = if path.is_empty() { b"." } else { path };
        let mut tries = 0;
        loop {
            match fs::openat2(&self.fd, name, flags, mode, self.resolve) {
                Ok(fd) => return Ok(fd),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if tries < RESOLVE_TRIES_MAX => tries += 1,
                Err(errno) => return Err(BeneathError::new(operation, path, errno)),
            }
        }
    }

    fn parent<'a>(
        &'a self,
        operation: &'static str,
        path: &'a [u8],
    ) -> Outcome<(Parent<'a>, &'a [u8])> {
        check_path(path)?;
        let (parent, name) = split_path(path);
        if name.is_empty() {
            return Err(BeneathError::refused(operation, path));
        }
        if parent.is_empty() {
            return Ok((Parent::Root(self.fd.as_fd()), name));
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = self
            .resolve(operation, parent, flags, Mode::empty())
            .map_err(|error| BeneathError {
                path: path.to_vec(),
                ..error
            })?;
        Ok((Parent::Opened(fd), name))
    }

    fn on_name<T>(
        &self,
        operation: &'static str,
        path: &[u8],
        act: impl FnOnce(BorrowedFd<'_>, &[u8]) -> rustix::io::Result<T>,
    ) -> Outcome<T> {
        let (parent, name) = self.parent(operation, path)?;
        act(parent.as_fd(), name).map_err(|errno| BeneathError::new(operation, path, errno))
    }
}

/// The pair of times that gives an entry this modification time, for `futimens` on an open file.
pub(crate) fn times_of(mtime_ns: i64) -> Timestamps {
    let time = Timespec {
        tv_sec: mtime_ns.div_euclid(1_000_000_000),
        tv_nsec: mtime_ns.rem_euclid(1_000_000_000),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

/// Sets the modification time of an open file; see [`Root::set_mtime`].
pub fn set_file_mtime(file: &File, mtime_ns: i64) -> std::io::Result<()> {
    Ok(fs::futimens(file, &times_of(mtime_ns))?)
}
