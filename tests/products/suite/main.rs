//! One module a product; `cargo xtask products NAME` runs it while that product runs.

mod inventree;
mod karrio;
mod localstripe;
mod nats;
mod oidc;
mod postgres;
mod recorded;
mod stripe_stateful_mock;
mod tryton;
