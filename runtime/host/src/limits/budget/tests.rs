//! A budget against the law of its bucket, and who is served when.

use std::num::NonZeroU32;

use route::Priority;

use super::*;

fn budget(rate: &str, burst: u32, concurrency: Option<u32>) -> Arc<Budget> {
    let config = Config {
        rate: Some(rate.parse().unwrap()),
        burst: NonZeroU32::new(burst),
        concurrency: concurrency.and_then(NonZeroU32::new),
        ..Config::default()
    };
    Arc::new(Budget::new("test", &config))
}

fn tenant(name: &str) -> Tenant {
    Tenant::named(name, Priority::Normal)
}

async fn enter(budget: &Arc<Budget>, name: &str, patience_s: u64) -> Result<Entered, Refused> {
    enter_again(budget, name, patience_s, Duration::ZERO).await
}

async fn enter_again(
    budget: &Arc<Budget>,
    name: &str,
    patience_s: u64,
    waited: Duration,
) -> Result<Entered, Refused> {
    let (tenant, patience) = (tenant(name), Duration::from_secs(patience_s));
    budget.enter(Ask { tenant: &tenant, patience, waited, rooms: None }).await
}

/// Never more than burst + rate x T of them in any window T.
fn check_windows(granted: &mut [Duration], rate: f64, burst: f64) {
    granted.sort();
    for (first, from) in granted.iter().enumerate() {
        for (last, to) in granted.iter().enumerate().skip(first) {
            let (count, window) = ((last - first + 1) as f64, (*to - *from).as_secs_f64());
            assert!(count <= burst + rate * window + 1e-6, "{count} in {window} s");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn grants_never_exceed_burst_plus_rate_in_any_window() {
    let budget = budget("50/s", 10, None);
    let start = Instant::now();
    let mut tasks = Vec::new();
    for n in 0..300 {
        let budget = Arc::clone(&budget);
        tasks.push(tokio::spawn(async move {
            enter(&budget, &format!("route-{}", n % 3), 60).await.unwrap();
            Instant::now()
        }));
    }
    let mut granted = Vec::new();
    for task in tasks {
        granted.push(task.await.unwrap().duration_since(start));
    }
    check_windows(&mut granted, 50.0, 10.0);
    assert!(granted.last().unwrap().as_secs_f64() < 6.5, "the budget is used: {granted:?}");
}

#[tokio::test(start_paused = true)]
async fn a_quiet_tenant_does_not_wait_behind_a_busy_one() {
    let budget = budget("10/s", 1, None);
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for tenant in ["busy"; 20].into_iter().chain(["quiet"]) {
        let (budget, order) = (Arc::clone(&budget), Arc::clone(&order));
        tasks.push(tokio::spawn(async move {
            enter(&budget, tenant, 60).await.unwrap();
            order.lock().unwrap().push(tenant);
        }));
        tokio::task::yield_now().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    let at = order.lock().unwrap().iter().position(|t| *t == "quiet").unwrap();
    assert!(at <= 2, "the quiet tenant was served at place {at}");
}

#[tokio::test(start_paused = true)]
async fn a_paused_budget_lets_nobody_pass() {
    let budget = budget("100/s", 1, None);
    let after = Some(Duration::from_secs(30));
    let refusal = Some(connector::Refusal { after, too_many: true });
    budget.hear(&Heard { refusal, allowance: None });
    let refused = enter(&budget, "a", 5).await.unwrap_err();
    assert!(refused.after >= Duration::from_secs(29), "{refused:?}");
    assert_eq!(budget.called_in(), 0, "nobody is called in during a pause");
    enter(&budget, "a", 40).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_place_is_free_again_when_its_permit_is_dropped() {
    let budget = budget("1000/s", 10, Some(1));
    let first = enter(&budget, "a", 1).await.unwrap();
    assert!(enter(&budget, "b", 1).await.is_err());
    drop(first);
    enter(&budget, "b", 1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn thousands_that_were_held_come_back_one_after_the_other_and_are_held_once() {
    let budget = budget("50/s", 10, None);
    let start = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..2_000 {
        let budget = Arc::clone(&budget);
        tasks.push(tokio::spawn(async move {
            let asked = Instant::now();
            let mut holds = 0;
            let mut patience_s = 5;
            loop {
                match enter_again(&budget, "busy", patience_s, asked.elapsed()).await {
                    Ok(_) => return (Instant::now(), holds),
                    Err(refused) => {
                        holds += 1;
                        patience_s = 60;
                        tokio::time::sleep(refused.after).await;
                    }
                }
            }
        }));
    }
    // One that asks in the middle of it for another route does not wait behind them all.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let asked = Instant::now();
    enter(&budget, "quiet", 5).await.unwrap();
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    let (mut granted, mut holds) = (Vec::new(), 0);
    for task in tasks {
        let (at, held) = task.await.unwrap();
        granted.push(at - start);
        assert!(held <= 2, "held {held} times");
        holds += held;
    }
    check_windows(&mut granted, 50.0, 10.0);
    let took = granted.last().unwrap().as_secs_f64();
    assert!(took < 2_000.0 / 50.0 / 0.95, "used to 95 of 100: {took}");
    assert!(holds <= 2_000, "{holds} holds of 2000 calls");
}

#[tokio::test(start_paused = true)]
async fn those_in_the_journal_are_called_in_when_the_queue_runs_dry() {
    let budget = budget("50/s", 10, None);
    assert_eq!(budget.called_in(), 50, "of what an earlier process left");
    budget.all_back();
    assert_eq!(budget.called_in(), 0);
    let waiters: Vec<_> = (0..100)
        .map(|_| {
            let budget = Arc::clone(&budget);
            tokio::spawn(async move { enter(&budget, "a", 1).await.is_ok() })
        })
        .collect();
    tokio::task::yield_now().await;
    assert_eq!(budget.called_in(), 0, "there are enough here");
    let mut served = 0;
    for waiter in waiters {
        served += usize::from(waiter.await.unwrap());
    }
    assert!((45..=60).contains(&served), "{served}");
    assert!(budget.called_in() >= 25);
}

#[tokio::test(start_paused = true)]
async fn a_grant_is_not_given_before_there_is_room_and_others_pass_meanwhile() {
    let budget = budget("100/s", 1, None);
    let rooms = rooms::Rooms::new(1);
    let taken = rooms.enter().await;
    let (waiting, needs) = (Arc::clone(&budget), rooms.clone());
    let waiter = tokio::spawn(async move {
        let (tenant, patience) = (tenant("a"), Duration::from_secs(60));
        let ask = Ask { tenant: &tenant, patience, waited: Duration::ZERO, rooms: Some(needs) };
        waiting.enter(ask).await.unwrap()
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(budget.shown().granted_total, 0);
    // A request of a call that runs needs none, and is not kept from ending by who waits for it.
    enter(&budget, "b", 1).await.unwrap();
    drop(taken);
    let entered = waiter.await.unwrap();
    assert!(entered.room.is_some());
    assert!(rooms.try_enter().is_none());
    drop(entered);
    assert!(rooms.try_enter().is_some());
}

#[derive(Default)]
struct InMemory(Mutex<std::collections::BTreeMap<String, i64>>);

impl Reservations for InMemory {
    fn reserved<'a>(
        &'a self,
        _: &'a str,
        period: &'a str,
    ) -> connector::BoxFuture<'a, Result<u64, String>> {
        let known = self.0.lock().unwrap().get(period).copied().unwrap_or(0);
        Box::pin(async move { Ok(known as u64) })
    }

    fn reserve<'a>(
        &'a self,
        _: &'a str,
        period: &'a str,
        count: i64,
    ) -> connector::BoxFuture<'a, Result<(), String>> {
        *self.0.lock().unwrap().entry(period.to_owned()).or_default() += count;
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_quota_is_reserved_before_it_is_granted_and_given_back_at_a_stop() {
    let config = Config { monthly: std::num::NonZeroU64::new(450), ..Config::default() };
    let journal = Arc::new(InMemory::default());
    let reservations: Arc<dyn Reservations> = journal.clone();
    let reserved = || journal.0.lock().unwrap().values().sum::<i64>();
    for life in 0..2 {
        let budget = Arc::new(Budget::new("test", &config));
        budget.count_in(&config, &reservations);
        for n in 1..=201 {
            enter(&budget, "a", 5).await.unwrap();
            assert!(reserved() >= life * 201 + n, "granted before it was reserved");
        }
        budget.give_back().await;
        assert_eq!(reserved(), (life + 1) * 201);
    }
    let budget = Arc::new(Budget::new("test", &config));
    budget.count_in(&config, &reservations);
    for _ in 0..48 {
        enter(&budget, "a", 5).await.unwrap();
    }
    let refused = enter(&budget, "a", 5).await.unwrap_err();
    assert!(refused.quota, "{refused:?}");
    assert_eq!(reserved(), 450);
}
