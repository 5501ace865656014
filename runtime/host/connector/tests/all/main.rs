//! Connectors as a host meets them: real components, built here, loaded, called, and misused.

mod bounds;
mod egress;
mod guests;
mod load;
mod secrecy;
mod server;
mod tokens;
mod values;
