//! The vouches of one stream: which digests are known, and the bytes to pass on to others.
//!
//! A receiver appends each accepted vouch to a file, so that after a restart it can check what is
//! in the stream's file without asking anybody.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use wire::vouch::{StreamEnd, Vouch};
use wire::{AssignmentId, Digest};

use crate::error::RelayError;

/// What became of a vouch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// It says what was not known.
    New,
    /// All of it was known.
    Known,
}

/// Why a vouch is not taken. Whoever sent it is wrong or lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Unreadable,
    OtherAssignment,
    Signature,
    Gap,
    End,
}

impl Refused {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Unreadable => "vouch unreadable",
            Self::OtherAssignment => "vouch of another assignment",
            Self::Signature => "vouch not signed by the source",
            Self::Gap => "vouch does not follow the last",
            Self::End => "vouch with an impossible end",
        }
    }
}

/// Why adding a vouch failed: the vouch, or the disk.
#[derive(Debug)]
pub(crate) enum AddError {
    Refused(Refused),
    Disk(RelayError),
}

/// What every vouch of a stream is checked against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) assignment: AssignmentId,
    pub(crate) public_key: [u8; 32],
    pub(crate) chunk_bytes: u32,
}

impl Terms {
    /// Reads a vouch and checks all that can be checked without the others.
    pub(crate) fn check(&self, bytes: &[u8]) -> Result<Vouch, Refused> {
        let vouch = Vouch::decode(bytes).map_err(|_| Refused::Unreadable)?;
        self.check_decoded(&vouch)?;
        Ok(vouch)
    }

    fn check_decoded(&self, vouch: &Vouch) -> Result<(), Refused> {
        if vouch.assignment != self.assignment {
            return Err(Refused::OtherAssignment);
        }
        if vouch.end.is_some_and(|end| !end.fits(self.chunk_bytes)) {
            return Err(Refused::End);
        }
        vouch
            .verify(&self.public_key)
            .map_err(|_| Refused::Signature)
    }
}

#[derive(Debug)]
struct Record {
    /// Index after the last chunk of it.
    next: u32,
    bytes: Box<[u8]>,
}

/// All vouches of one stream, in order and without a gap.
#[derive(Debug)]
pub(crate) struct VouchBook {
    terms: Terms,
    digests: Vec<Digest>,
    records: Vec<Record>,
    end: Option<StreamEnd>,
    log: Option<(File, PathBuf)>,
}

impl VouchBook {
    /// A book without a file.
    pub(crate) fn new(terms: Terms) -> Self {
        Self {
            terms,
            digests: Vec::new(),
            records: Vec::new(),
            end: None,
            log: None,
        }
    }

    /// Takes over what a file holds, as far as it is whole and signed; the file stays as it is.
    pub(crate) fn read(terms: Terms, path: &Path) -> Result<Self, RelayError> {
        let mut book = Self::new(terms);
        match File::open(path) {
            Ok(mut file) => book.load(&mut file, path).map(|_| book),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(book),
            Err(error) => Err(RelayError::disk("open", path, error)),
        }
    }

    /// Takes over what a file holds, cuts off what is torn or damaged, and appends to it from
    /// now on. What is cut is fetched again.
    pub(crate) fn open(terms: Terms, path: &Path) -> Result<Self, RelayError> {
        let disk = |operation| move |error| RelayError::disk(operation, path, error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).map_err(disk("open"))?;
        let mut book = Self::new(terms);
        let whole = book.load(&mut file, path)?;
        file.set_len(whole).map_err(disk("cut"))?;
        file.seek(SeekFrom::Start(whole)).map_err(disk("seek in"))?;
        book.log = Some((file, path.to_path_buf()));
        Ok(book)
    }

    /// Loads the whole, signed records of a file; returns their length.
    fn load(&mut self, file: &mut File, path: &Path) -> Result<u64, RelayError> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(|error| RelayError::disk("read", path, error))?;
        let mut whole = 0;
        while let Some(rest) = bytes.get(whole..).filter(|rest| !rest.is_empty()) {
            let Ok((vouch, used)) = Vouch::decode_first(rest) else {
                break;
            };
            match self.terms.check_decoded(&vouch) {
                Ok(()) if vouch.first == self.known() && self.end.is_none() => {
                    self.push(&vouch, rest.get(..used).unwrap_or_default());
                    whole += used;
                }
                Err(Refused::OtherAssignment) => {
                    let reason = Refused::OtherAssignment.reason();
                    return Err(RelayError::VouchInvalid { reason });
                }
                _ => break,
            }
        }
        Ok(whole as u64)
    }

    /// Checks and adds a vouch that came from a peer. One that says nothing new costs no check of
    /// its signature.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> Result<Accepted, AddError> {
        let unreadable = |_| AddError::Refused(Refused::Unreadable);
        let vouch = Vouch::decode(bytes).map_err(unreadable)?;
        if vouch.next() <= self.known() {
            return Ok(Accepted::Known);
        }
        self.terms
            .check_decoded(&vouch)
            .map_err(AddError::Refused)?;
        self.add_checked(&vouch, bytes)
    }

    /// Adds a vouch that `Terms::check` has let through.
    pub(crate) fn add_checked(
        &mut self,
        vouch: &Vouch,
        bytes: &[u8],
    ) -> Result<Accepted, AddError> {
        if vouch.next() <= self.known() {
            return Ok(Accepted::Known);
        }
        if vouch.first != self.known() {
            return Err(AddError::Refused(Refused::Gap));
        }
        if self.end.is_some() {
            return Err(AddError::Refused(Refused::End));
        }
        if let Some((log, path)) = &mut self.log {
            let written = log.write_all(bytes);
            written.map_err(|error| AddError::Disk(RelayError::disk("write", path, error)))?;
        }
        self.push(vouch, bytes);
        Ok(Accepted::New)
    }

    fn push(&mut self, vouch: &Vouch, bytes: &[u8]) {
        self.digests.extend_from_slice(&vouch.digests);
        self.records.push(Record {
            next: vouch.next(),
            bytes: bytes.into(),
        });
        self.end = self.end.or(vouch.end);
    }

    /// How many chunks, from the first on, have a known digest.
    pub(crate) fn known(&self) -> u32 {
        self.records.last().map_or(0, |record| record.next)
    }

    pub(crate) fn end(&self) -> Option<StreamEnd> {
        self.end
    }

    pub(crate) fn digest(&self, index: u32) -> Option<&Digest> {
        self.digests.get(index as usize)
    }

    /// Length of a chunk with a known digest.
    pub(crate) fn chunk_length(&self, index: u32) -> Option<u32> {
        let whole = self.terms.chunk_bytes;
        (index < self.known()).then(|| self.end.map_or(whole, |end| end.chunk_length(index, whole)))
    }

    /// Bytes of the first `chunks` chunks, which are known.
    pub(crate) fn bytes_of(&self, chunks: u32) -> u64 {
        let bytes = u64::from(chunks) * u64::from(self.terms.chunk_bytes);
        self.end.map_or(bytes, |end| bytes.min(end.stream_bytes))
    }

    /// The first record that says more than that `known` chunks have a digest.
    pub(crate) fn record_after(&self, known: u32) -> Option<(u32, &[u8])> {
        let at = self.records.partition_point(|record| record.next <= known);
        self.records
            .get(at)
            .map(|record| (record.next, &*record.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::vouch::SigningKey;

    const CHUNK: u32 = 4096;

    fn terms(key: &SigningKey) -> Terms {
        let public_key = key.verifying_key().to_bytes();
        Terms {
            assignment: [7; 16],
            public_key,
            chunk_bytes: CHUNK,
        }
    }

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[3; 32])
    }

    fn vouch(first: u32, count: u32, end: Option<u64>, key: &SigningKey) -> Vec<u8> {
        let digests = (first..first + count)
            .map(|i| wire::digest_of(&i.to_le_bytes()))
            .collect();
        let end = end.map(|stream_bytes| StreamEnd {
            chunk_count: first + count,
            stream_bytes,
        });
        Vouch::sign([7; 16], first, digests, end, key)
            .unwrap()
            .encode()
    }

    fn refusal(result: Result<Accepted, AddError>) -> Refused {
        match result {
            Err(AddError::Refused(refused)) => refused,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn vouches_are_taken_in_order_once_and_end_once() {
        let mut book = VouchBook::new(terms(&key()));
        assert_eq!(refusal(book.add(&vouch(2, 1, None, &key()))), Refused::Gap);
        assert_eq!(book.add(&vouch(0, 2, None, &key())).unwrap(), Accepted::New);
        assert_eq!(
            book.add(&vouch(0, 2, None, &key())).unwrap(),
            Accepted::Known
        );
        assert_eq!(book.chunk_length(1), Some(CHUNK));
        assert_eq!(
            refusal(book.add(&vouch(2, 1, Some(9), &key()))),
            Refused::End
        );
        book.add(&vouch(2, 1, Some(2 * 4096 + 5), &key())).unwrap();
        assert_eq!(
            (book.known(), book.chunk_length(2), book.chunk_length(3)),
            (3, Some(5), None)
        );
        assert_eq!(book.bytes_of(3), 2 * 4096 + 5);
        assert_eq!(refusal(book.add(&vouch(3, 1, None, &key()))), Refused::End);
        assert_eq!(book.record_after(0).unwrap().0, 2);
        assert_eq!(book.record_after(2).unwrap().0, 3);
        assert!(book.record_after(3).is_none());
    }

    #[test]
    fn a_vouch_of_another_key_or_assignment_is_refused() {
        let mut book = VouchBook::new(terms(&key()));
        let other = SigningKey::from_bytes(&[4; 32]);
        assert_eq!(
            refusal(book.add(&vouch(0, 1, None, &other))),
            Refused::Signature
        );
        let strange = Vouch::sign([8; 16], 0, vec![[0; 32]], None, &key())
            .unwrap()
            .encode();
        assert_eq!(refusal(book.add(&strange)), Refused::OtherAssignment);
        assert_eq!(refusal(book.add(b"nonsense")), Refused::Unreadable);
        assert_eq!(book.known(), 0);
    }

    #[test]
    fn a_torn_or_damaged_file_is_cut_and_written_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.vouch");
        let mut book = VouchBook::open(terms(&key()), &path).unwrap();
        book.add(&vouch(0, 2, None, &key())).unwrap();
        book.add(&vouch(2, 2, None, &key())).unwrap();
        drop(book);
        let length = std::fs::metadata(&path).unwrap().len();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(length - 1)
            .unwrap();
        assert_eq!(VouchBook::read(terms(&key()), &path).unwrap().known(), 2);
        let mut book = VouchBook::open(terms(&key()), &path).unwrap();
        assert_eq!(book.known(), 2);
        book.add(&vouch(2, 2, Some(4 * 4096), &key())).unwrap();
        drop(book);
        let book = VouchBook::open(terms(&key()), &path).unwrap();
        assert_eq!((book.known(), book.end().unwrap().chunk_count), (4, 4));
        drop(book);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[60] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(VouchBook::open(terms(&key()), &path).unwrap().known(), 0);
    }

    #[test]
    fn a_file_of_another_assignment_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.vouch");
        let strange = Vouch::sign([8; 16], 0, vec![[0; 32]], None, &key())
            .unwrap()
            .encode();
        std::fs::write(&path, &strange).unwrap();
        let error = VouchBook::open(terms(&key()), &path).unwrap_err();
        assert_eq!(error.code(), "ENGINE_ERR_DIGEST_MISMATCH");
        assert_eq!(std::fs::read(&path).unwrap(), strange);
    }
}
