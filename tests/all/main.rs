//! Black-box tests of the executable `crossdock`: each starts it on a configuration of its own, plays
//! the callers and the systems around it, and kills it when it likes. One file a theme.

#[cfg(target_os = "linux")]
mod admin;
mod check;
mod clients;
mod crash;
mod delivery;
mod desk;
mod disk;
mod every_commit;
mod house;
mod isolation;
mod journal;
mod lag;
mod limits;
mod notices;
mod once;
mod order;
mod reconciliation;
mod replay;
mod saga;
mod scaffold;
mod secrets;
mod slow;
mod sources;
mod support;
mod tls;
mod tokens;
