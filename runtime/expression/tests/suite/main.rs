//! Tests of the language through its public face.

mod conformance;
mod language;
mod limits;
mod mapping;
mod properties;
mod shop;
mod show;
mod textproto;
