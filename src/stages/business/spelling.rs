//! Does a body name things as the rules read them?
//!
//! Services read names in their own ways: Go and ASP.NET whatever their case, protobuf `unit_price` and `unitPrice` alike. A client
//! could show a rule one value and the service another: `{"price": 129.5, "Price": 0.01}`. So a name that differs from one that is
//! read only in its case or in underscores is a finding, wherever in the document it stands. To refuse such a name is cheaper and safer than to read it
//! in every spelling: nobody knows which of two members a service takes, and an honest client has one spelling.
//!
//! Bounds: one pass over the names of the document, each folded once; the first that is found is told. Nothing on routes where no body is
//! read. Not covered: names that a service takes for each other by its own rules (`qty` for `quantity`), letters beyond ASCII but
//! those that fold into it, names that an expression computes (`body[request.query["name"]]`), what limits and the watch over logins read.

use crate::config::watched::{folded, Taken};
use crate::finding::{quoted, Check, Class, Family, Finding, Weight};
use crate::stages::limits::Scene;
use serde_json::Value;

/// A name in a body is written in another way than it is read.
pub static SPELLING: Check = Check {
    id: "business.spelling",
    family: Family::Business,
    code: "member_spelling",
    class: Class::Invalid,
    weight: Weight::Refuse,
    tunable: true,
    bearer_error: None,
    means: "A name in the JSON body differs from one that a rule, workflow, quote or kind of objects reads only in its case or in underscores.",
};

/// The first such name of the body, once that is there.
pub(super) fn find(scene: &Scene<'_>) -> Option<Finding> {
    let watched = &scene.route.watched;
    let document = scene.body.filter(|_| !watched.is_empty())?.get::<&str>(&[])?;
    let mut open = vec![document];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                let taken = members.keys().find_map(|name| Some((name, watched.taken_for(name, &folded(name))?)));
                if let Some((name, Taken { written, monitor })) = taken {
                    let reason = format!("{} may be taken for `{written}`", quoted(name));
                    return Some(Finding { held_back: monitor, ..Finding::new(&SPELLING, reason) });
                }
                open.extend(members.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    None
}
