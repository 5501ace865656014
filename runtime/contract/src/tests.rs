//! Tests of the crate as its users see it.

mod component;
mod decimal;
mod hostile;
mod json;
mod resolve;
mod scalar;
mod wit;

use crate::{Contracts, Source, Type};

const CORE: &str = "
package crossdock:core@1.0.0;
interface types {
    /// Exact.
    type decimal = string;
    type currency = string;
    type country = string;
    type unit = string;
    type date = string;
    type timestamp = string;
    type duration = string;
    type time-zone = string;
    record money { amount: decimal, currency: currency }
    record call { exchange: string, key: string, attempt: u32, started-at: timestamp }
    variant retry { never, later(option<u64>), refresh-auth, outcome-unknown }
    record fault { retry: retry, code: string, message: string, status: option<u16> }
    record description { name: string }
}
interface connector { use types.{description}; describe: func() -> description; }
interface config { get: func() -> string; }
";

const SHOP: &str = "
package shop:goods@1.2.0;
/// What is sold.
interface stock {
    use crossdock:core/types@1.0.0.{call, fault, money, decimal as exact, timestamp};
    type quantity = exact;
    enum colour { red, dark-blue }
    flags handling { fragile, keep-cold }
    /// One thing on a shelf.
    record item {
        /// Stock keeping unit.
        sku: string,
        unit-price: money,
        on-hand: quantity,
        colour: colour,
        handling: handling,
        seen-at: option<timestamp>,
        picture: list<u8>,
        tags: list<tuple<string, s8>>,
        big: u64,
    }
    variant answer { found(item), not-found, other(string) }
    type answers = list<answer>;
    /// Looks on the shelf.
    look: func(call: call, input: item) -> result<answer, fault>;
}
";

fn source(path: &str, text: &str) -> Source {
    Source { path: path.into(), text: text.into() }
}

fn contracts(sources: &[&str]) -> Contracts {
    let sources: Vec<Source> = sources
        .iter()
        .enumerate()
        .map(|(at, text)| source(&format!("{at}/types.wit"), text))
        .collect();
    Contracts::parse(&sources).expect("the contracts parse")
}

fn ty(contracts: &Contracts, name: &str) -> Type {
    let name = name.parse().expect("a type name");
    contracts.type_named(&name).expect("the type is there").clone()
}

/// A type declared in an interface of its own: `record r { .. }` and what it needs.
fn declared(declarations: &str, name: &str) -> Type {
    let text = format!(
        "package test:t@1.0.0; interface i {{
            use crossdock:core/types@1.0.0.{{decimal, currency, timestamp, duration}};
            {declarations} }}"
    );
    ty(&contracts(&[CORE, &text]), &format!("test:t/i.{name}@1"))
}
