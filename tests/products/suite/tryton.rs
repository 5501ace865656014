//! Tryton's connector against Tryton: what it says is compared with what Tryton's REST application
//! says of the same records to somebody else.

mod masters;
mod orders;
mod world;
