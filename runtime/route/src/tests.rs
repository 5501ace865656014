//! Tests through the public door: files in and reports out, events in and actions out.

mod checks;
mod fixture;
mod formats;
mod machine;
mod property;
mod rehearse;
mod rehearse_persons;
mod saga;
