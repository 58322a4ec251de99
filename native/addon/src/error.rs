//! How an error of the crates crosses into JavaScript: an `Error` with `code` and `details`.

use beneath::BeneathError;
use content::ContentError;
use napi::bindgen_prelude::{JsObjectValue, Object};
use napi::{Env, JsValue};
use relay::RelayError;

/// An error on its way: a code of the engine's table, a text, and the facts the text names.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) details: Vec<(&'static str, String)>,
}

impl Fault {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    pub(crate) fn invalid(what: &'static str, why: &'static str) -> Self {
        Self::new(
            "ENGINE_ERR_INVALID_ARGUMENT",
            format!("{what} is not valid: {why}"),
        )
        .with("what", what)
        .with("why", why)
    }

    /// The system gives no thread.
    pub(crate) fn thread(error: &std::io::Error) -> Self {
        Self::new(
            "ENGINE_ERR_IO",
            format!("a thread cannot be started: {error}"),
        )
        .with("what", "thread")
        .with("why", error.to_string())
    }

    /// A panic caught at a thread's root; the payload's text is all there is.
    pub(crate) fn panicked(payload: &(dyn std::any::Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic without a text".to_owned());
        let message = format!("something is wrong in distributary itself: {text}");
        Self::new("ENGINE_ERR_INTERNAL", message).with("why", text)
    }

    /// Makes the JavaScript error. On the thread of `env` alone.
    pub(crate) fn into_error(self, env: &Env) -> napi::Error {
        match self.to_object(env) {
            Ok(object) => napi::Error::from(object.to_unknown()),
            Err(error) => error,
        }
    }

    fn to_object<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let mut object = env.create_error(napi::Error::from_reason(self.message.as_str()))?;
        let mut details = Object::new(env)?;
        for (name, value) in &self.details {
            details.set_named_property(name, value.as_str())?;
        }
        object.set_named_property("code", self.code)?;
        object.set_named_property("details", details)?;
        Ok(object)
    }
}

impl From<ContentError> for Fault {
    fn from(error: ContentError) -> Self {
        Self {
            code: error.code(),
            message: error.to_string(),
            details: error.details(),
        }
    }
}

impl From<BeneathError> for Fault {
    fn from(error: BeneathError) -> Self {
        ContentError::from(error).into()
    }
}

impl From<RelayError> for Fault {
    fn from(error: RelayError) -> Self {
        let fault = Self::new(error.code(), error.to_string());
        match &error {
            RelayError::AddressInUse { address } | RelayError::Listen { address, .. } => fault
                .with("host", address.ip().to_string())
                .with("port", address.port().to_string())
                .with("why", error.to_string()),
            RelayError::NoSpace { path } => fault.with("path", path.display().to_string()),
            RelayError::Disk { path, source, .. } => fault
                .with("what", path.display().to_string())
                .with("why", source.to_string()),
            RelayError::Probe { address, why } => {
                fault.with("to", address.to_string()).with("why", why)
            }
            RelayError::Closed => fault.with("what", "the relay"),
            _ => fault
                .with("what", "the session")
                .with("why", error.to_string()),
        }
    }
}

/// The end of a call from JavaScript: its value, or its error made into one of JavaScript.
pub(crate) fn settle<T>(env: &Env, outcome: Result<T, Fault>) -> napi::Result<T> {
    outcome.map_err(|fault| fault.into_error(env))
}

/// Keeps what a callback of JavaScript threw, so that it is what the caller gets.
#[derive(Default)]
pub(crate) struct Thrown(Option<napi::Error>);

impl Thrown {
    /// The callback's answer; false, which stops the work, when it threw.
    pub(crate) fn goes_on(&mut self, answer: napi::Result<bool>) -> bool {
        answer.unwrap_or_else(|error| {
            self.0 = Some(error);
            false
        })
    }

    /// What the callback threw goes before what the work made of being stopped.
    pub(crate) fn settle<T>(self, env: &Env, outcome: Result<T, Fault>) -> napi::Result<T> {
        match self.0 {
            Some(error) => Err(error),
            None => settle(env, outcome),
        }
    }
}
