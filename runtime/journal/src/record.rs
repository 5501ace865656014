//! What the host tells the journal: records, grouped into a commit that is durable as a whole or
//! not at all. The stored form of each record is described beside the tables in `schema.rs`.

use crate::{Audit, Digest, Retention};

/// Records that belong together. They become durable in one transaction, in this order.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    pub records: Vec<Record>,
}

impl Commit {
    pub fn new(records: Vec<Record>) -> Commit {
        Commit { records }
    }

    pub fn push(&mut self, record: Record) {
        self.records.push(record);
    }

    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

impl From<Record> for Commit {
    fn from(record: Record) -> Commit {
        Commit { records: vec![record] }
    }
}

/// What became of a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Accepts whose source key was known. They, and every record of their exchange (and of its
    /// children) in the same commit, were left out; the rest of the commit is on disk.
    pub duplicates: Vec<Duplicate>,
    /// Waits that `Record::Hasten` found, whether they were due sooner already or not.
    pub hastened: u64,
    /// Rows that retention removed or emptied.
    pub dropped: u64,
    /// Exchanges of this commit (accepted, or made ready again) that wait behind another of their
    /// lane, by rising id. They are in state `Queued`: whoever has one in memory lets go of it.
    pub queued: Vec<u64>,
    /// Exchanges whose turn came by this commit, and who are `Ready` now: they are to be taken up.
    /// Never one that the commit itself accepted or made ready.
    pub released: Vec<u64>,
}

impl Committed {
    pub fn is_queued(&self, exchange: u64) -> bool {
        self.queued.binary_search(&exchange).is_ok()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// Position of the `Accept` in the commit's records.
    pub index: usize,
    /// The id that the left-out `Accept` carried. It never comes to exist.
    pub dropped: u64,
    /// The exchange that already holds the source key.
    pub exchange: u64,
    /// Digest of the body that the existing exchange was accepted with, if it gave one: another
    /// digest under the same key is the caller's mistake (422).
    pub body_digest: Option<Digest>,
}

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "most records of a busy journal are the large ones")]
pub enum Record {
    /// A message becomes an exchange, in state `Ready`, or `Queued` behind another of its lane. Its
    /// route version must be stored, before or in this commit.
    Accept(Accept),
    /// The next outcome of an exchange. A sequence is written once: a second writer is refused.
    Outcome { exchange: u64, sequence: u32, at_ms: u64, body: String },
    /// The exchange waits for a time (retry, delay, settling) -> `Waiting`.
    Wait { exchange: u64, due_at_ms: u64, why: String },
    /// What waits with exactly this `why` is due from `at_ms` on, longest due first, one after the
    /// other `every_us` apart, so that what was held together does not come back together. At most
    /// `count` of them if given; one that is due sooner stays so.
    Hasten { why: String, at_ms: u64, every_us: u64, count: Option<u32> },
    /// So much of a budget's calendar quota is reserved, before any of it is granted; less than
    /// nothing gives back. Refused below nothing.
    Quota { budget: String, period: String, count: i64 },
    /// The exchange goes on: clears wait, park and due time -> `Ready`. As with every change of
    /// state, a task or exception that stood open is closed without an answer. If its lane has let
    /// others pass, and one of them holds it: -> `Queued`; so with every record that says `Ready`.
    Ready { exchange: u64 },
    /// A person of `role` is asked -> `Parked`, due at `due_at_ms` (also a timer) if given.
    Task(Task),
    /// Closes the open task of this step -> `Ready`. Refused if it is no longer open.
    TaskAnswered {
        exchange: u64,
        step: String,
        answer: String,
        by: String,
        note: Option<String>,
        at_ms: u64,
    },
    /// The exchange stands until a person acts -> `Excepted`.
    Exception(Exception),
    /// Closes the open exceptions of the exchange -> `Ready`. Refused if none is open.
    ExceptionClosed { exchange: u64, by: String, action: String, at_ms: u64 },
    /// The exchange is over. Refused a second time.
    End { exchange: u64, end: String, at_ms: u64 },
    /// Puts the exchange on a business timeline. Repeats are ignored.
    Key { exchange: u64, name: String, value: String },
    /// The exchange wants to be the one to do this. Who came first has it: read it to know. `over`
    /// is an exchange whose claim, left without an answer, a person set aside.
    Claim { scope: String, key: String, exchange: u64, path: String, over: Option<u64> },
    /// What came of an exchange's own claim: the answer, or nothing, and another may have it.
    ClaimSettled { scope: String, key: String, exchange: u64, value: Option<String> },
    /// Two ids that mean the same thing or belong together; symmetric. Repeats are ignored.
    Link { one: Node, other: Node },
    /// How far a source was read; replaces the last one.
    Cursor { source: String, value: String },
    /// A route, contract or component by its digest; stored once.
    Artifact { digest: Digest, kind: String, bytes: Vec<u8> },
    /// A version of a route: `digest` names the version (route text with all that it was checked
    /// against), `artifact` is the stored bytes to load it from again. Stored once.
    RouteVersion { digest: Digest, name: String, artifact: Digest },
    /// A connector's own small state; `None` removes the key.
    State { connector: String, key: String, value: Option<Vec<u8>> },
    /// Puts an open task or exception into somebody's hands, or back on the pile. Refused if none
    /// is open.
    Assign { exchange: u64, assignee: Option<String> },
    /// Hands the open task or exception of the exchange on to `to` if it still stands at `at_ms`.
    Escalate { exchange: u64, at_ms: u64, to: String },
    /// It was handed on. Refused if nothing is open, or it was handed on before.
    Escalated { exchange: u64, at_ms: u64 },
    /// Holds something back; one of the same kind, name and window is replaced.
    Pause(Pause),
    /// What was held back goes on. Refused if it was not held.
    Resume { kind: String, name: String, window: String },
    /// An entry of the audit trail; the committer numbers and chains it.
    Audit(Audit),
    /// A batch of what a retention policy no longer keeps.
    Retention(Retention),
}

#[derive(Clone, Debug)]
pub struct Accept {
    pub exchange: u64,
    pub route_version: Digest,
    /// The exchange that published or received this one.
    pub parent: Option<u64>,
    /// Where it came from, as shown to people: `http:/orders`, `webhook:storefront`, ...
    pub source: String,
    /// Who sent it, as the configuration names its callers.
    pub client: Option<String>,
    /// Scope and key that make this message one exchange however often it comes.
    pub source_key: Option<SourceKey>,
    /// Another scope in which the same key makes this message known: the one in which keys were kept
    /// before their scope became narrower. Nothing is stored under it.
    pub earlier_scope: Option<String>,
    pub body_digest: Option<Digest>,
    /// JSON object of strings.
    pub headers: String,
    /// JSON.
    pub message: Vec<u8>,
    pub received_at_ms: u64,
    pub traceparent: Option<String>,
    /// A webhook request that its connector has not translated yet.
    pub raw: bool,
    /// Set where it runs again what another exchange ran.
    pub replay: Option<Replay>,
    /// Exchanges of one lane go one after the other.
    pub lane: Option<Lane>,
}

/// What an exchange is ordered by. It holds its lane until it ends; or until it is parked or
/// excepted, if it lets others pass.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lane {
    pub scope: String,
    pub key: String,
    /// Others go on while this one is parked or excepted.
    pub passes: bool,
}

/// That an exchange repeats another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// The exchange that it repeats.
    pub of: u64,
    /// Set where its calls go under the keys of another exchange: what those begin with.
    pub key_root: Option<String>,
    /// What it takes over, as the exchange machine stores it (JSON).
    pub body: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SourceKey {
    pub scope: String,
    pub key: String,
}

#[derive(Clone, Debug)]
pub struct Task {
    pub exchange: u64,
    pub step: String,
    pub role: String,
    /// The answers to choose from.
    pub ask: Vec<String>,
    /// JSON to show to the person.
    pub show: String,
    pub due_at_ms: Option<u64>,
    pub opened_at_ms: u64,
}

#[derive(Clone, Debug)]
pub struct Exception {
    pub exchange: u64,
    /// The class of failure, as in `in-doubt`, `mapping`, `guest-trap`.
    pub class: String,
    pub owner: String,
    pub step: String,
    pub code: String,
    pub message: String,
    pub at_ms: u64,
}

/// Something is held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// `route`, `connector` or `limit`.
    pub kind: String,
    pub name: String,
    /// The maintenance window that it comes from; empty when a person did it.
    pub window: String,
    pub by: String,
    pub why: String,
    pub since_ms: u64,
    pub until_ms: Option<u64>,
}

/// An object as one system knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node {
    pub company: String,
    pub object: String,
    pub system: String,
    pub id: String,
}

impl Node {
    pub fn new(company: &str, object: &str, system: &str, id: &str) -> Node {
        let [company, object, system, id] = [company, object, system, id].map(str::to_owned);
        Node { company, object, system, id }
    }
}

impl Record {
    /// The exchange that this record belongs to, if it belongs to one.
    pub fn exchange(&self) -> Option<u64> {
        match self {
            Record::Accept(accept) => Some(accept.exchange),
            Record::Task(task) => Some(task.exchange),
            Record::Exception(exception) => Some(exception.exchange),
            Record::Outcome { exchange, .. }
            | Record::Wait { exchange, .. }
            | Record::Ready { exchange }
            | Record::TaskAnswered { exchange, .. }
            | Record::ExceptionClosed { exchange, .. }
            | Record::End { exchange, .. }
            | Record::Claim { exchange, .. }
            | Record::ClaimSettled { exchange, .. }
            | Record::Assign { exchange, .. }
            | Record::Escalate { exchange, .. }
            | Record::Escalated { exchange, .. }
            | Record::Key { exchange, .. } => Some(*exchange),
            Record::Hasten { .. }
            | Record::Quota { .. }
            | Record::Link { .. }
            | Record::Cursor { .. }
            | Record::Artifact { .. }
            | Record::RouteVersion { .. }
            | Record::State { .. }
            | Record::Pause(_)
            | Record::Resume { .. }
            | Record::Audit(_)
            | Record::Retention(_) => None,
        }
    }

    /// Bytes of payload, roughly: bounds a commit and a group.
    pub(crate) fn weight(&self) -> usize {
        const FIXED: usize = 64;
        FIXED
            + match self {
                Record::Accept(accept) => {
                    let replay = accept.replay.as_ref().map_or(0, |replay| replay.body.len());
                    accept.message.len() + accept.headers.len() + replay
                }
                Record::Outcome { body, .. } => body.len(),
                Record::Task(task) => task.show.len(),
                Record::Exception(exception) => exception.message.len(),
                Record::Artifact { bytes, .. } => bytes.len(),
                Record::ClaimSettled { value: Some(value), .. } => value.len(),
                Record::State { value, .. } => value.as_ref().map_or(0, Vec::len),
                Record::Audit(audit) => audit.why.len() + audit.detail.len(),
                Record::Retention(Retention::Payload { outcomes, .. }) => {
                    outcomes.iter().map(|(_, body)| body.len()).sum()
                }
                _ => 0,
            }
    }
}
