//! Promises that are settled from threads of our own, never from libuv's pool.

use crate::error::Fault;
use napi::bindgen_prelude::{PromiseRaw, ToNapiValue};
use napi::{Env, JsDeferred, JsValue};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::Builder;

type Resolver<T> = Box<dyn FnOnce(Env) -> napi::Result<T> + Send>;

/// Settles one promise, once, from any thread.
pub(crate) struct Settler<T: ToNapiValue>(JsDeferred<T, Resolver<T>>);

impl<T: ToNapiValue + Send + 'static> Settler<T> {
    /// A promise and what settles it. The event loop stays alive until it is settled.
    pub(crate) fn new(env: &Env) -> napi::Result<(Self, PromiseRaw<'_, T>)> {
        let (deferred, promise) = env.create_deferred::<T, Resolver<T>>()?;
        Ok((Self(deferred), PromiseRaw::new(env.raw(), promise.raw())))
    }

    pub(crate) fn settle(self, outcome: Result<T, Fault>) {
        self.0.resolve(Box::new(move |env| {
            outcome.map_err(|fault| fault.into_error(&env))
        }));
    }
}

/// A promise of what `work`, on a thread of its own, comes to; a panic is an internal error.
pub(crate) fn on_thread<'env, T: ToNapiValue + Send + 'static>(
    env: &'env Env,
    name: &str,
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> napi::Result<PromiseRaw<'env, T>> {
    let (settler, promise) = Settler::new(env)?;
    let run = move || {
        let outcome = catch_unwind(AssertUnwindSafe(work));
        settler.settle(outcome.unwrap_or_else(|payload| Err(Fault::panicked(&*payload))));
    };
    match Builder::new().name(name.to_owned()).spawn(run) {
        Ok(_) => Ok(promise),
        Err(error) => Err(Fault::thread(&error).into_error(env)),
    }
}
