//! Tryton's connector against Tryton: what it says is compared with what Tryton's REST application
//! says of the same records to somebody else.

mod between;
mod books;
mod cash;
mod invoices;
mod locking;
mod masters;
mod orders;
mod progress;
mod returns;
mod sold;
mod terms;
mod world;
