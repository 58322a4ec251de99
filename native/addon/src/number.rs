//! Numbers across the line: JavaScript's are doubles, ours are unsigned integers.

use crate::error::Fault;

/// A count or size for JavaScript. None of ours comes near 2^53.
pub(crate) fn to_js(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A count, size or name from JavaScript.
pub(crate) fn from_js(what: &'static str, value: i64) -> Result<u64, Fault> {
    u64::try_from(value).map_err(|_| Fault::invalid(what, "it is negative"))
}
