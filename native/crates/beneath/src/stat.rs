//! What the file system knows of one name.

use rustix::fs::FileType;

/// The type of a directory entry. A link is itself, never what it points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Regular file.
    File,
    /// Directory.
    Directory,
    /// Symbolic link.
    Link,
    /// Named pipe.
    Fifo,
    /// Unix socket.
    Socket,
    /// Character or block device.
    Device,
    /// The directory does not say; ask [`crate::Root::stat`].
    Unknown,
}

impl From<FileType> for Kind {
    fn from(kind: FileType) -> Self {
        match kind {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::Link,
            FileType::Fifo => Self::Fifo,
            FileType::Socket => Self::Socket,
            FileType::CharacterDevice | FileType::BlockDevice => Self::Device,
            FileType::Unknown => Self::Unknown,
        }
    }
}

/// Attributes of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Its type.
    pub kind: Kind,
    /// Permission bits with setuid, setgid and sticky (`& 0o7777`).
    pub mode: u32,
    /// Length in bytes; of a link, of its target.
    pub size_bytes: u64,
    /// Time of the last change of content, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Time of the last change of content or attributes, nanoseconds since 1970.
    pub ctime_ns: i64,
    /// Inode number.
    pub inode: u64,
    /// Device of the file system.
    pub device: u64,
    /// Number of names this inode has.
    pub links: u64,
}

impl From<&rustix::fs::Stat> for Stat {
    #[allow(clippy::useless_conversion)] // field types differ between architectures
    fn from(raw: &rustix::fs::Stat) -> Self {
        Self {
            kind: FileType::from_raw_mode(raw.st_mode).into(),
            mode: raw.st_mode & 0o7777,
            size_bytes: u64::try_from(raw.st_size).unwrap_or(0),
            mtime_ns: nanoseconds(raw.st_mtime.into(), raw.st_mtime_nsec.into()),
            ctime_ns: nanoseconds(raw.st_ctime.into(), raw.st_ctime_nsec.into()),
            inode: raw.st_ino.into(),
            device: raw.st_dev.into(),
            links: raw.st_nlink.into(),
        }
    }
}

/// Times beyond ±292 years from 1970 saturate; they are refused where they matter, by comparison.
fn nanoseconds(seconds: i64, part: u64) -> i64 {
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(i64::try_from(part).unwrap_or(0))
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// The name, bytes without slash.
    pub name: Vec<u8>,
    /// Its type where the directory says it, else [`Kind::Unknown`].
    pub kind: Kind,
}
