//! Who hears what happens, besides the log.

use std::time::Duration;

use super::standing::Standing;
use crate::error::Error;

/// Hears what happens to one provider's credentials. Never called under the state's lock.
pub(crate) trait Observer: Send + Sync + 'static {
    /// How things stand: at each turn of the task, so every 30 s at least and after all that changes them, and once more
    /// when it ends.
    fn stands(&self, standing: &Standing);

    /// An exchange ended after so long: well, or with this error.
    fn exchanged(&self, took: Duration, error: Option<&Error>);

    /// A service refused the present credentials.
    fn rejected(&self);
}
