//! Misbehaves on demand: `what` says how, `arg` with what. `attack` is declared a mutation without a
//! key, `attack-keyed` one with a key, `look` a query; all three do the same.

mod http;
mod sight;

wit_bindgen::generate!({
    inline: r#"
        package acme:hostile@1.0.0;

        interface acts {
            use crossdock:core/types@1.0.0.{call, fault, decimal};
            record order { what: string, arg: string }
            record spoils { text: string, amount: decimal }
            attack: func(call: call, input: order) -> result<spoils, fault>;
            attack-keyed: func(call: call, input: order) -> result<spoils, fault>;
            look: func(call: call, input: order) -> result<spoils, fault>;
        }

        world guest {
            include crossdock:core/guest@1.0.0;
            export acts;
        }
    "#,
    path: "../../../wit/core/1.0.0",
    world: "acme:hostile/guest",
    generate_all,
});

use crossdock::core::signing::{self, Algorithm};
use crossdock::core::types::Retry;
use crossdock::core::{log, state};
use exports::acme::hostile::acts::{Call, Fault, Guest as Acts, Order, Spoils};
use exports::crossdock::core::connector::{
    Description, Effect, Guest as Connector, KeyHandling, Operation, UpstreamNeed,
};

struct Hostile;

fn act(call: Call, input: Order) -> Result<Spoils, Fault> {
    let said = |text: String| Ok(Spoils { text, amount: "1.50".into() });
    let arg = input.arg.as_str();
    match input.what.as_str() {
        "trap" => panic!("on demand: {arg}"),
        "exit" => std::process::exit(3),
        "spin" => loop {
            std::hint::black_box(arg);
        },
        "work" => {
            // Computes in small bits between waits, so that only counting waits would stop it.
            for _ in 0..arg.parse().unwrap_or(1) {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            said("worked".into())
        }
        "sleep" => {
            std::thread::sleep(std::time::Duration::from_millis(arg.parse().unwrap_or(0)));
            said("slept".into())
        }
        "eat-memory" => {
            let mut eaten: Vec<Vec<u8>> = Vec::new();
            loop {
                eaten.push(vec![1; 1 << 20]);
                std::hint::black_box(&eaten);
            }
        }
        "decimal-abc" => Ok(Spoils { text: "lie".into(), amount: "abc".into() }),
        "fault" => Err(fault(arg, "on-demand", "asked for")),
        "log" => {
            log::log(log::Level::Info, arg);
            println!("stdout {arg}");
            eprintln!("stderr {arg}");
            said("logged".into())
        }
        "log-much" => {
            (0..10_000).for_each(|line| log::log(log::Level::Info, &format!("line {line}")));
            said("logged".into())
        }
        "see" => said(sight::everything()),
        "random" => said(sight::random()),
        "set" => said(format!("{:?}", state::set(arg, Some(&vec![7; arg.len()])))),
        "set-much" => said(format!("{:?}", state::set("k", Some(&vec![7; 1 << 20])))),
        "get" => said(format!("{:?}", state::get(arg))),
        "sign" => said(format!("{:?}", signing::sign(arg, Algorithm::HmacSha256, b"data"))),
        "verify" => {
            let signature = signing::sign(arg, Algorithm::HmacSha1, b"data").unwrap_or_default();
            let right = signing::verify(arg, Algorithm::HmacSha1, b"data", &signature);
            let wrong = signing::verify(arg, Algorithm::HmacSha1, b"else", &signature);
            said(format!("{right:?} {wrong:?}"))
        }
        // METHOD URL [HEADER:VALUE ..]
        "http" => match http::request(arg, &call.key) {
            Ok(answer) => said(answer),
            Err(error) => Err(fault("later", "transport", &error)),
        },
        "http-then-trap" => {
            let _ = http::request(arg, &call.key);
            panic!("after the request")
        }
        "http-swallow" => said(format!("{:?}", http::request(arg, &call.key).is_err())),
        "http-refused" => {
            let _ = http::request(arg, &call.key);
            Err(fault("refresh-auth", "refused", "says the guest"))
        }
        "http-unknown" => match http::request(arg, &call.key) {
            Ok(answer) => said(answer),
            Err(error) => Err(fault("outcome-unknown", "transport", &error)),
        },
        other => Err(fault("never", "no-such-act", other)),
    }
}

fn fault(retry: &str, code: &str, message: &str) -> Fault {
    let retry = match retry {
        "later" => Retry::Later(None),
        "later-7" => Retry::Later(Some(7)),
        "refresh-auth" => Retry::RefreshAuth,
        "outcome-unknown" => Retry::OutcomeUnknown,
        _ => Retry::Never,
    };
    Fault { retry, code: code.into(), message: message.into(), status: None }
}

impl Acts for Hostile {
    fn attack(call: Call, input: Order) -> Result<Spoils, Fault> {
        act(call, input)
    }

    fn attack_keyed(call: Call, input: Order) -> Result<Spoils, Fault> {
        act(call, input)
    }

    fn look(call: Call, input: Order) -> Result<Spoils, Fault> {
        act(call, input)
    }
}

impl Connector for Hostile {
    fn describe() -> Description {
        let operation = |name: &str, effect: Effect, key: KeyHandling| Operation {
            name: name.into(),
            effect,
            key,
            settling_ms: 0,
            probe: None,
            undo: None,
        };
        Description {
            name: "hostile".into(),
            version: "0.1.0".into(),
            summary: "Misbehaves on demand.".into(),
            config_schema: r#"{"type":"object"}"#.into(),
            upstreams: vec![UpstreamNeed {
                name: "victim".into(),
                purpose: "to be called".into(),
                auth: vec![],
            }],
            operations: vec![
                operation("attack", Effect::Mutation, KeyHandling::None),
                operation("attack-keyed", Effect::Mutation, KeyHandling::Honoured(60)),
                operation("look", Effect::Query, KeyHandling::None),
            ],
        }
    }
}

export!(Hostile);
