//! GraphQL that asks for more than anybody needs: nesting, aliases, many operations in one request, directives, cost, and questions
//! about the schema.
//!
//! A document is looked at where it is: the member `query` of a JSON document (or of each of a batch), or a body of its own type.
//! Its shape comes from one pass ([`crate::request::graphql::shape`]); what is too much is configured (`inspect.graphql`). A text that
//! is no GraphQL document is no business of this check. Not covered: persisted queries, and documents in a query string.

use crate::config::inspect::GraphqlLimits;
use crate::finding::{Check, Class, Family, Finding, Findings, Score, Weight};
use crate::request::graphql::shape::{shape_with, Shape};
use serde_json::{Map, Value};

/// More than allowed.
pub static LIMITS: Check = check(
    "graphql.limits",
    "graphql_limits",
    0.9,
    "A GraphQL request is beyond a limit of `inspect.graphql`: depth, aliases, root fields, directives, cost, or operations of a batch.",
);

/// Questions about the schema.
pub static INTROSPECTION: Check = check(
    "graphql.introspection",
    "graphql_introspection",
    0.3,
    "A GraphQL document asks for the schema (`__schema`, `__type`).",
);

const fn check(id: &'static str, code: &'static str, score: f64, means: &'static str) -> Check {
    let weight = Weight::Score(Score::constant(score));
    let (family, class) = (Family::Payload, Class::Forbidden);
    Check {
        id,
        family,
        code,
        class,
        weight,
        tunable: true,
        bearer_error: None,
        means: crate::finding::documented(means),
    }
}

/// Judges the documents of a JSON body. Returns the texts in their arguments, which are values as others are, or `None` if there is
/// no document that could be read: then its text is one.
pub fn check_body(limits: &GraphqlLimits, body: &Value, findings: &mut Findings) -> Option<Vec<String>> {
    let Value::Array(batch) = body else { return check_request(limits, body, findings) };
    let documents = batch.iter().filter(|item| document(item).is_some()).count();
    let most = usize::try_from(limits.batch_max).unwrap_or(usize::MAX);
    if documents > most {
        findings.add(Finding::new(&LIMITS, format!("{documents} operations in a batch, {most} allowed")));
        return Some(Vec::new());
    }
    let read: Vec<Vec<String>> = batch.iter().map_while(|item| check_request(limits, item, findings)).collect();
    (documents > 0 && read.len() == batch.len()).then(|| read.concat())
}

fn check_request(limits: &GraphqlLimits, request: &Value, findings: &mut Findings) -> Option<Vec<String>> {
    let text = document(request)?;
    let none = Map::new();
    let variables = request.get("variables").and_then(Value::as_object).unwrap_or(&none);
    check_document(limits, text, variables, findings)
}

/// Whether a place of a body is where a document stands: at the root, or at the root of an item of a batch. Deeper members of that
/// name are values as others are.
pub fn is_place_of_document(body: Option<&Value>, place: &str) -> bool {
    match body {
        Some(Value::Array(batch)) => {
            let index = place.strip_prefix('[').and_then(|rest| rest.strip_suffix("].query"));
            index.and_then(|index| index.parse::<usize>().ok()).is_some_and(|index| index < batch.len())
        }
        _ => place == "query",
    }
}

/// The text of a GraphQL document in a request, if it looks like one.
fn document(request: &Value) -> Option<&str> {
    let text = request.get("query")?.as_str()?;
    let start = text.trim_start();
    let begins = |word: &str| start.starts_with(word);
    let is_document =
        begins("{") || ["query", "mutation", "subscription", "fragment", "#"].into_iter().any(begins);
    (is_document && text.contains('{')).then_some(text)
}

fn check_document(
    limits: &GraphqlLimits,
    text: &str,
    variables: &Map<String, Value>,
    findings: &mut Findings,
) -> Option<Vec<String>> {
    match shape_with(text, variables) {
        Ok(shape) => {
            check_shape(limits, &shape, findings);
            return Some(texts(text, shape));
        }
        // What is no document is refused by the service; only what was too much to read is our business.
        Err(fault) if fault.is_excessive() => findings.add(Finding::new(&LIMITS, fault.reason())),
        Err(_) => {}
    }
    None
}

/// The texts in a document that are values: those of its arguments, and its comments. A comment is nothing to GraphQL; to a service
/// that takes the document for something else it may be all.
pub fn texts(document: &str, shape: Shape) -> Vec<String> {
    let comments = document.lines().filter_map(|line| line.split_once('#')).map(|(_, comment)| comment.to_owned());
    shape.args.into_iter().chain(comments).collect()
}

fn check_shape(limits: &GraphqlLimits, shape: &Shape, findings: &mut Findings) {
    let beyond = [
        ("nested so deep", u64::from(shape.depth), limits.depth_max),
        ("aliases", shape.aliases.into(), limits.aliases_max),
        ("root fields", shape.root_fields, limits.root_fields_max),
        ("directives in one place", shape.directives_max.into(), limits.directives_max),
        ("the cost", shape.cost, limits.cost_max),
    ];
    let beyond: Vec<String> = beyond
        .into_iter()
        .filter(|(_, have, most)| have > most)
        .map(|(what, have, most)| format!("{what}: {have}, {most} allowed"))
        .collect();
    if !beyond.is_empty() {
        findings.add(Finding::new(&LIMITS, beyond.join("; ")));
    }
    if shape.introspection {
        findings.add(Finding::new(&INTROSPECTION, "asks for the schema"));
    }
}
