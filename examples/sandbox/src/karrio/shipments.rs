//! Rates, shipments and labels.

use serde_json::{Map, Value, json};

use super::{
    Answer, Failure, Karrio, address, body, chosen, conflict, created_at, instant, invalid,
    not_found, page, too_long,
};
use crate::state::State;
use crate::wire::{Reply, Request};
use crate::world::Step;

const ORDER_ID_MAX: usize = 50;
const STATES: [&str; 9] = [
    "draft",
    "created",
    "cancelled",
    "shipped",
    "in_transit",
    "delivered",
    "needs_attention",
    "out_for_delivery",
    "delivery_failed",
];
const SERVICES: [(&str, u64, f64); 2] = [("standard_service", 3, 1.0), ("express_service", 1, 2.0)];

impl State {
    pub(super) fn quote_rates(&mut self, request: &Request) -> Answer {
        let map = body(request)?;
        let content = content(&map)?;
        let rates = self.rates(&content);
        Ok(Reply::json(200, &json!({"messages": [], "rates": rates})))
    }

    pub(super) fn create_shipment_label(&mut self, request: &Request) -> Answer {
        let map = body(request)?;
        let mut shipment = content(&map)?;
        let id = self.karrio.id("shp");
        shipment["id"] = json!(id);
        for parcel in shipment["parcels"].as_array_mut().into_iter().flatten() {
            if parcel["reference_number"].is_null() {
                parcel["reference_number"] = json!(self.parcel_number());
            }
        }
        shipment["rates"] = json!(self.rates(&shipment));
        let reference = reference(&shipment);
        self.karrio.shipments.insert(id.clone(), shipment);
        self.effects.count("karrio", "shipment.create", &reference, "");
        if let Some(service) = map.get("service").and_then(Value::as_str) {
            let rates = self.karrio.shipments[&id]["rates"].clone();
            let found = rates
                .as_array()
                .and_then(|rates| rates.iter().find(|rate| rate["service"] == service).cloned());
            let Some(rate) = found else {
                return Err(invalid(json!({"service": ["There is no rate for this service."]})));
            };
            self.buy(&id, rate);
        }
        Ok(Reply::json(201, &self.karrio.shipments[&id]))
    }

    pub(super) fn refresh_rates(&mut self, id: &str) -> Answer {
        let shipment = self.karrio.shipment(id)?.clone();
        must_be_draft(&shipment)?;
        let rates = self.rates(&shipment);
        let row = self.karrio.shipment_mut(id)?;
        row["rates"] = json!(rates);
        Ok(Reply::json(200, row))
    }

    pub(super) fn purchase(&mut self, id: &str, request: &Request) -> Answer {
        let map = body(request)?;
        let row = self.karrio.shipment_mut(id)?;
        let status = row["status"].as_str().unwrap_or_default();
        if status != "draft" {
            let message = format!("The shipment is '{status}' and cannot be purchased again");
            return Err(conflict(message));
        }
        let Some(selected) = map.get("selected_rate_id").and_then(Value::as_str) else {
            return Err(invalid(json!({"selected_rate_id": ["This field is required."]})));
        };
        let rate = row["rates"]
            .as_array()
            .and_then(|rates| rates.iter().find(|rate| rate["id"] == selected).cloned());
        let Some(rate) = rate else {
            return Err(invalid(json!({"selected_rate_id": ["Invalid selected rate."]})));
        };
        merge(row, &map, &["label_type", "payment", "reference", "metadata"]);
        self.buy(id, rate);
        Ok(Reply::json(200, self.karrio.shipment(id)?))
    }

    fn parcel_number(&mut self) -> String {
        let counted = self.karrio.numbers.entry("parcel").or_insert(0);
        *counted += 1;
        format!("SBX{:09}", self.options.seed % 1000 * 1_000_000 + *counted)
    }

    /// Karrio's own carrier takes the first parcel's reference for the tracking number.
    fn buy(&mut self, id: &str, rate: Value) {
        let Some(row) = self.karrio.shipments.get_mut(id) else {
            return;
        };
        let number = row["parcels"][0]["reference_number"].as_str().unwrap_or(id).to_owned();
        row["status"] = json!("created");
        row["tracking_number"] = json!(number);
        row["shipment_identifier"] = json!(number);
        row["carrier_name"] = json!("generic");
        row["carrier_id"] = json!("generic");
        row["service"] = rate["service"].clone();
        row["selected_rate_id"] = rate["id"].clone();
        row["selected_rate"] = rate;
        row["label_url"] = json!(format!("/v1/shipments/{id}/label.pdf"));
        row["tracking_url"] = json!(format!("/v1/trackers/generic/{number}"));
        let reference = reference(row);
        let days = row["selected_rate"]["transit_days"].as_u64();
        let tracker = self.new_tracker(&number, days, json!({"order_id": reference}));
        let Some(row) = self.karrio.shipments.get_mut(id) else {
            return;
        };
        row["tracker_id"] = json!(tracker);
        let row = row.clone();
        self.effects.count("karrio", "shipment.purchase", &reference, "");
        self.karrio_event("shipment_purchased", &row);
        self.schedule(Step::Track { tracker });
    }

    pub(super) fn cancel_label(&mut self, id: &str) -> Answer {
        let row = self.karrio.shipment_mut(id)?;
        let status = row["status"].as_str().unwrap_or_default();
        if status == "cancelled" {
            return Ok(Reply::json(202, row));
        }
        if !matches!(status, "draft" | "created") {
            let message = format!("The shipment is '{status}' and can not be cancelled anymore...");
            return Err(conflict(message));
        }
        row["status"] = json!("cancelled");
        let row = row.clone();
        let reference = reference(&row);
        if let Some(tracker) = row["tracker_id"].as_str() {
            self.karrio.trackers.remove(tracker);
        }
        self.effects.count("karrio", "shipment.cancel", &reference, "");
        self.karrio_event("shipment_cancelled", &row);
        Ok(Reply::json(200, &row))
    }

    fn rates(&mut self, shipment: &Value) -> Vec<Value> {
        let weight: f64 = shipment["parcels"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|parcel| {
                let weight = parcel["weight"].as_f64().unwrap_or(0.0);
                match parcel["weight_unit"].as_str() {
                    Some("LB") => weight * 0.453_592_37,
                    Some("G") => weight / 1000.0,
                    _ => weight,
                }
            })
            .sum();
        let asked = shipment["services"].as_array().map_or(&[][..], Vec::as_slice);
        // Where it knows none of them, Karrio rates all.
        let knows = SERVICES.iter().any(|(service, ..)| asked.contains(&json!(service)));
        SERVICES
            .iter()
            .filter(|(service, ..)| !knows || asked.contains(&json!(service)))
            .map(|(service, days, factor)| {
                let charge = ((10.0 + 0.5 * weight) * factor * 100.0).round() / 100.0;
                json!({
                    "id": self.karrio.id("rat"), "object_type": "rate", "carrier_name": "generic",
                    "carrier_id": "generic", "currency": "USD", "service": service,
                    "total_charge": charge, "transit_days": days,
                    "extra_charges": [{"name": "Base charge", "amount": charge, "currency": "USD", "id": null}],
                    "estimated_delivery": null,
                    "meta": {"rate_provider": "generic", "service_name": service.to_uppercase(),
                        "carrier_connection_id": "car_generic"},
                    "test_mode": true,
                })
            })
            .collect()
    }
}

impl Karrio {
    pub(super) fn shipment(&self, id: &str) -> Result<&Value, Failure> {
        self.shipments.get(id).ok_or_else(|| not_found("Shipment"))
    }

    fn shipment_mut(&mut self, id: &str) -> Result<&mut Value, Failure> {
        self.shipments.get_mut(id).ok_or_else(|| not_found("Shipment"))
    }

    pub(super) fn list_shipments(&self, request: &Request) -> Answer {
        let contains = |row: &Value, name: &str| {
            request.query(name).is_none_or(|wanted| {
                let text = row[name].as_str().unwrap_or_default().to_lowercase();
                text.contains(&wanted.to_lowercase())
            })
        };
        let states = chosen(request, "status", &STATES)?;
        let rows: Vec<Value> = self
            .shipments
            .values()
            .rev()
            .filter(|row| {
                let metadata = &row["metadata"];
                let created = instant(row["created_at"].as_str().unwrap_or_default());
                contains(row, "reference")
                    && contains(row, "order_id")
                    && contains(row, "tracking_number")
                    && (states.is_empty() || states.iter().any(|state| row["status"] == *state))
                    && request
                        .query("id")
                        .is_none_or(|wanted| wanted.split(',').any(|id| row["id"] == id))
                    && request
                        .query("keyword")
                        .is_none_or(|k| row.to_string().to_lowercase().contains(&k.to_lowercase()))
                    && request.query("metadata_key").is_none_or(|k| metadata.get(k).is_some())
                    && request.query("metadata_value").is_none_or(|wanted| {
                        metadata.as_object().is_some_and(|m| m.values().any(|v| v == wanted))
                    })
                    && request.query("created_after").is_none_or(|at| created >= instant(at))
                    && request.query("created_before").is_none_or(|at| created <= instant(at))
            })
            .cloned()
            .collect();
        page(request, rows)
    }

    pub(super) fn update_shipment(&mut self, id: &str, request: &Request) -> Answer {
        let map = body(request)?;
        let row = self.shipment_mut(id)?;
        if map.keys().any(|name| name != "metadata") {
            must_be_draft(row)?;
        }
        let fields = ["label_type", "payment", "options", "reference", "metadata", "order_id"];
        merge(row, &map, &fields);
        Ok(Reply::json(200, row))
    }
}

/// Checks what a rate or a shipment needs, and gives it all its fields.
fn content(map: &Map<String, Value>) -> Result<Value, Failure> {
    let party = |field: &'static str| match map.get(field).and_then(Value::as_object) {
        Some(given) => address(given, field),
        None => Err(invalid(json!({field: ["This field is required."]}))),
    };
    let parcels = map
        .get("parcels")
        .and_then(Value::as_array)
        .filter(|parcels| !parcels.is_empty())
        .ok_or_else(|| invalid(json!({"parcels": ["This field is required."]})))?;
    let order = map.get("order_id").and_then(Value::as_str).unwrap_or_default();
    if order.chars().count() > ORDER_ID_MAX {
        return Err(invalid(json!({"order_id": too_long(ORDER_ID_MAX)})));
    }
    let mut full = Vec::new();
    for (index, parcel) in parcels.iter().enumerate() {
        if !parcel["weight"].is_number() {
            let missing = json!({"weight": ["A valid number is required."]});
            return Err(invalid(json!({format!("parcels[{index}]"): missing})));
        }
        let mut row = json!({
            "id": format!("pcl_{}", index + 1), "object_type": "parcel", "weight_unit": "KG",
            "dimension_unit": "CM", "packaging_type": null, "package_preset": null, "length": null,
            "width": null, "height": null, "items": [], "reference_number": null,
            "description": null, "is_document": false, "freight_class": null, "options": {},
        });
        if let Some(given) = parcel.as_object() {
            for (name, value) in given {
                row[name.as_str()] = value.clone();
            }
        }
        full.push(row);
    }
    let mut shipment = json!({
        "object_type": "shipment", "status": "draft", "shipper": party("shipper")?,
        "recipient": party("recipient")?, "parcels": full, "services": [], "options": {},
        "payment": {"paid_by": "sender", "currency": null, "account_number": null}, "customs": null,
        "return_address": null, "billing_address": null, "rates": [], "reference": null,
        "order_id": null, "label_type": "PDF", "carrier_ids": [], "tracker_id": null,
        "created_at": created_at(), "metadata": {}, "messages": [], "carrier_name": null,
        "carrier_id": null, "tracking_number": null, "shipment_identifier": null,
        "selected_rate": null, "selected_rate_id": null, "service": null, "tracking_url": null,
        "meta": {}, "test_mode": true, "label_url": null, "invoice_url": null,
        "is_return": false, "is_archived": false, "return_shipment": null,
    });
    let fields = [
        "services",
        "options",
        "payment",
        "customs",
        "reference",
        "order_id",
        "label_type",
        "carrier_ids",
        "metadata",
        "is_return",
    ];
    merge(&mut shipment, map, &fields);
    Ok(shipment)
}

/// Objects are merged by name, everything else is replaced.
fn merge(row: &mut Value, map: &Map<String, Value>, fields: &[&str]) {
    for field in fields {
        match (map.get(*field), row[*field].as_object_mut()) {
            (Some(Value::Object(given)), Some(own)) => own.extend(given.clone()),
            (Some(given), _) => row[*field] = given.clone(),
            (None, _) => {}
        }
    }
}

fn must_be_draft(row: &Value) -> Result<(), Failure> {
    let status = row["status"].as_str().unwrap_or_default();
    if status == "draft" {
        return Ok(());
    }
    Err(conflict(format!("Shipment is {status} and cannot be updated anymore...")))
}

fn reference(row: &Value) -> String {
    ["reference", "order_id", "id"]
        .into_iter()
        .filter_map(|field| row[field].as_str())
        .find(|text| !text.is_empty())
        .unwrap_or_default()
        .to_owned()
}
