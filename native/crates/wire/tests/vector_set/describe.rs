//! Reads a vector's bytes and tells what is in them.

use std::ops::Range;

use serde_json::{Value, json};
use wire::assignment::{Command, Header, Trailer};
use wire::peer::{Message, MessageHeader, PeerRole, ProbeArrival};
use wire::section::{SECTION_HEADER_BYTES, SectionHeader, SectionKind};
use wire::steps::Step;
use wire::tree::{Entry, EntryKind, Tree};
use wire::vouch::{Vouch, public_key_of};
use wire::{WireError, steps};

use super::{SEED, Vector};

/// The vector's JSON: its fields, or why it is refused.
pub(crate) fn describe(vector: &Vector) -> Value {
    let bytes = vector.bytes.as_slice();
    let fields = match vector.format {
        "header" => Header::decode(bytes).map(|(value, used)| header(&value, used)),
        "steps" => steps::decode(bytes).map(|steps| steps.iter().map(step).collect()),
        "section" => SectionHeader::decode(bytes).map(|value| section(&value)),
        "trailer" => Trailer::decode(bytes).map(|value| trailer(&value)),
        "stream" => stream(bytes),
        "tree" => Tree::decode(bytes).map(|value| tree(&value)),
        "vouch" => vouch(bytes),
        "message" => message(bytes),
        other => unreachable!("no format {other}"),
    };
    match fields {
        Ok(fields) => json!({ "format": vector.format, "fields": fields }),
        Err(error) => json!({
            "format": vector.format,
            "refused": { "code": error.code(), "why": error.to_string() },
        }),
    }
}

fn path(bytes: &[u8]) -> String {
    let escape = |&byte: &u8| match byte {
        b'%' => "%25".to_owned(),
        b' '..=b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    bytes.iter().map(escape).collect()
}

fn header(value: &Header, used: usize) -> Value {
    json!({
        "headerBytes": used,
        "assignment": hex::encode(value.id()),
        "command": match value.command {
            Command::Publish => "publish",
            Command::Replicate => "replicate",
        },
        "serial": value.serial.to_string(),
        "release": value.release.to_string(),
        "baseRelease": value.base_release.to_string(),
        "baseHash": hex::encode(value.base_hash),
        "resultHash": hex::encode(value.result_hash),
        "stepsDigest": hex::encode(value.steps_digest),
        "stepsPackedBytes": value.steps_packed_bytes,
        "stepsRawBytes": value.steps_raw_bytes,
        "stepCount": value.step_count,
        "entryCount": value.entry_count,
        "contentBytes": value.content_bytes.to_string(),
        "diskBytes": value.disk_bytes.to_string(),
        "createdNs": value.created_ns.to_string(),
        "chunkBytes": value.chunk_bytes,
        "site": value.site,
    })
}

fn section(value: &SectionHeader) -> Value {
    let (kind, base_offset, base_bytes) = match value.kind {
        SectionKind::Plain => ("plain", 0, 0),
        SectionKind::Zstd => ("zstd", 0, 0),
        SectionKind::Delta {
            base_offset,
            base_bytes,
        } => ("delta", base_offset, base_bytes),
        SectionKind::Whole {
            file_bytes,
            padding_bytes,
        } => ("whole", file_bytes, padding_bytes),
    };
    json!({
        "kind": kind,
        "firstStep": value.first_step,
        "rawBytes": value.raw_bytes,
        "packedBytes": value.packed_bytes,
        "baseOffset": base_offset.to_string(),
        "baseBytes": base_bytes,
    })
}

fn trailer(value: &Trailer) -> Value {
    json!({
        "sectionCount": value.section_count,
        "dataDigest": hex::encode(value.data_digest),
        "stepsDigest": hex::encode(value.steps_digest),
        "streamBytes": value.stream_bytes.to_string(),
    })
}

fn step(value: &Step) -> Value {
    let at = path(value.path());
    match value {
        Step::MakeDirectory { mode, mtime_ns, .. } => json!({
            "step": "makeDirectory", "path": at, "mode": mode, "mtimeNs": mtime_ns.to_string(),
        }),
        Step::WriteFile {
            mode,
            mtime_ns,
            size_bytes,
            digest,
            ..
        } => json!({
            "step": "writeFile", "path": at, "mode": mode, "mtimeNs": mtime_ns.to_string(),
            "sizeBytes": size_bytes.to_string(), "digest": hex::encode(digest),
        }),
        Step::CopyFile {
            from,
            mode,
            mtime_ns,
            ..
        } => json!({
            "step": "copyFile", "path": at, "from": path(from), "mode": mode,
            "mtimeNs": mtime_ns.to_string(),
        }),
        Step::MakeLink {
            mtime_ns, target, ..
        } => json!({
            "step": "makeLink", "path": at, "mtimeNs": mtime_ns.to_string(),
            "target": path(target),
        }),
        Step::SetAttributes { mode, mtime_ns, .. } => json!({
            "step": "setAttributes", "path": at, "mode": mode, "mtimeNs": mtime_ns.to_string(),
        }),
        Step::Delete { .. } => json!({ "step": "delete", "path": at }),
    }
}

fn tree(value: &Tree) -> Value {
    let entries: Vec<Value> = value.entries().iter().map(entry).collect();
    json!({ "hash": hex::encode(value.hash()), "entries": entries })
}

fn entry(value: &Entry) -> Value {
    let mut fields = json!({
        "path": path(&value.path), "mode": value.mode, "mtimeNs": value.mtime_ns.to_string(),
    });
    match &value.kind {
        EntryKind::Directory => fields["kind"] = json!("directory"),
        EntryKind::File { size_bytes, digest } => {
            fields["kind"] = json!("file");
            fields["sizeBytes"] = json!(size_bytes.to_string());
            fields["digest"] = json!(hex::encode(digest));
        }
        EntryKind::Link { target } => {
            fields["kind"] = json!("link");
            fields["target"] = json!(path(target));
        }
    }
    fields
}

/// Fields of a vouch that the vectors' key signed.
fn vouch(bytes: &[u8]) -> Result<Value, WireError> {
    let value = Vouch::decode(bytes)?;
    let public_key = public_key_of(&SEED);
    value.verify(&public_key)?;
    let end = value.end.map(
        |end| json!({ "chunkCount": end.chunk_count, "streamBytes": end.stream_bytes.to_string() }),
    );
    Ok(json!({
        "publicKey": hex::encode(public_key),
        "assignment": hex::encode(value.assignment),
        "first": value.first,
        "digests": value.digests.iter().map(hex::encode).collect::<Vec<_>>(),
        "end": end,
        "signature": hex::encode(value.signature),
    }))
}

fn ranges(values: &[Range<u32>]) -> Value {
    values
        .iter()
        .map(|range| json!([range.start, range.end]))
        .collect()
}

fn message(bytes: &[u8]) -> Result<Value, WireError> {
    let header = MessageHeader::decode(bytes)?;
    let message = Message::decode(bytes)?;
    Ok(json!({
        "type": header.kind.number(),
        "length": header.length,
        "a": header.a,
        "b": header.b,
        "message": told(&message),
    }))
}

fn told(message: &Message) -> Value {
    match message {
        Message::Hello {
            role,
            node,
            name,
            ticket,
        } => json!({
            "hello": {
                "role": match role {
                    PeerRole::Coordinator => "coordinator",
                    PeerRole::Node => "node",
                },
                "node": hex::encode(node), "name": name, "ticket": hex::encode(ticket),
            },
        }),
        Message::Attach {
            assignment,
            strand,
            vouched_count,
            have,
        } => json!({
            "attach": {
                "assignment": hex::encode(assignment), "strand": strand,
                "vouchedCount": vouched_count, "have": ranges(have),
            },
        }),
        Message::Detach { strand } => json!({ "detach": { "strand": strand } }),
        Message::Talk => json!({ "talk": {} }),
        Message::Probe { bytes } => json!({ "probe": { "bytes": bytes } }),
        Message::Probed { arrivals } => {
            let one = |each: &ProbeArrival| json!({ "bytes": each.bytes, "atNs": each.at_ns });
            json!({ "probed": arrivals.iter().map(one).collect::<Vec<_>>() })
        }
        Message::Refuse {
            reason,
            strand,
            text,
        } => json!({
            "refuse": { "reason": reason.number(), "strand": strand, "text": text },
        }),
        Message::Vouch { bytes } => json!({ "vouch": { "bytes": hex::encode(bytes) } }),
        Message::Chunk {
            index,
            strand,
            bytes,
        } => json!({
            "chunk": { "index": index, "strand": strand, "bytes": bytes },
        }),
        Message::Pull { ranges: wanted } => json!({ "pull": { "ranges": ranges(wanted) } }),
        Message::Have { ranges: held } => json!({ "have": { "ranges": ranges(held) } }),
        Message::Status {
            have_count,
            vouched_count,
            backlog,
            complete,
            slow,
            log_lengths,
        } => json!({
            "status": {
                "haveCount": have_count, "vouchedCount": vouched_count, "backlog": backlog,
                "complete": complete, "slow": slow, "logLengths": log_lengths,
            },
        }),
    }
}

/// Reads a whole assignment as a node does and tells its files and its chunks.
fn stream(bytes: &[u8]) -> Result<Value, WireError> {
    let (head, used) = Header::decode(bytes)?;
    let (packed, mut rest) = bytes[used..].split_at(head.steps_packed_bytes as usize);
    let steps = head.read_steps(&unpack(packed))?;
    let mut sections = Vec::new();
    let mut content = Vec::new();
    let mut hasher = blake3::Hasher::new();
    while !Trailer::begins(rest) {
        let head = SectionHeader::decode(rest)?;
        let bytes = usize::try_from(head.stream_bytes()).expect("small");
        let (front, after) = rest.split_at(SECTION_HEADER_BYTES);
        let (packed, after) = after.split_at(bytes);
        hasher.update(front);
        match head.kind {
            SectionKind::Whole { padding_bytes, .. } => {
                content.extend_from_slice(&packed[padding_bytes as usize..]);
            }
            SectionKind::Plain => {
                hasher.update(packed);
                content.extend_from_slice(packed);
            }
            _ => {
                hasher.update(packed);
                content.extend(unpack(packed));
            }
        }
        sections.push(section(&head));
        rest = after;
    }
    let end = Trailer::decode(rest)?;
    assert_eq!(end.data_digest, *hasher.finalize().as_bytes());
    assert_eq!(end.stream_bytes, bytes.len() as u64);
    assert_eq!(end.section_count as usize, sections.len());
    let result = Tree::apply(None, &steps)?;
    assert_eq!(result.hash(), head.result_hash);
    let digests = bytes.chunks(head.chunk_bytes as usize).map(wire::digest_of);
    Ok(json!({
        "header": header(&head, used),
        "steps": steps.iter().map(step).collect::<Vec<_>>(),
        "sections": sections,
        "contentHex": hex::encode(content),
        "trailer": trailer(&end),
        "chunkDigests": digests.map(hex::encode).collect::<Vec<_>>(),
    }))
}

fn unpack(packed: &[u8]) -> Vec<u8> {
    let mut raw = vec![0; 1 << 20];
    let count = zstd_safe::decompress(raw.as_mut_slice(), packed).expect("a zstd frame");
    raw.truncate(count);
    raw
}
