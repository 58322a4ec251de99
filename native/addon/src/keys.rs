//! Keys and digests: the few small calls that JavaScript needs of them.

use crate::error::{Fault, settle};
use ed25519_dalek::SigningKey;
use napi::Env;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;

/// A fresh ed25519 key. `seed` is the secret; both are 32 bytes.
#[napi(object, use_nullable = true)]
pub struct KeyPair {
    pub seed: Buffer,
    pub public_key: Buffer,
}

/// Makes an ed25519 key from the kernel's randomness.
#[napi(catch_unwind)]
pub fn generate_key(env: &Env) -> napi::Result<KeyPair> {
    let mut seed = [0_u8; 32];
    let filled = getrandom::fill(&mut seed).map_err(|error| {
        Fault::new(
            "ENGINE_ERR_KERNEL",
            format!("the kernel gives no randomness: {error}"),
        )
        .with("what", "randomness")
    });
    settle(env, filled)?;
    Ok(KeyPair {
        seed: seed.to_vec().into(),
        public_key: public_half(&seed).to_vec().into(),
    })
}

/// The public half of a seed of 32 bytes.
#[napi(catch_unwind)]
pub fn public_key_of(env: &Env, seed: &[u8]) -> napi::Result<Buffer> {
    let seed = settle(env, read_key("the seed", seed))?;
    Ok(public_half(&seed).to_vec().into())
}

/// BLAKE3 of the bytes, 64 hexadecimal digits.
#[napi(catch_unwind)]
pub fn blake3(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

fn public_half(seed: &[u8; 32]) -> [u8; 32] {
    SigningKey::from_bytes(seed).verifying_key().to_bytes()
}

/// Exactly 32 bytes of a key.
pub(crate) fn read_key(what: &'static str, bytes: &[u8]) -> Result<[u8; 32], Fault> {
    bytes
        .try_into()
        .map_err(|_| Fault::invalid(what, "it has not 32 bytes"))
}

/// A digest, hash or id from its hexadecimal digits.
pub(crate) fn read_hex<const N: usize>(what: &'static str, text: &str) -> Result<[u8; N], Fault> {
    let mut bytes = [0_u8; N];
    hex::decode_to_slice(text, &mut bytes)
        .map_err(|_| Fault::invalid(what, "it is not the right number of hexadecimal digits"))?;
    Ok(bytes)
}
