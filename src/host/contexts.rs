//! What Envoy calls: the callbacks of the ABI (proxy-wasm 0.2.1), and the contexts that they are about.
//!
//! Envoy leaves out a callback that is not exported, and each that it makes has a price for every request (docs/cost.md): there is no
//! `proxy_on_done`. The SDK (`proxy-wasm` 0.2.5) exports all of them, looks for a context in up to three tables, and panics where one is not
//! there, which kills the VM of a worker. Here a stream that is not known is held back, so that nothing gets through, until its time-out.
//!
//! Envoy carries out what a callback asks for when the callback is over, so none comes while another runs, but for the one that allocates.

#![expect(unsafe_code, reason = "Envoy finds what it calls by its name alone")]

use super::calls;
use super::exchange::Exchange;
use super::stream::Stream;
use super::{printable, Root};
use std::cell::RefCell;

/// What Envoy is to do with the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Action {
    /// Go on.
    Continue = 0,
    /// Hold it back.
    Pause = 1,
}

thread_local! {
    static CONTEXTS: RefCell<Contexts> = const { RefCell::new(Contexts { roots: Vec::new(), streams: Streams::new() }) };
}

struct Contexts {
    /// One for each configuration that is in use, with its number.
    roots: Vec<(u32, Root)>,
    streams: Streams,
}

/// The open streams, those with the same last bits of their numbers in one place: Envoy gives numbers one after the other, so no hash
/// would spread them better.
struct Streams([Vec<(u32, Stream)>; PLACES]);

const PLACES: usize = 256;

impl Contexts {
    fn root(&mut self, id: u32) -> Option<&mut Root> {
        self.roots.iter_mut().find(|(own, _)| *own == id).map(|(_, root)| root)
    }

    fn create(&mut self, id: u32, root: u32) {
        if root == 0 {
            self.roots.push((id, Root::new(id)));
        } else if let Some(stream) = self.root(root).and_then(|root| root.stream(id)) {
            self.streams.add(id, stream);
        }
    }

    fn delete(&mut self, id: u32) {
        if !self.streams.remove(id) {
            self.roots.retain(|(own, _)| *own != id);
        }
    }
}

impl Streams {
    const fn new() -> Self {
        Self([const { Vec::new() }; PLACES])
    }

    fn place(&mut self, id: u32) -> Option<&mut Vec<(u32, Stream)>> {
        self.0.get_mut(usize::try_from(id).ok()? % PLACES)
    }

    fn get(&mut self, id: u32) -> Option<&Stream> {
        self.place(id)?.iter().find(|(own, _)| *own == id).map(|(_, stream)| stream)
    }

    fn add(&mut self, id: u32, stream: Stream) {
        if let Some(place) = self.place(id) {
            place.push((id, stream));
        }
    }

    fn remove(&mut self, id: u32) -> bool {
        let Some(place) = self.place(id) else { return false };
        let Some(at) = place.iter().position(|(own, _)| *own == id) else { return false };
        place.swap_remove(at);
        true
    }
}

fn with<R>(act: impl FnOnce(&mut Contexts) -> R) -> R {
    CONTEXTS.with(|contexts| act(&mut contexts.borrow_mut()))
}

fn with_root<R>(id: u32, act: impl FnOnce(&mut Root) -> R) -> Option<R> {
    with(|contexts| contexts.root(id).map(act))
}

fn with_stream(id: u32, act: impl FnOnce(&mut Exchange) -> Action) -> Action {
    with(|contexts| contexts.streams.get(id).map_or(Action::Pause, |stream| stream.with(act)))
}

extern "C" {
    fn __wasm_call_ctors();
}

#[no_mangle]
extern "C" fn _initialize() {
    // SAFETY: the linker makes it for this, and Envoy calls this once, before all else.
    unsafe { __wasm_call_ctors() };
    std::panic::set_hook(Box::new(|fault| calls::log_critical(&printable(&fault.to_string()))));
}

#[no_mangle]
extern "C" fn proxy_abi_version_0_2_1() {}

#[no_mangle]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    calls::allocate(size)
}

#[no_mangle]
extern "C" fn proxy_on_context_create(id: u32, root: u32) {
    with(|contexts| contexts.create(id, root));
}

#[no_mangle]
extern "C" fn proxy_on_delete(id: u32) {
    with(|contexts| contexts.delete(id));
}

#[no_mangle]
extern "C" fn proxy_on_configure(root: u32, _: usize) -> bool {
    with_root(root, Root::configure).unwrap_or_default()
}

#[no_mangle]
extern "C" fn proxy_on_tick(root: u32) {
    let _ = with_root(root, Root::tick);
}

/// Whoever made the call, its answer comes in the root's name.
#[no_mangle]
extern "C" fn proxy_on_http_call_response(root: u32, token: u32, _: usize, _: usize, _: usize) {
    let _ = with_root(root, |root| root.answer(token));
}

#[no_mangle]
extern "C" fn proxy_on_request_headers(stream: u32, _: usize, end_of_stream: bool) -> Action {
    with_stream(stream, |exchange| exchange.head(end_of_stream))
}

#[no_mangle]
extern "C" fn proxy_on_request_body(stream: u32, size: usize, end_of_stream: bool) -> Action {
    with_stream(stream, |exchange| exchange.body(size, end_of_stream))
}

#[no_mangle]
extern "C" fn proxy_on_request_trailers(stream: u32, _: usize) -> Action {
    with_stream(stream, Exchange::trailers)
}

#[no_mangle]
extern "C" fn proxy_on_response_headers(stream: u32, _: usize, end_of_stream: bool) -> Action {
    with_stream(stream, |exchange| exchange.answer_head(end_of_stream))
}

#[no_mangle]
extern "C" fn proxy_on_response_body(stream: u32, size: usize, end_of_stream: bool) -> Action {
    with_stream(stream, |exchange| exchange.answer_body(size, end_of_stream))
}

#[no_mangle]
extern "C" fn proxy_on_response_trailers(stream: u32, _: usize) -> Action {
    with_stream(stream, Exchange::answer_trailers)
}

#[no_mangle]
extern "C" fn proxy_on_log(stream: u32) {
    with(|contexts| contexts.streams.get(stream).map(|stream| stream.with(Exchange::log)));
}
