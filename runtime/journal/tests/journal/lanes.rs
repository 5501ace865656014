//! Lanes: one of a key at a time, the lowest id first, over parks, crashes and whatever a commit
//! holds; and that a long queue costs no more than a short one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use journal::{Accept, Commit, Error, Exception, Journal, Lane, Record, State, Task};

use crate::support::*;

fn lane(key: &str, passes: bool) -> Lane {
    Lane { scope: "order".to_owned(), key: key.to_owned(), passes }
}

fn waits(exchange: u64, key: &str) -> Record {
    Record::Accept(Accept { lane: Some(lane(key, false)), ..accept(exchange) })
}

fn passes(exchange: u64, key: &str) -> Record {
    Record::Accept(Accept { lane: Some(lane(key, true)), ..accept(exchange) })
}

fn task(exchange: u64) -> Record {
    Record::Task(Task {
        exchange,
        step: "review".to_owned(),
        role: "analyst".to_owned(),
        ask: vec!["yes".to_owned()],
        show: "null".to_owned(),
        due_at_ms: Some(NOW + 5),
        opened_at_ms: NOW,
    })
}

fn answered(exchange: u64) -> Record {
    let (step, answer, by) = ("review".to_owned(), "yes".to_owned(), "ada".to_owned());
    Record::TaskAnswered { exchange, step, answer, by, note: None, at_ms: NOW + 1 }
}

fn exception(exchange: u64) -> Record {
    Record::Exception(Exception {
        exchange,
        class: "mapping".to_owned(),
        owner: "desk".to_owned(),
        step: "tax".to_owned(),
        code: "mapping".to_owned(),
        message: "no such field".to_owned(),
        at_ms: NOW,
    })
}

fn closed(exchange: u64) -> Record {
    let (by, action) = ("ada".to_owned(), "retry".to_owned());
    Record::ExceptionClosed { exchange, by, action, at_ms: NOW + 1 }
}

fn wait(exchange: u64) -> Record {
    Record::Wait { exchange, due_at_ms: NOW + 7, why: "attempt 2".to_owned() }
}

/// Commits; who was queued, and who was released.
async fn moves(journal: &Journal, records: Vec<Record>) -> (Vec<u64>, Vec<u64>) {
    let committed = journal.commit(Commit::new(records)).await.unwrap();
    (committed.queued, committed.released)
}

/// The state of each, and whom it is behind.
async fn stand(journal: &Journal, exchanges: &[u64]) -> Vec<(State, Option<u64>)> {
    let mut found = Vec::new();
    for exchange in exchanges {
        let summary = journal.exchange(*exchange).await.unwrap().unwrap().summary;
        found.push((summary.state, summary.behind));
    }
    found
}

const NOBODY: Vec<u64> = Vec::new();

#[tokio::test]
async fn one_of_a_lane_goes_at_a_time_and_the_longest_queued_is_next() {
    let place = Place::new();
    let journal = place.with_route().await;
    assert_eq!(moves(&journal, vec![waits(1, "A"), waits(2, "A")]).await, (vec![2], NOBODY));
    assert_eq!(moves(&journal, vec![waits(4, "A")]).await, (vec![4], NOBODY));
    // An older id that comes to disk later goes first all the same.
    assert_eq!(moves(&journal, vec![waits(3, "A")]).await, (vec![3], NOBODY));
    let other = Lane { scope: "shipment".to_owned(), ..lane("A", false) };
    let other = Record::Accept(Accept { lane: Some(other), ..accept(5) });
    let free = vec![waits(6, "B"), other, Record::Accept(accept(7))];
    assert_eq!(moves(&journal, free).await, (NOBODY, NOBODY));
    let (ready, behind) = ((State::Ready, None), (State::Queued, Some(1)));
    assert_eq!(
        stand(&journal, &[1, 2, 3, 4, 5, 6, 7]).await,
        [ready, behind, behind, behind, ready, ready, ready]
    );
    assert_eq!(journal.lane_behind(1).await.unwrap(), 3);
    assert_eq!(journal.lane_behind(6).await.unwrap(), 0);
    let to_run: Vec<u64> =
        journal.ready(0, 10).await.unwrap().into_iter().map(|(id, _)| id).collect();
    assert_eq!(to_run, [1, 5, 6, 7]);
    let counts = journal.counts().await.unwrap();
    assert_eq!((counts.ready, counts.queued), (4, 3));
    let shown = journal.exchange(3).await.unwrap().unwrap();
    assert_eq!((shown.lane, shown.summary.why), (Some(lane("A", false)), None));

    assert_eq!(moves(&journal, vec![wait(1)]).await, (NOBODY, NOBODY), "a wait holds the lane");
    assert_eq!(moves(&journal, vec![Record::Ready { exchange: 1 }]).await, (NOBODY, NOBODY));
    assert_eq!(moves(&journal, vec![end(1)]).await, (NOBODY, vec![2]));
    drop(journal);
    let journal = place.open();
    let behind = (State::Queued, Some(2));
    assert_eq!(stand(&journal, &[2, 3, 4]).await, [ready, behind, behind]);
    assert_eq!(moves(&journal, vec![end(2), end(3)]).await, (NOBODY, vec![3, 4]));
    assert_eq!(moves(&journal, vec![end(4)]).await, (NOBODY, NOBODY));
    assert_eq!(moves(&journal, vec![waits(8, "A")]).await, (NOBODY, NOBODY), "it is free again");
}

#[tokio::test]
async fn a_parked_one_keeps_its_lane_or_lets_others_pass() {
    let place = Place::new();
    let journal = place.with_route().await;
    for rest in [task, exception] {
        let journal = &journal;
        let base = journal.counts().await.unwrap().ended.len() as u64 * 100 + 10;
        let [one, two, three] = [base, base + 1, base + 2];
        moves(journal, vec![waits(one, "W"), waits(two, "W")]).await;
        assert_eq!(moves(journal, vec![rest(one)]).await, (NOBODY, NOBODY), "it holds");
        assert_eq!(journal.lane_behind(one).await.unwrap(), 1);
        moves(journal, vec![end(one), end(two)]).await;

        let [one, two, three] = [one, two, three].map(|id| id + 10);
        moves(journal, vec![passes(one, "P"), waits(two, "P"), waits(three, "P")]).await;
        assert_eq!(moves(journal, vec![rest(one)]).await, (NOBODY, vec![two]));
        assert_eq!(journal.lane_behind(one).await.unwrap(), 0, "nobody waits for it");
        let back = if rest(one).exchange() == Some(one) && matches!(rest(one), Record::Task(_)) {
            answered(one)
        } else {
            closed(one)
        };
        // Its lane is held meanwhile: it queues, and as the oldest it is next.
        assert_eq!(moves(journal, vec![back]).await, (vec![one], NOBODY));
        assert_eq!(stand(journal, &[one]).await, [(State::Queued, Some(two))]);
        assert_eq!(moves(journal, vec![end(two)]).await, (NOBODY, vec![one]));
        assert_eq!(moves(journal, vec![end(one)]).await, (NOBODY, vec![three]));
        assert_eq!(moves(journal, vec![end(three)]).await, (NOBODY, NOBODY));
    }
    // With nobody in the lane it goes on at once, and one that comes then is behind it.
    moves(&journal, vec![passes(900, "P"), task(900)]).await;
    assert_eq!(moves(&journal, vec![answered(900)]).await, (NOBODY, NOBODY));
    assert_eq!(moves(&journal, vec![passes(901, "P")]).await, (vec![901], NOBODY));
}

#[tokio::test]
async fn a_commit_moves_its_own_children_and_drops_its_duplicates() {
    let place = Place::new();
    let journal = place.with_route().await;
    moves(&journal, vec![waits(1, "A")]).await;
    // Behind its parent, whose end is in the same commit: never seen to queue.
    let child =
        |id| Record::Accept(Accept { parent: Some(1), lane: Some(lane("A", false)), ..accept(id) });
    let published = vec![child(2), child(3), end(1)];
    assert_eq!(moves(&journal, published).await, (vec![3], NOBODY));
    assert_eq!(stand(&journal, &[2, 3]).await, [(State::Ready, None), (State::Queued, Some(2))]);
    moves(&journal, vec![end(2), end(3)]).await;

    let laned = |id, lane| Record::Accept(Accept { lane: Some(lane), ..keyed(id, "K", "body") });
    moves(&journal, vec![laned(10, lane("B", false)), end(10)]).await;
    let dropped = journal.commit(laned(11, lane("C", false)).into()).await.unwrap();
    assert_eq!((dropped.duplicates.len(), dropped.queued), (1, NOBODY));
    assert_eq!(moves(&journal, vec![waits(12, "C")]).await, (NOBODY, NOBODY), "nothing is left");
}

#[tokio::test]
async fn a_refused_commit_releases_nobody_and_a_queued_one_cannot_rest() {
    let place = Place::new();
    let journal = place.with_route().await;
    moves(&journal, vec![waits(1, "A"), waits(2, "A")]).await;
    let bad = Commit::new(vec![end(1), end(99)]);
    assert!(matches!(journal.commit(bad).await, Err(Error::Conflict { .. })));
    for rest in [task(2), exception(2)] {
        assert!(matches!(journal.commit(rest.into()).await, Err(Error::Conflict { .. })));
    }
    // Told to go on, it stays where it is.
    assert_eq!(moves(&journal, vec![wait(2)]).await, (vec![2], NOBODY));
    assert_eq!(moves(&journal, vec![Record::Ready { exchange: 2 }]).await, (vec![2], NOBODY));
    assert_eq!(stand(&journal, &[1, 2]).await, [(State::Ready, None), (State::Queued, Some(1))]);
    assert_eq!(moves(&journal, vec![end(2)]).await, (NOBODY, NOBODY), "given up in the queue");
    assert_eq!(moves(&journal, vec![end(1)]).await, (NOBODY, NOBODY));
}

#[tokio::test]
async fn a_check_finds_a_lane_that_is_not_in_order() {
    for (done, exchange) in [
        ("UPDATE open SET state = 0 WHERE exchange = 2", 2),
        ("UPDATE open SET state = 4 WHERE exchange = 1", 1),
        ("DELETE FROM lane WHERE exchange = 1", 2),
        ("DELETE FROM lane WHERE exchange = 2", 2),
        ("INSERT INTO lane VALUES (77, 'order', 'B', 0, 1)", 77),
    ] {
        let place = Place::new();
        let journal = place.with_route().await;
        moves(&journal, vec![waits(1, "A"), waits(2, "A")]).await;
        drop(journal);
        rusqlite::Connection::open(place.file()).unwrap().execute_batch(done).expect(done);
        let check = journal::check(&place.file()).unwrap();
        let found = check
            .problems
            .iter()
            .any(|problem| problem.what.contains("lane") && problem.exchanges.contains(&exchange));
        assert!(found, "{done}: {:?}", check.problems);
    }
}

/// What a lane is said to do, in a few lines.
#[derive(Default)]
struct Model {
    members: BTreeMap<u64, Member>,
    holders: BTreeMap<u64, u64>,
    /// Of the commit under way.
    promoted: Vec<u64>,
    /// By the commit under way, into their lane or back into it.
    entered: BTreeSet<u64>,
}

struct Member {
    lane: u64,
    passes: bool,
    state: State,
}

impl Model {
    fn accept(&mut self, id: u64, lane: u64, passes: bool) {
        let held = self.holders.contains_key(&lane);
        let state = if held { State::Queued } else { State::Ready };
        self.members.insert(id, Member { lane, passes, state });
        self.holders.entry(lane).or_insert(id);
        self.entered.insert(id);
    }

    fn rest(&mut self, id: u64, state: State) {
        let member = self.members.get_mut(&id).unwrap();
        member.state = state;
        if member.passes && state != State::Waiting {
            let lane = member.lane;
            self.let_go(id, lane);
        }
    }

    fn go_on(&mut self, id: u64) {
        let member = self.members.get_mut(&id).unwrap();
        if self.holders.get(&member.lane) != Some(&id) {
            self.entered.insert(id);
        }
        let holder = *self.holders.entry(member.lane).or_insert(id);
        member.state = if holder == id { State::Ready } else { State::Queued };
    }

    fn end(&mut self, id: u64) {
        let member = self.members.remove(&id).unwrap();
        self.let_go(id, member.lane);
    }

    fn let_go(&mut self, id: u64, lane: u64) {
        if self.holders.get(&lane) != Some(&id) {
            return;
        }
        self.holders.remove(&lane);
        let queued = |(_, member): &(&u64, &mut Member)| {
            member.lane == lane && member.state == State::Queued
        };
        if let Some((next, member)) = self.members.iter_mut().find(queued) {
            member.state = State::Ready;
            self.holders.insert(lane, *next);
            self.promoted.push(*next);
        }
    }
}

struct Dice(u64);

impl Dice {
    /// SplitMix64.
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

/// One thing that can happen to the model as it stands, as a record.
fn happen(model: &mut Model, dice: &mut Dice, next: &mut u64, accepting: bool) -> Option<Record> {
    if accepting && dice.roll(4) == 0 {
        *next += 1;
        let (lane_id, pass) = (dice.roll(6), dice.roll(2) == 0);
        model.accept(*next, lane_id, pass);
        let lane = lane(&lane_id.to_string(), pass);
        return Some(Record::Accept(Accept { lane: Some(lane), ..accept(*next) }));
    }
    let at_hand = model.members.iter().filter(|(_, member)| member.state != State::Queued);
    let ids: Vec<u64> = at_hand.map(|(id, _)| *id).collect();
    let id = *ids.get(dice.roll(ids.len().max(1) as u64) as usize)?;
    let (state, chance) = (model.members[&id].state, dice.roll(6));
    // Once nothing more is accepted, everything comes to its end.
    let rests = accepting && chance < 4;
    Some(match state {
        State::Ready if rests && chance == 0 => {
            model.rest(id, State::Waiting);
            wait(id)
        }
        State::Ready if rests && chance == 1 => {
            model.rest(id, State::Parked);
            task(id)
        }
        State::Ready if rests && chance == 2 => {
            model.rest(id, State::Excepted);
            exception(id)
        }
        State::Ready => {
            model.end(id);
            end(id)
        }
        State::Queued => unreachable!("only its lane moves it"),
        rested => {
            model.go_on(id);
            match rested {
                State::Waiting => Record::Ready { exchange: id },
                State::Parked => answered(id),
                _ => closed(id),
            }
        }
    })
}

#[tokio::test]
async fn any_course_of_events_is_as_the_model_says() {
    const COMMITS: usize = 1_500;
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) << 20 | 0x5eed);
    println!("SEED={seed}");
    let mut dice = Dice(seed);
    let place = Place::new();
    let mut journal = place.with_route().await;
    let mut model = Model::default();
    let (mut next, mut commits) = (0, 0);
    while commits < COMMITS || !model.members.is_empty() {
        commits += 1;
        assert!(commits < 20 * COMMITS, "some are stuck: {:?}", model.holders);
        let queued = |model: &Model| -> BTreeSet<u64> {
            let queued = model.members.iter().filter(|(_, member)| member.state == State::Queued);
            queued.map(|(id, _)| *id).collect()
        };
        let before = queued(&model);
        model.promoted.clear();
        model.entered.clear();
        let mut records = Vec::new();
        for _ in 0..=dice.roll(4) {
            records.extend(happen(&mut model, &mut dice, &mut next, commits < COMMITS));
        }
        if records.is_empty() {
            continue;
        }
        let committed = journal.commit(Commit::new(records)).await.unwrap();
        // Released are those that queued before the commit and were not moved by it otherwise.
        let mut released = std::mem::take(&mut model.promoted);
        released.retain(|id| before.contains(id) && !model.entered.contains(id));
        assert_eq!(committed.released, released, "commit {commits}");
        let newly: Vec<u64> = queued(&model).intersection(&model.entered).copied().collect();
        assert_eq!(committed.queued, newly, "commit {commits}");
        if dice.roll(100) == 0 {
            drop(journal);
            let check = journal::check(&place.file()).unwrap();
            assert!(check.problems.is_empty(), "{:?}", check.problems);
            journal = place.open();
        }
        let found = journal.open_exchanges(0, 10_000).await.unwrap();
        let found: BTreeMap<u64, State> = found.into_iter().map(|o| (o.id, o.state)).collect();
        let expected = model.members.iter().map(|(id, member)| (*id, member.state)).collect();
        assert_eq!(found, expected, "commit {commits}");
    }
    assert!(next > 500, "{next} exchanges are no test");
    assert_eq!(journal.counts().await.unwrap().ended, [("done".to_owned(), next)]);
}

/// Accepts and ends `COUNT` exchanges; how long the ends took.
async fn through(lane_of: impl Fn(u64) -> String) -> Duration {
    const COUNT: u64 = 20_000;
    const AT_ONCE: u64 = 1_000;
    let place = Place::new();
    let journal = place.with_route().await;
    let begun = Instant::now();
    for first in (1..=COUNT).step_by(AT_ONCE as usize) {
        let accepts = (first..first + AT_ONCE).map(|id| waits(id, &lane_of(id))).collect();
        journal.commit(Commit::new(accepts)).await.unwrap();
    }
    for first in (1..=COUNT).step_by(AT_ONCE as usize) {
        let ends = (first..first + AT_ONCE).map(end).collect();
        journal.commit(Commit::new(ends)).await.unwrap();
    }
    let counts = journal.counts().await.unwrap();
    assert_eq!((counts.queued, counts.ended), (0, vec![("done".to_owned(), COUNT)]));
    begun.elapsed()
}

#[tokio::test]
async fn twenty_thousand_in_one_lane_cost_as_many_lanes() {
    // The machine is shared: the best of three tells what it costs.
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let one = through(|_| "SO-1".to_owned()).await;
        let many = through(|id| format!("SO-{id}")).await;
        // Either way: without its index it is the many lanes that get slow.
        let ratio = one.as_secs_f64() / many.as_secs_f64();
        best = best.min(ratio.max(1.0 / ratio));
        println!("one lane {one:?}, as many lanes {many:?}");
        if best < 3.0 {
            return;
        }
    }
    panic!("the one costs {best:.1} times as much as the other");
}
