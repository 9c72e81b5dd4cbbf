//! What standbys are good for, with the engine, in paused time.

mod outage;
