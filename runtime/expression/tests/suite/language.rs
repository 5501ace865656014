//! The language through one door: a source and what becomes of it. `!` begins a problem of the
//! check, `?` an error of the evaluation; `..` at the end leaves the rest open.

use expression::{compile, compile_to};

use crate::{shop, show};

fn outcome(source: &str, to: Option<&contract::Type>) -> String {
    let (scope, slots) = shop::scope();
    let compiled = match to {
        Some(to) => compile_to(source, &scope, to),
        None => compile(source, &scope),
    };
    match compiled {
        Err(problems) => show::problems(source, &problems),
        Ok(program) => match program.evaluate(&slots) {
            Ok(value) => show::value(&value),
            Err(error) => format!("?{}", error.message),
        },
    }
}

#[track_caller]
fn agree(source: &str, found: &str, expect: &str) {
    let agrees = match expect.strip_suffix("..") {
        Some(start) => found.starts_with(start),
        None => found == expect,
    };
    assert!(agrees, "\n  source {source}\nexpected {expect}\n   found {found}\n");
}

#[track_caller]
fn check(source: &str, expect: &str) {
    agree(source, &outcome(source, None), expect);
}

#[track_caller]
fn check_to(to: &contract::Type, source: &str, expect: &str) {
    agree(source, &outcome(source, Some(to)), expect);
}

#[test]
fn numbers() {
    check("1 + 2 * 3 - 4 / 2 % 3", "5");
    check("-9223372036854775808", "-9223372036854775808");
    check("9223372036854775807 + 1", "?the number overflows 64 bits");
    check("-(-9223372036854775808)", "?the number overflows 64 bits");
    check("1 / 0", "?division by zero");
    check("1u + 2u", "3u");
    check("1 + 1u", "!overload `+`: `+` does not take an int and a uint; write the literal..");
    check("0x1F + 1", "32");
    check("1.5e2 / 4.0", "37.5");
    check("1 < 1.5 && 2u > 1 && 1 == 1u", "true");
    check("12px", "!token `12px`: ..");
    check("99999999999999999999", "!literal `99999999999999999999`: ..");
}

#[test]
fn decimals_are_exact_and_name_their_rounding() {
    check("decimal('0.1') + decimal('0.2') == decimal('0.3')", "true");
    check("message.total.amount * 2", "71.00d");
    check("2 * message.total.amount - 1", "70.00d");
    check("message.total.amount > 35", "true");
    check(
        "message.total.amount * 1.5",
        "!overload `*`: `*` does not take a decimal and a double; floats never..",
    );
    check(
        "message.total.amount == 1.5",
        "!type `message.total.amount == 1.5`: a decimal never equals a double;..",
    );
    check(
        "message.total.amount / 3",
        "!overload `/`: `/` does not say how a decimal is rounded; name the rounding: \
         `message.total.amount.div(3, 2, 'half_up')`",
    );
    check("message.total.amount.div(3, 2, 'half_up')", "11.83d");
    check("decimal('2.345').round(2, 'half_even')", "2.34d");
    check("decimal('2.345').round(2, 'half_up')", "2.35d");
    check("decimal('-2.5').round(0, 'down')", "-2d");
    check("7.div(2, 1, 'up')", "3.5d");
    check("decimal('1').round(2, 'haf_up')", "!literal `'haf_up'`: no such rounding..");
    check("decimal('1').div(0, 2, 'up')", "?division by zero");
    check("decimal('one')", "!literal `'one'`: ..");
    check("decimal('79228162514264337593543950335') * 10", "?the result needs more than 28 digits");
    check("int(decimal('3.0'))", "3");
    check("int(decimal('3.5'))", "?the decimal has a fraction..");
    check("any.n + decimal('0.5')", "5.5d");
}

#[test]
fn sums_and_extremes() {
    check("message.lines.map(l, l.unit_price * l.quantity).sum()", "35.50d");
    check("sum(message.lines.filter(l, l.sku == 'z').map(l, l.quantity))", "0d");
    check("[].sum()", "0");
    check("[1, 2, 3].sum()", "6");
    check("[1.5, 2.5].sum()", "4.0");
    check("[decimal('1.5'), 1].sum()", "2.5d");
    check("dyn([decimal('1.5'), 1]).sum()", "2.5d");
    check("['a'].sum()", "!overload `sum`: `sum` does not take (list(string))..");
    check("[3, 1, 2].min()", "1");
    check("message.lines.map(l, l.quantity).max()", "3d");
    check("max(message.total.amount, 100)", "100d");
    check("[].max()", "?the list is empty; test `size() > 0` first");
    check(
        "message.lines.map(l, l.weight).sum()",
        "!overload `sum`: `sum` does not take (list(optional(decimal)))..",
    );
    check("message.lines.map(l, l.weight.orValue(0)).sum()", "1.5d");
    check("math.least(3, 1, 2)", "1");
}

#[test]
fn text() {
    check("'a' + \"b\" + r'\\n' + '''c'''", "'ab\\nc'");
    check("'\\u00e4\\x41\\101\\t'.size()", "4");
    check("'a' + 1", "!overload `+`: `+` does not take a string and an int; write `string(1)`");
    check("'abc'.contains('b') && 'abc'.startsWith('a') && 'abc'.endsWith('c')", "true");
    check("'aBc'.upperAscii() + 'aBc'.lowerAscii()", "'ABCabc'");
    check("'  a '.trim() + '|'", "'a|'");
    check("'a,b,c'.split(',')", "['a', 'b', 'c']");
    check("['a', 'b'].join('-')", "'a-b'");
    check("'hello'.substring(1, 3) + 'hello'.charAt(0)", "'elh'");
    check("'hello'.indexOf('l') + 'hello'.lastIndexOf('l')", "5");
    check("'hello'.substring(9)", "?index out of range: 9");
    check("'a.b'.replace('.', '-')", "'a-b'");
    check("'A-12'.matches('^[A-Z]-[0-9]+$')", "true");
    check("'a'.matches('(')", "!literal `'('`: this is no regular expression: ..");
    check("'a'.matches(any.t)", "false");
    check("'a' == 1", "!type `'a' == 1`: a string never equals an int");
    check("'no end", "!token `'`: this string has no end; ..");
    check("string(message.status) + string(decimal('1.50')) + string(true)", "'held1.50true'");
    check("string(message.lines)", "!overload `string`: ..");
    check("base64.decode(base64.encode(b'ab')) == b'ab'", "true");
}

#[test]
fn times() {
    check("timestamp('2026-01-31T10:00:00Z') + duration('36h')", "2026-02-01T22:00:00Z");
    check("message.placed_at - duration('PT30M') < message.placed_at", "true");
    check("message.placed_at.getHours()", "22");
    check("message.placed_at.getHours('Europe/Berlin')", "23");
    check("date(message.placed_at)", "'2026-03-01'");
    check("date(message.placed_at, 'Asia/Tokyo')", "'2026-03-02'");
    check("date(message.placed_at, 'Nowhere')", "?the text is no time zone: ..");
    check("timestamp('2026-13-01T00:00:00Z')", "!literal `'2026-13-01T00:00:00Z'`: ..");
    check("duration('1h30m').getMinutes()", "90");
    check(
        "message.placed_at < '2026'",
        "!overload `<`: `<` does not take a timestamp and a string; write `timestamp..",
    );
    check(
        "timestamp('9999-12-30T00:00:00Z') + duration('72h')",
        "?the timestamp is outside the years 1 to 9999",
    );
}

#[test]
fn logic_absorbs_errors() {
    check("1 / 0 == 1 || true", "true");
    check("true || 1 / 0 == 1", "true");
    check("1 / 0 == 1 && false", "false");
    check("1 / 0 == 1 && true", "?division by zero");
    check("[1, 0].exists(x, 1 / x == 1)", "true");
    check("[0, 1].all(x, 1 / x == 2)", "false");
    check("[0].all(x, 1 / x == 2)", "?division by zero");
    check("1 && true", "!overload `1`: `&&` takes a bool, not an int");
    check("true ? 1 : 'a'", "!type `true ? 1 : 'a'`: one value is an int, the other a string; ..");
    check("true ? message.total.amount : 0", "35.50d");
    check("any.t && true", "?logic takes bools, not string");
}

#[test]
fn fields() {
    check("message.total.currency", "'EUR'");
    check(
        "message.totl.currency",
        "!unknown-field `totl`: order has no field `totl`; did you mean `total`?",
    );
    check("message.lines[0].unit_price", "10.25d");
    check("message.lines[9].sku", "?no such key, or the index is out of range");
    check(
        "message.lines.sku",
        "!unknown-field `sku`: a list(line) has no fields; take one element (`x[0]`)..",
    );
    check("message['id']", "'A-1'");
    check("headers['host'] + headers.host", "'shopshop'");
    check("headers['none']", "?no such key, or the index is out of range");
    check("headers[?'none'].orValue('-')", "'-'");
    check("'host' in headers", "true");
    check("message.pair[1] + 1", "5");
    check("message.pair[2]", "!literal `2`: the tuple has 2 elements");
    check("message.marks.gift_wrap && !('urgent' in message.marks)", "true");
    check("'gift' in message.marks", "!unknown-case `'gift'`: marks has no flag `gift`..");
    check("message.count + 1u", "8u");
    check("any.r.total.amount", "35.50d");
    check("any.r.nothing", "?no such key: order has no field `nothing`");
    check("any.x", "?no such key: `x`");
}

#[test]
fn names() {
    check(
        "mesage.id",
        "!unknown-name `mesage`: nothing here is called `mesage`; did you mean `message`?",
    );
    check(
        "hold",
        "!unknown-name `hold`: nothing here is called `hold`; if you mean the text, put it in quotes: 'hold'",
    );
    check(
        "order-desk",
        "!unknown-name `order-desk`: nothing here is called `order-desk`; if you mean the text, ..",
    );
    check(
        "tax.total",
        "!unknown-name `tax`: nothing here is called `tax`; the step `tax` comes later",
    );
    check(
        "message.id.startswith('A')",
        "!unknown-function `startswith`: there is no function `startswith`; did you mean `startsWith`?",
    );
    check(
        "len(message.id)",
        "!unknown-function `len`: there is no function `len`; write `size(x)`",
    );
    check(
        "startsWith('a', 'b')",
        "!overload `startsWith`: `startsWith` is not called like this; write `x.startsWith(...)`",
    );
    check(
        "a + b",
        "!unknown-name `a`: .. | !unknown-name `b`: ..".split_once(" | ").map_or("", |(a, _)| a),
    );
    check("type(1) == int && type(message) != type(1)", "true");
}

#[test]
fn optionals_must_be_tested_or_defaulted() {
    check("message.note", "none");
    check(
        "message.note + '!'",
        "!optional `message.note`: `message.note` may be absent; test it first ..",
    );
    check("message.note.orValue('-') + '!'", "'-!'");
    check("message.note.size()", "!optional `message.note`: ..");
    check("message.ship_to.city", "some('Bonn')");
    check("message.ship_to.city == 'Bonn'", "!optional `message.ship_to.city`: ..");
    check("has(message.ship_to) && message.ship_to.city == 'Bonn'", "true");
    check("has(message.ship_to) ? message.ship_to.city : 'none'", "'Bonn'");
    check("message.ship_to != null ? message.ship_to.city : 'none'", "'Bonn'");
    check("message.ship_to == null || message.ship_to.city == 'Bonn'", "true");
    check("!has(message.ship_to) || message.ship_to.city == 'Bonn'", "true");
    check(
        "has(message.ship_to) || message.ship_to.city == 'Bonn'",
        "!optional `message.ship_to.city`: ..",
    );
    check(
        "message.ship_to.city == 'Bonn' && has(message.ship_to)",
        "!optional `message.ship_to.city`: ..",
    );
    check(
        "has(message.ship_to.zone) ? message.ship_to.zone : message.ship_to.city.orValue('?')",
        "'Bonn'",
    );
    check("message.?bill_to.?zone.orValue('UTC')", "'UTC'");
    check("message.bill_to.or(message.ship_to).city.value()", "'Bonn'");
    check("message.bill_to.city.value()", "?the optional value is absent");
    check("message.ship_to.optMap(a, a.city + '!').orValue('')", "'Bonn!'");
    check(
        "message.id.orValue('x')",
        "!overload `message.id`: `orValue` takes an optional value; ..",
    );
    check(
        "message.id == null",
        "!type `message.id == null`: `message.id` is a string, which is never null",
    );
    check("message.note == null", "true");
    check("message.fee.orValue(0) + message.total.amount", "35.50d");
    check("review.hasValue() && review.by == 'ann'", "true");
    check("review != null ? review.by : ''", "'ann'");
    check("review.?answer.orValue('none') == 'refuse'", "false");
    check("review.by == 'ann'", "!optional `review.by`: ..");
    check("message.lines.exists(l, has(l.weight) && l.weight > 1)", "true");
    check("message.lines.exists(l, l.weight > 1)", "!optional `l.weight`: ..");
    check("message.lines.filter(l, has(l.weight)).map(l, l.weight.orValue(0))", "[1.5d]");
    check("message.lines.map(l, has(l.weight), l.weight)", "[1.5d]");
    check("message.holes.map(h, h.orValue(0))", "[1, 0]");
    check("message.holes[1].orValue(9) + message.holes[?0].orValue(9)", "10");
    check("optional.of(1).or(optional.none()).value() + optional.none().orValue(2)", "3");
    check("[1][?0].orValue(5) + [1][?7].orValue(5)", "6");
    check("[?message.note, 'b']", "['b']");
    check("{?'note': message.note, 'id': message.id}", "{id: 'A-1'}");
    check("any.?x.orValue(1) + any.?n.orValue(1)", "6");
    check("(true ? null : message.note).hasValue()", "false");
    check("[message.ship_to, null].map(a, a.city.orValue('-'))", "['Bonn', '-']");
}

#[test]
fn facts_from_outside() {
    let (mut scope, slots) = shop::scope();
    assert!(compile("review.by", &scope).unwrap().ty().to_string().starts_with("optional"));
    let when = compile(
        "review.hasValue() && credit.decision == 'on_hold' && message.status == 'held'",
        &scope,
    )
    .unwrap();
    assert_eq!(when.when_true().present.iter().collect::<Vec<_>>(), ["review"]);
    scope.assume(when.when_true());
    let program = compile("review.by + message.status.held", &scope).unwrap();
    assert_eq!(show::value(&program.evaluate(&slots).unwrap()), "'anncredit'");
    assert_eq!(program.slots_used(), [0, 3]);
    let either = compile("has(message.note) || has(message.fee)", &scope).unwrap();
    assert!(either.when_true().is_empty());
    assert_eq!(either.when_false(), &expression::Facts::default());
    let inside = compile("message.lines.all(l, has(l.weight))", &scope).unwrap();
    assert!(inside.when_true().is_empty());
}

#[test]
fn facts_given_by_path() {
    let (mut scope, slots) = shop::scope();
    scope.known_present("message.ship_to");
    scope.known_case("message.status", "held");
    let program = compile("message.ship_to.city + message.status.held", &scope).unwrap();
    assert_eq!(show::value(&program.evaluate(&slots).unwrap()), "'Bonncredit'");
    // What was tested may still be asked in the same words.
    let program =
        compile("message.?ship_to.city.orValue('') + message.ship_to.?zone.orValue('UTC')", &scope)
            .unwrap();
    assert_eq!(show::value(&program.evaluate(&slots).unwrap()), "'BonnUTC'");
    assert!(compile("message.ship_to.hasValue() && message.ship_to != null", &scope).is_ok());
    // A fact that does not hold is an error, never a null that goes on.
    scope.known_present("message.bill_to");
    let error = compile("message.bill_to.city", &scope).unwrap().evaluate(&slots).unwrap_err();
    assert_eq!((error.span, error.message.as_str()), (0..15, "the optional value is absent"));
}

#[test]
fn variants_are_their_cases() {
    check("credit.decision == 'on_hold'", "true");
    check("credit.decision != 'on_hold'", "false");
    check("'refused' == credit.decision", "false");
    check("credit.decision == 'hold'", "!unknown-case `'hold'`: decision has no case `hold`; ..");
    check("credit.decision in ['on_hold', 'refused']", "true");
    check(
        "credit.decision in ['on_hold', 'refusd']",
        "!unknown-case `'refusd'`: decision has no case `refusd`; did you mean `refused`?",
    );
    check("credit.decision == hold", "!unknown-name `hold`: ..");
    check(
        "message.status.held",
        "!case-untested `held`: `message.status` may be another case than `held`; ..",
    );
    check("message.status == 'held' ? message.status.held : ''", "'credit'");
    check("has(message.status.held) && message.status.held == 'credit'", "true");
    check("has(message.status.open)", "false");
    check("message.status.?other.orValue('-') + message.status.?held.orValue('-')", "'-credit'");
    check(
        "message.status.open",
        "!type `open`: the case `open` of status carries no value; compare it: `... == 'open'`",
    );
    check("has(message.outcome.ok) ? message.outcome.ok : 0", "3");
    check("message.outcome.?err.orValue('none')", "'none'");
}

#[test]
fn collections() {
    check("[1, 2, 3].map(x, x * 2).filter(x, x > 2)", "[4, 6]");
    check("[1, 2] + [3]", "[1, 2, 3]");
    check("[1, 2].exists_one(x, x == 2)", "true");
    check("{'a': 1, 'b': 2}.map(k, k)", "['a', 'b']");
    check("{'a': 1}.a + {'a': 2}['a']", "3");
    check("{'a': 1}.b", "!unknown-field `b`: the map has no field `b`; its fields are a");
    check("{'a': 1, 'a': 2}", "!literal `'a'`: the map has the key `a` twice");
    check("{1: 'a'}[1u] + {1u: 'b'}[1]", "'ab'");
    check("[1, 2].transformMap(i, v, v * 10)", "{0: 10, 1: 20}");
    check("[3, 1, 2].sort() + [1, 1].distinct()", "[1, 2, 3, 1]");
    check("cel.bind(x, 3, x * x)", "9");
    check("[1].map(1, 2)", "!macro `1`: ..");
    check(
        "'abc'.map(x, x)",
        "!overload `'abc'`: `map` goes over a list or a map, not over a string",
    );
    check("[[1]].map(a, a.map(b, b + size(a)))", "[[2]]");
    check("[1].map(x, [2].map(x, x + 1))", "[[3]]");
    check("1 in [1, 2] && !(3 in [1, 2])", "true");
    check("'a' in [1]", "!overload `in`: ..");
}

#[test]
fn syntax() {
    check("", "!syntax ``: the expression is empty");
    check("1 +", "!syntax ``: expected a value, found the end");
    check("(1 + 2", "!syntax `(`: `(` has no `)`");
    check("1 2", "!syntax `2`: expected the end of the expression, found a number");
    check("a and b", "!syntax `and`: expected the end of the expression, found `and`; write `&&`");
    check("a = b", "!token `=`: `=` means nothing here; compare with `==`");
    check("order{'a': 1}", "!syntax `{`: records are not built by name; ..");
    check("if", "!syntax `if`: `if` is a reserved word; ..");
    check("1 // a comment\n + 2", "3");
    check("!!true && --3 == 3", "true");
}

#[test]
fn converted_to_contract_types() {
    use contract::{Scalar, Type};
    let line = Type::Record(shop::line());
    check_to(&shop::DECIMAL, "1", "1d");
    check_to(&shop::DECIMAL, "'1.50'", "1.50d");
    check_to(
        &shop::DECIMAL,
        "1.5",
        "!type `1.5`: expected decimal, found double; write `decimal('1.5')`, which is exact",
    );
    check_to(
        &shop::DECIMAL,
        "message.id",
        "!type `message.id`: expected decimal, found string; write `decimal(x)`",
    );
    check_to(&Type::Scalar(Scalar::Currency), "'EUR'", "'EUR'");
    check_to(&Type::Scalar(Scalar::Currency), "'EURO'", "!literal `'EURO'`: ..");
    check_to(&Type::Scalar(Scalar::Currency), "message.id", "?..");
    check_to(
        &Type::Scalar(Scalar::Date),
        "message.placed_at",
        "!type `message.placed_at`: expected date, found timestamp; write `date(x)`..",
    );
    check_to(&Type::U8, "256", "!literal `256`: the number is not between 0 and 255");
    check_to(&Type::U8, "message.small + 100", "?the number is not between 0 and 255");
    check_to(&Type::U64, "3", "3u");
    check_to(
        &Type::String,
        "message.note",
        "!optional `message.note`: `message.note` may be absent, but string is required; ..",
    );
    check_to(&shop::option(Type::String), "message.note", "null");
    check_to(&shop::option(Type::String), "message.id", "'A-1'");
    check_to(&shop::option(Type::String), "null", "null");
    check_to(&shop::option(Type::String), "message.ship_to.city", "'Bonn'");
    check_to(&Type::Variant(shop::decision()), "'refused'", "refused");
    check_to(
        &Type::Variant(shop::decision()),
        "'refusd'",
        "!unknown-case `'refusd'`: decision has no case `refusd`; did you mean `refused`?",
    );
    check_to(&Type::Variant(shop::decision()), "true ? 'refused' : 'approved'", "refused");
    check_to(&Type::Variant(shop::status()), "{'held': 'x'}", "held('x')");
    check_to(
        &Type::Variant(shop::status()),
        "'held'",
        "!type `'held'`: the case `held` of status carries string; write `{'held': ...}`",
    );
    check_to(&Type::Variant(shop::status()), "credit.decision", "other('on_hold')");
    check_to(
        &Type::Variant(shop::decision()),
        "message.status",
        "!type `message.status`: at `open`: decision has no case `open` and no `other`",
    );
    check_to(
        &line,
        "{'sku': 'z', 'quantity': 1, 'unit_price': '2.5'}",
        "line(sku: 'z', quantity: 1d, unit_price: 2.5d, weight: null)",
    );
    check_to(
        &line,
        "{'sku': 'z'}",
        "!missing-field `{'sku': 'z'}`: line needs the fields `quantity`, `unit_price`",
    );
    check_to(
        &line,
        "{'skuu': 'z', 'quantity': 1, 'unit_price': 1, 'sku': 'a'}",
        "!unknown-field `'skuu'`: line has no field `skuu`; did you mean `sku`?",
    );
    check_to(
        &shop::list(line.clone()),
        "message.lines.map(l, {'sku': l.sku, 'quantity': l.quantity, 'unit_price': l.weight})",
        "!optional `l.weight`: ..",
    );
    check_to(
        &shop::list(line.clone()),
        "message.lines.map(l, {'sku': l.sku, 'quantity': 1, 'unit_price': 1})[0]",
        "!type ..",
    );
    check_to(
        &line,
        "message.lines[1]",
        "line(sku: 'y', quantity: 3d, unit_price: 5.00d, weight: null)",
    );
    check_to(&line, "any.t", "?expected line, found string");
    check_to(&Type::Record(shop::address()), "any.r.ship_to", "address(city: 'Bonn', zone: null)");
    check_to(
        &Type::Record(shop::address()),
        "{'city': message.id, 'zone': message.?bill_to.?zone}",
        "address(city: 'A-1', zone: null)",
    );
    check_to(&Type::Bool, "message.id", "!type `message.id`: expected bool, found string");
    check_to(
        &Type::String,
        "message.placed_at",
        "!type `message.placed_at`: expected string, found timestamp; write `string(x)`",
    );
    check_to(&Type::Flags(shop::marks()), "['urgent']", "flags(1)");
    check_to(&Type::List(std::sync::Arc::new(Type::S32)), "[]", "[]");
}

#[test]
fn every_problem_at_once() {
    check(
        "message.totl.amount > 1 && mesage.id == 'a' && message.note == 'x'",
        "!unknown-field `totl`: order has no field `totl`; did you mean `total`? | \
         !unknown-name `mesage`: nothing here is called `mesage`; did you mean `message`? | \
         !optional `message.note`: ..",
    );
}
