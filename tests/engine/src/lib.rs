//! The engine alone, with few dependencies: its tests build in seconds, and its simulation runs with optimisation.

/// Inline, because a file that `#[path]` names looks for its children beside itself.
#[allow(dead_code, unused_imports)]
#[path = "../../../src"]
mod engine {
    pub(crate) mod error;
    pub(crate) mod refresh;
}

use engine::error;
#[cfg(test)]
use engine::refresh;
