//! Components decoded: built here from WIT around an empty module, so no guest compiler is needed.

use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{ManglingAndAbi, Resolve, UnresolvedPackageGroup};

use super::{CORE, SHOP, contracts, ty};
use crate::decode::Error;
use crate::{Component, Contracts, Type, resolve};

const WORLD: &str = "
package test:tool@0.1.0;
world tool {
    import crossdock:core/config@1.0.0;
    export crossdock:core/connector@1.0.0;
    export shop:goods/stock@1.2.0;
    export odd;
    export loose: func() -> string;
}
interface odd {
    use crossdock:core/types@1.0.0.{call, fault};
    record own-fault { code: string }
    fine: func(call: call, input: string) -> result<u8, fault>;
    no-input: func(call: call) -> result<u8, fault>;
    no-call: func(call: string, input: string) -> result<u8, fault>;
    named-otherwise: func(call: call, order: string) -> result<u8, fault>;
    no-result: func(call: call, input: string) -> u8;
    nothing: func(call: call, input: string);
    other-fault: func(call: call, input: string) -> result<u8, own-fault>;
    no-fault: func(call: call, input: string) -> result<u8>;
    no-output: func(call: call, input: string) -> result<_, fault>;
    option-twice: func(call: call, input: option<option<u8>>) -> result<u8, fault>;
    resourceful: func(call: call, input: thing) -> result<u8, fault>;
    resource thing { method: func(); }
}
";

fn built(sources: &[&str], world: &str) -> Vec<u8> {
    let mut resolve = Resolve::new();
    let mut package = None;
    for source in sources {
        let group = UnresolvedPackageGroup::parse("test.wit", source).unwrap();
        package = Some(resolve.push_group(group).unwrap());
    }
    let world = resolve.select_world(&[package.unwrap()], Some(world)).unwrap();
    let mangling = ManglingAndAbi::Legacy(wit_parser::LiftLowerAbi::Sync);
    let mut module = dummy_module(&resolve, world, mangling);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let mut encoder = ComponentEncoder::default().module(&module).unwrap().validate(true);
    encoder.encode().unwrap()
}

fn tool() -> Vec<u8> {
    built(&[CORE, SHOP, WORLD], "tool")
}

#[test]
fn what_it_offers_and_needs() {
    let component = Component::decode(&tool()).unwrap();
    let operations: Vec<String> = component
        .operations
        .iter()
        .map(|operation| format!("{} {}", operation.interface, operation.name))
        .collect();
    assert_eq!(operations, ["shop:goods/stock@1.2.0 look", "test:tool/odd@0.1.0 fine"]);
    assert!(component.describes);
    let imports: Vec<String> = component.imports.iter().map(ToString::to_string).collect();
    assert!(imports.contains(&"crossdock:core/config@1.0.0".into()), "{imports:?}");
    assert!(imports.contains(&"crossdock:core/types@1.0.0".into()), "{imports:?}");
    let exports: Vec<String> = component.exports.iter().map(ToString::to_string).collect();
    assert_eq!(
        exports,
        ["crossdock:core/connector@1.0.0", "shop:goods/stock@1.2.0", "test:tool/odd@0.1.0",]
    );
    assert_eq!(component.operation("look").unwrap().interface.version.minor, 2);
    assert_eq!((component.name, component.version), (None, None));
}

#[test]
fn names_and_scalars_survive_compilation() {
    let component = Component::decode(&tool()).unwrap();
    let contracts = contracts(&[CORE, SHOP]);
    let declared = contracts.operations().next().unwrap();
    let compiled = component.operation("look").unwrap();
    for (declared, compiled) in
        [(&declared.input, &compiled.input), (&declared.output, &compiled.output)]
    {
        assert!(resolve(declared, compiled).unwrap().is_identity());
        assert!(resolve(compiled, declared).unwrap().is_identity());
    }
    let Type::Record(item) = &compiled.input else { panic!() };
    assert_eq!(item.fields[2].ty, Type::Scalar(crate::Scalar::Decimal));
    assert_eq!(item.fields[1].ty.to_string(), "crossdock:core/types.money@1");
    let fault = component.type_named(&"crossdock:core/types.fault@1".parse().unwrap());
    assert!(matches!(fault, Some(Type::Record(_))));
}

#[test]
fn misfits_have_reasons() {
    let component = Component::decode(&tool()).unwrap();
    let mut told: Vec<(&str, &str)> = component
        .misfits
        .iter()
        .map(|misfit| (misfit.function.as_str(), misfit.reason.as_str()))
        .collect();
    told.sort_unstable();
    let twice =
        "its input: an option of an option has no JSON form; use a variant with named cases";
    assert_eq!(
        told,
        [
            ("[method]thing.method", "it belongs to a resource; operations are plain functions"),
            ("loose", "it is exported by itself; operations belong to an interface"),
            ("named-otherwise", "its parameter `order` should be named `input`"),
            ("no-call", "its first parameter is not `call` of crossdock:core/types@1"),
            ("no-fault", "its error is not `fault` of crossdock:core/types@1"),
            ("no-input", "it takes 1 parameters instead of two"),
            ("no-output", "its result carries no output; declare what it answers"),
            ("no-result", "it does not return a result"),
            ("nothing", "it returns nothing instead of a result"),
            ("option-twice", twice),
            ("other-fault", "its error is not `fault` of crossdock:core/types@1"),
            ("resourceful", "its input: `own` cannot be part of a message"),
        ]
    );
}

#[test]
fn a_domain_unknown_to_the_host_gets_its_types() {
    let component = Component::decode(&tool()).unwrap();
    let mut contracts = contracts(&[CORE]);
    let name = "shop:goods/stock.item@1".parse().unwrap();
    assert!(contracts.type_named(&name).is_none());
    contracts.add_component(&component);
    contracts.add_component(&component);
    assert!(contracts.type_named(&name).is_some());
    assert_eq!(contracts.operations().filter(|known| known.name == "look").count(), 1);
}

/// What a component carries does not change what a declared name means.
#[test]
fn declared_types_keep_their_meaning() {
    let newer = SHOP.replace("@1.2.0", "@1.9.0").replace("sku: string,", "sku: string, more: u8,");
    let world = "package test:tool@0.1.0; world tool { export shop:goods/stock@1.9.0; }";
    let component = Component::decode(&built(&[CORE, &newer, world], "tool")).unwrap();
    let mut contracts: Contracts = contracts(&[CORE, SHOP]);
    let before = ty(&contracts, "shop:goods/stock.item@1");
    contracts.add_component(&component);
    assert_eq!(ty(&contracts, "shop:goods/stock.item@1"), before);
    let newer = component.operation("look").unwrap().interface.clone();
    let Some(Type::Record(item)) = contracts.type_at(&newer, "item") else { panic!() };
    assert_eq!(item.fields[1].name, "more");
}

#[test]
fn name_and_version_come_from_the_file() {
    let mut wasm = tool();
    let mut custom = |name: &str, data: &[u8]| {
        let mut body = vec![name.len() as u8];
        body.extend(name.as_bytes());
        body.extend(data);
        wasm.push(0);
        wasm.push(body.len() as u8);
        wasm.extend(body);
    };
    custom("component-name", b"\x00\x05\x04tool");
    custom("version", b"1.2.3");
    let component = Component::decode(&wasm).unwrap();
    assert_eq!(component.name.as_deref(), Some("tool"));
    assert_eq!(component.version.as_deref(), Some("1.2.3"));
}

#[test]
fn what_is_no_component_is_told() {
    assert!(matches!(Component::decode(b"\0asm\x01\0\0\0"), Err(Error::Module)));
    assert!(matches!(Component::decode(b""), Err(Error::Malformed(_))));
    assert!(matches!(Component::decode(b"#!/bin/sh"), Err(Error::Malformed(_))));
}

/// Cut short or with a byte changed, it is refused or read, and nothing panics.
#[test]
fn damaged_components_never_panic() {
    let wasm = tool();
    for end in (0..wasm.len()).step_by(11) {
        let _ = Component::decode(&wasm[..end]);
    }
    for at in (0..wasm.len()).step_by(31) {
        for change in [1, 0x80, 0xff] {
            let mut damaged = wasm.clone();
            damaged[at] ^= change;
            let _ = Component::decode(&damaged);
        }
    }
}
