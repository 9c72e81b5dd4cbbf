//! The engine's behaviour in paused time, over a scripted source.

mod aws_behaviour;
mod callers;
mod clocks;
mod failures;
mod foreign_code;
mod lifecycle;
mod peers;
mod random_histories;
mod rig;
mod source_changes;
mod telemetry;
mod time_without_credentials;
