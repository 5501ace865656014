//! Tax documents: estimate, record, adjust, commit, void, refund, find again.

use serde_json::{Value, json};

use super::{Answer, Avatax, Failure, documents, not_found, value_error};
use crate::money;
use crate::state::{State, now_ms, timestamp, today};
use crate::wire::{Reply, Request};

impl State {
    pub(super) fn create_transaction(&mut self, model: &Value) -> Answer {
        let mut document = self.avatax.compute(model)?;
        if !is_recorded(&document) {
            return Ok(Reply::json(201, &document));
        }
        let code = code_of(&document);
        if let Some(known) = self.avatax.documents.get(&code) {
            let status = known["status"].as_str().unwrap_or("");
            if status == "Committed" {
                return Err(Failure {
                    status: 400,
                    code: "DocumentCodeConflict",
                    message: format!(
                        "Document code {code} conflicts with an existing committed document."
                    ),
                });
            }
            if status == "Saved" {
                document["version"] = json!(known["version"].as_i64().unwrap_or(1) + 1);
            }
        }
        settle(&mut document, model);
        self.avatax.documents.insert(code.clone(), document.clone());
        self.effects.count("avatax", "transaction.create", &code, "");
        if document["status"] == "Committed" {
            self.effects.count("avatax", "transaction.commit", &code, "");
        }
        Ok(Reply::json(201, &document))
    }

    pub(super) fn create_or_adjust(&mut self, request: &Value) -> Answer {
        let model = &request["createTransactionModel"];
        if !model.is_object() {
            return Err(value_error("Field 'createTransactionModel' is required."));
        }
        let mut document = self.avatax.compute(model)?;
        if !is_recorded(&document) {
            return Ok(Reply::json(201, &document));
        }
        let code = code_of(&document);
        let known = self.avatax.documents.get(&code);
        let effect = if known.is_some() { "transaction.adjust" } else { "transaction.create" };
        if let Some(known) = known {
            let reason = request["adjustmentReason"].as_str().unwrap_or("Other");
            document["version"] = json!(known["version"].as_i64().unwrap_or(1) + 1);
            document["adjustmentReason"] = json!(reason);
            document["adjustmentDescription"] = request["adjustmentDescription"].clone();
        }
        settle(&mut document, model);
        self.avatax.documents.insert(code.clone(), document.clone());
        self.effects.count("avatax", effect, &code, "");
        if document["status"] == "Committed" {
            self.effects.count("avatax", "transaction.commit", &code, "");
        }
        Ok(Reply::json(201, &document))
    }

    pub(super) fn commit_transaction(&mut self, code: &str, model: &Value) -> Answer {
        let document = self.avatax.document_mut(code)?;
        if model["commit"] != true {
            return Err(value_error("Field 'commit' must be true."));
        }
        let status = document["status"].as_str().unwrap_or("");
        if status != "Saved" && status != "Posted" {
            return Err(Failure {
                status: 400,
                code: "InvalidDocumentStatusForCommit",
                message: format!(
                    "The document {code} cannot be committed: its status is {status}."
                ),
            });
        }
        document["status"] = json!("Committed");
        document["modifiedDate"] = json!(timestamp(now_ms()));
        let document = document.clone();
        self.effects.count("avatax", "transaction.commit", code, "");
        Ok(Reply::json(200, &document))
    }

    pub(super) fn void_transaction(&mut self, code: &str, model: &Value) -> Answer {
        let document = self.avatax.document_mut(code)?;
        if model["code"].as_str().is_none() {
            return Err(value_error("Field 'code' is required: DocVoided or DocDeleted."));
        }
        if document["status"] == "Cancelled" {
            return Err(Failure {
                status: 400,
                code: "CannotModifyVoidedTransaction",
                message: format!("The document {code} is void already."),
            });
        }
        document["status"] = json!("Cancelled");
        document["adjustmentReason"] = json!("Other");
        document["modifiedDate"] = json!(timestamp(now_ms()));
        let document = document.clone();
        self.effects.count("avatax", "transaction.void", code, "");
        Ok(Reply::json(200, &document))
    }

    pub(super) fn refund_transaction(&mut self, code: &str, model: &Value) -> Answer {
        let original = self.avatax.document(code)?.clone();
        if original["status"] != "Committed" {
            return Err(Failure {
                status: 400,
                code: "InvalidDocumentStatusForRefund",
                message: format!("The document {code} is not committed."),
            });
        }
        let kind = model["refundType"].as_str().unwrap_or("Full");
        let own = format!("{code}-refund");
        let refund_code = model["refundTransactionCode"].as_str().unwrap_or(&own).to_owned();
        if self.avatax.documents.contains_key(&refund_code) {
            return Err(Failure {
                status: 400,
                code: "DocumentCodeConflict",
                message: format!(
                    "Document code {refund_code} conflicts with an existing document."
                ),
            });
        }
        let factor = match kind {
            "Full" | "Partial" | "TaxOnly" => -1.0,
            "Percentage" => -model["refundPercentage"].as_f64().unwrap_or(100.0) / 100.0,
            _ => return Err(value_error("Field 'refundType' is not one that is known.")),
        };
        let wanted: Option<Vec<&str>> = (kind == "Partial").then(|| {
            let lines = model["refundLines"].as_array().into_iter().flatten();
            lines.filter_map(Value::as_str).collect()
        });
        let mut refund = original.clone();
        let lines = original["lines"].as_array().into_iter().flatten();
        let lines: Vec<Value> = lines
            .filter(|line| {
                let number = line["lineNumber"].as_str().unwrap_or("");
                wanted.as_ref().is_none_or(|wanted| wanted.contains(&number))
            })
            .map(|line| scaled(line, factor, kind == "TaxOnly"))
            .collect();
        let sum = |field: &str| {
            let amounts = lines.iter().filter_map(|line| money::read(&line[field]));
            money::float(amounts.sum())
        };
        refund["totalAmount"] = sum("lineAmount");
        refund["totalTax"] = sum("tax");
        refund["totalTaxCalculated"] = sum("tax");
        refund["totalTaxable"] = sum("taxableAmount");
        refund["totalExempt"] = sum("exemptAmount");
        refund["lines"] = Value::Array(lines);
        self.avatax.last += 1;
        refund["id"] = json!(self.avatax.last);
        refund["code"] = json!(refund_code);
        refund["type"] = json!("ReturnInvoice");
        refund["status"] = json!("Committed");
        refund["version"] = json!(1);
        refund["date"] =
            model["refundDate"].as_str().map_or_else(|| json!(today()), |date| json!(date));
        refund["referenceCode"] = match &model["referenceCode"] {
            Value::Null => json!(code),
            given => given.clone(),
        };
        refund["modifiedDate"] = json!(timestamp(now_ms()));
        self.avatax.documents.insert(refund_code.clone(), refund.clone());
        self.effects.count("avatax", "transaction.refund", &refund_code, "");
        Ok(Reply::json(201, &refund))
    }
}

impl Avatax {
    fn compute(&mut self, model: &Value) -> Result<Value, Failure> {
        let known = ["SalesOrder", "SalesInvoice", "ReturnOrder", "ReturnInvoice"];
        let kind = model["type"].as_str().unwrap_or("SalesOrder");
        if !known.contains(&kind) {
            return Err(value_error(&format!("Field 'type' may not be {kind}.")));
        }
        let company = model["companyCode"].as_str().unwrap_or(super::COMPANY);
        if !company.eq_ignore_ascii_case(super::COMPANY) {
            return Err(not_found(format!("Company with code '{company}' not found.")));
        }
        self.last += 1;
        documents::compute(model, self.last)
    }

    pub(super) fn document(&self, code: &str) -> Result<&Value, Failure> {
        self.documents.get(code).ok_or_else(|| missing(code))
    }

    fn document_mut(&mut self, code: &str) -> Result<&mut Value, Failure> {
        self.documents.get_mut(code).ok_or_else(|| missing(code))
    }

    /// `$filter` with `code eq 'X'`, `customerCode eq 'X'`, `modifiedDate ge 'T'`, joined by `and`.
    pub(super) fn list(&self, request: &Request) -> Answer {
        let filter = request.query("$filter").unwrap_or("");
        let mut rows: Vec<&Value> = self.documents.values().collect();
        for clause in filter.split(" and ").filter(|clause| !clause.trim().is_empty()) {
            let parts: Vec<&str> = clause.trim().splitn(3, ' ').collect();
            let [field, operator, value] = parts[..] else {
                return Err(value_error("The $filter is not understood."));
            };
            let value = value.trim_matches('\'');
            rows.retain(|row| {
                let own = row[field].as_str().unwrap_or_default();
                match operator {
                    "eq" => own == value,
                    "ge" => own >= value,
                    "gt" => own > value,
                    "le" => own <= value,
                    _ => own < value,
                }
            });
        }
        rows.sort_by_key(|row| row["id"].as_i64());
        let count = rows.len();
        let skip = request.query_number("$skip").unwrap_or(0).max(0) as usize;
        let top = request.query_number("$top").unwrap_or(1000).clamp(1, 1000) as usize;
        let page: Vec<&Value> = rows.into_iter().skip(skip).take(top).collect();
        Ok(Reply::json(200, &json!({"@recordsetCount": count, "value": page})))
    }
}

fn is_recorded(document: &Value) -> bool {
    document["type"].as_str().is_some_and(|kind| kind.ends_with("Invoice"))
}

fn settle(document: &mut Value, model: &Value) {
    let committed = model["commit"] == true;
    document["status"] = json!(if committed { "Committed" } else { "Saved" });
}

/// A line of the original times a factor; tax only gives back no price.
fn scaled(line: &Value, factor: f64, tax_only: bool) -> Value {
    let scale = |value: &Value| {
        let amount = money::read(value).unwrap_or_default() * money::number(factor);
        money::float(money::round(amount, 2))
    };
    let mut line = line.clone();
    for field in ["tax", "taxCalculated", "taxableAmount", "exemptAmount", "lineAmount"] {
        line[field] =
            if tax_only && field == "lineAmount" { json!(0.0) } else { scale(&line[field]) };
    }
    if let Some(details) = line["details"].as_array_mut() {
        for detail in details {
            for field in ["tax", "taxCalculated", "taxableAmount", "exemptAmount"] {
                detail[field] = scale(&detail[field]);
            }
        }
    }
    line
}

fn code_of(document: &Value) -> String {
    document["code"].as_str().unwrap_or_default().to_owned()
}

fn missing(code: &str) -> Failure {
    not_found(format!("Transaction with code '{code}' was not found."))
}
