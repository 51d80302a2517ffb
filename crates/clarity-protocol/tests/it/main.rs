//! The bytes of the protocol, what answers mean, and that no bytes from outside break a reader.

mod answers;
mod hints;
mod hostile_bytes;
mod operations;
mod secrecy;
mod wire;
