//! The journal from outside: what it promises about disks, crashes and second processes.

mod audit;
mod backup;
mod commits;
mod crash;
mod desk;
#[cfg(target_os = "linux")]
mod disk;
mod lanes;
mod questions;
mod retention;
mod support;
mod trouble;
