//! Describes itself wrongly in every way that loading must notice.

wit_bindgen::generate!({
    inline: r#"
        package acme:liar@1.0.0;

        interface lies {
            use crossdock:core/types@1.0.0.{call, fault};
            record a { x: string }
            record b { y: u32 }
            do-it: func(call: call, input: a) -> result<b, fault>;
            hidden: func(call: call, input: a) -> result<b, fault>;
            probe-do-it: func(call: call, input: b) -> result<b, fault>;
            /// Not of the one shape.
            shapeless: func(x: u32) -> u32;
        }

        world guest {
            include crossdock:core/guest@1.0.0;
            export lies;
        }
    "#,
    path: "../../../wit/core/1.0.0",
    world: "acme:liar/guest",
    generate_all,
});

use exports::acme::liar::lies::{A, B, Call, Fault, Guest as Lies};
use exports::crossdock::core::connector::{
    Description, Effect, Guest as Connector, KeyHandling, Operation, UpstreamNeed,
};

struct Liar;

impl Lies for Liar {
    fn do_it(_: Call, _: A) -> Result<B, Fault> {
        Ok(B { y: 1 })
    }

    fn hidden(_: Call, _: A) -> Result<B, Fault> {
        Ok(B { y: 1 })
    }

    fn probe_do_it(_: Call, input: B) -> Result<B, Fault> {
        Ok(input)
    }

    fn shapeless(x: u32) -> u32 {
        x
    }
}

impl Connector for Liar {
    fn describe() -> Description {
        let operation = |name: &str, probe: Option<&str>, undo: Option<&str>| Operation {
            name: name.into(),
            effect: Effect::Mutation,
            key: KeyHandling::None,
            settling_ms: 0,
            probe: probe.map(Into::into),
            undo: undo.map(Into::into),
        };
        Description {
            name: "liar".into(),
            version: "one".into(),
            summary: String::new(),
            config_schema: String::new(),
            upstreams: vec![UpstreamNeed {
                name: "x".into(),
                purpose: "nothing".into(),
                auth: vec!["voodoo".into()],
            }],
            operations: vec![
                operation("do-it", Some("probe-do-it"), Some("undo-it")),
                operation("probe-do-it", None, None),
                operation("probe-do-it", None, None),
                operation("imaginary", None, None),
            ],
        }
    }
}

export!(Liar);
