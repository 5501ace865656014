//! The models and fields that are played. One line each: a plain field is its name, `f>MODEL` a
//! many2one, `f*MODEL/INVERSE` a one2many, `f=` a function field (`f=MODEL` one with records),
//! `f@` a reference (`"sale.sale,4"`).

use std::collections::{BTreeMap, HashMap};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Plain,
    One(&'static str),
    Many(&'static str, &'static str),
    Function(Option<&'static str>),
    Reference,
}

#[derive(Debug)]
pub struct Schema {
    models: BTreeMap<&'static str, HashMap<&'static str, Kind>>,
    /// Model of the children -> the field in which they name their parent.
    parents: HashMap<&'static str, &'static str>,
}

const EVERY: &str = "rec_name= create_date write_date _timestamp=";

const MODELS: &[(&str, &str)] = &[
    (
        "party.party",
        "name code active lang addresses*party.address/party identifiers*party.identifier/party email= phone= full_name= tax_identifier= customer_payment_term>account.invoice.payment_term customer_currency>currency.currency credit_amount= credit_limit_amount receivable= sale_price_list>product.price_list",
    ),
    (
        "party.address",
        "party>party.party party_name street postal_code city country>country.country subdivision>country.subdivision delivery invoice active full_address=",
    ),
    ("party.identifier", "party>party.party type code"),
    ("country.country", "name code"),
    ("country.subdivision", "name code country>country.country"),
    ("currency.currency", "name code digits rounding symbol rate="),
    ("company.company", "party>party.party currency>currency.currency"),
    (
        "product.product",
        "name code template list_price default_uom>product.uom sale_uom>product.uom salable active description weight weight_uom>product.uom cost_price type sale_price_uom= quantity= forecast_quantity=",
    ),
    ("product.price_list", "name"),
    ("product.uom", "name symbol factor rate category"),
    ("stock.location", "name code type active"),
    (
        "sale.sale",
        "company>company.company number reference description party>party.party contact>party.party invoice_party>party.party shipment_party>party.party invoice_address>party.address shipment_address>party.address warehouse>stock.location currency>currency.currency payment_term>account.invoice.payment_term sale_date shipping_date invoice_method shipment_method comment lines*sale.line/sale origin@ state invoice_state= shipment_state= untaxed_amount= tax_amount= total_amount= invoices=account.invoice shipments=stock.shipment.out shipment_returns=stock.shipment.out.return moves=stock.move carrier",
    ),
    (
        "sale.line",
        "sale>sale.sale type sequence product>product.product quantity unit>product.uom unit_price description note amount= origin@ shipping_date invoice_lines=account.invoice.line moves=stock.move moves_ignored actual_quantity=",
    ),
    (
        "stock.shipment.out",
        "company>company.company number reference customer>party.party delivery_address>party.address warehouse>stock.location planned_date effective_date carrier shipping_reference state outgoing_moves=stock.move inventory_moves=stock.move moves=stock.move origins=",
    ),
    (
        "stock.shipment.out.return",
        "company>company.company number reference customer>party.party delivery_address>party.address warehouse>stock.location planned_date effective_date state incoming_moves=stock.move moves=stock.move origins=",
    ),
    (
        "stock.move",
        "company>company.company product>product.product quantity unit>product.uom unit_price currency>currency.currency from_location>stock.location to_location>stock.location shipment@ origin@ state planned_date effective_date",
    ),
    (
        "account.invoice",
        "company>company.company type number reference description party>party.party invoice_address>party.address currency>currency.currency journal>account.journal account>account.account payment_term>account.invoice.payment_term invoice_date accounting_date payment_term_date comment lines*account.invoice.line/invoice taxes*account.invoice.tax/invoice state move>account.move cancel_move>account.move payment_lines untaxed_amount= tax_amount= total_amount= amount_to_pay= amount_to_pay_today= lines_to_pay=account.move.line reconciliation_lines=account.move.line reconciled= origins=",
    ),
    (
        "account.invoice.line",
        "invoice>account.invoice type product>product.product quantity unit>product.uom unit_price description account>account.account origin@ currency>currency.currency company>company.company party>party.party note sequence amount=",
    ),
    (
        "account.invoice.tax",
        "invoice>account.invoice description account>account.account base amount manual tax sequence legal_notice",
    ),
    ("account.invoice.payment_term", "name days active"),
    (
        "account.invoice.payment.method",
        "name account>account.account company>company.company active",
    ),
    (
        "account.move.reconcile.write_off",
        "name account>account.account company>company.company active",
    ),
    ("account.account", "name code type reconcile company>company.company"),
    ("account.journal", "name code type"),
    ("account.period", "name start_date end_date type state company>company.company"),
    (
        "account.move",
        "company>company.company journal>account.journal period>account.period date number description origin@ lines*account.move.line/move state",
    ),
    (
        "account.move.line",
        "move>account.move account>account.account party>party.party debit credit amount_second_currency second_currency>currency.currency description maturity_date reconciliation>account.move.reconciliation origin@ date= state=",
    ),
    ("account.move.reconciliation", "number date company>company.company lines=account.move.line"),
    (
        "account.payment",
        "company>company.company number journal>account.payment.journal kind party>party.party date amount currency>currency.currency reference reference_type line>account.move.line origin@ state",
    ),
    ("account.payment.journal", "name currency>currency.currency process_method"),
];

impl Schema {
    pub fn new() -> Schema {
        let mut parents = HashMap::new();
        let mut models = BTreeMap::new();
        for (model, fields) in MODELS {
            let mut kinds = HashMap::from([("id", Kind::Plain)]);
            for token in fields.split_whitespace().chain(EVERY.split_whitespace()) {
                let (name, kind) = parse(token);
                if let Kind::Many(target, inverse) = kind {
                    parents.insert(target, inverse);
                }
                kinds.insert(name, kind);
            }
            models.insert(*model, kinds);
        }
        Schema { models, parents }
    }

    /// The model's name as the schema holds it, if it is played.
    pub fn model(&self, name: &str) -> Option<&'static str> {
        self.models.get_key_value(name).map(|(name, _)| *name)
    }

    pub fn kind(&self, model: &str, field: &str) -> Option<Kind> {
        self.models.get(model)?.get(field).copied()
    }

    pub fn parent_field(&self, model: &str) -> Option<&'static str> {
        self.parents.get(model).copied()
    }
}

fn parse(token: &'static str) -> (&'static str, Kind) {
    if let Some((name, target)) = token.split_once('>') {
        return (name, Kind::One(target));
    }
    if let Some((name, rest)) = token.split_once('*') {
        let (target, inverse) = rest.split_once('/').unwrap_or((rest, "id"));
        return (name, Kind::Many(target, inverse));
    }
    if let Some((name, target)) = token.split_once('=') {
        return (name, Kind::Function((!target.is_empty()).then_some(target)));
    }
    match token.strip_suffix('@') {
        Some(name) => (name, Kind::Reference),
        None => (token, Kind::Plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_a_model() {
        let schema = Schema::new();
        for (model, fields) in &schema.models {
            for (field, kind) in fields {
                let target = match kind {
                    Kind::One(target) | Kind::Function(Some(target)) | Kind::Many(target, _) => {
                        target
                    }
                    Kind::Plain | Kind::Function(None) | Kind::Reference => continue,
                };
                assert!(schema.model(target).is_some(), "{model}.{field}: {target}");
                if let Kind::Many(_, inverse) = kind {
                    assert_eq!(schema.kind(target, inverse), Some(Kind::One(model)));
                }
            }
        }
    }
}
