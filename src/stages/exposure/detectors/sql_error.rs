//! Messages of databases and their drivers that a client should never see, by the phrases that only they write.

use super::check;
use crate::stages::exposure::scan::{Detector, Openings, Text, Where};
use std::ops::Range;

/// The detector.
pub static DETECTOR: Detector = Detector {
    check: check(
        "exposure.sql_error",
        "sql_error_exposed",
        0.1,
        "The response has an error message of a database.",
    ),
    openings,
    find,
    at_least: 1,
    shows_end: false,
    takes_lines: true,
};

const PHRASES: &[&[u8]] = &[
    b"ER_BAD_FIELD_ERROR",
    b"ER_PARSE_ERROR",
    b"Incorrect syntax near '",
    b"MongoServerError",
    b"MySqlException",
    b"PG::SyntaxError",
    b"PG::UndefinedTable",
    b"PSQLException",
    b"SQL syntax error",
    b"SQLSTATE[",
    b"Unclosed quotation mark after the character string",
    b"Unknown column '",
    b"You have an error in your SQL syntax",
    b"com.mysql.cj.jdbc.exceptions",
    b"com.mysql.jdbc.exceptions",
    b"duplicate key value violates unique constraint",
    b"java.sql.SQLException",
    b"java.sql.SQLSyntaxErrorException",
    b"mysqli_sql_exception",
    b"org.hibernate.exception.",
    b"org.postgresql.util.PSQLException",
    b"psycopg2.errors.",
    b"pymysql.err.",
    b"quoted string not properly terminated",
    b"sqlite3.IntegrityError",
    b"sqlite3.OperationalError",
    b"syntax error at or near ",
    b"unrecognized token: ",
];

/// How Oracle's numbers begin.
const ORACLE: &[u8] = b"ORA-";

fn openings(all: &mut Openings) {
    all.texts(Where::Word, PHRASES);
    all.texts(Where::Word, &[ORACLE]);
}

fn find(text: Text<'_>, at: usize, _floor: usize) -> Option<Range<usize>> {
    let phrase = text.one_of(at, PHRASES, |phrase| phrase).map(|phrase| phrase.len());
    let length = phrase.or_else(|| oracle(text, at))?;
    Some(at..text.whole_line(at.saturating_add(length)))
}

/// The length of Oracle's numbers: `ORA-00933`.
fn oracle(text: Text<'_>, at: usize) -> Option<usize> {
    let digits = at.saturating_add(ORACLE.len());
    let end = digits.saturating_add(5);
    (text.has(at, ORACLE) && text.run(digits, 6, |byte| byte.is_ascii_digit()) == end).then_some(9)
}
