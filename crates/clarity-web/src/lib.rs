//! The SDK of Clarity Sync in a browser.
//!
//! A page's worker opens a store in the page's own files and asks it by messages: a call in
//! JSON, an answer in JSON. What the calls and their answers look like in TypeScript is generated
//! from here and checked in with the package of the web. Nothing is decided here: each call is one
//! call of [`clarity_client::Client`].
//!
//! *Architecture Invariant:* one worker has a store open at a time, and it alone writes and sends.
//! Which one that is, the pages agree on before it is opened.

mod answer;
mod call;
mod import_call;
mod session;
mod write_call;

#[cfg(target_arch = "wasm32")]
mod fetch;
#[cfg(target_arch = "wasm32")]
mod store;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod typescript;

pub use session::{CallError, Session};

#[cfg(target_arch = "wasm32")]
pub use store::WebStore;
