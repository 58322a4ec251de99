//! The first messages of a talk, for the side that connects; what follows on it is JavaScript's.

use crate::error::{Fault, settle};
use crate::keys::read_hex;
use napi::Env;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use wire::WireError;
use wire::peer::{MESSAGE_HEADER_BYTES, Message, MessageHeader, MessageType, PeerRole};

/// Who speaks at the other end, as it says.
#[napi(object, use_nullable = true)]
pub struct Greeting {
    /// Bytes of the message; what follows it is no message.
    pub bytes: u32,
    pub node_id: String,
    pub name: String,
}

/// What a node that connects to talk sends first: HELLO and TALK.
#[napi(catch_unwind)]
pub fn talk_opening(env: &Env, node_id: String, name: String) -> napi::Result<Buffer> {
    let hello = Message::Hello {
        role: PeerRole::Node,
        node: settle(env, read_hex("the node's id", &node_id))?,
        name,
        ticket: Vec::new(),
    };
    let mut opening = hello.encode();
    opening.extend_from_slice(&Message::Talk.encode());
    Ok(opening.into())
}

/// Reads the HELLO at the front of what came; null when it is not whole yet.
#[napi(catch_unwind)]
pub fn read_greeting(env: &Env, bytes: &[u8]) -> napi::Result<Option<Greeting>> {
    settle(env, greeting_of(bytes))
}

fn greeting_of(bytes: &[u8]) -> Result<Option<Greeting>, Fault> {
    let header = match MessageHeader::decode(bytes) {
        Err(error) if error.is_truncated() => return Ok(None),
        header => header.map_err(|error| unreadable(&error))?,
    };
    if header.kind != MessageType::Hello {
        return Err(Fault::invalid("the greeting", "it is no HELLO"));
    }
    let end = MESSAGE_HEADER_BYTES + header.length as usize;
    let Some(payload) = bytes.get(MESSAGE_HEADER_BYTES..end) else {
        return Ok(None);
    };
    match Message::from_parts(&header, payload).map_err(|error| unreadable(&error))? {
        Message::Hello { node, name, .. } => Ok(Some(Greeting {
            bytes: u32::try_from(end).unwrap_or(u32::MAX),
            node_id: hex::encode(node),
            name,
        })),
        _ => Err(Fault::invalid("the greeting", "it is no HELLO")),
    }
}

fn unreadable(error: &WireError) -> Fault {
    Fault::new(
        "ENGINE_ERR_INVALID_ARGUMENT",
        format!("the greeting is not valid: {error}"),
    )
    .with("what", "the greeting")
    .with("why", error.to_string())
}
