//! The macros of `crossdock-sdk`. They find the WIT folders that a list of interfaces needs, write
//! the world, and hand both to `wit_bindgen::generate!`. They read WIT only to find packages and
//! interface names; wit-bindgen parses it and reports what is wrong with it.

mod arguments;
mod folders;

use proc_macro::TokenStream;

use arguments::Arguments;
use folders::Folders;

/// Packages whose types the SDK has generated once, for all connectors, as Rust modules.
const SHARED: [&str; 2] = ["core", "canonical"];

/// The interface that every connector exports.
const DESCRIBE: &str = "crossdock:core/connector@1.0.0";

/// Its types, in WIT and in Rust.
const DESCRIPTION_TYPES: [(&str, &str); 5] = [
    ("description", "Description"),
    ("upstream-need", "UpstreamNeed"),
    ("operation", "Operation"),
    ("effect", "Effect"),
    ("key-handling", "KeyHandling"),
];

/// Declares the component: `connector! { exports: ["crossdock:erp/order-entry@1.0.0"] }`.
///
/// - `exports`: the interfaces that this component implements, with their versions. `describe`
///   (crossdock:core/connector) is added.
/// - `wit: ["wit"]` (optional): folders of WIT packages of your own, relative to the crate. Each
///   holds one package; one that another uses stands before it.
/// - `component: Name` (optional): the type that implements them; without it, `Connector`.
///
/// In scope afterwards: one module for each exported interface, with its types and its trait
/// `Guest`, under `exports::...`.
#[proc_macro]
pub fn connector(input: TokenStream) -> TokenStream {
    run(input, |arguments| {
        let mut exports = arguments.list("exports")?;
        if exports.is_empty() {
            return Err("name the interfaces to implement: `exports: [\"crossdock:erp/order-entry@1.0.0\"]`".into());
        }
        let own = arguments.list("wit")?;
        let component = arguments.ident("component")?.unwrap_or_else(|| "Connector".into());
        arguments.finish()?;
        if !exports.iter().any(|name| name == DESCRIBE) {
            exports.push(DESCRIBE.into());
        }

        let mut folders = Folders::new(&own)?;
        for name in &exports {
            folders.require_interface(name)?;
        }
        let mut shared = folders.interfaces(&SHARED)?;
        // Exported, not imported: only its types are shared.
        shared.retain(|name| name.full != DESCRIBE);
        let imports: String = shared.iter().map(|name| format!("import {};", name.full)).collect();
        let exported: String = exports.iter().map(|name| format!("export {name};")).collect();
        let with: String = shared
            .iter()
            .map(|name| {
                format!(
                    "{:?}: ::crossdock_sdk::wit::crossdock::{}::{},",
                    name.full,
                    name.package.replace('-', "_"),
                    name.interface.replace('-', "_")
                )
            })
            .chain(DESCRIPTION_TYPES.iter().map(|(wit, rust)| {
                format!("\"{DESCRIBE}/{wit}\": ::crossdock_sdk::wit::crossdock::core::connector::{rust},")
            }))
            .collect();
        let inline =
            format!("package crossdock:component; world component {{ {imports} {exported} }}");
        Ok(format!(
            "::crossdock_sdk::wit_bindgen::generate!({{
                inline: {inline:?},
                world: \"component\",
                path: {:?},
                with: {{ {with} }},
                generate_all,
                additional_derives: [PartialEq],
                runtime_path: \"::crossdock_sdk::wit_bindgen::rt\",
            }});
            #[cfg(target_arch = \"wasm32\")]
            export!({component});",
            folders.paths()?
        ))
    })
}

/// The types and host functions of the shared packages; for the SDK itself.
#[proc_macro]
pub fn shared(input: TokenStream) -> TokenStream {
    run(input, |arguments| {
        arguments.finish()?;
        let mut folders = Folders::new(&[])?;
        for package in SHARED {
            folders.require_highest(package)?;
        }
        let imports: String = folders
            .interfaces(&SHARED)?
            .iter()
            .map(|name| format!("import {};", name.full))
            .collect();
        let inline = format!("package crossdock:sdk; world shared {{ {imports} }}");
        Ok(format!(
            "::wit_bindgen::generate!({{
                inline: {inline:?},
                world: \"shared\",
                path: {:?},
                generate_all,
                generate_unused_types: true,
                additional_derives: [PartialEq, ::serde::Serialize, ::serde::Deserialize],
            }});",
            folders.paths()?
        ))
    })
}

fn run(
    input: TokenStream,
    expand: impl FnOnce(&mut Arguments) -> Result<String, String>,
) -> TokenStream {
    let expanded = Arguments::parse(input).and_then(|mut arguments| expand(&mut arguments));
    let text = expanded.unwrap_or_else(|error| format!("::core::compile_error!({error:?});"));
    text.parse().expect("the macro writes Rust tokens")
}
