//! One module a product; `cargo xtask products NAME` runs it while that product runs.

mod localstripe;
mod tryton;
