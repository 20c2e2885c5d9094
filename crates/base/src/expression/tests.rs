use super::*;
use proptest::prelude::*;
use serde_json::{json, Value as Json};

const METHOD: Tag = Tag(0);
const SIZE: Tag = Tag(1);
const TIME: Tag = Tag(2);
const HEADERS: Tag = Tag(3);
const BODY: Tag = Tag(4);
const GONE: Tag = Tag(5);

static SCHEMA: Schema = Schema {
    names: &[
        (
            "request",
            Shape::Record(&[
                ("method", Shape::Value(METHOD, Kinds::TEXT)),
                ("size", Shape::Value(SIZE, Kinds::INT)),
                ("time", Shape::Value(TIME, Kinds::TIME)),
                ("headers", Shape::Table(HEADERS, Kinds::TEXT)),
            ]),
        ),
        ("body", Shape::Value(BODY, Kinds::ANY)),
        ("gone", Shape::Value(GONE, Kinds::ANY)),
    ],
    functions: &[External {
        name: "count",
        tag: Tag(7),
        parameters: &[
            Parameter { kinds: Kinds::ANY, is_constant: false },
            Parameter { kinds: Kinds::DURATION, is_constant: true },
        ],
        result: Kinds::INT,
    }],
};

struct Example {
    body: Json,
}

impl Scope for Example {
    fn value(&self, name: Tag) -> Result<Value<'_>, Missing> {
        match name {
            METHOD => Ok(Value::text("POST")),
            SIZE => Ok(Value::Int(42)),
            // Friday, 2009-02-13T23:31:30.123Z.
            TIME => Ok(Value::Time(1_234_567_890_123)),
            BODY => Ok(Value::of_json(&self.body)),
            _ => Err(Missing::Unavailable),
        }
    }

    fn entry(&self, _: Tag, key: &str) -> Result<Value<'_>, Missing> {
        match key {
            "x-a" => Ok(Value::text("one")),
            "twice" => Err(Missing::Unavailable),
            _ => Err(Missing::Absent),
        }
    }

    fn outcome(&self, call: usize) -> Result<Value<'_>, Cause> {
        if call == 0 {
            Ok(Value::Int(3))
        } else {
            Err(Cause::Absent)
        }
    }
}

fn example() -> Example {
    let body = json!({
        "n": 5, "d": 2.5, "s": "Straße", "nan": "nan", "t": true, "z": null, "big": u64::MAX, "coupon": "SPRING",
        "items": [{"sku": "a", "quantity": 1}, {"sku": "b", "quantity": 2}],
        "tags": ["x", "y"], "map": {"k": 1, "l": {"m": 2}}, "empty": [],
    });
    Example { body }
}

fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Double(value) => format!("{value:?}"),
        Value::Text(text) => format!("'{text}'"),
        Value::Object(members) => format!("map of {}", members.len()),
        Value::Duration(millis) => format!("{millis}ms"),
        Value::Time(millis) => format!("@{millis}"),
        list => {
            let items: Vec<String> = list.elements().unwrap().iter().map(shown).collect();
            format!("[{}]", items.join(", "))
        }
    }
}

fn compiled(text: &str, folds: bool) -> Result<Expression, Fault> {
    Parser::new(text, &SCHEMA, folds).and_then(|parser| parser.compile(Kinds::ANY)).map_err(|raw| raw.within(text))
}

fn result(text: &str) -> String {
    let expression = match compiled(text, true) {
        Ok(expression) => expression,
        Err(fault) => return format!("refused: {fault}"),
    };
    let scope = example();
    let shown = match expression.evaluate(&scope) {
        Ok(value) => shown(&value),
        Err(failure) => format!("{:?}", failure.cause),
    };
    shown
}

fn holds_all(table: &[(&str, &str)]) {
    for (text, expected) in table {
        assert_eq!(result(text), *expected, "{text}");
    }
}

fn refuses_all(table: &[(&str, &str)]) {
    for (text, expected) in table {
        let fault = compiled(text, true).unwrap_err().to_string();
        assert!(fault.contains(expected), "{text}: {fault}");
    }
}

#[test]
fn literals() {
    holds_all(&[
        ("42", "42"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("0xFF", "255"),
        ("1.5e3", "1500.0"),
        ("2e-1", "0.2"),
        ("'it''s' == 'its'", "refused: column 5: found a string, expected an operator or the end"),
        (r#""a\n\x41\u00e9\U0001F600\'" "#, "'a\nAé😀''"),
        (r"r'\d' ", "'\\d'"),
        ("true", "true"),
        ("null", "null"),
        ("[1, 'a', [true],]", "[1, 'a', [true]]"),
        ("duration('1h30m')", "5400000ms"),
        ("timestamp('1970-01-01T00:00:01Z')", "@1000"),
        ("// why\n 1 // because\n + 1", "2"),
    ]);
}

#[test]
fn arithmetic() {
    holds_all(&[
        ("1 + 2 * 3 - 4 / 2", "5"),
        ("(1 + 2) * 3", "9"),
        ("10 - 3 - 2", "5"),
        ("-7 / 2", "-3"),
        ("-7 % 3", "-1"),
        ("7.0 / 2.0", "3.5"),
        ("body.n * body.d", "12.5"),
        ("body.n + 1.5", "6.5"),
        ("- body.n", "-5"),
        ("'a' + 'b' + body.coupon", "'abSPRING'"),
        ("[1] + body.tags", "[1, 'x', 'y']"),
        ("request.time - timestamp('2009-02-13T23:31:30Z')", "123ms"),
        ("request.time + duration('1s') > request.time", "true"),
        ("duration('1s') - duration('2s')", "-1000ms"),
        ("-duration('1s')", "-1000ms"),
        ("body.n / 0", "DivisionByZero"),
        ("body.n % 0", "DivisionByZero"),
        ("body.d / 0", "Overflow"),
        ("double(body.nan)", "Conversion"),
        ("9223372036854775807 + body.n", "Overflow"),
        ("9223372036854775807 * body.n", "Overflow"),
        (
            "(-9223372036854775807 - 1) / -1 + body.n",
            "refused: column 1: this never has a value: a number is out of range",
        ),
        ("body.d % 2", "Type"),
        ("body.s + body.n", "Type"),
        ("-body.s", "Type"),
    ]);
}

#[test]
fn comparisons() {
    holds_all(&[
        ("1 == 1.0", "true"),
        ("1 < 1.5 && 2 > 1.5 && -2 < -1.5", "true"),
        // Beyond 53 bits a rounded comparison would say otherwise.
        ("9007199254740993 == 9007199254740992.0", "false"),
        ("9007199254740993 > 9007199254740992.0", "true"),
        ("9223372036854775807 < 9223372036854775808.0", "true"),
        ("-9223372036854775808 == -9223372036854775808.0", "true"),
        ("body.big > 9223372036854775807", "true"),
        ("'a' < 'b' && 'Z' < 'a'", "true"),
        ("false < true", "true"),
        ("body.s == 1", "false"),
        ("body.s != 1", "true"),
        ("body.z == null", "true"),
        ("body.n == null", "false"),
        ("body.tags == ['x', 'y'] && body.tags != ['y', 'x']", "true"),
        ("body.map == body.map && body.map != body.items[0]", "true"),
        ("body.d / 0 - body.d / 0 < 1", "Overflow"),
        ("body.s < 1", "Type"),
        ("body.tags < [1]", "refused: column 11: `<` is not for any value and list"),
        ("body.tags < body.tags", "Type"),
        ("duration('60s') == duration('1m')", "true"),
        ("19.99 * 3 == 59.97 || round(19.99 * 3, 2) == 59.97", "true"),
    ]);
}

#[test]
fn logic_absorbs_failures_on_either_side() {
    holds_all(&[
        ("true && !false || false", "true"),
        ("false && body.nothing", "false"),
        ("body.nothing && false", "false"),
        ("true || gone", "true"),
        ("gone || true", "true"),
        ("body.nothing && true", "Absent"),
        ("body.nothing || false", "Absent"),
        ("body.n && false", "false"),
        ("body.n && true", "Type"),
        // The gravest is told, in whatever order.
        ("body.nothing || gone == 1 || body.s < 1", "Unavailable"),
        ("body.s < 1 || body.nothing", "Type"),
        ("body.nothing || body.s < 1", "Type"),
        ("body.t ? 1 : 2", "1"),
        ("false ? body.nothing : 2", "2"),
        ("body.nothing ? 1 : 2", "Absent"),
        ("true ? (false ? 1 : 2) : 3", "2"),
        ("false ? 1 : true ? 2 : 3", "2"),
        ("body.t == true ? 'y' : 'n'", "'y'"),
        ("1 + 1 == 2 || 1 + 1 == 3 && false", "true"),
        ("!body.t", "false"),
        ("!!body.t", "true"),
    ]);
}

#[test]
fn members_and_elements() {
    holds_all(&[
        ("request.method", "'POST'"),
        ("request.headers['x-a']", "'one'"),
        ("request.headers['x-' + 'a']", "'one'"),
        ("request.headers[body.s]", "Absent"),
        ("request.headers.twice", "Unavailable"),
        ("'x-a' in request.headers", "true"),
        ("'x-b' in request.headers", "false"),
        ("'twice' in request.headers", "Unavailable"),
        ("body.items[1].sku", "'b'"),
        ("body['items'][1]['sku']", "'b'"),
        ("body.items[body.n - 4].sku", "'b'"),
        ("body[body.tags[0]]", "Absent"),
        ("body.items[2]", "Absent"),
        ("body.items[-1]", "Absent"),
        ("body.items.sku", "Type"),
        ("body.n.x", "Type"),
        ("[1, 2][body.n - 4]", "2"),
        ("gone.x", "Unavailable"),
        ("has(body.coupon)", "true"),
        ("has(body.z)", "true"),
        ("has(body.a.b.c)", "false"),
        ("has(body.map.l.m)", "true"),
        ("has(body.n.x)", "Type"),
        ("has(gone.x)", "Unavailable"),
        ("has(request.headers['x-a']) && !has(request.headers['x-b'])", "true"),
        ("has(body.items[body.n])", "false"),
        ("1 in [1, 2] && !(3 in [1, 2]) && 1.0 in [1]", "true"),
        ("'x' in body.tags && 'k' in body.map && !('x' in body.map)", "true"),
        ("'x' in body.n", "Type"),
    ]);
}

#[test]
fn functions() {
    holds_all(&[
        ("size('Straße') == 6 && body.s.size() == 6", "true"),
        ("size(body.items) + size(body.map) + [1].size()", "5"),
        ("size(body.n)", "Type"),
        ("int('12') + int(2.9) + int(-2.9)", "12"),
        ("int(request.time)", "1234567890"),
        ("int(body.s)", "Conversion"),
        ("int(body.big)", "Overflow"),
        ("double('2.5') + double(1)", "3.5"),
        ("string(1) + string(2.5) + string(true) + string('x')", "'12.5truex'"),
        ("bool('true') && !bool('false')", "true"),
        ("bool(body.s)", "Conversion"),
        ("timestamp(1) == timestamp('1970-01-01T00:00:01Z')", "true"),
        ("duration(body.s)", "Conversion"),
        ("body.coupon.startsWith('SPR') && body.coupon.endsWith('NG') && body.coupon.contains('RIN')", "true"),
        ("body.coupon.lowerAscii() + 'ä'.upperAscii()", "'springä'"),
        ("' a\t'.trim()", "'a'"),
        ("'a,b,c'.split(',')", "['a', 'b', 'c']"),
        ("'a,b,c'.split(',', 2)", "['a', 'b,c']"),
        ("'a,b'.split(',', 0)", "[]"),
        ("'äb'.split('')", "['ä', 'b']"),
        ("body.s.substring(4)", "'ße'"),
        ("body.s.substring(0, 5)", "'Straß'"),
        ("body.s.substring(3, 2)", "Overflow"),
        ("body.s.substring(7)", "Overflow"),
        ("body.s.substring(-1)", "Overflow"),
        ("request.time.getHours() * 100 + request.time.getMinutes()", "2331"),
        ("request.time.getSeconds() * 1000 + request.time.getMilliseconds()", "30123"),
        ("request.time.getDayOfWeek()", "5"),
        ("[request.time.getFullYear(), request.time.getMonth(), request.time.getDate()]", "[2009, 1, 13]"),
        ("[request.time.getDayOfMonth(), request.time.getDayOfYear()]", "[12, 43]"),
        ("duration('90m').getHours() + duration('90m').getMinutes()", "91"),
        ("round(2.345, 1) == 2.3 && round(0.1 + 0.2, 2) == 0.3", "true"),
        ("round(body.d, body.n + 5)", "Overflow"),
    ]);
}

#[test]
fn macros() {
    holds_all(&[
        ("body.items.all(i, i.quantity > 0)", "true"),
        ("body.items.exists(i, i.sku == 'b')", "true"),
        ("body.items.exists_one(i, i.quantity == 2)", "true"),
        ("body.items.exists_one(i, i.quantity > 0)", "false"),
        ("body.items.filter(i, i.quantity > 1).map(i, i.sku)", "['b']"),
        ("body.items.map(i, i.quantity > 1, i.sku)", "['b']"),
        ("[1, 2].map(x, x * 2)", "[2, 4]"),
        ("body.map.all(key, key.size() == 1)", "true"),
        ("body.empty.all(x, false) && !body.empty.exists(x, true)", "true"),
        ("body.items.all(i, body.items.exists(j, j.sku == i.sku))", "true"),
        ("[1].all(x, [2].all(x, x == 2) && x == 1)", "true"),
        // As chains of && and ||.
        ("body.items.exists(i, i.sku == 'b' || i.price > 1)", "true"),
        ("body.items.all(i, i.price > 1 && i.sku == 'z')", "false"),
        ("body.items.all(i, i.price > 1)", "Absent"),
        ("body.items.exists(i, i.sku > 1)", "Type"),
        ("body.items.exists_one(i, i.price > 1)", "Absent"),
        ("body.items.map(i, i.price)", "Absent"),
        ("body.n.all(x, true)", "Type"),
        ("body.tags.all(t, t)", "Type"),
    ]);
}

#[test]
fn calls_are_taken_out() {
    let expression = compiled("has(body.coupon) && count(body.coupon, duration('10m')) <= 3", true).unwrap();
    let call = &expression.calls()[0];
    assert_eq!((call.tag(), expression.calls().len(), call.offset()), (Tag(7), 1, 20));
    assert!(matches!(call.constant(1), Some(Value::Duration(600_000))));
    assert!(call.constant(0).is_none());
    let scope = example();
    assert_eq!(shown(&call.argument(0, &scope).unwrap()), "'SPRING'");
    assert_eq!(expression.holds(&scope), Ok(true));
    assert_eq!(result("count(1, duration('1s')) + count(2, duration('1s'))"), "Absent");
    refuses_all(&[
        ("count(body.n, body.d)", "column 15: expected a constant duration"),
        ("count(body.n, 5)", "column 15: this is int; expected duration"),
        ("count(1)", "`count` takes 2 arguments; given 1"),
        ("body.tags.all(t, count(t, duration('1s')) < 3)", "may stand neither"),
        ("count(count(1, duration('1s')), duration('1s'))", "may stand neither"),
        ("cout(1)", "did you mean `count`?"),
    ]);
}

#[test]
fn what_an_expression_comes_to_is_known() {
    let expression = compiled("request.headers['x-a'] == body.a && request.headers[body.b] == 'x'", true).unwrap();
    let uses: Vec<_> = expression.uses().iter().map(|found| (found.tag, found.key.as_deref())).collect();
    assert_eq!(uses, [(HEADERS, Some("x-a")), (BODY, None), (HEADERS, None)]);
    assert!(expression.needs(BODY) && !expression.needs(METHOD));
    assert!(compiled("count(body.x, duration('1s')) < 2", true).unwrap().needs(BODY));
}

#[test]
fn faults_say_where_what_and_what_was_meant() {
    refuses_all(&[
        ("", "column 1: the expression is empty"),
        (
            "requst.method == 'GET'",
            "column 1: unknown name `requst`, expected one of: request, body, gone; did you mean `request`?",
        ),
        ("request.methd == 'GET'", "column 9: unknown member of `request` `methd`"),
        ("request.methd == 'GET'", "did you mean `method`?"),
        ("request == 1", "found `==`, expected `.` behind `request`, expected one of its members: method, size"),
        ("body.a = 1", "column 8: `=` means nothing here; did you mean `==`?"),
        ("body.a & body.b", "did you mean `&&`?"),
        ("body.a and body.b", "column 8: found `and`, expected an operator or the end; did you mean `&&`?"),
        ("body.s.matches('a+')", "column 8: regular expressions are not supported, expected one of: startsWith"),
        ("matches(body.s, 'a+')", "regular expressions are not supported"),
        ("body.s.startWith('a')", "unknown method `startWith`"),
        ("body.s.startWith('a')", "did you mean `startsWith`?"),
        ("startsWith(body.s, 'a')", "did you mean `value.startsWith(…)`?"),
        ("body.n.int()", "did you mean `int(value)`?"),
        ("all(body.tags, x, true)", "did you mean `value.all(…)`?"),
        ("request.method == 5", "column 16: `==` is not for string and int; did you mean `int(…) or double(…)`?"),
        ("request.method == null", "did you mean `has(…)`?"),
        ("request.size > '5'", "`>` is not for int and string"),
        ("request.method && true", "column 1: this is string; expected bool"),
        ("!request.size", "column 2: this is int; expected bool"),
        ("request.headers == 'x'", "`==` is not for table and string"),
        ("size(request.headers)", "this is a table: name one of its entries"),
        ("request.headers.all(h, true)", "this is a table, which has no methods"),
        ("[request.headers]", "this is a table"),
        ("request.method.x", "this is string; expected map"),
        ("1 / 0", "this never has a value: division by zero"),
        ("duration('10 m')", "a text cannot be converted, expected one such as \"10m\""),
        ("timestamp('today')", "expected one such as \"2026-01-31T08:00:00Z\""),
        ("size()", "`size` takes 1 arguments"),
        ("'a'.substring()", "`substring` takes 2 to 3 arguments"),
        ("has('x')", "expected something that may be missing"),
        ("has(request.headers)", "expected something that may be missing"),
        ("body.tags.all(1, true)", "found `1`, expected the name of a variable"),
        ("body.tags.all(t)", "found `)`, expected `,`"),
        ("(1 + 2", "column 7: found the end, expected `)`"),
        ("[1 2]", "column 4: found `2`, expected `,` or `]`"),
        ("body.", "expected the name of a member or method"),
        ("1 +", "found the end, expected a value"),
        ("'abc", "column 1: the string has no end"),
        (r"'\d'", "column 2: unknown escape"),
        ("99999999999999999999", "the number is out of range"),
        ("9223372036854775808", "the number is out of range"),
        ("5u", "column 2: found `u`"),
        ("body.ä", "column 6: `ä` means nothing here"),
        ("true\n  && (requst.x)", "line 2, column 7: unknown name `requst`"),
    ]);
    let fault = Expression::compile("request.size", &SCHEMA, Kinds::BOOL).unwrap_err();
    assert_eq!((fault.offset, fault.fault.as_str()), (0, "this is int; expected bool"));
}

#[test]
fn texts_and_trees_are_bounded() {
    let deep = |open: &str, close: &str| format!("{}body.n{}", open.repeat(250), close.repeat(250));
    for text in [
        deep("(", ")"),
        deep("[", "]"),
        deep("!", ""),
        deep("-(", ")"),
        deep("has(", ")"),
        deep("true?1:", ""),
        deep("", "+1"),
        deep("", "*1"),
        deep("", ".trim()"),
        deep("body[", "]"),
        deep("body in ", ""),
        deep("", "[body.n]"),
    ] {
        let fault = compiled(&text, true).unwrap_err();
        let text: String = text.chars().take(20).collect();
        assert!(fault.fault.contains("nested deeper than 32"), "{text}: {fault}");
    }
    assert!(compiled(&format!("'{}'", "x".repeat(2047)), true).unwrap_err().fault.contains("2049 bytes"));
    // Long chains of one kind are not deep.
    for sign in [" && ", " || "] {
        compiled(&vec!["body.t"; 200].join(sign), true).unwrap();
    }
    compiled(&format!("body{}", ".a".repeat(500)), true).unwrap();
}

#[test]
fn an_evaluation_is_bounded() {
    let many = Example { body: json!({"items": vec![1; 1000], "s": "x".repeat(500_000)}) };
    for text in [
        "body.items.all(a, body.items.all(b, body.items.all(c, a == b)))",
        "body.items.map(a, body.items)  == body.items.map(a, body.items)",
        "body.s.contains('y')",
        "body.items.map(a, 'x').all(a, body.s == body.s)",
        // A list that was made is compared by its elements, a text that was made is copied by its length.
        "[body.items.map(a, a)].all(l, body.items.all(x, l == l))",
        "[body.s.substring(0, 30000) + 'z'].all(t, body.items.all(x, t != ''))",
        // What costs too much is not absorbed.
        "body.items.all(a, body.items.all(b, a == b)) || true",
    ] {
        let failure = compiled(text, true).unwrap().evaluate(&many).unwrap_err();
        assert_eq!(failure.cause, Cause::Cost, "{text}");
    }
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let failure = compiled("body == body", true).unwrap().evaluate(&Example { body: deep }).unwrap_err();
    assert_eq!(failure.cause, Cause::Cost);
}

/// Texts that are often expressions.
fn texts() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "1",
        "0",
        "2.5",
        "-3",
        "'a'",
        "''",
        "true",
        "false",
        "null",
        "body.n",
        "body.nothing",
        "gone",
        "[1, 2]",
        "request.size",
        "body.t",
        "body.tags",
        "duration('1s')",
        "request.time",
        "9223372036854775807",
        "body.items[0]",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(5, 24, 3, |inner| {
        let sign = prop::sample::select(vec![
            "+", "-", "*", "/", "%", "<", "<=", ">", ">=", "==", "!=", "in", "&&", "||",
        ]);
        let wrapper = prop::sample::select(vec![
            "!(@)",
            "-(@)",
            "size(@)",
            "int(@)",
            "string(@)",
            "(@).trim()",
            "[@]",
            "(@)[0]",
            "(@).all(x, x == 1)",
            "(@).map(x, x)",
            "has(body.x)",
            "(@) ? 1 : 2",
            "true ? (@) : 1",
            "[@][0]",
            "body[@]",
        ]);
        prop_oneof![
            (inner.clone(), sign, inner.clone())
                .prop_map(|(left, sign, right)| format!("({left}) {sign} ({right})")),
            (wrapper, inner).prop_map(|(wrapper, inside)| wrapper.replace('@', &inside)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_panics(text in prop_oneof![any::<String>(), r#"[\[\]()!&|=<>+*/%?:.,'"\\a-zA-Z0-9 _-]{0,80}"#, texts()]) {
        for folds in [true, false] {
            if let Ok(expression) = compiled(&text, folds) {
                let scope = example();
                let _ = expression.evaluate(&scope);
            }
        }
    }

    #[test]
    fn folding_constants_changes_nothing(text in texts()) {
        let Ok(plain) = compiled(&text, false) else { return Ok(()) };
        let scope = example();
        let expected = plain.evaluate(&scope).map(|value| shown(&value)).map_err(|failure| failure.cause);
        match compiled(&text, true) {
            Ok(folded) => {
                let found = folded.evaluate(&scope).map(|value| shown(&value)).map_err(|failure| failure.cause);
                prop_assert_eq!(found, expected);
            }
            // Folded, a part has one type and shows more faults; an honest value is lost to none of them.
            Err(fault) => prop_assert!(
                fault.fault.contains("never has a value") || fault.fault.contains("not for") || fault.fault.contains("expected"),
                "{}", fault
            ),
        }
    }

    #[test]
    fn whole_numbers_and_doubles_compare_exactly(whole: i64, double: f64, near in -2_i64..=2) {
        for double in [double, value::double(whole), value::double(whole.saturating_add(near))] {
            let expected = i128::from(whole).partial_cmp(&(double.floor() as i128)).map(|order| {
                order.then(if double.fract() == 0.0 { std::cmp::Ordering::Equal } else { std::cmp::Ordering::Less })
            });
            let found = value::order(&Value::Int(whole), &Value::Double(double)).unwrap();
            prop_assert_eq!(found, if double.is_nan() { None } else { expected }, "{} {}", whole, double);
            prop_assert_eq!(value::double(whole), whole as f64);
            if let Some(whole) = value::truncated(double) {
                prop_assert_eq!(whole, double as i64);
            }
        }
    }
}

#[test]
fn the_members_of_a_document_are_known() {
    for (text, expected) in [
        ("request.method == 'GET' && request.headers.a == 'b'", &[][..]),
        ("body.a.b[0].c > 1 || has(body['d e'])", &["a", "b", "c", "d e"]),
        ("body.items.all(item, item.price > 0 && !(item.sku in ['x']))", &["items", "price", "sku"]),
        ("body.a ? size(body.b) > 1 : [body.c] == [-body.d]", &["a", "b", "c", "d"]),
        ("body[request.method].e == 1", &["e"]),
        ("count(body.f, duration('1m')) > 1 && request.headers[body.g] == ''", &["g", "f"]),
    ] {
        let expression = Expression::compile(text, &SCHEMA, Kinds::ANY).unwrap();
        assert_eq!(expression.members(BODY), expected, "{text}");
    }
}
