//! A well-behaved connector to a system that tests play: a depot for parcels, in a domain that no
//! host knows. It has an operation of every kind of repetition, a poll and a webhook.

#[path = "../../hostile/src/http.rs"]
mod http;
mod system;

wit_bindgen::generate!({
    inline: r#"
        package acme:depot@1.0.0;

        interface parcels {
            use crossdock:core/types@1.0.0.{call, fault, decimal, reference};
            use crossdock:core/poll@1.0.0.{poll-request};
            use crossdock:core/webhook@1.0.0.{webhook-request};

            record parcel {
                id: string,
                company: string,
                references: list<reference>,
                weight: decimal,
                note: option<string>,
            }
            record ask { id: string }
            record weighed { id: string, weight: decimal }
            variant stored { shelved(parcel), full }
            variant left { applied(parcel), absent, pending, unknown }
            record take-back-input { id: string }
            variant take-back-outcome { taken, too-late }
            record take-back-output { outcome: take-back-outcome }
            record arrival { id: string, value: parcel }
            record arrivals { items: list<arrival>, next-cursor: option<string>, more: bool }
            record notices { items: list<arrival> }

            /// The system honours the key.
            store: func(call: call, input: parcel) -> result<stored, fault>;
            /// The undo of `store`, under a key too.
            take-back: func(call: call, input: take-back-input) -> result<take-back-output, fault>;
            /// Neither key nor probe.
            drop-off: func(call: call, input: parcel) -> result<parcel, fault>;
            /// No key, but a probe.
            ship-out: func(call: call, input: parcel) -> result<parcel, fault>;
            /// No key: it looks first whether the parcel has its label.
            label: func(call: call, input: parcel) -> result<parcel, fault>;
            probe-ship-out: func(call: call, input: parcel) -> result<left, fault>;
            weigh: func(call: call, input: ask) -> result<weighed, fault>;
            list-arrivals: func(call: call, input: poll-request) -> result<arrivals, fault>;
            /// A body of ids, one a line.
            take-notice: func(call: call, input: webhook-request) -> result<notices, fault>;
        }

        world guest {
            include crossdock:core/guest@1.0.0;
            export parcels;
        }
    "#,
    path: "../../../wit/core/1.0.0",
    world: "acme:depot/guest",
    generate_all,
});

use crossdock::core::poll::PollRequest;
use crossdock::core::webhook::WebhookRequest;
use exports::acme::depot::parcels::{
    Arrival, Arrivals, Ask, Call, Fault, Guest as Parcels, Left, Notices, Parcel, Reference,
    Stored, TakeBackInput, TakeBackOutcome, TakeBackOutput, Weighed,
};
use exports::crossdock::core::connector::{
    Description, Effect, Guest as Connector, KeyHandling, Operation, UpstreamNeed,
};
use system::{Said, get, post};

struct Depot;

fn numbered(parcel: Parcel, number: &str) -> Parcel {
    let number =
        Reference { system: "depot".into(), object: "parcel".into(), id: number.trim().to_owned() };
    Parcel { references: vec![number], ..parcel }
}

/// What is sent: a draw of luck too, so that a test sees that a repeated call has the same body.
fn sheet(call: &Call, parcel: &Parcel) -> String {
    let luck = wasip2::random::random::get_random_u64();
    format!("id={} weight={} at={} luck={luck}", parcel.id, parcel.weight, call.started_at)
}

fn arrival(id: &str) -> Arrival {
    let value = Parcel {
        id: id.to_owned(),
        company: "acme".into(),
        references: vec![],
        weight: "1.0".into(),
        note: None,
    };
    Arrival { id: id.to_owned(), value }
}

impl Parcels for Depot {
    fn store(call: Call, input: Parcel) -> Result<Stored, Fault> {
        let said = post("parcels", &call.key, &sheet(&call, &input))?;
        if said.status == 409 {
            return Ok(Stored::Full);
        }
        Ok(Stored::Shelved(numbered(input, &said.done(true)?)))
    }

    fn take_back(call: Call, input: TakeBackInput) -> Result<TakeBackOutput, Fault> {
        let said = post("backs", &call.key, &format!("id={} at={}", input.id, call.started_at))?;
        if said.status == 409 {
            return Ok(TakeBackOutput { outcome: TakeBackOutcome::TooLate });
        }
        said.done(true)?;
        Ok(TakeBackOutput { outcome: TakeBackOutcome::Taken })
    }

    fn drop_off(call: Call, input: Parcel) -> Result<Parcel, Fault> {
        let number = post("drops", "", &sheet(&call, &input))?.done(true)?;
        Ok(numbered(input, &number))
    }

    fn ship_out(call: Call, input: Parcel) -> Result<Parcel, Fault> {
        let number = post("outs", "", &sheet(&call, &input))?.done(true)?;
        Ok(numbered(input, &number))
    }

    fn label(call: Call, input: Parcel) -> Result<Parcel, Fault> {
        let known = get(&format!("labels/{}", input.id))?;
        let number = match known.status {
            404 => post("labels", "", &sheet(&call, &input))?.done(true)?,
            _ => known.done(false)?,
        };
        Ok(numbered(input, &number))
    }

    fn probe_ship_out(_: Call, input: Parcel) -> Result<Left, Fault> {
        let said = get(&format!("outs/{}", input.id))?;
        match said.status {
            404 => Ok(Left::Absent),
            _ => Ok(Left::Applied(numbered(input, &said.done(false)?))),
        }
    }

    fn weigh(_: Call, input: Ask) -> Result<Weighed, Fault> {
        let weight = get(&format!("weights/{}", input.id))?.done(false)?;
        Ok(Weighed { id: input.id, weight: weight.trim().to_owned() })
    }

    fn list_arrivals(_: Call, input: PollRequest) -> Result<Arrivals, Fault> {
        let cursor = input.cursor.as_deref().unwrap_or("0");
        let said = get(&format!("arrivals?after={cursor}&limit={}", input.limit))?.done(false)?;
        let ids: Vec<&str> = said.split_whitespace().collect();
        let next: u64 = cursor.parse().unwrap_or(0) + ids.len() as u64;
        Ok(Arrivals {
            items: ids.into_iter().map(arrival).collect(),
            next_cursor: Some(next.to_string()),
            more: false,
        })
    }

    fn take_notice(_: Call, input: WebhookRequest) -> Result<Notices, Fault> {
        let body = String::from_utf8_lossy(&input.body).into_owned();
        if body.contains("nonsense") {
            return Err(system::refusal("not-a-notice", "this is no list of parcels", None));
        }
        Ok(Notices { items: body.split_whitespace().map(arrival).collect() })
    }
}

impl Connector for Depot {
    fn describe() -> Description {
        let operation = |name: &str, effect: Effect, key: KeyHandling, probe: Option<&str>| {
            let probe = probe.map(str::to_owned);
            Operation { name: name.into(), effect, key, settling_ms: 0, probe, undo: None }
        };
        let query = |name: &str| operation(name, Effect::Query, KeyHandling::None, None);
        Description {
            name: "depot".into(),
            version: "1.0.0".into(),
            summary: "Keeps parcels.".into(),
            config_schema: String::new(),
            upstreams: vec![UpstreamNeed {
                name: "depot".into(),
                purpose: "where the parcels are".into(),
                auth: vec![],
            }],
            operations: vec![
                Operation {
                    undo: Some("take-back".into()),
                    ..operation("store", Effect::Mutation, KeyHandling::Honoured(86_400), None)
                },
                operation("take-back", Effect::Mutation, KeyHandling::Honoured(86_400), None),
                operation("drop-off", Effect::Mutation, KeyHandling::None, None),
                operation("label", Effect::Mutation, KeyHandling::LookedUp, None),
                operation("ship-out", Effect::Mutation, KeyHandling::None, Some("probe-ship-out")),
                query("probe-ship-out"),
                query("weigh"),
                query("list-arrivals"),
                query("take-notice"),
            ],
        }
    }
}

impl Said {
    /// The body of a success; anything else as the fault that it is.
    fn done(self, changes: bool) -> Result<String, Fault> {
        system::done(self, changes)
    }
}

export!(Depot);
