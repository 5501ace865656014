//! Credit: Tryton knows a limit and what the party owes and has on order; hold or refusal is our
//! reading of the two. A limit of zero is no credit at all.

use crossdock_sdk::canonical::reference;
use crossdock_sdk::{Call, Decimal, Fault, Identity, Money, config, decimal};

use crate::client::Tryton;
use crate::exports::crossdock::erp::credit::{
    CheckCreditInput, CheckCreditOutput, CreditDecision, Guest,
};
use crate::{Config, Connector, value};

impl Guest for Connector {
    fn check_credit(_call: Call, input: CheckCreditInput) -> Result<CheckCreditOutput, Fault> {
        let tryton = Tryton::new(config::get()?);
        let fields = ["code", "credit_amount", "credit_limit_amount"];
        let currency = tryton.config.currency.clone();
        let Some(party) = tryton.party(&input.customer, &fields)? else {
            return Ok(CheckCreditOutput {
                decision: CreditDecision::Refused,
                limit: None,
                exposure: decimal::money(Decimal::ZERO, &currency),
                overdue: None,
                credit_account: None,
                reason: Some(format!("Tryton knows no customer {}", input.customer)),
            });
        };
        let mut exposure = party.decimal_or_zero("credit_amount");
        if let Some(order) = input.order {
            exposure -= on_order(&tryton, order)?;
        }
        let limit = party.decimal("credit_limit_amount");
        let (decision, reason) = match in_company_currency(&input.amount, &tryton.config)? {
            Some(amount) => decide(limit, exposure, amount, &currency),
            None => {
                let from = &input.amount.currency;
                let reason =
                    format!("the connector's config has no rate from {from} to {currency}");
                (CreditDecision::Hold, Some(reason))
            }
        };
        Ok(CheckCreditOutput {
            decision,
            limit: limit.map(|limit| decimal::money(limit, &currency)),
            exposure: decimal::money(exposure, &currency),
            overdue: None,
            credit_account: party.text("code"),
            reason,
        })
    }
}

/// What a confirmed sale of this order already takes of the limit.
fn on_order(tryton: &Tryton, order: String) -> Result<Decimal, Fault> {
    let references = vec![reference("crossdock", "order", &order)];
    let sale = tryton.sale_of(&Identity { id: order, references })?;
    let counts = |state: &str| matches!(state, "confirmed" | "processing");
    let Some(sale) = sale.filter(|sale| counts(sale.state("state"))) else {
        return Ok(Decimal::ZERO);
    };
    let total = sale.decimal_or_zero("total_amount");
    let total = decimal::money(total, sale.state("currency.code"));
    Ok(in_company_currency(&total, &tryton.config)?.unwrap_or_default())
}

/// Absent when the config has no rate.
pub fn in_company_currency(money: &Money, config: &Config) -> Result<Option<Decimal>, Fault> {
    let amount = decimal::parse(&money.amount)?;
    if money.currency == config.currency {
        return Ok(Some(amount));
    }
    let Some(rate) = config.rates.get(&money.currency) else { return Ok(None) };
    Ok(Some(value::round_total(amount * decimal::parse(rate)?, &config.currency)))
}

fn decide(
    limit: Option<Decimal>,
    exposure: Decimal,
    amount: Decimal,
    currency: &str,
) -> (CreditDecision, Option<String>) {
    let Some(limit) = limit else { return (CreditDecision::Approved, None) };
    let over = exposure + amount - limit;
    if over <= Decimal::ZERO {
        return (CreditDecision::Approved, None);
    }
    if limit.is_zero() {
        return (CreditDecision::Refused, Some("the customer has no credit".into()));
    }
    let reason = format!("{} {currency} over the limit of {limit} {currency}", decimal::text(over));
    (CreditDecision::Hold, Some(reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_decides() {
        fn number(text: &str) -> Decimal {
            decimal::parse(text).unwrap()
        }
        let check = |limit: Option<&str>, exposure, amount, expect| {
            let limit = limit.map(number);
            assert_eq!(decide(limit, number(exposure), number(amount), "USD").0, expect);
        };
        check(None, "1000000", "1", CreditDecision::Approved);
        check(Some("10000"), "9800", "200", CreditDecision::Approved);
        check(Some("10000"), "9800", "200.01", CreditDecision::Hold);
        check(Some("0.00"), "5000", "1", CreditDecision::Refused);
    }
}
