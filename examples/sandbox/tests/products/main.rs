//! The sandbox through HTTP, as a connector meets it: each product's main flow, what is done once,
//! and the faults. One binary, so that it links once.

mod avatax;
mod client;
mod faults;
mod inventree;
mod karrio;
mod stripe;
mod tryton;
mod tryton_books;
mod webhooks;
