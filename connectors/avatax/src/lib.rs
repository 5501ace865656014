//! AvaTax as tax service, by REST v2. It honours no idempotency key, but keeps one document under a
//! code: recording again replaces it while it is not committed, so every operation converges.

mod address;
mod client;
mod map;
mod objects;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crossdock_sdk::canonical::common::Address;
use crossdock_sdk::canonical::tax::{RoundingLevel, TaxDocument, TaxableDocument};
use crossdock_sdk::{Call, Description, Fault, Refusal, config, describe, mutation, query};
use exports::crossdock::core::connector;
use exports::crossdock::tax::tax_inquiry::{self, GetTaxInput, GetTaxOutput};
use exports::crossdock::tax::tax_quoting::{self, QuoteTaxInput, QuoteTaxOutput};
use exports::crossdock::tax::tax_recording::{
    CommitTaxInput, CommitTaxOutcome, CommitTaxOutput, Guest, RecordTaxInput, RecordTaxOutcome,
    RecordTaxOutput, ReturnTaxInput, ReturnTaxOutcome, ReturnTaxOutput, VoidTaxInput,
    VoidTaxOutcome, VoidTaxOutput,
};
use exports::crossdock::tax::tax_recording_probe::{self as probe, RecordTaxState, ReturnTaxState};
use map::{Purpose, company_code, create_model, is_made_by, tax_document};
use objects::Transaction;
use serde::Deserialize;

crossdock_sdk::connector! {
    exports: [
        "crossdock:tax/tax-quoting@1.0.0",
        "crossdock:tax/tax-recording@1.0.0",
        "crossdock:tax/tax-recording-probe@1.0.0",
        "crossdock:tax/tax-inquiry@1.0.0",
        "crossdock:tms/address-validation@1.0.0",
    ]
}

struct Connector;

pub const SYSTEM: &str = "avatax";

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// AvaTax's company codes by canonical company.
    pub companies: BTreeMap<String, String>,
    /// The company of calls that name none.
    pub company: Option<String>,
    /// Where goods leave from, when a line does not say it.
    pub ship_from: Option<WrittenAddress>,
    /// Where this company's AvaTax rounds, as it is set up there.
    pub rounding: Rounding,
    /// AvaTax's entity use codes by our exemption codes: `{ resale = "G" }`.
    pub exemptions: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    #[default]
    Line,
    Document,
}

impl Config {
    /// Rounding is a setting of the company at AvaTax; no request can choose it.
    fn rounds_otherwise(&self, document: &TaxableDocument) -> Option<Refusal> {
        let fits = match &document.rounding {
            RoundingLevel::ByService => true,
            RoundingLevel::Line => self.rounding == Rounding::Line,
            RoundingLevel::Document => self.rounding == Rounding::Document,
            RoundingLevel::Other(_) => false,
        };
        (!fits).then(|| Refusal {
            code: "rounding-level".into(),
            message: "AvaTax is set up to round on another level than the document asks for".into(),
            lines: Vec::new(),
        })
    }

    /// The company of a call that names none.
    fn only_company(&self) -> Option<&String> {
        let only = self.companies.keys().next().filter(|_| self.companies.len() == 1);
        self.company.as_ref().or(only)
    }
}

/// An address as an admin writes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenAddress {
    lines: Vec<String>,
    city: String,
    #[serde(default)]
    region: Option<String>,
    #[serde(default)]
    postal_code: Option<String>,
    country: String,
}

impl WrittenAddress {
    pub fn address(&self) -> Address {
        Address {
            lines: self.lines.clone(),
            city: self.city.clone(),
            region: self.region.clone(),
            postal_code: self.postal_code.clone(),
            country: self.country.clone(),
            time_zone: None,
            residential: None,
            validation: None,
        }
    }
}

/// AvaTax shows a document when it has answered; what was cut off may still be running.
const SETTLING_MS: u64 = 5_000;

impl connector::Guest for Connector {
    fn describe() -> Description {
        let looked_up = |name| mutation(name).looked_up();
        describe(SYSTEM, env!("CARGO_PKG_VERSION"), "Sales tax and VAT by Avalara AvaTax.")
            .config(include_str!("../config.schema.json"))
            .upstream("avatax", "AvaTax REST v2", &["basic", "bearer", "oauth2-client-credentials"])
            .operations([
                query("quote-tax"),
                looked_up("record-tax").probed(SETTLING_MS).undone_by("void-tax"),
                looked_up("commit-tax").undone_by("void-tax"),
                looked_up("void-tax"),
                looked_up("return-tax").probed(SETTLING_MS).undone_by("void-tax"),
                query("probe-record-tax"),
                query("probe-return-tax"),
                query("get-tax"),
                query("validate-address"),
            ])
    }
}

impl tax_quoting::Guest for Connector {
    fn quote_tax(call: Call, input: QuoteTaxInput) -> Result<QuoteTaxOutput, Fault> {
        let config: Config = config::get()?;
        if let Some(refusal) = config.rounds_otherwise(&input.document) {
            return Ok(QuoteTaxOutput::Refused(refusal));
        }
        let model = create_model(&input.document, Purpose::Quote, &config)?;
        let company = &input.document.company;
        Ok(match client::create(&model, true)? {
            Ok(quoted) => {
                let mut document =
                    tax_document(&quoted, company, &input.document.references, &call.started_at);
                document.id.clone_from(&input.document.id);
                QuoteTaxOutput::Quoted(document)
            }
            Err(error) => QuoteTaxOutput::Refused(client::refusal(&error)),
        })
    }
}

impl Guest for Connector {
    fn record_tax(call: Call, input: RecordTaxInput) -> Result<RecordTaxOutput, Fault> {
        let config: Config = config::get()?;
        let document = &input.document;
        let company = company_code(&document.company, &config);
        let recorded = |transaction: &Transaction| recorded(transaction, document, &call);
        if let Some(refusal) = config.rounds_otherwise(document) {
            let outcome = RecordTaxOutcome::Refused(refusal);
            return Ok(RecordTaxOutput { outcome, document: None });
        }
        let model = create_model(document, Purpose::Invoice, &config)?;
        if let Some(known) = client::get(company, &document.id)?
            && is_kept(&known, &model)
        {
            return Ok(recorded(&known));
        }
        match client::create(&model, false)? {
            Ok(transaction) => Ok(recorded(&transaction)),
            // Somebody else was faster and has committed it.
            Err(error) if error.code == "DocumentCodeConflict" => {
                match client::get(company, &document.id)? {
                    Some(known) => Ok(recorded(&known)),
                    None => Err(Fault::never("document-code-conflict", error.message)),
                }
            }
            Err(error) => {
                let outcome = RecordTaxOutcome::Refused(client::refusal(&error));
                Ok(RecordTaxOutput { outcome, document: None })
            }
        }
    }

    fn commit_tax(call: Call, input: CommitTaxInput) -> Result<CommitTaxOutput, Fault> {
        let config: Config = config::get()?;
        let company = company_code(&input.company, &config);
        let code = &input.document.id;
        let answer = |outcome, transaction: Option<&Transaction>| CommitTaxOutput {
            outcome,
            company: input.company.clone(),
            document: transaction.map(|known| {
                tax_document(known, &input.company, &input.document.references, &call.started_at)
            }),
        };
        let Some(known) = client::get(company, code)? else {
            return Ok(answer(CommitTaxOutcome::Unknown, None));
        };
        match known.status.as_str() {
            "Committed" => return Ok(answer(CommitTaxOutcome::Committed, Some(&known))),
            "Cancelled" => return Ok(answer(CommitTaxOutcome::Voided, Some(&known))),
            _ => {}
        }
        Ok(match client::commit(company, code)? {
            Ok(committed) => {
                // AvaTax may answer without the lines: they are as they were.
                let whole =
                    Transaction { lines: committed.lines.clone().or(known.lines), ..committed };
                answer(CommitTaxOutcome::Committed, Some(&whole))
            }
            Err(error) => match client::get(company, code)? {
                Some(now) if now.status == "Committed" => {
                    answer(CommitTaxOutcome::Committed, Some(&now))
                }
                _ => answer(CommitTaxOutcome::Refused(client::refusal(&error)), Some(&known)),
            },
        })
    }

    fn void_tax(_call: Call, input: VoidTaxInput) -> Result<VoidTaxOutput, Fault> {
        let config: Config = config::get()?;
        let Some(company) = input.company.as_ref().or(config.only_company()) else {
            return Err(Fault::input("no company, and none in the connector's config"));
        };
        let company = company_code(company, &config);
        let code = &input.document.id;
        let outcome = match client::get(company, code)? {
            None => VoidTaxOutcome::Unknown,
            Some(known) if known.status == "Cancelled" => VoidTaxOutcome::Voided,
            Some(known) if known.locked => VoidTaxOutcome::TooLate,
            Some(_) => match client::void(company, code)? {
                Ok(_) => VoidTaxOutcome::Voided,
                Err(error) => match client::get(company, code)? {
                    None => VoidTaxOutcome::Unknown,
                    Some(now) if now.status == "Cancelled" => VoidTaxOutcome::Voided,
                    Some(now) if now.locked => VoidTaxOutcome::TooLate,
                    Some(_) if error.code.contains("Locked") => VoidTaxOutcome::TooLate,
                    Some(_) => return Err(client::rejected(&error)),
                },
            },
        };
        Ok(VoidTaxOutput { outcome })
    }

    fn return_tax(call: Call, input: ReturnTaxInput) -> Result<ReturnTaxOutput, Fault> {
        let config: Config = config::get()?;
        let document = &input.document;
        let company = company_code(&document.company, &config);
        let kept = |transaction: &Transaction| returned(transaction, document, &call);
        if let Some(known) = client::get(company, &document.id)?
            && known.status == "Committed"
        {
            return Ok(kept(&known));
        }
        if let Some(refusal) = config.rounds_otherwise(document) {
            let outcome = ReturnTaxOutcome::Refused(refusal);
            return Ok(ReturnTaxOutput { outcome, document: None });
        }
        match client::create(&create_model(document, Purpose::Return, &config)?, false)? {
            Ok(transaction) => Ok(kept(&transaction)),
            Err(error) => match client::get(company, &document.id)? {
                Some(known) if known.status == "Committed" => Ok(kept(&known)),
                _ => {
                    let outcome = ReturnTaxOutcome::Refused(client::refusal(&error));
                    Ok(ReturnTaxOutput { outcome, document: None })
                }
            },
        }
    }
}

impl probe::Guest for Connector {
    fn probe_record_tax(call: Call, input: RecordTaxInput) -> Result<RecordTaxState, Fault> {
        let config: Config = config::get()?;
        let company = company_code(&input.document.company, &config);
        let model = create_model(&input.document, Purpose::Invoice, &config)?;
        Ok(match client::get(company, &input.document.id)? {
            Some(known) if is_kept(&known, &model) => {
                RecordTaxState::Applied(recorded(&known, &input.document, &call))
            }
            _ => RecordTaxState::Absent,
        })
    }

    fn probe_return_tax(call: Call, input: ReturnTaxInput) -> Result<ReturnTaxState, Fault> {
        let config: Config = config::get()?;
        let company = company_code(&input.document.company, &config);
        Ok(match client::get(company, &input.document.id)? {
            Some(known) if known.status == "Committed" => {
                ReturnTaxState::Applied(returned(&known, &input.document, &call))
            }
            _ => ReturnTaxState::Absent,
        })
    }
}

impl tax_inquiry::Guest for Connector {
    fn get_tax(call: Call, input: GetTaxInput) -> Result<GetTaxOutput, Fault> {
        let config: Config = config::get()?;
        let company = company_code(&input.company, &config);
        Ok(match client::get(company, &input.document.id)? {
            Some(known) => GetTaxOutput::Found(tax_document(
                &known,
                &input.company,
                &input.document.references,
                &call.started_at,
            )),
            None => GetTaxOutput::Unknown,
        })
    }
}

/// Whether nothing is left to record: it is committed, or recorded just so.
fn is_kept(known: &Transaction, model: &serde_json::Value) -> bool {
    match known.status.as_str() {
        "Committed" => true,
        "Saved" | "Posted" => is_made_by(known, model),
        _ => false,
    }
}

fn recorded(transaction: &Transaction, asked: &TaxableDocument, call: &Call) -> RecordTaxOutput {
    let document: TaxDocument =
        tax_document(transaction, &asked.company, &asked.references, &call.started_at);
    let outcome = match transaction.status.as_str() {
        "Committed" => RecordTaxOutcome::Committed,
        _ => RecordTaxOutcome::Recorded,
    };
    RecordTaxOutput { outcome, document: Some(document) }
}

fn returned(transaction: &Transaction, asked: &TaxableDocument, call: &Call) -> ReturnTaxOutput {
    let document = tax_document(transaction, &asked.company, &asked.references, &call.started_at);
    ReturnTaxOutput { outcome: ReturnTaxOutcome::Committed, document: Some(document) }
}
