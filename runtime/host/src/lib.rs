//! The host: everything that acts. Ingress, dispatch, limits, admin and the command line around the
//! pure crates, the journal and the connectors.

mod admin;
mod audit;
pub mod cli;
mod clock;
mod config;
mod dispatch;
mod failpoint;
mod ingress;
mod limits;
mod mask;
mod metrics;
mod notice;
mod pause;
mod retention;
mod running;
mod server;
mod sources;
mod state;
mod suggest;
mod tls;
mod trace;
