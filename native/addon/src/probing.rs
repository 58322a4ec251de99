//! Rates of links, as JavaScript asks for them: measured now, and made of several measurements.

use crate::error::{Fault, settle};
use crate::number::{from_js, to_js};
use crate::relay::PeerRef;
use napi::Env;
use napi_derive::napi;
use rate::{How, Measure, Seen, estimate_of};

const MS_NS: u64 = 1_000_000;

/// What is to be measured.
#[napi(object, use_nullable = true)]
pub struct ProbeOptions {
    /// Who has to be there.
    pub to: PeerRef,
    /// By many bytes instead of a short train.
    pub is_bulk: bool,
}

/// One measurement that has just been made.
#[napi(object, use_nullable = true)]
pub struct ProbeResult {
    pub rate_bps: i64,
    /// How long the rate was seen.
    pub span_ms: f64,
    /// Bytes that arrived.
    pub bytes: i64,
}

/// One measurement of some time ago.
#[napi(object, use_nullable = true)]
pub struct RateMeasure {
    #[napi(ts_type = "'train' | 'bulk' | 'passive'")]
    pub how: String,
    pub rate_bps: i64,
    /// How long the rate was seen, in milliseconds.
    pub span_ms: f64,
    /// How long ago that was, in milliseconds.
    pub age_ms: i64,
}

/// What several measurements say together.
#[napi(object, use_nullable = true)]
pub struct RateEstimate {
    pub rate_bps: i64,
    /// Of the newest.
    pub age_ms: i64,
    /// Of the one that counts most.
    #[napi(ts_type = "'train' | 'bulk' | 'passive'")]
    pub how: String,
    /// Too old to be relied on.
    pub is_stale: bool,
}

/// What measurements of one link say together; null: there is none.
#[napi(catch_unwind)]
pub fn estimate_rate(env: &Env, measures: Vec<RateMeasure>) -> napi::Result<Option<RateEstimate>> {
    let measures = measures.iter().map(read_measure).collect();
    let measures: Vec<Measure> = settle(env, measures)?;
    let estimate = estimate_of(u64::MAX, &measures);
    Ok(estimate.map(|estimate| RateEstimate {
        rate_bps: to_js(estimate.rate_bps),
        age_ms: to_js(estimate.age_ns / MS_NS),
        how: name_of(estimate.how).to_owned(),
        is_stale: estimate.is_stale,
    }))
}

pub(crate) fn result_of(probed: &relay::Probed) -> ProbeResult {
    ProbeResult {
        rate_bps: to_js(probed.seen.rate_bps),
        span_ms: std::time::Duration::from_nanos(probed.seen.span_ns).as_secs_f64() * 1000.0,
        bytes: to_js(probed.bytes),
    }
}

/// Ages are told from now, which is the end of time here.
fn read_measure(measure: &RateMeasure) -> Result<Measure, Fault> {
    let age_ns = from_js("the age", measure.age_ms)?.saturating_mul(MS_NS);
    // Of a span that is no number nothing is left.
    let span = std::time::Duration::try_from_secs_f64(measure.span_ms / 1000.0).unwrap_or_default();
    Ok(Measure {
        how: how_of(&measure.how)?,
        seen: Seen {
            rate_bps: from_js("the rate", measure.rate_bps)?,
            span_ns: u64::try_from(span.as_nanos()).unwrap_or(u64::MAX),
        },
        at_ns: u64::MAX - age_ns,
    })
}

fn how_of(name: &str) -> Result<How, Fault> {
    match name {
        "train" => Ok(How::Train),
        "bulk" => Ok(How::Bulk),
        "passive" => Ok(How::Passive),
        _ => Err(Fault::invalid("the measurement", "nobody measures so")),
    }
}

fn name_of(how: How) -> &'static str {
    match how {
        How::Train => "train",
        How::Bulk => "bulk",
        How::Passive => "passive",
    }
}
