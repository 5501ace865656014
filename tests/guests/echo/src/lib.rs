//! Answers what it is given, in a domain that no host knows.

wit_bindgen::generate!({
    inline: r#"
        package acme:telemetry@1.0.0;

        interface readings {
            use crossdock:core/types@1.0.0.{call, fault, decimal, currency, country, unit, date,
                timestamp, duration, time-zone, money};

            /// How sure the sensor is.
            enum quality { good, suspect, bad }

            flags alarms { low, high, battery-low, tampered }

            variant position {
                nowhere,
                site(string),
                point(tuple<f64, f64>),
                moving(leg),
            }

            record leg { start: timestamp, took: duration, stops: list<string> }

            record reading {
                id: string,
                sensor-no: u32,
                at: timestamp,
                amount: decimal,
                price: option<money>,
                quality: quality,
                alarms: alarms,
                position: position,
                raw: list<u8>,
                samples: list<f64>,
                history: list<leg>,
                small: tuple<s8, u8, s16, u16>,
                wide: tuple<s32, s64, u64, f32>,
                grade: char,
                live: bool,
                checked: result<u32, string>,
                seen: result,
                note: option<string>,
                currency: currency,
                country: country,
                uom: unit,
                day: date,
                zone: time-zone,
            }

            /// The very same.
            mirror: func(call: call, input: reading) -> result<reading, fault>;

            record facts { exchange: string, key: string, attempt: u32, started-at: timestamp,
                deadline: timestamp, traceparent: string, calls: u32 }
            record ask { about: string }

            /// What the guest knows of its call, and how many this instance has served.
            recall: func(call: call, input: ask) -> result<facts, fault>;
        }

        world guest {
            include crossdock:core/guest@1.0.0;
            export readings;
        }
    "#,
    path: "../../../wit/core/1.0.0",
    world: "acme:telemetry/guest",
    generate_all,
});

use std::sync::atomic::{AtomicU32, Ordering};

use exports::acme::telemetry::readings::{Ask, Call, Facts, Fault, Guest as Readings, Reading};
use exports::crossdock::core::connector::{
    Description, Effect, Guest as Connector, KeyHandling, Operation,
};

struct Echo;

static CALLS: AtomicU32 = AtomicU32::new(0);

impl Readings for Echo {
    fn mirror(_: Call, input: Reading) -> Result<Reading, Fault> {
        Ok(input)
    }

    fn recall(call: Call, _: Ask) -> Result<Facts, Fault> {
        Ok(Facts {
            exchange: call.exchange,
            key: call.key,
            attempt: call.attempt,
            started_at: call.started_at,
            deadline: call.deadline,
            traceparent: call.traceparent,
            calls: CALLS.fetch_add(1, Ordering::Relaxed) + 1,
        })
    }
}

impl Connector for Echo {
    fn describe() -> Description {
        let query = |name: &str| Operation {
            name: name.into(),
            effect: Effect::Query,
            key: KeyHandling::None,
            settling_ms: 0,
            probe: None,
            undo: None,
        };
        Description {
            name: "echo".into(),
            version: "1.2.3".into(),
            summary: "Answers what it is given.".into(),
            config_schema: String::new(),
            upstreams: vec![],
            operations: vec![query("mirror"), query("recall")],
        }
    }
}

export!(Echo);
