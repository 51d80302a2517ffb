//! What JavaScript sees of a store.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use clarity_client::engine::store::{Journal, OpenOptions};
use clarity_client::{Client, ClientError, ClientOptions, HttpTransport};
use js_sys::{Function, Promise};
use sqlite_wasm_rs::WasmOsCallback;
use sqlite_wasm_vfs::sahpool::{OpfsSAHPoolCfgBuilder, install};
use tokio::sync::oneshot;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsError, JsValue};
use wasm_bindgen_futures::{future_to_promise, spawn_local};

use crate::fetch::carrier;
use crate::session::{CallError, Session};

/// The name of SQLite's way to the page's files.
const VFS: &str = "clarity";
/// The store's file among them.
const FILE: &str = "store.db";
/// Files that the pool holds ready: the store, its journal, and room for what SQLite makes beside.
const FILES: usize = 4;
/// How long a watched answer is left alone after it was looked at: about three frames.
const WATCH_PAUSE: Duration = Duration::from_millis(50);

/// A store, open in this worker. Only a dedicated worker can open one in the page's files.
#[wasm_bindgen]
pub struct WebStore {
    session: Rc<Session>,
    watches: Rc<RefCell<BTreeMap<u32, oneshot::Sender<()>>>>,
    last_watch: Cell<u32>,
}

#[wasm_bindgen]
impl WebStore {
    /// Opens the store in this folder of the page's own files, or one in memory when `folder` is
    /// absent; makes it when there is none.
    ///
    /// # Errors
    /// An error whose message is the JSON of a [`CallError`].
    pub async fn open(folder: Option<String>) -> Result<WebStore, JsError> {
        let mut store = OpenOptions::new(FILE);
        store.journal = Journal::Truncate;
        store.busy_timeout_ms = 0;
        if let Some(folder) = folder {
            let pool = OpfsSAHPoolCfgBuilder::new()
                .vfs_name(VFS)
                .directory(&folder)
                .initial_capacity(FILES)
                .build();
            install::<WasmOsCallback>(&pool, false)
                .await
                .map_err(|error| unusable(&error.to_string()))?;
            store.vfs = Some(VFS.to_owned());
            store.exclusive = true;
        }
        let options = ClientOptions { store, schema: None };
        let client = Client::open(options).map_err(|error| thrown(&error.into()))?;
        spawn_local(client.housekeeping());
        let requests = carrier();
        let connect = move |server: &str| -> Result<HttpTransport, ClientError> {
            HttpTransport::new(server, requests.clone())
        };
        let session = Rc::new(Session::new(client, connect));
        let in_sync = Rc::clone(&session);
        spawn_local(async move { in_sync.keep_in_sync().await });
        Ok(Self { session, watches: Rc::default(), last_watch: Cell::new(0) })
    }

    /// Answers a call, both in JSON.
    pub fn call(&self, call: String) -> Promise {
        let session = Rc::clone(&self.session);
        future_to_promise(async move { Ok(JsValue::from_str(&session.call(&call).await)) })
    }

    /// Calls `emit` with the answer now and each time that it is another one, until
    /// [`WebStore::unwatch`] with the number that this returns.
    pub fn watch(&self, call: String, emit: Function) -> u32 {
        let number = self.last_watch.get() + 1;
        self.last_watch.set(number);
        let (end, ended) = oneshot::channel();
        self.watches.borrow_mut().insert(number, end);
        let (session, watches) = (Rc::clone(&self.session), Rc::clone(&self.watches));
        spawn_local(async move {
            let tell = |answer: &str| emit.call1(&JsValue::NULL, &answer.into()).is_ok();
            let pause = async || gloo_timers::future::sleep(WATCH_PAUSE).await;
            tokio::select! {
                () = session.watch(&call, pause, tell) => {}
                _ = ended => {}
            }
            watches.borrow_mut().remove(&number);
        });
        number
    }

    /// Ends a watch.
    pub fn unwatch(&self, number: u32) {
        self.watches.borrow_mut().remove(&number);
    }
}

fn thrown(error: &CallError) -> JsError {
    JsError::new(&serde_json::to_string(error).unwrap_or_default())
}

/// The page's files cannot be had: another worker has them, or there are none.
fn unusable(reason: &str) -> JsError {
    thrown(&CallError {
        kind: clarity_client::ErrorKind::Busy,
        message: format!("the files of this page cannot be opened: {reason}"),
    })
}
