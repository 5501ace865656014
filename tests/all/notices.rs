//! What the runtime tells its people: a route hears of an exception, and an alert that fails alerts
//! nobody, however far down.

use serde_json::json;

use crate::support::depot::{Depot, Moment, STORE};
use crate::support::runtime::Runtime;
use crate::support::setup::Setup;
use crate::support::system::say;
use crate::support::wait_until;

/// Hears of every exception and asks a role.
const ALERT: &str = r#"
[route]
name = "alerting"
owner = "operations"
[from.event]
topic = "crossdock:operations/notices.exception-raised@1"
[keys]
parcel = "message.keys.filter(k, k.name == 'parcel').map(k, k.value).first().orValue('')"
[[step]]
name = "look"
park = { role = "night-shift", ask = ["seen"], show = { class = "message.class", owner = "message.owner", route = "message.route", step = "message.step", status = "message.status", text = "message.message" } }
"#;

/// Hears of it too, hands it on, and the route that it hands it to fails.
const RELAY: &str = r#"
[route]
name = "relaying"
owner = "operations"
[from.event]
topic = "crossdock:operations/notices.exception-raised@1"
[[step]]
name = "relayed"
publish = "acme:depot/parcels.parcel@1"
with = { id = "message.exchange", company = "'acme'", references = "[]", weight = "decimal('1')" }
"#;

const PAGER: &str = r#"
[route]
name = "paging"
owner = "operations"
[from.event]
topic = "acme:depot/parcels.parcel@1"
[[step]]
name = "stored"
call = "depot.store"
with = "message"
"#;

fn shelfless() -> Depot {
    Depot::with(|_, moment| (moment == Moment::Before).then(|| say(400, "no such shelf")))
}

#[test]
fn an_exception_is_told_to_every_route_that_subscribes() {
    let depot = shelfless();
    let runtime =
        Setup::with_depot(&depot.system).route("storing", STORE).route("alerting", ALERT).start();
    let id = runtime.parcel("/parcels", "P-1");
    runtime.exception(&id);
    // In its commit: once the exception is seen, so is the notice.
    let alerts = runtime.of_route("alerting");
    assert_eq!(alerts.len(), 1, "{alerts:#?}");
    assert_eq!(alerts[0]["parent"], id.as_str());
    assert_eq!(
        alerts[0]["source"], "event:crossdock:operations/notices.exception-raised@1",
        "{alerts:#?}"
    );
    runtime.in_state(alerts[0]["exchange"].as_str().unwrap(), "parked");
    let show = json!({
        "class": "depot-4xx", "owner": "yard", "route": "storing", "step": "stored",
        "status": 400, "text": "no such shelf",
    });
    assert_eq!(runtime.get("/v1/tasks?role=night-shift")["tasks"][0]["show"], show);
    // The alert is on the timeline of what it is about.
    let timeline = runtime.get("/v1/timeline/parcel/P-1");
    assert_eq!(timeline["exchanges"].as_array().unwrap().len(), 2, "{timeline:#}");
}

#[test]
fn an_alert_that_fails_alerts_nobody_however_far_down() {
    let depot = shelfless();
    let runtime = Setup::with_depot(&depot.system)
        .route("storing", STORE)
        .route("relaying", RELAY)
        .route("paging", PAGER)
        .start();
    let id = runtime.parcel("/parcels", "P-1");
    runtime.exception(&id);
    wait_until("the alert that failed", || exceptions(&runtime, "paging") == 1);
    // A second message passes behind it: had the alert told of itself, that would be here too.
    let second = runtime.parcel("/parcels", "P-2");
    runtime.exception(&second);
    wait_until("the second alert that failed", || exceptions(&runtime, "paging") == 2);
    runtime.ended("relaying", "done", 2);
    assert_eq!(runtime.of_route("relaying").len(), 2, "one for each parcel");
    assert_eq!(exceptions(&runtime, "storing"), 2);
}

fn exceptions(runtime: &Runtime, route: &str) -> usize {
    runtime.get(&format!("/v1/exceptions?route={route}"))["exceptions"].as_array().unwrap().len()
}
