//! Offers by the rate sheet of `tests/products/karrio/set_up.py`.

use serde_json::{Value, json};

use super::{fresh, package, shipment, tms};

fn to(country: &str, packages: &[(&str, &str)]) -> Value {
    let mut shipment = shipment(&fresh("Q"));
    shipment["ship_to"]["address"]["country"] = country.into();
    shipment["packages"] = packages.iter().map(|(id, weight)| package(id, weight)).collect();
    shipment
}

fn quote(shipment: &Value, services: &[&str]) -> Value {
    let input = json!({"shipment": shipment, "services": services});
    tms().call("quote-freight", &input).expect("an answer")
}

/// Service, amount and currency of each offer.
fn offers(answer: &Value) -> Vec<[String; 3]> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let offers = answer["offers"].as_array().expect("offers").iter();
    let offer = |offer: &Value| {
        let price = &offer["price"];
        [text(&offer["carrier"]["service"]), text(&price["amount"]), text(&price["currency"])]
    };
    offers.map(offer).collect()
}

const STANDARD: [&str; 3] = ["standard_service", "12.5", "USD"];
const EXPRESS: [&str; 3] = ["express_service", "25", "USD"];

#[test]
fn offers_come_cheapest_first_with_what_the_carrier_says() {
    let answer = quote(&to("US", &[("1", "2.5")]), &[]);
    assert_eq!(answer["outcome"], "quoted");
    assert_eq!(offers(&answer), [STANDARD, EXPRESS]);
    let first = &answer["offers"][0];
    assert_eq!(first["id"], "crossdock-fleet/standard_service");
    assert_eq!(first["carrier"]["carrier"], "crossdock_fleet");
    assert_eq!((&first["transit_days"], &first["deliver_on"]), (&json!(3), &Value::Null));
}

#[test]
fn only_the_services_asked_for_are_offered() {
    let shipment = to("US", &[("1", "2.5")]);
    assert_eq!(offers(&quote(&shipment, &["express_service"])), [EXPRESS]);
    // Karrio, which knows no such service, rates all that there are.
    let answer = quote(&shipment, &["overnight"]);
    assert_eq!(answer["outcome"]["refused"]["code"], "no-rates", "{answer:#}");
}

#[test]
fn other_currencies_come_last_with_their_own_decimals_and_zero_is_a_price() {
    let yen = quote(&to("JP", &[("1", "2.5")]), &[]);
    assert_eq!(offers(&yen), [STANDARD, EXPRESS, ["economy_yen", "1500", "JPY"]]);
    // Dinars have three decimals, and are fewer than dollars without being cheaper.
    let dinars = quote(&to("KW", &[("1", "2.5")]), &[]);
    assert_eq!(offers(&dinars), [STANDARD, EXPRESS, ["economy_dinar", "4.25", "KWD"]]);
    let free = quote(&to("DE", &[("1", "2.5")]), &[]);
    assert_eq!(offers(&free), [STANDARD, EXPRESS, ["collected", "0", "EUR"]]);
}

#[test]
fn what_nobody_weighed_weighs_a_kilogram_and_the_rest_is_as_it_is() {
    let price = |packages: &[(&str, &str)]| {
        offers(&quote(&to("US", packages), &["standard_service"])).remove(0)[1].clone()
    };
    assert_eq!(price(&[("1", "0.5")]), "10.5");
    assert_eq!(price(&[("1", "0")]), price(&[("1", "1")]));
    assert_eq!(price(&[("1", "2.5"), ("2", "6")]), "37.5");
    for weight in ["-1", "5000"] {
        let answer = quote(&to("US", &[("1", weight)]), &[]);
        assert!(answer["outcome"]["refused"].is_object(), "{weight}: {answer:#}");
    }
}
