//! How fast relays may send, as JavaScript says it.

use crate::error::Fault;
use crate::number::from_js;
use napi_derive::napi;

/// How fast one session may send.
#[napi(object, use_nullable = true)]
pub struct Pace {
    /// Bits per second; null: as the relay allows.
    pub rate_bps: Option<i64>,
    /// Its part of the relay's rate beside other sessions'.
    pub weight: u32,
    /// It begins no chunk.
    pub is_paused: bool,
}

/// A rate in bits per second; null: no limit.
pub(crate) fn read_rate(rate_bps: Option<i64>) -> Result<Option<u64>, Fault> {
    match rate_bps {
        Some(0) => Err(Fault::invalid("the rate", "it is 0: that would be a pause")),
        Some(rate_bps) => from_js("the rate", rate_bps).map(Some),
        None => Ok(None),
    }
}

pub(crate) fn read_pace(pace: &Pace) -> Result<relay::Pace, Fault> {
    if pace.weight == 0 {
        return Err(Fault::invalid("the weight", "it is 0"));
    }
    Ok(relay::Pace {
        rate_bps: read_rate(pace.rate_bps)?,
        weight: pace.weight,
        is_paused: pace.is_paused,
    })
}
