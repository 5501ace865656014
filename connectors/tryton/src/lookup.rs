//! Tryton's own ids of what the contracts name by code: parties, products, units, currencies, terms
//! of payment, accounts.

use std::collections::BTreeMap;

use crossdock_sdk::canonical::common::{Address, Party};
use crossdock_sdk::canonical::id_in;
use crossdock_sdk::{Decimal, Fault};
use serde_json::json;

use crate::client::Tryton;
use crate::value::{self, Record};
use crate::{SYSTEM, canonical_unit};

/// They stand in the address of a request.
const CODES_MAX: usize = 200;

pub const PARTY_FIELDS: [&str; 6] = [
    "code",
    "name",
    "addresses.invoice",
    "addresses.delivery",
    "addresses.active",
    "customer_payment_term",
];

/// A record that must exist: without it the connector's configuration is wrong.
fn needed(found: Option<Record>, what: &str, name: &str) -> Result<i64, Fault> {
    found.map(|record| record.id()).ok_or_else(|| {
        Fault::never(
            "not-in-tryton",
            format!("Tryton has no {what} `{name}`; see the connector's config"),
        )
    })
}

impl Tryton {
    pub fn party(&self, code: &str, fields: &[&str]) -> Result<Option<Record>, Fault> {
        self.find("party.party", json!([["code", "=", code]]), fields)
    }

    /// By Tryton's own number where it is known, else by customer number.
    pub fn party_of(&self, party: &Party) -> Result<Option<Record>, Fault> {
        if let Some(id) =
            id_in(&party.references, SYSTEM, "customer").and_then(|id| id.parse().ok())
        {
            return self.read("party.party", id, &PARTY_FIELDS);
        }
        match party.customer.as_ref().or(self.config.guest.as_ref()) {
            Some(code) => self.party(code, &PARTY_FIELDS),
            None => Ok(None),
        }
    }

    /// The customer's price list, where Tryton has price lists.
    pub fn price_list(&self, party: &Record) -> Result<Option<i64>, Fault> {
        if !self.config.price_lists {
            return Ok(None);
        }
        let found = self.read("party.party", party.id(), &["sale_price_list"])?;
        Ok(found.and_then(|party| party.many2one("sale_price_list")))
    }

    /// The party's address as it is written here, created where the party has none such.
    pub fn address(&self, party: &Record, address: &Address) -> Result<i64, Fault> {
        let street = address.lines.join("\n");
        let country = self.country(&address.country)?;
        let known = self.search(
            "party.address",
            json!([
                ["party", "=", party.id()],
                ["street", "=", street],
                ["postal_code", "=", address.postal_code],
                ["city", "=", address.city],
                ["country", "=", country],
            ]),
            json!([["id", "ASC"]]),
            1,
            &["id"],
        )?;
        if let Some(known) = known.first() {
            return Ok(known.id());
        }
        let values = json!({
            "party": party.id(), "street": street, "postal_code": address.postal_code,
            "city": address.city, "country": country, "delivery": true, "invoice": true,
        });
        match self.create("party.address", &values, &["id"])? {
            Ok(created) => Ok(created.id()),
            Err(refused) => Err(Fault::never("address-refused", refused.message)),
        }
    }

    /// The address for a use (`invoice`, `delivery`), else the first that there is.
    pub fn default_address(&self, party: &Record, usage: &str) -> Result<i64, Fault> {
        let addresses = party.records("addresses");
        let usable = addresses.iter().find(|address| address.flag(usage)).or(addresses.first());
        usable.map(Record::id).ok_or_else(|| {
            Fault::never("no-address", format!("party {} has no address in Tryton", party.id()))
        })
    }

    fn country(&self, code: &str) -> Result<Option<i64>, Fault> {
        let found = self.find("country.country", json!([["code", "=", code]]), &["id"])?;
        Ok(found.map(|country| country.id()))
    }

    pub fn currency(&self, code: &str) -> Result<i64, Fault> {
        let found = self.find("currency.currency", json!([["code", "=", code]]), &["id"])?;
        needed(found, "currency", code)
    }

    /// Products by code; those that Tryton does not know are missing.
    pub fn products(
        &self,
        codes: &[&str],
        fields: &[&str],
    ) -> Result<BTreeMap<String, Record>, Fault> {
        let mut products = BTreeMap::new();
        for codes in codes.chunks(CODES_MAX) {
            let domain = json!([["code", "in", codes]]);
            let order = json!([["id", "ASC"]]);
            let found = self.search("product.product", domain, order, 1000, fields)?;
            products.extend(found.into_iter().filter_map(|p| Some((p.text("code")?, p))));
        }
        Ok(products)
    }

    /// Units by the code of the contracts.
    pub fn units(&self) -> Result<BTreeMap<String, i64>, Fault> {
        let found =
            self.search("product.uom", json!([]), json!([["id", "ASC"]]), 1000, &["symbol"])?;
        let mut units = BTreeMap::new();
        for unit in found {
            let Some(symbol) = unit.text("symbol") else { continue };
            units.entry(canonical_unit(&symbol).to_owned()).or_insert(unit.id());
            units.entry(symbol).or_insert(unit.id());
        }
        Ok(units)
    }

    /// Terms by name, however it is spaced: `NET30` is `Net 30`.
    pub fn payment_term(&self, code: &str) -> Result<Option<i64>, Fault> {
        let plain = |text: &str| text.replace([' ', '-', '_'], "").to_lowercase();
        let model = "account.invoice.payment_term";
        let terms = self.search(model, json!([]), json!([["id", "ASC"]]), 1000, &["name"])?;
        let wanted = plain(code);
        let found =
            terms.iter().find(|term| term.text("name").is_some_and(|n| plain(&n) == wanted));
        Ok(found.map(Record::id))
    }

    pub fn warehouse(&self, code: &str) -> Result<i64, Fault> {
        let domain = json!([["code", "=", code], ["type", "=", "warehouse"]]);
        needed(self.find("stock.location", domain, &["id"])?, "warehouse", code)
    }

    /// By code or name, of those that can be booked on: headings of the chart have no type.
    pub fn account(&self, name: &str) -> Result<i64, Fault> {
        let named = json!(["OR", [["code", "=", name]], [["name", "=", name]]]);
        let domain = json!([named, ["type", "!=", null], ["company", "=", self.config.company_id]]);
        needed(self.find("account.account", domain, &["id"])?, "account", name)
    }

    pub fn journal(&self, name: &str) -> Result<i64, Fault> {
        needed(
            self.find("account.journal", json!([["name", "=", name]]), &["id"])?,
            "journal",
            name,
        )
    }

    /// The period that a day is booked in; absent when it is closed, or there is none.
    pub fn period(&self, day: &str) -> Result<Option<i64>, Fault> {
        let domain = json!([
            ["company", "=", self.config.company_id],
            ["start_date", "<=", value::date(day)],
            ["end_date", ">=", value::date(day)],
            ["type", "=", "standard"],
            ["state", "=", "open"],
        ]);
        Ok(self.find("account.period", domain, &["id"])?.map(|period| period.id()))
    }

    /// How much of the company's currency one unit of another is on a day; absent when Tryton has
    /// no rate.
    pub fn rate(&self, code: &str, day: &str) -> Result<Option<Decimal>, Fault> {
        if code == self.config.currency {
            return Ok(Some(Decimal::ONE));
        }
        let dated = self.with_context("date", value::date(day));
        let of = |code: &str| -> Result<Option<Decimal>, Fault> {
            let found = dated.find("currency.currency", json!([["code", "=", code]]), &["rate"])?;
            Ok(found.and_then(|currency| currency.decimal("rate")))
        };
        let (Some(own), Some(other)) = (of(&self.config.currency)?, of(code)?) else {
            return Ok(None);
        };
        Ok(own.checked_div(other))
    }

    /// A method of payment or of writing off, by its name in the company.
    pub fn named(&self, model: &str, name: &str) -> Result<i64, Fault> {
        let domain = json!([["name", "=", name], ["company", "=", self.config.company_id]]);
        needed(self.find(model, domain, &["id"])?, model, name)
    }
}
