//! Script for the browsers of others (cross-site scripting, CWE-79).
//!
//! Elements that run script or load it, attributes that handle events, addresses that are script, and script itself where it
//! closes what it was put into. Text about HTML looks like HTML: what only shows an element is left to the model. Not covered:
//! script that a page builds from several values.

use super::{check, Detector, CERTAIN, LIKELY, POSSIBLE};
use crate::stages::inspect::phrase::phrase;

/// See the file.
pub static DETECTOR: Detector = Detector {
    check: check("payload.script", "payload_script", "A value looks like script that another one's browser would run."),
    hints: "< > </ /> <!-- --> html_tag html_event script img svg iframe onerror onload javascript script_scheme alert prompt confirm eval document window js_call js_object css_word expression fromcharcode style src href cookie & ; ( `",
    phrases: &[
        phrase("a script element", CERTAIN, &["<", "opt /", "script"]),
        phrase("a handler in an element", CERTAIN, &["<", "gap", "onerror onload html_event", "="]),
        phrase("a handler after a quote", CERTAIN, &["@quote / >", "onerror onload html_event", "="]),
        phrase("a handler that calls", CERTAIN, &["onerror onload html_event", "=", "opt @quote", "alert prompt confirm eval js_call js_object javascript window document"]),
        phrase("a property after a quote", LIKELY, &["@quote", "opt /", "html_event src href style", "opt word", "="]),
        phrase("an address that is script", CERTAIN, &["javascript script_scheme", ":", "opt // / @quote", "alert prompt confirm eval js_call js_object window document word %"]),
        phrase("an address that is script", LIKELY, &["href src style data html_event word", "=", "opt @quote", "javascript script_scheme", ":"]),
        phrase("an element that loads", LIKELY, &["<", "iframe svg img html_tag body", "gap", "src href html_event data style"]),
        phrase("an element that is closed first", CERTAIN, &["@quote", "opt /", "> />", "<"]),
        phrase("a call", LIKELY, &["alert prompt confirm eval", "( `", "opt @quote", "number word document window js_object cookie fromcharcode xss"]),
        phrase("a cookie", LIKELY, &["document", ".", "cookie"]),
        phrase("a call after a quote", CERTAIN, &["@quote )", "; + - * , |", "gap", "alert prompt confirm eval", "( `"]),
        phrase("script in a style", LIKELY, &["expression css_word", "(", "gap", "alert prompt confirm eval javascript"]),
        phrase("characters for a string", LIKELY, &["fromcharcode", "(", "number hex"]),
        phrase("an element", POSSIBLE, &["<", "iframe svg html_tag img style body"]),
    ],
};
