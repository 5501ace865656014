//! Tests through the public door: files in and reports out, events in and actions out.

mod checks;
mod doubt;
mod fixture;
mod formats;
mod held;
mod machine;
mod property;
mod rehearse;
mod rehearse_persons;
mod saga;
