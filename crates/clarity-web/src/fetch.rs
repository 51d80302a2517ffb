//! Carries requests with the browser's `fetch`.

use clarity_client::{PageAnswer, PageRequest, PageRequests};
use js_sys::{Array, Reflect, Uint8Array};
use tokio::sync::mpsc;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    AbortController, DedicatedWorkerGlobalScope, Headers, ReadableStreamDefaultReader,
    RequestCache, RequestCredentials, RequestInit, RequestRedirect, Response,
};

/// Starts to carry requests; ends when nobody can make any more.
pub(crate) fn carrier() -> PageRequests {
    let (requests, mut inbox) = mpsc::unbounded_channel::<PageRequest>();
    spawn_local(async move {
        while let Some(request) = inbox.recv().await {
            spawn_local(carry(request));
        }
    });
    requests
}

/// Carries one request, and hands its answer over part by part, for as long as somebody waits.
async fn carry(request: PageRequest) {
    let Ok(controller) = AbortController::new() else { return };
    let answer = request.answer.clone();
    let ended = tokio::select! {
        ended = exchange(&request, &controller) => ended,
        () = answer.closed() => {
            controller.abort();
            return;
        }
    };
    if ended.is_err() {
        // Whoever waited may have gone.
        let _ = answer.send(PageAnswer::Broken);
    }
}

async fn exchange(request: &PageRequest, controller: &AbortController) -> Result<(), JsValue> {
    let headers = Headers::new()?;
    for (name, value) in &request.headers {
        headers.append(name, value)?;
    }
    let init = RequestInit::new();
    init.set_method(request.method);
    init.set_headers(&headers);
    init.set_redirect(RequestRedirect::Manual);
    init.set_cache(RequestCache::NoStore);
    init.set_credentials(RequestCredentials::Omit);
    init.set_signal(Some(&controller.signal()));
    if let Some(body) = &request.body {
        init.set_body(&Uint8Array::from(body.as_slice()));
    }
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    let response = JsFuture::from(scope.fetch_with_str_and_init(&request.address, &init)).await?;
    let response: Response = response.dyn_into()?;
    let head = PageAnswer::Head { status: response.status(), headers: headers_of(&response)? };
    if request.answer.send(head).is_err() {
        return Ok(());
    }
    let Some(body) = response.body() else { return Ok(()) };
    let reader: ReadableStreamDefaultReader = body.get_reader().dyn_into()?;
    loop {
        let part = JsFuture::from(reader.read()).await?;
        if Reflect::get(&part, &"done".into())?.is_truthy() {
            return Ok(());
        }
        let bytes: Uint8Array = Reflect::get(&part, &"value".into())?.dyn_into()?;
        if request.answer.send(PageAnswer::Chunk(bytes.to_vec())).is_err() {
            return Ok(());
        }
    }
}

fn headers_of(response: &Response) -> Result<Vec<(String, String)>, JsValue> {
    let mut headers = Vec::new();
    for pair in response.headers().entries() {
        let pair: Array = pair?.dyn_into()?;
        let text = |index| pair.get(index).as_string().unwrap_or_default();
        headers.push((text(0).to_ascii_lowercase(), text(1)));
    }
    Ok(headers)
}
