//! The engine: fresh credentials from any source, read by anyone without waiting.

pub(crate) mod source;
