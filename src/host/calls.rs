//! The host calls we use, made so that none of them can panic.
//!
//! A panic kills the VM of a worker: one packet would take the sidecar down. So none of these depends on which status the host answers
//! with, or on a value being UTF-8, as those of the SDK do (`proxy-wasm` 0.2.5): they return `None` or [`Failed`], and hand out bytes. ABI:
//! proxy-wasm 0.2.1.
//!
//! All memory that the host gives us was allocated by [`allocate`] with exactly the size that is reported, which is what makes taking
//! it over sound.

#![expect(
    unsafe_code,
    reason = "calls into the host are foreign calls; this file is the only one that makes them"
)]

use crate::time::Millis;
use log::Level;
use std::ptr;

/// The host did not do what it was asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed;

/// Which fields.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Map {
    RequestHeaders = 0,
    RequestTrailers = 1,
    ResponseHeaders = 2,
    ResponseTrailers = 3,
    CalloutHeaders = 6,
    CalloutTrailers = 7,
}

/// Which bytes.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Buffer {
    RequestBody = 0,
    ResponseBody = 1,
    CalloutBody = 4,
    PluginConfiguration = 7,
}

/// What a metric does.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum MetricKind {
    Counter = 0,
    Gauge = 1,
    Histogram = 2,
}

/// A metric known to the host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metric(u32);

const OK: u32 = 0;
const CRITICAL: u32 = 5;
const REQUEST_STREAM: u32 = 0;
const RESPONSE_STREAM: u32 = 1;

#[link(wasm_import_module = "env")]
extern "C" {
    fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_buffer_bytes(kind: Buffer, start: usize, max: usize, data: *mut *mut u8, size: *mut usize)
        -> u32;
    fn proxy_set_buffer_bytes(kind: Buffer, start: usize, size: usize, data: *const u8, data_size: usize) -> u32;
    fn proxy_replace_header_map_value(
        map: Map,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        size: usize,
    ) -> u32;
    fn proxy_get_header_map_pairs(map: Map, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_remove_header_map_value(map: Map, key: *const u8, key_size: usize) -> u32;
    fn proxy_add_header_map_value(map: Map, key: *const u8, key_size: usize, value: *const u8, size: usize)
        -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, size: usize) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        version: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(key: *const u8, key_size: usize, value: *const u8, size: usize, version: u32) -> u32;
    fn proxy_define_metric(kind: MetricKind, name: *const u8, size: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, by: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
    fn proxy_call_foreign_function(
        name: *const u8,
        name_size: usize,
        argument: *const u8,
        argument_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_http_call(
        cluster: *const u8,
        cluster_size: usize,
        headers: *const u8,
        headers_size: usize,
        body: *const u8,
        body_size: usize,
        trailers: *const u8,
        trailers_size: usize,
        timeout: u32,
        token: *mut u32,
    ) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
}

/// Memory of that size for the host to write into.
pub(crate) fn allocate(size: usize) -> *mut u8 {
    Box::into_raw(Box::<[u8]>::new_uninit_slice(size)).cast()
}

/// Writes to Envoy's log. The text must already be on one line and free of control characters.
pub(crate) fn log(level: Level, message: &str) {
    // A log line that is lost is no reason to do anything about it.
    let _ = unsafe { proxy_log(number(level), message.as_ptr(), message.len()) };
}

/// The same for what ends a VM, under the highest level that Envoy has.
pub(crate) fn log_critical(message: &str) {
    let _ = unsafe { proxy_log(CRITICAL, message.as_ptr(), message.len()) };
}

/// The ABI's number of a level.
const fn number(level: Level) -> u32 {
    match level {
        Level::Trace => 0,
        Level::Debug => 1,
        Level::Info => 2,
        Level::Warn => 3,
        Level::Error => 4,
    }
}

/// Nanoseconds since the Unix epoch.
pub(crate) fn now_nanos() -> u64 {
    let mut time = 0;
    match unsafe { proxy_get_current_time_nanoseconds(&mut time) } {
        OK => time,
        _ => 0,
    }
}

/// Asks for `on_tick` every so often.
pub(crate) fn set_tick_period(millis: u32) -> Result<(), Failed> {
    done(unsafe { proxy_set_tick_period_milliseconds(millis) })
}

/// At most `max` bytes of a buffer, from its beginning. `None` when there is no such buffer now.
pub(crate) fn buffer(kind: Buffer, max: usize) -> Option<Vec<u8>> {
    taken(|data, size| unsafe { proxy_get_buffer_bytes(kind, 0, max, data, size) })
}

/// Puts other bytes in place of a whole buffer, which has `size` bytes now.
pub(crate) fn replace_buffer(kind: Buffer, size: usize, bytes: &[u8]) -> Result<(), Failed> {
    done(unsafe { proxy_set_buffer_bytes(kind, 0, size, bytes.as_ptr(), bytes.len()) })
}

/// Makes the calls that follow be about another context, for instance a stream that waits. Fails for one that is gone.
pub(crate) fn set_effective_context(context: u32) -> Result<(), Failed> {
    done(unsafe { proxy_set_effective_context(context) })
}

/// Lets a request go on that was held back. No header field can be changed afterwards.
pub(crate) fn continue_request() -> Result<(), Failed> {
    done(unsafe { proxy_continue_stream(REQUEST_STREAM) })
}

/// Lets a response go on that was held back. No header field can be changed afterwards.
pub(crate) fn continue_response() -> Result<(), Failed> {
    done(unsafe { proxy_continue_stream(RESPONSE_STREAM) })
}

/// All fields in the host's encoding.
pub(crate) fn header_pairs(map: Map) -> Option<Vec<u8>> {
    taken(|data, size| unsafe { proxy_get_header_map_pairs(map, data, size) })
}

/// Takes away every field of that name.
pub(crate) fn remove_header(map: Map, name: &str) -> Result<(), Failed> {
    done(unsafe { proxy_remove_header_map_value(map, name.as_ptr(), name.len()) })
}

/// Adds a field.
pub(crate) fn add_header(map: Map, name: &str, value: &str) -> Result<(), Failed> {
    done(unsafe { proxy_add_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

/// Writes a field in place of all of that name.
pub(crate) fn replace_header(map: Map, name: &str, value: &str) -> Result<(), Failed> {
    done(unsafe { proxy_replace_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

/// An attribute, its path elements separated by NUL. `None` if it is absent or empty.
pub(crate) fn property(path: &str) -> Option<Vec<u8>> {
    taken(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) })
        .filter(|value| !value.is_empty())
}

/// Sets the filter state `wasm.<name>` of the stream.
pub(crate) fn set_filter_state(name: &str, value: &str) -> Result<(), Failed> {
    done(unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

/// A value that all workers share, and its version. `None` if it was never written.
pub(crate) fn shared_data(key: &str) -> Option<(Vec<u8>, u32)> {
    let mut version = 0;
    let value =
        taken(|data, size| unsafe { proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &mut version) })?;
    Some((value, version))
}

/// Writes a value that all workers share, if its version is the given one or it has none yet.
pub(crate) fn set_shared_data(key: &str, value: &[u8], version: u32) -> Result<(), Failed> {
    done(unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), version) })
}

/// What a function of the host answers that is not part of the ABI. `None` if there is no such function, or it failed.
pub(crate) fn foreign(name: &str, argument: &[u8]) -> Option<Vec<u8>> {
    taken(|data, size| unsafe {
        proxy_call_foreign_function(name.as_ptr(), name.len(), argument.as_ptr(), argument.len(), data, size)
    })
}

/// Declares a metric. Each call costs the host an entry for ever, so each metric is declared once.
pub(crate) fn define_metric(kind: MetricKind, name: &str) -> Option<Metric> {
    let mut id = 0;
    let status = unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &mut id) };
    (status == OK).then_some(Metric(id))
}

/// Adds to a counter.
pub(crate) fn increment(counter: Metric, by: i64) {
    let _ = unsafe { proxy_increment_metric(counter.0, by) };
}

/// Records a value in a histogram, or sets a gauge.
pub(crate) fn record(metric: Metric, value: u64) {
    let _ = unsafe { proxy_record_metric(metric.0, value) };
}

/// Calls a service through a cluster. Returns the token that the answer will carry. Fails where the cluster is unknown or has no healthy
/// host; that its time is up Envoy may never tell.
pub(crate) fn http_call(
    cluster: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    timeout: Millis,
) -> Result<u32, Failed> {
    let (headers, trailers) = (encode_pairs(headers), encode_pairs::<&str>(&[]));
    let timeout = u32::try_from(timeout.as_u64().max(1)).unwrap_or(u32::MAX);
    let mut token = 0;
    done(unsafe {
        proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            trailers.as_ptr(),
            trailers.len(),
            timeout,
            &mut token,
        )
    })
    .map(|()| token)
}

/// Answers the client in the upstream's place.
pub(crate) fn send_local_response(
    status: u16,
    details: &str,
    headers: &[(&str, String)],
    body: &str,
    grpc_status: i32,
) -> Result<(), Failed> {
    let headers = encode_pairs(headers);
    done(unsafe {
        proxy_send_local_response(
            status.into(),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            grpc_status,
        )
    })
}

/// The host's encoding of header fields; see `request/headers.rs`, which reads it.
fn encode_pairs<Value: AsRef<str>>(pairs: &[(&str, Value)]) -> Vec<u8> {
    let size = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    let mut encoded = size(pairs.len()).to_vec();
    for (name, value) in pairs {
        encoded.extend(size(name.len()));
        encoded.extend(size(value.as_ref().len()));
    }
    for (name, value) in pairs {
        encoded.extend([name.as_bytes(), b"\0", value.as_ref().as_bytes(), b"\0"].concat());
    }
    encoded
}

fn done(status: u32) -> Result<(), Failed> {
    if status == OK {
        Ok(())
    } else {
        Err(Failed)
    }
}

fn taken(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Option<Vec<u8>> {
    let mut data = ptr::null_mut();
    let mut size = 0;
    if call(&mut data, &mut size) != OK {
        return None;
    }
    if data.is_null() {
        return Some(Vec::new());
    }
    // See the top of the file: `data` came from a box of exactly this size.
    Some(unsafe { Vec::from_raw_parts(data, size, size) })
}
