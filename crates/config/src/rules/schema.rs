//! What a rule may speak of: the names, the counters, and what the stage knows them by.

use portcullis_base::expression::{External, Kinds, Parameter, Schema, Shape, Tag};

/// `request.method`
pub const METHOD: Tag = Tag(1);
/// `request.path`: in its normal form, without the query.
pub const PATH: Tag = Tag(2);
/// `request.host`: without its port, lower case.
pub const HOST: Tag = Tag(3);
/// `request.route`: the name of the route.
pub const ROUTE: Tag = Tag(4);
/// `request.time`: when the request came.
pub const TIME: Tag = Tag(5);
/// `request.headers[…]`
pub const HEADERS: Tag = Tag(6);
/// `request.query[…]`
pub const QUERY: Tag = Tag(7);
/// `request.cookies[…]`
pub const COOKIES: Tag = Tag(8);
/// `path.…`: a parameter of the route's path.
pub const PARAMETERS: Tag = Tag(9);
/// `body`: the JSON document.
pub const BODY: Tag = Tag(10);
/// `claims.…`: what a verified token says.
pub const CLAIMS: Tag = Tag(11);
/// `actor.subject`
pub const SUBJECT: Tag = Tag(12);
/// `actor.issuer`
pub const ISSUER: Tag = Tag(13);
/// `actor.client`
pub const CLIENT: Tag = Tag(14);
/// `actor.source`
pub const SOURCE: Tag = Tag(15);
/// `actor.session`
pub const SESSION: Tag = Tag(16);
/// `actor.device`
pub const DEVICE: Tag = Tag(17);
/// `actor.anonymous`
pub const ANONYMOUS: Tag = Tag(18);
/// `actor.risk`: what was found before, from 0 to 1.
pub const RISK: Tag = Tag(19);
/// `graphql.operation`
pub const OPERATION: Tag = Tag(20);
/// `request.scheme`: what the client spoke with, by the `x-forwarded-proto` that Envoy writes.
pub const SCHEME: Tag = Tag(21);
/// `request.size`: bytes of the body.
pub const SIZE: Tag = Tag(22);

/// `count(key, window)`
pub const COUNT: Tag = Tag(1);
/// `distinct(value, key, window)`
pub const DISTINCT: Tag = Tag(2);
/// `seen(value, key, window)`
pub const SEEN: Tag = Tag(3);

/// Names whose values are in the body.
pub const IN_BODY: [Tag; 3] = [BODY, OPERATION, SIZE];

/// Any value that can be told from others by its bytes.
const KEY: Parameter = Parameter { kinds: Kinds::ANY, is_constant: false };

const WINDOW: Parameter = Parameter { kinds: Kinds::DURATION, is_constant: true };

/// All of it.
pub static SCHEMA: Schema = Schema {
    names: &[
        (
            "request",
            Shape::Record(&[
                ("method", Shape::Value(METHOD, Kinds::TEXT)),
                ("path", Shape::Value(PATH, Kinds::TEXT)),
                ("host", Shape::Value(HOST, Kinds::TEXT)),
                ("route", Shape::Value(ROUTE, Kinds::TEXT)),
                ("scheme", Shape::Value(SCHEME, Kinds::TEXT)),
                ("size", Shape::Value(SIZE, Kinds::INT)),
                ("time", Shape::Value(TIME, Kinds::TIME)),
                ("headers", Shape::Table(HEADERS, Kinds::TEXT)),
                ("query", Shape::Table(QUERY, Kinds::TEXT)),
                ("cookies", Shape::Table(COOKIES, Kinds::TEXT)),
            ]),
        ),
        ("path", Shape::Table(PARAMETERS, Kinds::TEXT)),
        ("body", Shape::Value(BODY, Kinds::ANY)),
        ("claims", Shape::Table(CLAIMS, Kinds::ANY)),
        (
            "actor",
            Shape::Record(&[
                ("subject", Shape::Value(SUBJECT, Kinds::TEXT)),
                ("issuer", Shape::Value(ISSUER, Kinds::TEXT)),
                ("client", Shape::Value(CLIENT, Kinds::TEXT)),
                ("source", Shape::Value(SOURCE, Kinds::TEXT)),
                ("session", Shape::Value(SESSION, Kinds::TEXT)),
                ("device", Shape::Value(DEVICE, Kinds::TEXT)),
                ("anonymous", Shape::Value(ANONYMOUS, Kinds::BOOL)),
                ("risk", Shape::Value(RISK, Kinds::DOUBLE)),
            ]),
        ),
        ("graphql", Shape::Record(&[("operation", Shape::Value(OPERATION, Kinds::TEXT))])),
    ],
    functions: &[
        External { name: "count", tag: COUNT, parameters: &[KEY, WINDOW], result: Kinds::INT },
        External { name: "distinct", tag: DISTINCT, parameters: &[KEY, KEY, WINDOW], result: Kinds::INT },
        External { name: "seen", tag: SEEN, parameters: &[KEY, KEY, WINDOW], result: Kinds::BOOL },
    ],
};
