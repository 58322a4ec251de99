//! What can go wrong below a root, by stable code.

use crate::path::escaped;
use rustix::io::Errno;
use std::fmt;

/// Why an operation failed, apart from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The path would leave the root, passes through a link or a mount point, or is no legal path.
    Escapes,
    /// The file system, the quota or the inode table is full.
    NoSpace,
    /// Nothing has that name.
    Missing,
    /// Something has that name already.
    Exists,
    /// Not allowed to this user, or the file system is mounted read-only.
    Denied,
    /// The process or the system has no descriptors left.
    DescriptorsUsedUp,
    /// The two names cannot share an inode: other file system, link limit, or links refused.
    CannotLink,
    /// The kernel, or a sandbox, does not offer `openat2`.
    NoOpenat2,
    /// Anything else; the errno says what.
    Other,
}

/// An operation below a root failed: which one, on what path, with which errno.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeneathError {
    /// The kind of failure; callers switch on this or on [`BeneathError::code`].
    pub failure: Failure,
    /// The operation in words, such as `create file`.
    pub operation: &'static str,
    /// The path as given; bytes, not always text. Escaped when displayed.
    pub path: Vec<u8>,
    /// The system's error number; 0 when the path was refused before any call.
    pub errno: i32,
}

impl BeneathError {
    pub(crate) fn new(operation: &'static str, path: &[u8], errno: Errno) -> Self {
        let failure = match errno {
            Errno::XDEV | Errno::LOOP | Errno::NAMETOOLONG | Errno::AGAIN => Failure::Escapes,
            Errno::NOSPC | Errno::DQUOT => Failure::NoSpace,
            Errno::NOENT => Failure::Missing,
            Errno::EXIST | Errno::NOTEMPTY => Failure::Exists,
            Errno::ACCESS | Errno::PERM | Errno::ROFS => Failure::Denied,
            Errno::MFILE | Errno::NFILE => Failure::DescriptorsUsedUp,
            _ => Failure::Other,
        };
        Self {
            failure,
            operation,
            path: path.to_vec(),
            errno: errno.raw_os_error(),
        }
    }

    pub(crate) fn with(self, failure: Failure) -> Self {
        Self { failure, ..self }
    }

    pub(crate) fn refused(operation: &'static str, path: &[u8]) -> Self {
        Self {
            failure: Failure::Escapes,
            operation,
            path: path.to_vec(),
            errno: 0,
        }
    }

    /// The stable code of this error, as in the error table.
    pub fn code(&self) -> &'static str {
        match self.failure {
            Failure::Escapes => "ENGINE_ERR_PATH_ESCAPES",
            Failure::NoSpace => "ENGINE_ERR_NO_SPACE",
            Failure::Denied => "ENGINE_ERR_DATA_DIR_UNWRITABLE",
            Failure::NoOpenat2 => "ENGINE_ERR_KERNEL",
            Failure::Missing
            | Failure::Exists
            | Failure::DescriptorsUsedUp
            | Failure::CannotLink
            | Failure::Other => "ENGINE_ERR_IO",
        }
    }
}

impl fmt::Display for BeneathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} '{}': ", self.operation, escaped(&self.path))?;
        let what = match self.failure {
            // The system's words say more: not permitted, or mounted read-only.
            Failure::Denied | Failure::Other if self.errno != 0 => {
                return Errno::from_raw_os_error(self.errno).fmt(f);
            }
            Failure::Escapes => "the path leads out of its root",
            Failure::NoSpace => "no space left",
            Failure::Missing => "there is nothing of that name",
            Failure::Exists => "the name is taken",
            Failure::Denied => "access denied",
            Failure::DescriptorsUsedUp => "no file descriptors left",
            Failure::CannotLink => "the file cannot be linked",
            Failure::NoOpenat2 => "the kernel (5.6 or later) or the sandbox must allow openat2",
            Failure::Other => "the file system refused",
        };
        f.write_str(what)?;
        match self.errno {
            0 => Ok(()),
            errno => write!(f, " (errno {errno})"),
        }
    }
}

impl std::error::Error for BeneathError {}
