//! The values of expressions as bytes, by which things are counted: equal values have equal bytes, others have others.

use crate::expression::Value;

/// What stands before the bytes of a value, so that no two values look the same.
pub(in crate::stages) const ABSENT: u8 = 0;
const TEXT: u8 = 1;
const NUMBER: u8 = 2;
const FRACTION: u8 = 3;
const TRUTH: u8 = 4;
const LIST: u8 = 5;
const MAP: u8 = 6;
const MOMENT: u8 = 7;

/// A value as bytes. Numbers that are equal have the same ones, whichever way they are written.
pub(in crate::stages) fn encoded(value: &Value<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    encode(value, &mut out);
    out
}

fn encode(value: &Value<'_>, out: &mut Vec<u8>) {
    let mut tagged = |tag: u8, bytes: &[u8]| {
        out.push(tag);
        out.extend(bytes.len().to_le_bytes());
        out.extend(bytes);
    };
    match value {
        Value::Null => tagged(ABSENT, &[]),
        Value::Bool(value) => tagged(TRUTH, &[u8::from(*value)]),
        Value::Int(number) => tagged(NUMBER, &number.to_le_bytes()),
        Value::Double(number) => match value.whole() {
            Some(whole) => tagged(NUMBER, &whole.to_le_bytes()),
            None => tagged(FRACTION, &number.to_bits().to_le_bytes()),
        },
        Value::Text(text) => tagged(TEXT, text.as_bytes()),
        Value::Duration(millis) | Value::Time(millis) => tagged(MOMENT, &millis.to_le_bytes()),
        // As it is written, with its members in their order: a document is bounded in depth.
        Value::Object(members) => tagged(MAP, serde_json::to_string(members).unwrap_or_default().as_bytes()),
        Value::Array(items) => {
            let bytes: Vec<u8> = items.iter().flat_map(|item| encoded(&Value::of_json(item))).collect();
            tagged(LIST, &bytes);
        }
        Value::List(items) => {
            let bytes: Vec<u8> = items.as_slice().iter().flat_map(encoded).collect();
            tagged(LIST, &bytes);
        }
    }
}
