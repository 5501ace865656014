//! What is new on the road, by polling. Karrio cannot be asked what has changed: the cursor holds how
//! much of each tracker was told, as long as more may come of it.

use std::collections::BTreeMap;

use crossdock_sdk::{Call, Fault, PollRequest, config, time};
use serde::{Deserialize, Serialize};

use crate::client::{get, list, path};
use crate::exports::crossdock::tms::tracking_feed::{Guest, PollTrackingOutput, TrackingItem};
use crate::objects::Tracker;
use crate::tracking::{Happening, happenings, milestone, shipment_of};
use crate::{Config, Connector};

const LIMIT_MAX: u32 = 200;
/// How far Karrio's clock and ours may differ.
const SKEW_S: i64 = 15 * 60;
/// The first poll tells of trackers that are no older, and of all that are under way.
const FIRST_S: i64 = DAY_S;
const DAY_S: i64 = 24 * 3600;

const UNDER_WAY: [&str; 9] = [
    "pending",
    "picked_up",
    "unknown",
    "on_hold",
    "in_transit",
    "delivery_delayed",
    "out_for_delivery",
    "ready_for_pickup",
    "delivery_failed",
];
const FINISHED: [&str; 3] = ["delivered", "return_to_sender", "cancelled"];

/// Stored by the host as JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Cursor {
    /// Seconds since 1970: trackers created since then are looked at whatever their status.
    since: i64,
    told: Seen,
}

/// By tracker.
type Seen = BTreeMap<String, Told>;

/// How many events were told, and which: a carrier may add one between others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Told(usize, u32);

impl Told {
    fn of(events: &[Happening]) -> Told {
        let bytes = events.iter().flat_map(|event| event.id.bytes().chain([0]));
        // FNV-1a: short, and the same everywhere and always.
        let mark = bytes.fold(0x811c_9dc5, |hash: u32, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        Told(events.len(), mark)
    }

    /// Where to go on. Where they are others than before, all are told again, under the same ids.
    fn next(told: Option<&Told>, events: &[Happening]) -> usize {
        match told {
            Some(told) if events.get(..told.0).is_some_and(|seen| Told::of(seen) == *told) => {
                told.0
            }
            _ => 0,
        }
    }
}

impl Guest for Connector {
    fn poll_tracking(call: Call, input: PollRequest) -> Result<PollTrackingOutput, Fault> {
        let config: Config = config::get()?;
        let now = time::parse(&call.started_at).unwrap_or_else(time::now_s);
        let before: Cursor = match &input.cursor {
            None => Cursor { since: now - FIRST_S, told: BTreeMap::new() },
            Some(cursor) => serde_json::from_str(cursor)
                .map_err(|error| Fault::never("cursor", format!("not a cursor: {error}")))?,
        };
        let forgotten = time::timestamp(now - i64::from(config.follow_days) * DAY_S);
        let limit = input.limit.clamp(1, LIMIT_MAX) as usize;
        let (sights, mut told) = in_sight(&before, &forgotten)?;
        let mut items = Vec::new();
        let mut more = false;
        let mut broken = false;
        for (tracker, listed) in sights {
            let events = happenings(&tracker);
            let known = before.told.get(&tracker.id);
            let next = Told::next(known, &events);
            let mut reached = next;
            if broken || (next < events.len() && items.len() == limit) {
                more = true;
                told.extend(known.map(|known| (tracker.id, *known)));
                continue;
            }
            if next < events.len() {
                let shipment = match shipment_of(&tracker) {
                    // What was read already is told; where Karrio failed, the next poll goes on.
                    Err(_) if !items.is_empty() => {
                        broken = true;
                        more = true;
                        told.extend(known.map(|known| (tracker.id, *known)));
                        continue;
                    }
                    shipment => shipment?,
                };
                reached = events.len();
                if let Some(shipment) = shipment {
                    reached = reached.min(next + limit - items.len());
                    more |= reached < events.len();
                    let fresh = events[next..reached].iter().cloned();
                    let fresh =
                        fresh.filter_map(|event| milestone(event, &tracker, &shipment, &config));
                    items.extend(fresh.map(|value| TrackingItem { id: value.id.clone(), value }));
                }
            }
            let quiet = events.last().is_some_and(|event| event.occurred_at < forgotten);
            let over = FINISHED.contains(&tracker.status.as_str()) || quiet;
            // One that is listed will be so the next time: it must be known as told.
            if listed || !over || reached < events.len() {
                told.insert(tracker.id, Told::of(&events[..reached]));
            }
        }
        let aged = !more && now - before.since > 2 * SKEW_S;
        let cursor = Cursor { since: if aged { now - SKEW_S } else { before.since }, told };
        let changed = input.cursor.is_none() || cursor != before;
        let next_cursor = match changed {
            true => serde_json::to_string(&cursor).ok(),
            false => None,
        };
        Ok(PollTrackingOutput { items, next_cursor, more })
    }
}

/// Those under way, those created lately, and those that were under way at the last poll. With
/// whether a list had it; and what was told of those that are in no list and could not be read.
fn in_sight(before: &Cursor, forgotten: &str) -> Result<(Vec<(Tracker, bool)>, Seen), Fault> {
    let mut query = vec![("created_after", forgotten)];
    query.extend(UNDER_WAY.iter().map(|status| ("status", *status)));
    let mut listed: Vec<Tracker> = list("/v1/trackers", &query)?;
    let since = time::timestamp(before.since);
    listed.extend(list::<Tracker>("/v1/trackers", &[("created_after", since.as_str())])?);
    let mut seen: BTreeMap<String, (Tracker, bool)> =
        listed.into_iter().map(|tracker| (tracker.id.clone(), (tracker, true))).collect();
    let (mut unlisted, mut unread) = (BTreeMap::new(), Seen::new());
    for (id, told) in before.told.iter().filter(|(id, _)| !seen.contains_key(*id)) {
        match get::<Tracker>(&path("trackers", id, "")) {
            Ok(Some(tracker)) => drop(unlisted.insert(id.clone(), (tracker, false))),
            // One that is gone was called off.
            Ok(None) => {}
            // One that cannot be read must not keep the others from being told.
            Err(_) => drop(unread.insert(id.clone(), *told)),
        }
    }
    seen.extend(unlisted);
    Ok((seen.into_values().collect(), unread))
}
