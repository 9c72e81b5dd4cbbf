//! Helpers of the tests of single settings.

use crate::environment::Given;
use crate::error::BuildError;

/// A value that the setting `X` has.
pub(super) fn given<T>(value: T) -> Given<T> {
    Given { by: "X".into(), value }
}

/// The outcome of a check, with the text of its error.
pub(super) fn text<T>(outcome: Result<T, BuildError>) -> Result<T, String> {
    outcome.map_err(|error| error.to_string())
}
