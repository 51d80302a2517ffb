//! Keys and where they are kept, as an app uses them.

use std::fs;
use std::path::PathBuf;

use clarity_client::{
    Client, ClientError, ClientOptions, EntityType, ErrorKind, Fields, KeyError, KeyPlace,
    StoreKey, StoreKeys,
};
use tempfile::TempDir;

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn options(&self) -> ClientOptions {
        ClientOptions::new(self.path("s.db"))
    }

    fn keys(&self) -> StoreKeys {
        StoreKeys::of(self.path("s.db"))
    }

    fn file(&self, name: &str) -> KeyPlace {
        KeyPlace::file(&self.path(name)).unwrap()
    }

    fn note(&self) -> PathBuf {
        self.path("s.db.key.json")
    }

    /// Opens the store with the key that is found, and counts what waits.
    fn waiting(&self) -> Result<u64, ClientError> {
        Client::open(self.keys().resolve(&self.options(), None)?)?.status().map(|now| now.waiting)
    }
}

fn write(client: &Client) {
    let key = client.new_key(&EntityType::new("Note").unwrap()).unwrap();
    client.create(&key, Fields::from([("text", "slept well".into())])).unwrap();
}

/// Shows that an app opens a store with its own key, that `Debug` and errors show nothing of it,
/// and that another key is a kind of error of its own.
#[test]
fn an_app_brings_its_own_key() {
    let place = Place::new();
    let mut options = place.options();
    options.store.key = Some(StoreKey::new([7; StoreKey::BYTES]));
    write(&Client::open(options.clone()).unwrap());
    let shown = format!("{options:?}");
    assert!(shown.contains("key: Some(StoreKey)") && !shown.contains("7, 7"), "{shown}");
    for key in [None, Some(StoreKey::new([8; StoreKey::BYTES]))] {
        options.store.key = key;
        let error = Client::open(options.clone()).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Key);
    }
    options.store.key = Some(StoreKey::new([7; StoreKey::BYTES]));
    assert!(Client::set_key(&options, None).unwrap().was_encrypted);
    let client = Client::open(place.options()).unwrap();
    assert_eq!(client.status().unwrap().waiting, 1);
    assert!(!client.is_encrypted().unwrap());
    let key = StoreKey::new([9; StoreKey::BYTES]);
    let error = Client::set_key(&place.options(), Some(&key)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "while it is open");
}

/// Shows that, wherever a change of the key was interrupted, the key that the store has is found
/// among the places in the note, and the next change goes on from there.
#[test]
fn an_interrupted_change_finds_the_key() {
    let place = Place::new();
    write(&Client::open(place.options()).unwrap());
    let changes = [place.file("1"), place.file("2"), KeyPlace::Nowhere];
    let mut from = None;
    for to in changes {
        let (store, before) = (fs::read(place.path("s.db")).unwrap(), fs::read(place.note()).ok());
        place.keys().change(&place.options(), None, &to, None).unwrap();
        let changed = fs::read(place.path("s.db")).unwrap();
        let named = |at: &Option<KeyPlace>| at.clone().unwrap_or(KeyPlace::Nowhere);
        let both = serde_json::json!({ "places": [named(&from), to] }).to_string();
        for bytes in [&store, &changed] {
            fs::write(place.path("s.db"), bytes).unwrap();
            fs::write(place.note(), &both).unwrap();
            assert_eq!(place.waiting().unwrap(), 1);
            fs::write(place.note(), &both).unwrap();
            let third = place.file("third");
            place.keys().change(&place.options(), None, &third, None).unwrap();
            assert_eq!(place.waiting().unwrap(), 1);
        }
        assert_ne!(Some(&to), from.as_ref());
        fs::write(place.path("s.db"), &changed).unwrap();
        fs::write(place.note(), serde_json::json!({ "places": [to] }).to_string()).unwrap();
        assert_ne!(fs::read(place.note()).ok(), before);
        from = Some(to);
    }
}

/// Shows what the note beside a store holds, and that one that is damaged is said to be so, before
/// anything is opened or made.
#[test]
fn the_note_says_where_the_key_is() {
    let place = Place::new();
    place.keys().choose(&place.file("k")).unwrap();
    write(&Client::open(place.keys().resolve(&place.options(), None).unwrap()).unwrap());
    let note = fs::read_to_string(place.note()).unwrap();
    let path = place.path("k").display().to_string();
    let expected = format!("{{\"places\":[{{\"kept\":\"file\",\"path\":\"{path}\"}}]}}");
    assert_eq!(note, expected);
    let again = place.keys().choose(&place.file("other")).unwrap_err();
    assert!(matches!(again, ClientError::Key(KeyError::StoreExists)));
    assert!(!place.path("other").exists());
    fs::write(place.note(), "{").unwrap();
    let error = place.waiting().unwrap_err();
    assert!(error.to_string().contains("says where the store's key is"), "{error}");
    fs::write(place.note(), expected).unwrap();
    place.keys().forget().unwrap();
    assert!(!place.note().exists() && place.path("k").exists());
}

/// Shows that stores that are made at the same time with one key file all get the one key that is
/// in it: none takes the place of another's.
#[test]
fn one_key_file_is_made_once() {
    let place = Place::new();
    let file = place.file("shared.key");
    let keys: Vec<_> = (0..8).map(|n| StoreKeys::of(place.path(&format!("{n}.db")))).collect();
    let start = std::sync::Barrier::new(keys.len());
    let store = |keys: &StoreKeys| {
        start.wait();
        keys.choose(&file).unwrap();
        keys.resolve(&place.options(), None).unwrap().store.key
    };
    let used: Vec<_> = std::thread::scope(|scope| {
        let stores: Vec<_> = keys.iter().map(|keys| scope.spawn(|| store(keys))).collect();
        stores.into_iter().map(|store| store.join().unwrap()).collect()
    });
    let kept = file.read().unwrap();
    assert!(kept.is_some());
    assert!(used.iter().all(|key| *key == kept));
    let names = fs::read_dir(place.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with(".tmp")).collect();
    assert!(left.is_empty(), "{left:?}");
}
