//! How a session stands, as JavaScript sees it.

use crate::number::to_js;
use napi_derive::napi;
use relay::Session;

#[napi(object, use_nullable = true)]
pub struct SessionFailure {
    pub code: String,
    pub message: String,
}

/// One session as it stood a moment ago. Counters only grow.
#[napi(object, use_nullable = true)]
pub struct SessionStatus {
    pub session: u32,
    pub assignment_id: String,
    pub restoring: bool,
    pub bytes_have: i64,
    pub chunks_have: u32,
    pub chunk_count: Option<u32>,
    pub complete: bool,
    pub bytes_received: i64,
    pub bytes_sent: i64,
    pub duplicate_chunks: i64,
    pub corrupt_chunks: i64,
    pub faulty_links: i64,
    pub last_fault: Option<String>,
    pub parents: Vec<String>,
    pub children: Vec<Child>,
    pub failure: Option<SessionFailure>,
}

/// What went to one child since it connected.
#[napi(object, use_nullable = true)]
pub struct Child {
    pub node_id: String,
    pub sent_bytes: i64,
    pub busy_ms: i64,
    pub asked_ms: i64,
}

fn child_of(child: &relay::Child) -> Child {
    Child {
        node_id: hex::encode(child.node),
        sent_bytes: to_js(child.sent_bytes),
        busy_ms: to_js(child.busy_ms),
        asked_ms: to_js(child.asked_ms),
    }
}

pub(crate) fn status_of(number: u32, session: &Session) -> SessionStatus {
    let status = session.status();
    SessionStatus {
        session: number,
        assignment_id: hex::encode(status.assignment),
        restoring: status.restoring,
        bytes_have: to_js(status.bytes_have),
        chunks_have: status.chunks_have,
        chunk_count: status.chunk_count,
        complete: status.complete,
        bytes_received: to_js(status.bytes_received),
        bytes_sent: to_js(status.bytes_sent),
        duplicate_chunks: to_js(status.duplicate_chunks),
        corrupt_chunks: to_js(status.corrupt_chunks),
        faulty_links: to_js(status.faulty_links),
        last_fault: status.last_fault.map(str::to_owned),
        parents: status.parents.iter().map(hex::encode).collect(),
        children: status.children.iter().map(child_of).collect(),
        failure: status.failure.map(|failure| SessionFailure {
            code: failure.code.to_owned(),
            message: failure.message,
        }),
    }
}
