//! Decimals, nothing, less than nothing, and currencies.

use serde_json::{Value, json};

use super::{
    described, get_shipment, of_order, order, promise, release, request, sales_order, shipment,
};

#[test]
fn five_decimals_are_kept_and_finer_ones_refused() {
    described(|wms| {
        release(wms, &order("P-1", &[("BOLT-M8", "2.5"), ("GLOVE-L", "0.12345")]));
        let found = get_shipment(wms, shipment("P-1"));
        let quantity = |at: usize| &found["found"]["lines"][at]["quantity"]["value"];
        assert_eq!((quantity(0), quantity(1)), (&json!("2.5"), &json!("0.12345")));
        let told = wms
            .call("get-inventory", &json!({"company": "crossdock", "item": "GLOVE-L"}))
            .expect("an answer");
        assert_eq!(told["positions"][0]["available"], "4999.87655");
    });
    described(|wms| {
        let finer = order("P-1", &[("GLOVE-L", "0.123456")]);
        let fault = wms.call("promise-order", &json!({"order": finer})).expect_err("a fault");
        assert_eq!((fault.code.as_str(), fault.retry.as_str()), ("input", "never"), "{fault:?}");
        let asked = wms.call("request-shipment", &request(&finer)).expect("an answer");
        assert_eq!(asked["outcome"]["refused"]["code"], "quantity", "{asked:#}");
        assert_eq!(sales_order(), Value::Null);
        // Written longer than it is.
        promise(wms, &order("P-1", &[("GLOVE-L", "1.0000000")]));
        assert_eq!(of_order("so-allocation")[0]["quantity"], 1);
    });
}

#[test]
fn a_line_of_nothing_is_taken_along_and_one_of_less_refused() {
    described(|wms| {
        let nothing = order("P-1", &[("DRILL-18V", "3"), ("GLOVE-L", "0")]);
        release(wms, &nothing);
        let probed = wms.call("probe-promise-order", &json!({"order": nothing}));
        assert_eq!(probed.expect("an answer")["applied"]["outcome"], "promised");
        assert_eq!(of_order("so-allocation").len(), 1);
    });
    described(|wms| {
        let less = order("P-1", &[("DRILL-18V", "3"), ("GLOVE-L", "-1")]);
        let asked = wms.call("request-shipment", &request(&less)).expect("an answer");
        let refusal = &asked["outcome"]["refused"];
        assert_eq!(refusal["code"], "refused-by-inventree", "{asked:#}");
        let said = refusal["message"].as_str().expect("why");
        assert!(said.contains("greater than or equal to 0"), "{said}");
    });
}

#[test]
fn prices_keep_their_currency_and_its_decimals() {
    let check = |currency: &str, amount: &str, expect: &str| {
        described(|wms| {
            let mut order = order("P-1", &[("DRILL-18V", "3")]);
            order["currency"] = json!(currency);
            order["lines"][0]["price"]["amount"] = json!({"amount": amount, "currency": currency});
            assert_eq!(promise(wms, &order)["outcome"], "promised");
            let line = &of_order("so-line")[0];
            assert_eq!(line["sale_price_currency"], currency);
            assert_eq!(line["sale_price"], expect);
            assert_eq!(sales_order()["order_currency"], currency);
        });
    };
    check("JPY", "15000", "15000.000000");
    check("KWD", "41.125", "41.125000");
    check("EUR", "0.12345678", "0.123457");
    check("USD", "0", "0.000000");
}
