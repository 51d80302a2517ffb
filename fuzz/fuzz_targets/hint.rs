//! Silent pushes come from anywhere: whatever the bytes are, they are a hint or none.
//!
//! `cargo +nightly fuzz run hint` begins with the corpus beside this folder, which the tests of
//! clarity-protocol replay through the same function.

#![no_main]

use clarity_protocol::Hint;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(hint) = Hint::from_bytes(bytes) {
        assert_eq!(Hint::from_bytes(hint.to_json().as_bytes()), Some(hint));
    }
});
