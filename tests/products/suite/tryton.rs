//! Tryton's connector against Tryton: what it says is compared with what Tryton's REST application
//! says of the same records to somebody else.

mod books;
mod cash;
mod invoices;
mod masters;
mod orders;
mod returns;
mod sold;
mod world;
