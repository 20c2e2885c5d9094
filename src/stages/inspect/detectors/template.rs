//! Templates and expressions that a renderer would run (CWE-1336, CWE-917): server-side templates, expression languages,
//! look-ups in log messages (Log4Shell), server-side includes, LaTeX.
//!
//! Not covered: template text without any expression.

use super::{check, Detector, CERTAIN, LIKELY, POSSIBLE, UNMISTAKABLE};
use crate::stages::inspect::phrase::phrase;

/// See the file.
pub static DETECTOR: Detector = Detector {
    check: check("payload.template", "payload_template", "A value looks like a template or expression that a renderer or logger would run."),
    hints: "{{ }} ${ #{ {% <% <!-- * @ { } \\ template_object el_object ssi_word latex_word class config self request import os php_word constructor",
    phrases: &[
        phrase("a look-up", UNMISTAKABLE, &["${", "gap", "stream_wrapper", ":", "opt -", "opt // / : @word $ ${ }"]),
        phrase("a look-up in parts", LIKELY, &["${", "opt @word", ":", "opt :", "opt -", "@word", "}", "opt @word", "opt ${"]),
        phrase("arithmetic", LIKELY, &["{{ ${ #{ <% {% @ {", "opt = @quote (", "number", "* + - /", "opt @quote", "number"]),
        phrase("an object of the renderer", CERTAIN, &["{{ ${ #{ <% {% *", "gap", "template_object el_object class config self request constructor php_word"]),
        phrase("a class of a class", CERTAIN, &["template_object class", ". [ |", "gap", "template_object"]),
        phrase("a class by its name", CERTAIN, &["el_object", ".", "gap", "el_object exec shell_system"]),
        phrase("an include", CERTAIN, &["<!-- <!", "opt - --", "#", "exec include echo config ssi_word"]),
        phrase("an include at the edge", CERTAIN, &["<", "ssi_word", ":", "include ssi_word script"]),
        phrase("a command of LaTeX", CERTAIN, &["\\", "latex_word include", "{ = \\ [ edge number"]),
        phrase("an expression", POSSIBLE, &["{{ ${ #{ {% <%"]),
    ],
};
