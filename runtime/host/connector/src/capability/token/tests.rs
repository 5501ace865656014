//! When a token is used, replaced, or not asked for, on times that are given.

use super::*;

const S: Duration = Duration::from_secs(1);

fn token(text: &str, until: Instant) -> Result<Fetched, Refusal> {
    Ok(Fetched { secret: Secret::new(text), until })
}

fn refusal(cause: Cause) -> Refusal {
    Refusal { cause, message: "no".to_owned(), status: Some(401) }
}

fn holds(state: &State, at: Instant) -> Option<String> {
    state.known(at, at).map(|known| match known {
        Ok(secret) => secret.expose().to_owned(),
        Err(refusal) => refusal.message,
    })
}

#[test]
fn who_waited_for_a_token_gets_it_however_short_it_lives() {
    let now = Instant::now();
    let mut state = State::default();
    assert_eq!(state.known(now, now), None);
    state.keep(token("first", now), now + S).unwrap();
    assert_eq!(state.known(now, now + S * 2), Some(Ok(Secret::new("first"))), "it waited");
    assert_eq!(holds(&state, now + S * 2), None, "it came later");
}

#[test]
fn a_refused_token_is_replaced_once_for_all_who_used_it() {
    let now = Instant::now();
    let mut state = State::default();
    state.keep(token("first", now + S * 100), now).unwrap();
    state.forget(&Secret::new("first"), now + S * 5);
    assert_eq!(holds(&state, now + S * 5), None);
    assert_eq!(state.known(now, now + S * 5), None, "nor for one who waited long");
    state.keep(token("second", now + S * 100), now + S * 6).unwrap();
    // The rest of the storm.
    for _ in 0..63 {
        state.forget(&Secret::new("first"), now + S * 7);
        assert_eq!(holds(&state, now + S * 7).as_deref(), Some("second"));
    }
}

#[test]
fn a_system_that_refuses_every_token_gets_new_ones_more_and_more_seldom() {
    let now = Instant::now();
    let mut state = State::default();
    let (mut at, mut waits) = (now, Vec::new());
    for number in 0..9 {
        let text = format!("token-{number}");
        state.keep(token(&text, at + S * 1000), at).unwrap();
        state.forget(&Secret::new(text.as_str()), at);
        let got_at = at;
        while holds(&state, at).is_some() {
            // What is kept is refused by everyone who uses it.
            state.forget(&Secret::new(text.as_str()), at);
            at += S;
        }
        waits.push((at - got_at).as_secs());
    }
    assert_eq!(waits, [0, 1, 2, 4, 8, 16, 32, 60, 60]);
    // One that lasted is replaced at once.
    state.keep(token("lasting", at + S * 1000), at).unwrap();
    state.forget(&Secret::new("lasting"), at + S * 90);
    assert_eq!(holds(&state, at + S * 90), None);
}

#[test]
fn a_token_that_ran_out_by_itself_says_nothing_of_the_next() {
    let now = Instant::now();
    let mut state = State::default();
    state.keep(token("first", now + S * 2), now).unwrap();
    state.forget(&Secret::new("first"), now + S);
    state.keep(token("second", now + S * 4), now + S).unwrap();
    state.keep(token("third", now + S * 6), now + S * 4).unwrap();
    state.forget(&Secret::new("third"), now + S * 4);
    assert_eq!(holds(&state, now + S * 4), None, "as if it were the first");
}

#[test]
fn a_service_that_refuses_is_asked_after_pauses_that_grow_and_answers_for_all() {
    let now = Instant::now();
    let paused = |cause: &Cause, times: usize| {
        let mut state = State::default();
        let mut at = now;
        let pauses = (0..times).map(|_| {
            state.keep(Err(refusal(cause.clone())), at).unwrap_err();
            assert!(state.known(at, at + S * 1000).is_some(), "it waited for this word");
            let from = at;
            at += Duration::from_millis(1);
            while holds(&state, at).is_some() {
                at += Duration::from_millis(500);
            }
            (at - from).as_secs()
        });
        pauses.collect::<Vec<_>>()
    };
    assert_eq!(paused(&Cause::Definite, 6), [5, 10, 20, 40, 60, 60]);
    assert_eq!(paused(&Cause::Passing { after: None }, 7), [1, 2, 4, 8, 16, 30, 30]);
    assert_eq!(paused(&Cause::Passing { after: Some(S * 7) }, 2), [7, 7]);

    let mut state = State::default();
    state.keep(Err(refusal(Cause::Passing { after: None })), now).unwrap_err();
    let late = now + Duration::from_millis(400);
    let told = state.known(late, late).unwrap().unwrap_err();
    assert_eq!(told.cause, Cause::Passing { after: Some(Duration::from_millis(600)) });
    state.keep(token("at-last", now + S * 9), now + S).unwrap();
    assert_eq!(holds(&state, now + S).as_deref(), Some("at-last"));
}
