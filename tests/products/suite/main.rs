//! One module a product; `cargo xtask products NAME` runs it while that product runs.

mod inventree;
mod localstripe;
mod tryton;
