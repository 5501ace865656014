//! Hostile sources and hostile programs: refused with a word, quickly, never by a crash.

use std::time::{Duration, Instant};

use expression::{Scope, compile};

#[track_caller]
fn refused(source: &str, code: &str) {
    let begun = Instant::now();
    let problems = compile(source, &Scope::new()).expect_err("this must be refused");
    assert_eq!(problems[0].code, code, "{}", problems[0]);
    assert!(begun.elapsed() < Duration::from_secs(2), "took {:?}", begun.elapsed());
}

#[track_caller]
fn stopped(source: &str, reason: &str) {
    let begun = Instant::now();
    let program = compile(source, &Scope::new()).expect("this is well typed");
    let error = program.evaluate(&[]).expect_err("this must be stopped");
    assert!(error.message.contains(reason), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10), "took {:?}", begun.elapsed());
}

#[test]
fn deep_sources() {
    let nested =
        |open: &str, close: &str, n: usize| format!("{}1{}", open.repeat(n), close.repeat(n));
    refused(&nested("(", ")", 10_000), "too-large");
    refused(&nested("[", "]", 10_000), "too-large");
    refused(&nested("{1:", "}", 5_000), "too-large");
    refused(&nested("size(", ")", 5_000), "too-large");
    refused(&"(".repeat(60_000), "too-large");
    refused(&"[".repeat(1_000_000), "too-large");
    refused(&"!".repeat(60_000), "too-large");
    refused(&"-".repeat(60_000), "too-large");
    refused(&format!("1{}", " + 1".repeat(10_000)), "too-large");
    refused(&format!("x{}", ".y".repeat(10_000)), "too-large");
    refused(&format!("x{}", "[0]".repeat(10_000)), "too-large");
    refused(&"true ? 1 : ".repeat(5_000), "too-large");
    refused(&"[1].map(x, ".repeat(3_000), "too-large");
    refused(&format!("'{}'", "x".repeat(70_000)), "too-large");
}

#[test]
fn long_chains_of_logic_are_flat() {
    let source = format!("true{}", " && true".repeat(5_000));
    assert_eq!(
        compile(&source, &Scope::new()).unwrap().evaluate(&[]).unwrap(),
        contract::Value::Bool(true)
    );
}

#[test]
fn deep_as_allowed_fits_a_small_stack() {
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(|| {
        let depth = expression::limits::DEPTH_MAX - 2;
        for source in [
            format!("{}1{}", "(".repeat(depth), ")".repeat(depth)),
            format!("{}1{}", "[".repeat(depth), "]".repeat(depth)),
            format!("1{}", " + 1".repeat(depth)),
            format!("{}1{}", "true ? ".repeat(depth), " : 2".repeat(depth)),
            format!("{}1{}", "[1].map(x, ".repeat(depth / 2), ")".repeat(depth / 2)),
            format!("{}1{}", "optional.of(".repeat(depth / 2), ")".repeat(depth / 2)),
        ] {
            compile(&source, &Scope::new()).unwrap().evaluate(&[]).unwrap();
        }
    });
    thread.unwrap().join().unwrap();
}

#[test]
fn costly_programs() {
    let ten = "[0,1,2,3,4,5,6,7,8,9]";
    let loops = format!(
        "{ten}.all(a, {ten}.all(b, {ten}.all(c, {ten}.all(d, {ten}.all(e, {ten}.all(f, {ten}.all(g, true)))))))"
    );
    stopped(&loops, "costs more");
    // The failure of the budget is not absorbed.
    stopped(&format!("{loops} || {ten}.exists(a, a == 1)"), "costs more");
    let doubled = (0..40).fold("['x']".to_owned(), |source, _| format!("{source}.map(v, v + v)"));
    stopped(&doubled, "bytes");
    // Shared parts: small in memory, huge when written.
    let shared = (0..40).fold("[1]".to_owned(), |source, _| format!("{source}.map(v, [v, v])"));
    stopped(&shared, "values");
    stopped(&format!("{shared} == {shared}"), "costs more");
    stopped("lists.range(200000).map(x, lists.range(200000))", "costs more");
    let replaced = (0..12).fold("'xxxxxxxxxx'".to_owned(), |source, _| {
        format!("{source}.replace('x', 'xxxxxxxxxx')")
    });
    stopped(&replaced, "bytes");
    let joined = format!(
        "lists.range(100000).map(x, 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx{}').join('')",
        "y".repeat(100)
    );
    stopped(&joined, "bytes");
}

#[test]
fn patterns_are_linear_and_bounded() {
    let text = "a".repeat(2_000);
    let source = format!("'{text}!'.matches('(a*)*b')");
    assert_eq!(
        compile(&source, &Scope::new()).unwrap().evaluate(&[]).unwrap(),
        contract::Value::Bool(false)
    );
    refused("'a'.matches('((a{1000}){1000}){1000}')", "literal");
}
