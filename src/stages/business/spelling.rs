//! Does a request name things as the rules read them?
//!
//! Services read names in their own ways: Go and ASP.NET whatever their case, protobuf `unit_price` and `unitPrice` alike, PHP `id[]` for
//! `id`. A client could show a rule one value and the service another: `{"price": 129.5, "Price": 0.01}`, `?id=mine&ID=yours`. So a name
//! that differs from one that is read only in its case or in underscores is a finding, wherever in the document or the query it stands. To refuse such a name is cheaper and safer than to read it
//! in every spelling: nobody knows which of two members a service takes, and an honest client has one spelling.
//!
//! Bounds: one pass over the names of the query, and one over those of the document, each folded once; the first that is found is told. Nothing on routes where nothing
//! is read. Not covered: names that a service takes for each other by its own rules (`qty` for `quantity`), letters beyond ASCII but
//! those that fold into it, names that an expression computes (`body[request.query["name"]]`), what limits and the watch over logins read.

use crate::config::watched::{folded, folded_parameter, Names, Taken};
use crate::finding::{quoted, Check, Class, Family, Finding, Weight};
use crate::stages::limits::Scene;
use serde_json::Value;

/// A name is written in another way than it is read.
pub static SPELLING: Check = Check {
    id: "business.spelling",
    family: Family::Business,
    code: "member_spelling",
    class: Class::Invalid,
    weight: Weight::Refuse,
    tunable: true,
    bearer_error: None,
    means: crate::finding::documented("A name in the JSON body or the query differs from one that a rule, workflow, quote or kind of objects reads only in its spelling."),
};

/// The first such name: of the query, and of the body once that is there.
pub(super) fn find(scene: &Scene<'_>) -> Option<Finding> {
    match scene.body {
        None => in_query(scene),
        Some(body) => in_document(&scene.route.watched.body, body.get::<&str>(&[])?),
    }
}

fn in_query(scene: &Scene<'_>) -> Option<Finding> {
    let watched = Some(&scene.route.watched.query).filter(|watched| !watched.is_empty())?;
    scene.request.parameter_names().find_map(|name| {
        let name = String::from_utf8_lossy(&name);
        watched.taken_for(&name, &folded_parameter(&name)).map(|taken| told(&name, taken))
    })
}

fn in_document(watched: &Names, document: &Value) -> Option<Finding> {
    if watched.is_empty() {
        return None;
    }
    let mut open = vec![document];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                let taken = members.keys().find_map(|name| Some((name, watched.taken_for(name, &folded(name))?)));
                if let Some((name, taken)) = taken {
                    return Some(told(name, taken));
                }
                open.extend(members.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    None
}

fn told(name: &str, Taken { written, monitor }: Taken<'_>) -> Finding {
    let reason = format!("{} may be taken for `{written}`", quoted(name));
    Finding { held_back: monitor, ..Finding::new(&SPELLING, reason) }
}
