//! Messages, the event stream and silent pushes.

use clarity_engine::protocol::{
    DeviceList, FetchRequest, FetchResponse, Hint, HintStream, LoginRequest, OperationAnswer,
    Problem, PullRequest, PullResponse, PushRequest, PushResponse, RefreshRequest, SignUpRequest,
    Tokens, WireOperation, decode, retry_after_ms,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Whatever can be read can be written, and reads as the same again.
fn read_back<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    let Ok(message) = decode::<T>(bytes) else { return };
    let Ok(written) = serde_json::to_vec(&message) else { panic!("it cannot be written") };
    let Ok(again) = decode::<T>(&written) else { panic!("what was written cannot be read") };
    assert_eq!(serde_json::to_vec(&again).ok(), Some(written), "it reads as something else");
}

/// Each message of the protocol.
pub(super) fn messages(bytes: &[u8]) {
    read_back::<PushRequest>(bytes);
    read_back::<PushResponse>(bytes);
    read_back::<WireOperation>(bytes);
    read_back::<OperationAnswer>(bytes);
    read_back::<PullRequest>(bytes);
    read_back::<PullResponse>(bytes);
    read_back::<FetchRequest>(bytes);
    read_back::<FetchResponse>(bytes);
    read_back::<SignUpRequest>(bytes);
    read_back::<LoginRequest>(bytes);
    read_back::<RefreshRequest>(bytes);
    read_back::<Tokens>(bytes);
    read_back::<DeviceList>(bytes);
    read_back::<Problem>(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        // One second to one hour, whatever was said.
        assert!(retry_after_ms(text).is_none_or(|ms| (1_000..=3_600_000).contains(&ms)));
    }
}

/// The event stream, whole and in pieces as long as its first byte says: both give the same hints.
pub(super) fn events(bytes: &[u8]) {
    let Some((length, stream)) = bytes.split_first() else { return };
    let hints = |piece: usize| {
        let (mut reader, mut hints) = (HintStream::default(), Vec::new());
        for piece in stream.chunks(piece.max(1)) {
            reader.take_in(piece, &mut |hint| hints.push(hint));
        }
        hints
    };
    assert!(hints(stream.len()) == hints(usize::from(*length)), "pieces give other hints");
}

/// A silent push is a hint or none.
pub(super) fn hint(bytes: &[u8]) {
    if let Some(hint) = Hint::from_bytes(bytes) {
        assert!(Hint::from_bytes(hint.to_json().as_bytes()) == Some(hint));
    }
}
