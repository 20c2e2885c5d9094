//! SQL that breaks out of the place it was put into (CWE-89).
//!
//! The shapes of a tautology, of a second query, of a query for the catalogue, of a pause that answers yes or no, and of a
//! quote that is closed before a comment hides the rest. Not covered: identifiers that are themselves the attack, and
//! second-order injection, which is only in the database by then.

use super::{check, Detector, CERTAIN, LIKELY, POSSIBLE};
use crate::stages::inspect::phrase::phrase;

/// See the file.
pub static DETECTOR: Detector = Detector {
    check: check("payload.sql", "payload_sql", "A value looks like SQL that was put where a value belongs."),
    hints: "@quote -- # ; ( = comment hex union select from where or and not sql_clause into insert update delete drop exec execute sleep benchmark waitfor delay concat char chr order group case cast convert load_file outfile information_schema xp_cmdshell declare if between sql_function sql_time sql_reveal sql_catalog sql_procedure sql_type && || @@",
    phrases: &[
        phrase("a second query", CERTAIN, &["union", "opt sql_clause", "opt (", "select"]),
        phrase("a second statement", CERTAIN, &["@quote )", ";", "select insert update delete drop exec execute declare sql_procedure waitfor sql_clause if"]),
        phrase("a tautology", CERTAIN, &["@quote )", "opt )", "@join", "opt not", "opt (", "opt @quote", "@word number hex", "opt @quote", "@compare"]),
        phrase("a second statement", LIKELY, &["edge", "opt number word", ";", "select insert update delete drop exec execute declare waitfor load_file", "@word *"]),
        phrase("a condition", LIKELY, &["case", "sql_clause", "opt (", "@word number @quote", "@compare"]),
        phrase("a tautology", CERTAIN, &["@join", "opt (", "number", "= < > like", "number"]),
        phrase("a comparison of quotes", LIKELY, &["@quote", "@compare", "@quote"]),
        phrase("the catalogue", CERTAIN, &["from", "gap", "sql_catalog information_schema"]),
        phrase("a pause", CERTAIN, &["sql_time sleep benchmark", "(", "opt @quote", "number hex select"]),
        phrase("a pause", CERTAIN, &["waitfor", "delay"]),
        phrase("a file", CERTAIN, &["into", "outfile sql_procedure"]),
        phrase("a file", LIKELY, &["load_file", "("]),
        phrase("a command", CERTAIN, &["exec execute ;", "opt word", "opt .. .", "xp_cmdshell sql_procedure"]),
        phrase("a query in brackets", LIKELY, &["(", "select", "gap", "from sql_function concat char"]),
        phrase("a query", POSSIBLE, &["select", "gap", "from"]),
        phrase("a function of strings", LIKELY, &["concat char chr sql_function cast convert", "(", "hex number sql_reveal @@ select"]),
        phrase("a version", LIKELY, &["@@", "sql_reveal word"]),
        phrase("a closed quote and a comment", LIKELY, &["@quote", "opt )", "-- #", "edge"]),
        phrase("a closed bracket and a comment", LIKELY, &[")", "-- #", "edge"]),
        phrase("the number of columns", LIKELY, &["order group", "by", "number", "opt -- #", "edge"]),
        phrase("a table that goes", LIKELY, &["drop", "table sql_reveal", "word sql_noun"]),
        phrase("rows that come or go", POSSIBLE, &["insert delete", "into from"]),
        phrase("a joined quote", LIKELY, &["@quote", "|| +", "opt (", "sql_function chr char select case cast"]),
        phrase("a condition", LIKELY, &["@quote )", "sql_clause", "number"]),
    ],
};
