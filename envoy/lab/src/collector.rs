//! A collector of OpenTelemetry's logs, as far as an access log needs one: OTLP/HTTP in protobuf, one line of JSON a record.
//!
//! **A test part**: production runs the OpenTelemetry Collector. It is the binary `portcullis-collector`, which prints the lines,
//! and stands for that image where it cannot be pulled. It reads the text and whole numbers of attributes; other kinds of
//! values are left out. Not covered: gRPC, JSON, compression, metrics, traces.

use crate::service::{Answer, Call};
use prost::Message;
use serde_json::{json, Map, Value};

/// The path that logs are sent to.
pub const PATH: &str = "/v1/logs";

/// `opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest`; numbers of fields are those of the standard, here and below.
#[derive(Clone, PartialEq, Message)]
struct Export {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<Resource>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<Scope>,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(message, repeated, tag = "2")]
    records: Vec<Record>,
}

#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(message, optional, tag = "5")]
    body: Option<AnyValue>,
    #[prost(message, repeated, tag = "6")]
    attributes: Vec<Attribute>,
}

#[derive(Clone, PartialEq, Message)]
struct Attribute {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(string, optional, tag = "1")]
    text: Option<String>,
    #[prost(int64, optional, tag = "3")]
    number: Option<i64>,
}

impl AnyValue {
    fn json(&self) -> Option<Value> {
        self.text.as_ref().map(|text| json!(text)).or_else(|| self.number.map(|number| json!(number)))
    }
}

/// Answers a request; its records, as JSON, go to `print`.
pub fn answer(call: &Call, print: impl Fn(&Value)) -> Answer {
    if (call.method.as_str(), call.path.as_str()) != ("POST", PATH) {
        return Answer::status(404);
    }
    let Ok(export) = Export::decode(call.bytes.as_slice()) else { return Answer::status(400) };
    let scopes = export.resources.iter().flat_map(|resource| &resource.scopes);
    scopes.flat_map(|scope| &scope.records).for_each(|record| print(&record_json(record)));
    Answer::body("").header("content-type", "application/x-protobuf")
}

fn record_json(record: &Record) -> Value {
    let attribute = |attribute: &Attribute| Some((attribute.key.clone(), attribute.value.as_ref()?.json()?));
    let attributes: Map<String, Value> = record.attributes.iter().filter_map(attribute).collect();
    json!({"body": record.body.as_ref().and_then(AnyValue::json), "attributes": attributes})
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    fn text(text: &str) -> Option<AnyValue> {
        Some(AnyValue { text: Some(text.to_owned()), number: None })
    }

    #[test]
    fn records_are_told_one_by_one() {
        let verdict = Attribute { key: "portcullis.verdict".into(), value: text("allow") };
        let status = Attribute { key: "status".into(), value: Some(AnyValue { text: None, number: Some(200) }) };
        let record = Record { body: text("GET 200"), attributes: vec![verdict, status] };
        let scopes = vec![Scope { records: vec![record.clone(), Record::default()] }];
        let export = Export { resources: vec![Resource { scopes }] };
        let call = |path: &str, bytes: Vec<u8>| Call {
            method: "POST".into(),
            path: path.into(),
            bytes,
            ..Call::default()
        };
        let told = RefCell::new(Vec::new());
        let print = |value: &Value| told.borrow_mut().push(value.clone());
        assert_eq!(
            answer(&call(PATH, export.encode_to_vec()), print),
            Answer::body("").header("content-type", "application/x-protobuf")
        );
        assert_eq!(
            *told.borrow(),
            [
                json!({"body": "GET 200", "attributes": {"portcullis.verdict": "allow", "status": 200}}),
                json!({"body": null, "attributes": {}}),
            ]
        );
        assert_eq!(answer(&call(PATH, vec![0xff]), print), Answer::status(400));
        assert_eq!(answer(&call("/v1/traces", Vec::new()), print), Answer::status(404));
        assert_eq!(told.borrow().len(), 2);
    }
}
