//! What is read from answers, and what standbys are good for.

mod answers;
mod outage;
