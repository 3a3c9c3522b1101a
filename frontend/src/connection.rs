//! The socket: follows one view, and comes back by itself when it is lost.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use leptos::prelude::*;
use shared::view::{HEARD, SUBPROTOCOL, StreamDelta};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{CloseEvent, MessageEvent, Response, WebSocket};

use crate::arriving::{Arrived, Arriving};
use crate::disarm;

/// How sure the page is that what it shows is so.
#[derive(Clone, Debug, PartialEq)]
pub enum Link {
    Connecting,
    Live,
    /// Since when, by this machine's clock in milliseconds, when it tries again, and what happened.
    Lost {
        since_ms: f64,
        retry_at_ms: f64,
        why: Why,
    },
}

/// What became of the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    Closed,
    /// It is open, and nothing comes.
    Silent,
    /// What came could not be read.
    Garbled,
}

const RETRY_MIN_MS: f64 = 500.0;
const RETRY_MAX_MS: f64 = 8_000.0;
/// Where nothing came for so long the app is asked whether it is there, and given up where it does not say so.
const ASKED_AFTER_MS: f64 = 4_000.0;
const SILENT_AFTER_MS: f64 = 6_000.0;
const WATCHED_EVERY: std::time::Duration = std::time::Duration::from_secs(1);

thread_local! {
    static RECEIVED_MS: std::cell::Cell<f64> = const { std::cell::Cell::new(0.0) };
}

/// When the browser had the last message, by the page's own clock, milliseconds.
pub fn received_ms() -> f64 {
    RECEIVED_MS.get()
}

pub fn now_ms() -> f64 {
    js_sys::Date::now()
}

/// The page's own path with its last part cut off: everything is asked for below it, so that a proxy may move it.
pub fn base() -> String {
    let path = location().and_then(|l| l.pathname().ok()).unwrap_or_else(|| "/".into());
    let end = path.rfind('/').map_or(0, |at| at + 1);
    path[..end].to_owned()
}

fn location() -> Option<web_sys::Location> {
    web_sys::window().map(|window| window.location())
}

pub fn host() -> String {
    location().and_then(|l| l.host().ok()).unwrap_or_default()
}

/// GET of a path below the page's own.
///
/// # Errors
/// In words for a reader.
pub async fn get<T: serde::de::DeserializeOwned>(path: &str) -> Result<T, String> {
    let window = web_sys::window().ok_or("no window")?;
    let answer = JsFuture::from(window.fetch_with_str(&format!("{}{path}", base()))).await;
    let answer: Response = answer.map_err(|_| format!("{} does not answer", host()))?.unchecked_into();
    let text = JsFuture::from(answer.text().map_err(|_| "no text")?).await.map_err(|_| "the answer broke off")?;
    let text = text.as_string().unwrap_or_default();
    if !answer.ok() {
        return Err(format!("{} ({})", answer.status(), text.trim()));
    }
    serde_json::from_str(&text).map_err(|error| format!("the answer is not understood: {error}"))
}

/// One stream of one view. Dropping it closes the socket for good.
pub struct Connection(Rc<RefCell<State>>);

struct State {
    path: String,
    socket: Option<WebSocket>,
    /// Kept alive as long as the socket may call them.
    listeners: Vec<Closure<dyn FnMut(JsValue)>>,
    retry_ms: f64,
    lost_ms: Option<f64>,
    timer: Option<i32>,
    /// When something came last, and since when an answer is awaited, milliseconds.
    heard_ms: f64,
    asked_ms: Option<f64>,
    watch: Option<IntervalHandle>,
    closed: bool,
    link: RwSignal<Link>,
    take: Rc<dyn Fn(StreamDelta)>,
}

impl Connection {
    /// `take` gets what each message tells, and a view as it is at first as a whole.
    pub fn open(path: String, link: RwSignal<Link>, take: impl Fn(StreamDelta) + 'static) -> Self {
        link.set(Link::Connecting);
        let state = State {
            path,
            socket: None,
            listeners: Vec::new(),
            retry_ms: RETRY_MIN_MS,
            lost_ms: None,
            timer: None,
            heard_ms: now_ms(),
            asked_ms: None,
            watch: None,
            closed: false,
            link,
            take: Rc::new(take),
        };
        let state = Rc::new(RefCell::new(state));
        connect(&state);
        // What the interval calls may be sent on, as far as the page's events know.
        let watched = StoredValue::new_local(Rc::downgrade(&state));
        let watch = move || {
            if let Some(state) = watched.try_with_value(Weak::upgrade).flatten() {
                watch(&state);
            }
        };
        state.borrow_mut().watch = set_interval_with_handle(watch, WATCHED_EVERY).ok();
        Self(state)
    }

    pub fn retry_now(&self) {
        if self.0.borrow().socket.is_none() {
            connect(&self.0);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut state = self.0.borrow_mut();
        state.closed = true;
        if let Some(watch) = state.watch.take() {
            watch.clear();
        }
        if let (Some(timer), Some(window)) = (state.timer.take(), web_sys::window()) {
            window.clear_timeout_with_handle(timer);
        }
        detach(&mut state);
    }
}

fn detach(state: &mut State) {
    if let Some(socket) = state.socket.take() {
        socket.set_onmessage(None);
        socket.set_onclose(None);
        let _ = socket.close();
    }
}

/// Asks where nothing came for a while, and gives up the socket where nothing comes of that. Only what was asked for counts:
/// a page in the background sleeps.
fn watch(shared: &Rc<RefCell<State>>) {
    let mut state = shared.borrow_mut();
    let now = now_ms();
    let Some(socket) = state.socket.clone() else { return };
    match state.asked_ms {
        Some(asked) if now - asked > SILENT_AFTER_MS => {
            detach(&mut state);
            drop(state);
            lost(shared, Why::Silent);
        }
        None if now - state.heard_ms > ASKED_AFTER_MS => {
            // A socket that is still being opened takes nothing, and says nothing either.
            let _ = socket.send_with_str("?");
            state.asked_ms = Some(now);
        }
        _ => {}
    }
}

fn connect(shared: &Rc<RefCell<State>>) {
    let mut state = shared.borrow_mut();
    if state.closed {
        return;
    }
    if let (Some(timer), Some(window)) = (state.timer.take(), web_sys::window()) {
        window.clear_timeout_with_handle(timer);
    }
    detach(&mut state);
    (state.heard_ms, state.asked_ms) = (now_ms(), None);
    let secure = location().and_then(|l| l.protocol().ok()).is_some_and(|p| p == "https:");
    let url = format!("{}://{}{}{}", if secure { "wss" } else { "ws" }, host(), base(), state.path);
    let Ok(socket) = WebSocket::new_with_str(&url, SUBPROTOCOL) else {
        drop(state);
        lost(shared, Why::Closed);
        return;
    };
    let on_message = {
        let shared = Rc::downgrade(shared);
        let mut arriving = Arriving::default();
        Closure::<dyn FnMut(JsValue)>::new(move |event: JsValue| {
            let Some(shared) = shared.upgrade() else { return };
            let event = event.unchecked_into::<MessageEvent>();
            RECEIVED_MS.set(event.time_stamp());
            let text = event.data().as_string().unwrap_or_default();
            {
                let mut state = shared.borrow_mut();
                (state.heard_ms, state.asked_ms) = (now_ms(), None);
            }
            if text == HEARD {
                return;
            }
            let Ok(mut delta) = StreamDelta::read(&text) else {
                // Another version, or something in between: not at once again, it may come the same way.
                detach(&mut shared.borrow_mut());
                return lost(&shared, Why::Garbled);
            };
            delta.nodes.iter_mut().for_each(|(_, node)| disarm::summary(node));
            let take = shared.borrow().take.clone();
            match arriving.take(delta) {
                Arrived::Part => return,
                Arrived::Taken(delta) => take(*delta),
                // What does not follow what is known is asked for anew.
                Arrived::Gap => return connect(&shared),
            }
            let mut state = shared.borrow_mut();
            state.retry_ms = RETRY_MIN_MS;
            state.lost_ms = None;
            let link = state.link;
            drop(state);
            if link.get_untracked() != Link::Live {
                link.set(Link::Live);
            }
        })
    };
    let on_close = {
        let weak = Rc::downgrade(shared);
        Closure::<dyn FnMut(JsValue)>::new(move |event: JsValue| {
            let _: CloseEvent = event.unchecked_into();
            if let Some(shared) = weak.upgrade() {
                lost(&shared, Why::Closed);
            }
        })
    };
    socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    socket.set_onclose(Some(on_close.as_ref().unchecked_ref()));
    state.socket = Some(socket);
    // The old ones may be running right now: they go at the next change.
    let keep = state.listeners.len().saturating_sub(2);
    state.listeners.drain(..keep);
    state.listeners.extend([on_message, on_close]);
}

fn lost(shared: &Rc<RefCell<State>>, why: Why) {
    let mut state = shared.borrow_mut();
    if state.closed {
        return;
    }
    state.socket = None;
    state.asked_ms = None;
    let now = now_ms();
    let since_ms = *state.lost_ms.get_or_insert(now);
    let wait = state.retry_ms * (0.75 + js_sys::Math::random() / 2.0);
    state.retry_ms = (state.retry_ms * 2.0).min(RETRY_MAX_MS);
    let link = state.link;
    let again = {
        let weak = Rc::downgrade(shared);
        Closure::once_into_js(move || {
            if let Some(shared) = weak.upgrade() {
                connect(&shared);
            }
        })
    };
    if let Some(window) = web_sys::window() {
        let timer = window.set_timeout_with_callback_and_timeout_and_arguments_0(again.unchecked_ref(), wait as i32);
        state.timer = timer.ok();
    }
    drop(state);
    link.set(Link::Lost { since_ms, retry_at_ms: now + wait, why });
}
