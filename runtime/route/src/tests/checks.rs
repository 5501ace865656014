//! Reports: each mistake that an admin can make, with the place and the words that they read.

use super::fixture::{check_files, plan, plan_of, route};
use crate::{Checked, Kind, MessageType, Reply, Source};

/// `CODE line:column+length message (help)`, one a report.
fn shown(checked: &Checked) -> Vec<String> {
    checked
        .reports
        .iter()
        .map(|r| {
            let help = r.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
            format!("{} {}:{}+{} {}{help}", r.code, r.line, r.column, r.length, r.message)
        })
        .collect()
}

#[track_caller]
fn check_text(text: &str, expected: &[&str]) {
    let checked = check_files(&[("routes/intake.toml", text)]);
    let found = shown(&checked);
    assert_eq!(found, expected, "\n{text}\nfound:\n{}", found.join("\n"));
    assert_eq!(checked.plans.is_empty(), !expected.is_empty());
}

/// The steps of a route for orders; they begin at line 8.
#[track_caller]
fn check(steps: &str, expected: &[&str]) {
    check_text(&route(steps), expected);
}

const CREDIT: &str = r#"[[step]]
name = "credit"
call = "shop.check-credit"
with = { customer = "message.customer.orValue('none')", amount = "message.total" }
"#;

#[test]
fn a_route_of_every_kind_of_step_is_a_plan() {
    let plan = plan(&format!(
        r#"{CREDIT}
[[step]]
name = "review"
when = "credit.decision == 'hold'"
park = {{ role = "credit-analyst", within = "24h", ask = ["approve", "refuse"], show = "credit.limit" }}
[[step]]
name = "declined"
when = "credit.decision == 'refused' || review.?answer.orValue('none') == 'refuse'"
end = {{ refused = "credit" }}
[[step]]
name = "totals"
set = {{ lines = "message.lines.size()", total = "message.total" }}
[[step]]
name = "no_lines"
when = "totals.lines == 0"
fail = {{ code = "no-lines", message = "'order ' + message.id + ' has no lines'" }}
[[step]]
name = "known"
find = "order"
with = {{ system = "'shopify'", id = "message.id" }}
[[step]]
name = "notes"
each = "message.lines"
call = "shop.create-order"
retry = {{ attempts = 3, backoff = "2s", max_backoff = "10s", total = "1m" }}
timeout = "5s"
with = {{ order = "known.id + each.sku" }}
[[step]]
name = "accepted"
publish = "acme:shop/orders.accepted@1"
with = {{ order = "message", total = "totals.total" }}

[keys]
order = "message.id"
numbers = "notes[0].number"
"#
    ));
    let kinds: Vec<&str> = plan.steps.iter().map(|step| step.kind()).collect();
    assert_eq!(kinds, ["call", "park", "end", "set", "fail", "find", "call", "publish"]);
    assert_eq!(plan.connectors(), ["shop"]);
    assert!(matches!(plan.message, MessageType::Typed(_)));
    let Kind::Call(call) = &plan.steps[6].kind else { panic!() };
    assert_eq!((call.retry.attempts, call.retry.backoff_ms, call.timeout_ms), (3, 2_000, 5_000));
    assert_eq!(call.retry.total_ms, Some(60_000));
}

#[test]
fn every_source_is_a_plan() {
    for (from, kind, message) in [
        ("[from.http]\npath='/o'\naccept='any'\nlimit='storefront'", "http", "Any"),
        (
            "[from.webhook]\nconnector='shop'\noperation='order-created'\npath='/w'",
            "webhook",
            "Typed",
        ),
        ("[from.poll]\nconnector='shop'\noperation='list-shipments'\nevery='5s'", "poll", "Typed"),
        ("[from.event]\ntopic='acme:shop/orders.accepted@1'", "event", "Typed"),
        ("[from.schedule]\ncron='0 6 * * *'\nzone='Europe/Berlin'", "schedule", "Typed"),
    ] {
        let plan = plan_of(&format!("[route]\nname='x'\nowner='o'\n{from}\n"));
        assert_eq!(plan.source.kind(), kind);
        assert!(format!("{:?}", plan.message).starts_with(message));
    }
}

#[test]
fn every_problem_of_a_file_is_reported_at_once() {
    check_text(
        r#"[route]
nmae = "intake"
[from.http]
path = "orders"
accept = "acme:shop/orders.ordr@1"
limit = "storfront"
[[step]]
name = "credit"
call = "shop.chek-credit"
with = { customer = "message.custmer" }
[[step]]
name = "done"
end = "dome"
"#,
        &[
            "CD0101 1:2+5 [route] has no `name` (for example: name = \"order-intake\")",
            "CD0101 1:2+5 [route] has no `owner` (for example: owner = \"order-desk\")",
            "CD0102 2:1+4 [route] has no key `nmae` (did you mean `name`?)",
            "CD0104 4:8+8 `orders` is not a path to listen at (write it from the slash on, of letters, digits, - _ . ~ and /: \"/orders\")",
            "CD0303 5:10+25 no contract has the type `acme:shop/orders.ordr@1` (did you mean `acme:shop/orders.order@1`?)",
            "CD0304 6:9+11 no limit `storfront` in the configuration (did you mean `storefront`?)",
            "CD0302 9:14+11 connector `shop` has no operation `chek-credit` (did you mean `check-credit`?)",
            "CD0104 13:7+6 `end` names no end (write end = \"done\", end = { refused = \"credit\" }, or in a saga end = \"undone\")",
        ],
    );
}

#[test]
fn a_broken_line_hides_neither_the_rest_nor_invents_more() {
    let text = route("[[step]]\nname = \"done\nend = \"dome\"\n");
    let found = shown(&check_files(&[("routes/intake.toml", &text)]));
    assert!(found[0].starts_with("CD0001 9:"), "{found:?}");
    assert!(found.iter().all(|report| !report.starts_with("CD0101")), "{found:?}");
    let text = format!("{}\n[route]\nx = 1", route("[[step]]\nname = \"x\"\nend = \"dome\"\n"));
    let found = shown(&check_files(&[("routes/intake.toml", &text)]));
    assert!(found.iter().any(|report| report.starts_with("CD0104 10:7+6")), "{found:?}");
    assert!(found.iter().any(|report| report.starts_with("CD0001")), "{found:?}");
}

#[test]
fn keys_are_strict_and_suggest() {
    check(
        "[[step]]\nname = \"a\"\nwhn = \"true\"\nend = \"done\"\n",
        &["CD0102 10:1+3 step `a` has no key `whn` (did you mean `when`?)"],
    );
    check(
        "[[step]]\nname = \"a\"\nretry = \"none\"\nend = \"done\"\n",
        &["CD0107 10:1+5 `retry` does not go with `end` (it belongs to call)"],
    );
    check(
        "[[step]]\nname = \"a\"\npark = { role = \"r\", ask = [] }\nwithin = \"1h\"\n",
        &[
            "CD0104 10:28+2 `ask` offers no answer (name at least one answer: ask = [\"approve\", \"refuse\"])",
            "CD0107 11:1+6 `within` does not go with `park` (write it inside: park = { role = ..., within = \"24h\" })",
        ],
    );
    check("[steps]\nx = 1\n", &["CD0102 8:2+5 the file has no key `steps` (did you mean `step`?)"]);
}

#[test]
fn a_step_is_of_one_kind_and_has_a_name_of_its_own() {
    check(
        "[[step]]\nname = \"a\"\nend = \"done\"\nset = \"1\"\n",
        &["CD0107 10:1+3 step `a` is both `set` and `end` (write two steps)"],
    );
    check(
        "[[step]]\nname = \"a\"\n",
        &[
            "CD0107 8:1+8 step `a` does nothing (give it one of call, publish, set, park, end, fail, find)",
        ],
    );
    check(
        "[[step]]\nname = \"a\"\nset = \"1\"\n[[step]]\nname = \"a\"\nset = \"2\"\n",
        &["CD0106 12:8+3 there is a step `a` before (each step has a name of its own)"],
    );
    check(
        "[[step]]\nname = \"message\"\nset = \"1\"\n",
        &[
            "CD0105 9:8+9 a step cannot be called `message`: the name means something else in expressions (call it by what it does)",
            "CD0106 9:8+9 there is a step `message` before (each step has a name of its own)",
        ],
    );
    check(
        "[[step]]\nname = \"Check-Credit\"\nset = \"1\"\n",
        &[
            "CD0105 9:8+14 `Check-Credit` cannot be named in an expression (lower-case letters, digits and _: `check_credit`)",
        ],
    );
    check(
        "[[step]]\nset = \"1\"\n",
        &["CD0101 8:1+8 step 1 has no `name` (for example: name = \"credit\")"],
    );
}

#[test]
fn steps_are_used_after_they_ran_and_for_what_they_give() {
    check(
        &format!("[[step]]\nname = \"early\"\nset = \"credit.decision == 'hold'\"\n{CREDIT}"),
        &["CD0216 10:8+6 step `credit` has not run yet (it stands in line 11; move it up)"],
    );
    check(
        "[[step]]\nname = \"told\"\npublish = \"acme:shop/orders.counted@1\"\nwith = { sku = \"'A'\" }\n[[step]]\nname = \"x\"\nset = \"told\"\n",
        &["CD0217 14:8+4 step `told` has no result (only call, set, park and find have one)"],
    );
    check(
        "[[step]]\nname = \"a\"\nend = \"done\"\n[[step]]\nname = \"b\"\nset = \"1\"\n",
        &[
            "CD0108 12:8+3 no message reaches step `b` (step `a` before it always ends the exchange: give that a `when`)",
        ],
    );
}

#[test]
fn an_optional_step_is_tested_or_defaulted() {
    let optional = "[[step]]\nname = \"base\"\nwhen = \"message.channel == 'web'\"\nset = { total = \"message.total\" }\n";
    let used = |how: &str| format!("{optional}[[step]]\nname = \"x\"\nset = \"{how}\"\n");
    let found = shown(&check_files(&[("a", &route(&used("base.total > 5")))]));
    assert!(found[0].starts_with("CD0210 14:8+"), "{found:?}");
    check(&used("base.?total.orValue(decimal('0')) > 5"), &[]);
    // What `when` tested holds in the step, and only there.
    let tested = "[[step]]\nname = \"x\"\nwhen = \"base.hasValue()\"\nset = \"base.total > 5\"\n";
    check(&format!("{optional}{tested}"), &[]);
    let after = format!("{optional}{tested}[[step]]\nname = \"y\"\nset = \"base.total > 5\"\n");
    let found = shown(&check_files(&[("a", &route(&after))]));
    assert!(found[0].starts_with("CD0210 18:8+"), "{found:?}");
    // Who was not stopped has what the end tested for.
    let ended = "[[step]]\nname = \"none\"\nwhen = \"!base.hasValue()\"\nend = \"done\"\n[[step]]\nname = \"y\"\nset = \"base.total > 5\"\n";
    check(&format!("{optional}{ended}"), &[]);
}

#[test]
fn what_is_sent_fits_its_contract() {
    let with = |with: &str| {
        format!("[[step]]\nname = \"credit\"\ncall = \"shop.check-credit\"\nwith = {with}\n")
    };
    for (text, code, place) in [
        (with("{ customer = \"message.id\" }"), "CD0212", "11:1+4"),
        (with("{ customer = \"message.id\", amount = \"message.id\" }"), "CD0209", "11:45+10"),
        (with("{ customer = \"message.idd\", amount = \"message.total\" }"), "CD0205", "11:"),
        (with("{ customer = \"message.id\", amout = \"message.total\" }"), "CD02", "11:"),
        (
            with("{ customer = \"message.customer\", amount = \"message.total\" }"),
            "CD0210",
            "11:22+16",
        ),
        (with("{ customer = \"message.id +\", amount = \"message.total\" }"), "CD0202", "11:"),
        (with("{ customer = \"gold\", amount = \"message.total\" }"), "CD0204", "11:22+4"),
        (with("{ customer = 1979-05-27, amount = \"message.total\" }"), "CD0103", "11:21+10"),
    ] {
        let found = shown(&check_files(&[("a", &route(&text))]));
        let hit =
            |report: &String| report.starts_with(code) && report.contains(&format!(" {place}"));
        assert!(found.iter().any(hit), "{text}\n{found:#?}");
    }
}

#[test]
fn places_inside_strings_are_places_in_the_file() {
    // Multi-line, literal, and with escapes (then the whole string).
    check(
        "[[step]]\nname = \"a\"\nset = \"\"\"\nmessage.id +\n  nope\"\"\"\n",
        &[
            "CD0204 12:3+4 nothing here is called `nope` (if you mean the text, put it in quotes: 'nope')",
        ],
    );
    check(
        "[[step]]\nname = \"a\"\nset = 'nope'\n",
        &[
            "CD0204 10:8+4 nothing here is called `nope` (if you mean the text, put it in quotes: 'nope')",
        ],
    );
    check(
        "[[step]]\nname = \"a\"\nset = \"\\u006Eope\"\n",
        &[
            "CD0204 10:7+11 nothing here is called `nope` (if you mean the text, put it in quotes: 'nope')",
        ],
    );
}

#[test]
fn names_of_the_surroundings_are_known() {
    check(
        "[[step]]\nname = \"a\"\ncall = \"shp.check-credit\"\n",
        &["CD0301 10:9+3 no connector `shp` in the configuration (did you mean `shop`?)"],
    );
    check(
        "[[step]]\nname = \"a\"\ncall = \"check-credit\"\n",
        &[
            "CD0302 10:8+14 `check-credit` is not an operation (write the connector's alias, a dot, and the operation: \"erp.create-order\")",
        ],
    );
    check(
        "[[step]]\nname = \"a\"\ncall = \"shop.order-created\"\nwith = { path = \"''\", headers = [], body = \"b''\", received_at = \"meta.received_at\" }\n",
        &[
            "CD0306 10:8+20 `shop.order-created` takes messages in; a route cannot call it (use it under [from.webhook] or [from.poll])",
        ],
    );
    check(
        "[[step]]\nname = \"a\"\nfind = \"ordr\"\nwith = { system = \"'x'\", id = \"'y'\" }\n",
        &["CD0307 10:8+6 no contract has an object `ordr` (did you mean `order`?)"],
    );
    check(
        "[[step]]\nname = \"a\"\npublish = \"acme:shop/orders.acepted@1\"\n",
        &[
            "CD0303 10:11+28 no contract has the type `acme:shop/orders.acepted@1` (did you mean `acme:shop/orders.accepted@1`?)",
        ],
    );
    check_text(
        "[route]\nname='x'\nowner='o'\n[from.poll]\nconnector='shop'\noperation='order-created'\n",
        &[
            "CD0305 6:11+15 `shop.order-created` is not a poll operation (its poll operations are list-shipments)",
        ],
    );
}

#[test]
fn a_retry_policy_is_named_or_inline() {
    let with = |retry: &str| CREDIT.trim_end().to_owned() + &format!("\nretry = {retry}\n");
    let plan = plan(&with("\"slow\""));
    let Kind::Call(call) = &plan.steps[0].kind else { panic!() };
    assert_eq!((call.retry.name.as_str(), call.retry.attempts), ("slow", 3));
    assert_eq!(plan.policies().into_keys().collect::<Vec<_>>(), ["slow"]);
    check(
        &with("{ attempts = 2, jitter = \"full\", on = [\"5xx\", \"429\", \"unreachable\"] }"),
        &[],
    );
    check(&with("\"slwo\""), &["CD0308 12:9+6 no retry policy `slwo` (did you mean `slow`?)"]);
    check(
        &with("\"twice\""),
        &[
            "CD0308 12:9+7 no retry policy `twice` (add [retries.twice] to the configuration, or write { attempts = 5, backoff = \"2s\" })",
        ],
    );
    check(
        &with("{ atempts = 2, jitter = \"ful\", on = [\"3xx\"] }"),
        &[
            "CD0102 12:11+7 `retry` has no key `atempts` (did you mean `attempts`?)",
            "CD0104 12:33+5 `ful` is no jitter (did you mean `full`?)",
            "CD0104 12:46+5 `3xx` names no fault (a class of statuses (\"5xx\", \"4xx\"), a status (\"429\"), or a fault's code (\"unreachable\"))",
        ],
    );
    check(
        &with("{ on = [] }"),
        &[
            "CD0104 12:16+2 `on` names no fault (write retry = \"none\" if no fault is worth another attempt)",
        ],
    );
}

#[test]
fn a_route_has_one_source() {
    check_text(
        "[route]\nname='x'\nowner='o'\n",
        &[
            "CD0109 1:1+7 the route has no source (write one of [from.http], [from.webhook], [from.poll], [from.event], [from.schedule])",
        ],
    );
    check_text(
        "[route]\nname='x'\nowner='o'\n[from.event]\ntopic='acme:shop/orders.order@1'\n[from.http]\npath='/x'\naccept='any'\n",
        &[
            "CD0109 4:7+5 the route has two sources, `http` and `event` (write two routes, or let one publish what the other subscribes to)",
        ],
    );
    check_text(
        "[route]\nname='x'\nowner='o'\n[from.schedule]\ncron='0 6 * *'\n",
        &[
            "CD0104 5:6+9 a schedule has 5 fields, this one has 4 (five fields: minute hour day month weekday, as in \"0 6 * * 1-5\")",
        ],
    );
}

#[test]
fn a_reply_needs_a_result_that_is_always_there() {
    let reply = |step: &str, steps: &str| {
        let text = route(steps);
        text.replace(
            "path =",
            &format!("reply = {{ step = \"{step}\", timeout = \"5s\" }}\npath ="),
        )
    };
    check_text(&reply("credit", CREDIT), &[]);
    let plan = plan_of(&reply("credit", CREDIT));
    let Source::Http(http) = &plan.source else { panic!() };
    assert_eq!(http.reply, Reply::Step { index: 0, timeout_ms: 5_000 });
    check_text(
        &reply("credi", CREDIT),
        &["CD0111 5:18+7 no step `credi` to reply with (did you mean `credit`?)"],
    );
    check_text(
        &reply("credit", &CREDIT.replace("call =", "when = \"message.total > 5\"\ncall =")),
        &[
            "CD0111 5:18+8 step `credit` may not run, so there may be no reply (reply with a step that has no `when`)",
        ],
    );
    check_text(
        &reply("over", "[[step]]\nname = \"over\"\nend = \"done\"\n"),
        &[
            "CD0111 5:18+6 step `over` has no result to reply with (reply with a call, set, park or find)",
        ],
    );
}

#[test]
fn what_is_not_durable_has_one_effect_last_under_the_callers_key() {
    let text = |steps: &str, more: &str| {
        route(steps).replace("path =", &format!("durable = false\n{more}path ="))
    };
    let create = "[[step]]\nname = \"created\"\ncall = \"shop.create-order\"\nwith = { order = \"message.id\" }\n";
    let reply = "reply = { step = \"created\" }\n";
    let key = "key = \"headers['idempotency-key']\"\n";
    check_text(&text(create, &format!("{reply}{key}")), &[]);
    for (steps, more, expected) in [
        (create.to_owned(), key.to_owned(), "would acknowledge a message that is not on disk"),
        (create.to_owned(), reply.to_owned(), "no key of the caller's"),
        (format!("{create}{CREDIT}"), format!("{reply}{key}"), "is not the last thing"),
        (
            format!("{create}{}", create.replace("created", "again")),
            format!("{reply}{key}"),
            "step `again` is the second",
        ),
    ] {
        let found = shown(&check_files(&[("a", &text(&steps, &more))]));
        let hit =
            |report: &String| report.starts_with("CD0112 5:11+5") && report.contains(expected);
        assert!(found.iter().any(hit), "{expected}: {found:#?}");
    }
}

#[test]
fn routes_do_not_clash_nor_run_in_circles() {
    let first = route("");
    let second = route("");
    let checked = check_files(&[("a.toml", &first), ("b.toml", &second)]);
    assert_eq!(
        shown(&checked),
        [
            "CD0401 2:8+8 there is a route `intake` already (it is in a.toml; rename one)",
            "CD0402 5:8+9 another route listens at POST /orders already (it is in a.toml; change a path)",
        ]
    );
    assert_eq!((checked.plans.len(), checked.reports[0].file.as_str()), (1, "b.toml"));

    let passes = |name: &str, from: &str, to: &str, with: &str| {
        format!(
            "[route]\nname='{name}'\nowner='o'\n[from.event]\ntopic='acme:shop/orders.{from}@1'\n[[step]]\nname='p'\npublish='acme:shop/orders.{to}@1'\nwith={with}\n"
        )
    };
    let one = passes("one", "counted", "counted", "{ sku = 'message.sku' }");
    let found = shown(&check_files(&[("a.toml", &one)]));
    assert_eq!(
        found,
        [
            "CD0403 8:9+28 routes publish in a circle: one -> one (publish another topic here, or end the circle with a `call`)"
        ]
    );
    let there = passes("there", "accepted", "counted", "{ sku = 'message.order.id' }");
    let back = passes(
        "back",
        "counted",
        "order",
        "{ id = 'message.sku', company = '\"c\"', references = [], channel = '\"web\"', total = '1', lines = [] }",
    );
    let on = passes("on", "order", "accepted", "{ order = 'message', total = 'message.total' }");
    let open = check_files(&[("1", &there), ("2", &back)]);
    assert_eq!((shown(&open), open.plans.len()), (vec![], 2));
    let closed = shown(&check_files(&[("1", &there), ("2", &back), ("3", &on)]));
    assert_eq!(closed.len(), 1, "{closed:?}");
    assert!(closed[0].contains("there -> back -> on -> there"), "{closed:?}");
}

#[test]
fn a_report_reads_like_a_compilers() {
    let checked = check_files(&[(
        "routes/intake.toml",
        &route("[[step]]\nname = \"a\"\ncall = \"shop.chek-credit\"\n"),
    )]);
    assert_eq!(
        checked.reports[0].to_string(),
        "\
error[CD0302]: connector `shop` has no operation `chek-credit`
  --> routes/intake.toml:10:14
   |
10 | call = \"shop.chek-credit\"
   |              ^^^^^^^^^^^
   = help: did you mean `check-credit`?"
    );
}

/// A route for orders with these keys under `[route]`, from line 4 on.
fn ordered(keys: &str) -> String {
    format!(
        "[route]\nname = 'x'\nowner = 'o'\n{keys}\n[from.http]\npath = '/x'\naccept = 'acme:shop/orders.order@1'\n{CREDIT}"
    )
}

#[test]
fn order_and_concurrency_are_part_of_a_plan() {
    use crate::Parked;
    for (parked, expected) in [
        ("", Parked::Wait),
        (", parked = 'wait'", Parked::Wait),
        (", parked = 'pass'", Parked::Pass),
    ] {
        let plan = plan_of(&ordered(&format!(
            "concurrency = 3\nordered_by = {{ scope = 'order', key = 'message.company + meta.source'{parked} }}"
        )));
        let order = plan.ordered_by.as_ref().unwrap();
        assert_eq!((order.scope.as_str(), order.parked), ("order", expected));
        assert_eq!(plan.concurrency, Some(3));
    }
    // A scope is shared by whoever names it, and a table is as good as one line.
    let one = ordered("[route.ordered_by]\nscope = 'order'\nkey = 'message.?customer'");
    let two = one.replace("'x'", "'y'").replace("'/x'", "'/y'");
    let checked = check_files(&[("routes/x.toml", &one), ("routes/y.toml", &two)]);
    assert_eq!(shown(&checked), Vec::<String>::new());
    let plan = plan_of(&ordered(""));
    assert!(plan.ordered_by.is_none() && plan.concurrency.is_none());
}

#[test]
fn mistakes_in_order_and_concurrency_are_told() {
    let line = |keys: &str, expected: &[&str]| check_text(&ordered(keys), expected);
    line("ordered_by = 'message.id'", &["CD0103 4:14+12 `ordered_by` takes a table, not a string"]);
    line(
        "ordered_by = { scop = 'order', key = 'message.id' }",
        &[
            "CD0101 4:1+10 `ordered_by` has no `scope` (for example: scope = \"order\")",
            "CD0102 4:16+4 `ordered_by` has no key `scop` (did you mean `scope`?)",
        ],
    );
    line(
        "ordered_by = { scope = 'Order', key = 'message.idd', parked = 'skip' }",
        &[
            "CD0105 4:24+7 `Order` cannot be the name of a scope (lower-case letters, digits and -, one name for all routes that share it: \"order\")",
            "CD0104 4:63+6 `parked` is \"wait\" or \"pass\", not `skip` (what later messages of the key do while one is parked or excepted)",
        ],
    );
    line(
        "ordered_by = { scope = 'order' }",
        &["CD0101 4:1+10 `ordered_by` has no `key` (for example: key = \"message.id\")"],
    );
    line(
        "ordered_by = { scope = 'order', key = 'message.lines' }",
        &[
            "CD0209 4:39+15 a key is text or a number, not list(line) (take a field that identifies: \"message.id\")",
        ],
    );
    line(
        "ordered_by = { scope = 'order', key = 'credit.decision' }",
        &[
            "CD0216 4:40+6 step `credit` has not run when a message is accepted (`ordered_by` sees message, headers and meta)",
        ],
    );
    line(
        "ordered_by = { scope = 'order', key = 5 }",
        &[
            "CD0103 4:39+1 `key` takes an expression, not a number (put it between quotes: key = \"...\")",
        ],
    );
    line(
        "concurrency = 0",
        &["CD0104 4:15+1 `concurrency` takes a whole number from 1 to 10000, not `0`"],
    );
    line(
        "concurrency = 'many'",
        &["CD0104 4:15+6 `concurrency` takes a whole number from 1 to 10000, not a string"],
    );
}

#[test]
fn an_awaited_answer_is_of_a_query_and_its_words_are_typed() {
    let until = |call: &str, holds: &str| {
        format!(
            "[[step]]\nname = \"one\"\n{call}\nuntil = {{ holds = \"{holds}\", within = \"1h\", code = \"late\", message = \"message.id\" }}\n"
        )
    };
    let query =
        "call = \"shop.check-credit\"\nwith = { customer = \"'c'\", amount = \"message.total\" }";
    plan(&until(query, "one.decision == 'approved'"));
    for (call, holds, code) in [
        ("call = \"shop.create-order\"\nwith = { order = \"message.id\" }", "true", "CD0107"),
        ("set = \"1\"", "true", "CD0107"),
        (query, "one.decision == 'aproved'", ""),
        (query, "one.limit", ""),
    ] {
        let checked = check_files(&[("routes/intake.toml", &route(&until(call, holds)))]);
        assert!(checked.plans.is_empty(), "{call} {holds}");
        assert!(shown(&checked)[0].contains(code), "{:?}", shown(&checked));
    }
}
