//! What a GraphQL document asks for: how deep, how wide, how often, and with which strings (GraphQL October 2021, §2).
//!
//! One request can ask for a million things, so requests alone do not measure it: a login that is tried a thousand times
//! under aliases is one request. The numbers here let limits be about what is asked. They need no schema, so they are
//! estimates.
//!
//! **Cost.** A field costs the product of the list arguments on the path from the root to it, its own included, and a document
//! costs the sum of its fields: `{ users(first: 10) { name posts(last: 5) { title } } }` costs 10 for `users`, 10 for `name`,
//! 50 for `posts` and 50 for `title`, together 120. List arguments are whole numbers under the names of [`LIST_ARGUMENTS`],
//! as arguments or within one (`page: {first: 10}`); of several on one field the greatest counts; 0 and less count as 1. A
//! variable stands for its value in the request, else for its greatest default, else for 1, and is then counted as unknown.
//! Fields that a service would merge (`{ a a }`) count each, and so do those that `@skip` leaves out.
//!
//! Only the grammar of executable documents passes, since a service refuses the rest; so do, as faults, cycles of fragments,
//! spreads of unknown ones and definitions of the same name. Bounds: the constants below; time and memory are linear in the
//! document and the variables, without recursion. Not covered: everything that takes a schema (types, lists without such
//! arguments, the unlimited list that some services give for 0 or -1), strings in variables (see the request's JSON),
//! descriptions before definitions (September 2025 edition), batches of documents, persisted queries.

use super::cost;
use super::parser::Parser;
use serde_json::{Map, Value};

/// Longest document, in bytes. Generated clients send some ten thousand.
pub const BYTES_MAX: usize = 64 * 1024;

/// Tokens of a document at most.
pub const TOKENS_MAX: u32 = 16 * 1024;

/// Operations and fragments of a document at most.
pub const DEFINITIONS_MAX: usize = 256;

/// Fields, spreads and inline fragments of a document at most, as written.
pub const SELECTIONS_MAX: usize = 4096;

/// Deepest nesting of fields with fragments where they are spread, and of braces as written. The usual introspection query
/// has about 15.
pub const DEPTH_MAX: u32 = 64;

/// Deepest nesting of lists and objects in one argument.
pub const VALUE_DEPTH_MAX: usize = 32;

/// String literals of a document at most.
pub const ARGS_MAX: usize = 1024;

/// Names of arguments that say how many items a list is to have.
pub const LIST_ARGUMENTS: [&str; 3] = ["first", "last", "limit"];

/// The measures of one document.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Operations. A request runs one of them.
    pub operations: u32,
    /// Fields in each other, with fragments where they are spread: 1 for `{ me }`. The deepest of all definitions.
    pub depth: u32,
    /// Fields as written.
    pub fields: u32,
    /// Fields with an alias, as written.
    pub aliases: u32,
    /// Directives as written.
    pub directives: u32,
    /// The most directives in one place.
    pub directives_max: u32,
    /// Fields at the root of an operation, with fragments where they are spread: the most of one operation. A batch under
    /// aliases is many.
    pub root_fields: u64,
    /// Whether the schema is asked for: a field `__schema` or `__type`, whatever its alias. `__typename` is harmless (§4.1).
    pub introspection: bool,
    /// The values of the string literals, in their order: in arguments of fields and directives, at any depth, and in
    /// defaults.
    pub args: Vec<String>,
    /// The estimate of the work: of the most expensive operation, in fields; see the page of this module.
    pub cost: u64,
    /// List arguments that are variables with neither a value nor a default, counted as 1 each in the cost.
    pub unknown_lists: u32,
}

/// Why a document has no shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// More than [`BYTES_MAX`].
    TooLong,
    /// More than [`TOKENS_MAX`].
    TooManyTokens,
    /// More than [`DEFINITIONS_MAX`].
    TooManyDefinitions,
    /// More than [`SELECTIONS_MAX`].
    TooManySelections,
    /// Deeper than [`DEPTH_MAX`].
    TooDeep,
    /// Deeper than [`VALUE_DEPTH_MAX`].
    ValueTooDeep,
    /// More than [`ARGS_MAX`].
    TooManyArgs,
    /// No executable document (§2, §2.2).
    Syntax,
    /// No operation.
    NoOperation,
    /// Two operations or two fragments of the same name (§5.2.1.1, §5.5.1.1).
    Repeated,
    /// A spread of a fragment that there is not (§5.5.2.1).
    UnknownFragment,
    /// A fragment that spreads itself, by others or not (§5.5.2.2).
    Cycle,
}

impl Fault {
    /// Whether it asks for more than anybody needs. Other faults are a document's mistakes, or it is none.
    pub const fn is_excessive(self) -> bool {
        !matches!(self, Self::Syntax | Self::NoOperation | Self::Repeated | Self::UnknownFragment)
    }

    /// For the operator.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TooLong => "the document is too long",
            Self::TooManyTokens => "the document has too many tokens",
            Self::TooManyDefinitions => "the document has too many operations and fragments",
            Self::TooManySelections => "the document has too many fields and fragments",
            Self::TooDeep => "fields are nested too deeply",
            Self::ValueTooDeep => "an argument is nested too deeply",
            Self::TooManyArgs => "the document has too many strings",
            Self::Syntax => "not an executable GraphQL document",
            Self::NoOperation => "the document has no operation",
            Self::Repeated => "two definitions have the same name",
            Self::UnknownFragment => "a fragment is used that is not there",
            Self::Cycle => "a fragment contains itself",
        }
    }
}

/// Measures a document whose variables are not known. See [`shape_with`].
///
/// # Errors
/// What keeps it from having a shape: a bound, or the rule that it breaks.
pub fn shape(document: &str) -> Result<Shape, Fault> {
    shape_with(document, &Map::new())
}

/// Measures a document. `variables` are those of the request (GraphQL over HTTP, §5.1), with bounded nesting.
///
/// # Errors
/// What keeps it from having a shape: a bound, or the rule that it breaks.
pub fn shape_with(document: &str, variables: &Map<String, Value>) -> Result<Shape, Fault> {
    if document.len() > BYTES_MAX {
        return Err(Fault::TooLong);
    }
    let mut parser = Parser::new(document);
    parser.document()?;
    parser.settle_variables(variables);
    let most = cost::most(&parser.definitions)?;
    Ok(Shape { depth: most.depth, cost: most.cost, root_fields: most.root_fields, ..parser.shape })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn cost(document: &str) -> u64 {
        shape(document).unwrap().cost
    }

    #[test]
    fn everything_is_counted() {
        let document = r#"
            # { not: this }
            query Q($id: ID! = "d", $tags: [[String!]]! = ["x", "y"] @v) @a @b(c: "e") {
                first: user(id: $id, name: "n\u0041", by: {in: ["o", """p "q" """], e: ENUM, f: -1.5}) @include(if: true) {
                    __typename
                    ... on User @skip(if: false) @c @d { name }
                    ... { second: name }
                    ...F @e
                }
            }
            fragment F on User { friends { name } }
        "#;
        assert_eq!(
            shape(document),
            Ok(Shape {
                operations: 1,
                depth: 3,
                fields: 6,
                aliases: 2,
                directives: 8,
                directives_max: 3,
                root_fields: 1,
                introspection: false,
                args: ["d", "x", "y", "e", "nA", "o", r#"p "q" "#].map(str::to_owned).to_vec(),
                cost: 6,
                unknown_lists: 0,
            })
        );
    }

    #[test]
    fn the_cost_multiplies_along_the_path() {
        for (document, wanted) in [
            ("{ me }", 1),
            ("{ users(first: 10) { name posts(last: 5) { title } } }", 120),
            ("{ users(first: 10, last: 3, limit: 7) { name } }", 20),
            ("{ users(first: 0) { name } }", 2),
            ("{ users(first: -1) { name } }", 2),
            ("{ users(limit: 1e9) { name } }", 2),
            ("{ users(page: {size: 9, at: [{first: 4}]}) { name } }", 8),
            ("{ users(size: 10) { name } }", 2),
            ("{ users(first: 10) { ... on A { a } ... @b { ...F } } } fragment F on B { b(limit: 2) { c } }", 60),
            ("query A { a } query B { a(first: 5) } fragment F on T { b(first: 9) }", 5),
            ("{ a(first: 99999999999999999999) { b(first: 99999999999999999999) { c } } }", u64::MAX),
        ] {
            assert_eq!(cost(document), wanted, "{document}");
        }
    }

    #[test]
    fn variables_are_looked_up() {
        let document = "query($n: Int = 3, $m: Int, $p: Page) { a(first: $n) b(limit: $m) c(page: $p) { d } }";
        for (variables, wanted, unknown) in [
            (json!({}), (3 + 1 + 2), 1),
            (json!({"n": null, "m": -4}), (3 + 1 + 2), 0),
            (json!({"n": 10, "m": 20, "p": {"x": [{"first": 5}], "last": 2}}), 10 + 20 + 10, 0),
            (json!({"n": 1e1, "m": 1e300}), u64::MAX, 0),
            (json!({"m": "20"}), (3 + 1 + 2), 1),
        ] {
            let shape = shape_with(document, variables.as_object().unwrap()).unwrap();
            assert_eq!((shape.cost, shape.unknown_lists), (wanted, unknown), "{variables}");
        }
        // The fragment is read before the default, and by two operations.
        let shared =
            "fragment F on T { a(first: $n) } query A($n: Int = 2) { ...F } query B($n: Int = 9) { ...F }";
        assert_eq!(cost(shared), 9);
    }

    #[test]
    fn batches_are_seen_through_fragments() {
        let batch =
            "mutation { ...F ... { c: login(p: 3) } } fragment F on M { a: login(p: 1) b: login(p: 2) ...G }
            fragment G on M { d: login { x { y } } }";
        let shape = shape(batch).unwrap();
        assert_eq!((shape.root_fields, shape.aliases, shape.depth), (4, 4, 3));
    }

    #[test]
    fn fragments_that_double_each_other_cost_no_time() {
        let mut document = "{ ...F0 } fragment F60 on T { a }".to_owned();
        for at in 0..60 {
            let next = at + 1;
            document += &format!(" fragment F{at} on T {{ ...F{next} ...F{next} }}");
        }
        assert_eq!(cost(&document), 1 << 60);
    }

    #[test]
    fn introspection_is_told_from_type_names() {
        for (document, introspection) in [
            ("{ __schema { types { name } } }", true),
            ("{ a: __type(name: \"A\") { name } }", true),
            ("{ ...F } fragment F on Query { __schema { x } }", true),
            ("{ __typename me { __typename } }", false),
            ("{ __schema: me }", false),
            ("{ a(b: \"__schema\", __type: __schema) }", false),
        ] {
            assert_eq!(shape(document).unwrap().introspection, introspection, "{document}");
        }
    }

    #[test]
    fn what_a_service_refuses_is_refused() {
        for (document, fault) in [
            ("", Fault::NoOperation),
            ("fragment F on T { a }", Fault::NoOperation),
            ("{", Fault::Syntax),
            ("{}", Fault::Syntax),
            ("{ a }}", Fault::Syntax),
            ("{ a {} }", Fault::Syntax),
            ("{ a() }", Fault::Syntax),
            ("query() { a }", Fault::Syntax),
            ("query($a Int) { a }", Fault::Syntax),
            ("query($a: [Int) { a }", Fault::Syntax),
            ("{ a(b: ) }", Fault::Syntax),
            ("{ a(b: [1) }", Fault::Syntax),
            ("{ a(b: {1}) }", Fault::Syntax),
            ("{ a(b: 1 }", Fault::Syntax),
            ("{ ... }", Fault::Syntax),
            ("{ ... on T }", Fault::Syntax),
            ("{ ...F { a } } fragment F on T { a }", Fault::Syntax),
            ("fragment on on T { a } { a }", Fault::Syntax),
            ("type Q { a: Int }", Fault::Syntax),
            ("{ a } b", Fault::Syntax),
            ("query A { a } query A { b }", Fault::Repeated),
            ("{ ...F } fragment F on T { a } fragment F on T { b }", Fault::Repeated),
            ("{ ...F }", Fault::UnknownFragment),
            ("{ ...F } fragment F on T { ...F }", Fault::Cycle),
            ("{ a } fragment F on T { a { ...G } } fragment G on T { ...F }", Fault::Cycle),
        ] {
            assert_eq!(shape(document), Err(fault), "{document}");
        }
    }

    #[test]
    fn everything_is_bounded() {
        let nested = |depth: usize| format!("{}a{}", "{a".repeat(depth), "}".repeat(depth));
        let depth = usize::try_from(DEPTH_MAX).unwrap();
        let value = |depth: usize| format!("{{a(b:{}{})}}", "[".repeat(depth), "]".repeat(depth));
        let args = |count: usize| format!("{{a(b:[{}])}}", "\"\"".repeat(count).replace("\"\"", "\"\" "));
        let many = |definitions: usize| format!("{{a}}{}", "{a}".repeat(definitions - 1));
        for (fits, not, fault) in [
            (nested(depth), nested(depth + 1), Fault::TooDeep),
            (value(VALUE_DEPTH_MAX), value(VALUE_DEPTH_MAX + 1), Fault::ValueTooDeep),
            (args(ARGS_MAX), args(ARGS_MAX + 1), Fault::TooManyArgs),
            (many(DEFINITIONS_MAX), many(DEFINITIONS_MAX + 1), Fault::TooManyDefinitions),
            (
                format!("{{{}}}", "a ".repeat(SELECTIONS_MAX)),
                format!("{{{}}}", "a ".repeat(SELECTIONS_MAX + 1)),
                Fault::TooManySelections,
            ),
            (
                format!("{{a{}}}", "@a ".repeat(8_190)),
                format!("{{a{}}}", "@a ".repeat(8_191)),
                Fault::TooManyTokens,
            ),
            (
                format!("{{a}}#{}", "x".repeat(BYTES_MAX - 4)),
                format!("{{a}}#{}", "x".repeat(BYTES_MAX - 3)),
                Fault::TooLong,
            ),
        ] {
            assert!(shape(&fits).is_ok(), "{fault:?}: {:?}", shape(&fits));
            assert_eq!(shape(&not), Err(fault));
        }
        // Depth that only fragments add up to.
        let half = nested(depth / 2 + 1);
        let apart = format!("{} fragment F on T {half}", half.replacen("a}", "...F}", 1));
        assert_eq!(shape(&apart), Err(Fault::TooDeep));
        for deep in ["{a", "[", "{a(b:[", "query($a:[", "{a(b:{c:", "{...{"] {
            assert!(shape(&deep.repeat(BYTES_MAX / deep.len())).is_err());
        }
    }

    /// A selection set with its fields, depth and cost.
    fn selections() -> impl Strategy<Value = (String, u32, u32, u64)> {
        let leaf = Just(("{ a }".to_owned(), 1, 1, 1));
        leaf.prop_recursive(5, 40, 4, |inner| {
            prop::collection::vec((inner, 0_u64..20, any::<bool>()), 1..4).prop_map(|parts| {
                let mut all = ("{".to_owned(), 0, 0, 0);
                for ((text, fields, depth, cost), items, aliased) in parts {
                    let alias = if aliased { "x: " } else { "" };
                    all.0 += &format!(" {alias}b(c: \"}}\", first: {items}) {text}");
                    all.1 += fields + 1;
                    all.2 = all.2.max(depth + 1);
                    all.3 += items.max(1) * (cost + 1);
                }
                all.0 += "}";
                all
            })
        })
    }

    proptest! {
        #[test]
        fn generated_documents_are_measured((text, fields, depth, cost) in selections()) {
            let inline = shape(&text).unwrap();
            prop_assert_eq!((inline.fields, inline.depth, inline.cost), (fields, depth, cost));
            let spread = shape(&format!("{{ ...F }} fragment F on T {text}")).unwrap();
            prop_assert_eq!(Shape { operations: 1, ..spread }, inline);
        }

        #[test]
        fn no_document_panics(document in "(fragment |query |on |F |\\{|\\}|\\(|\\)|\\[|\\]|:|\\$|@|=|!|\\.\\.\\.|\"|\"\"\"|#|\n|\\\\|é|a |first:|9){0,60}") {
            let _ = shape(&document);
        }
    }
}
