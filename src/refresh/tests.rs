//! The promises of the engine, one sentence each, in paused time over a scripted source.

mod callers;
mod changes;
mod failing;
mod figures;
mod hostile;
mod life;
mod model;
mod providers;
mod scenarios;
mod simulation;
mod telemetry;
mod testing;
mod time;
