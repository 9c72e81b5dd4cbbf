//! The retry delays of the page `src/docs/policy.rs`, written a second time. The engine's own table is `src/refresh/backoff.rs`.

use crate::refresh::Class;

/// A failed exchange, with all that its retry delay may depend on. Times are in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed {
    pub(crate) class: Class,
    /// Failures in a row before this one.
    pub(crate) before: u32,
    /// Failures of this class in a row before this one.
    pub(crate) alike: u32,
    /// No exchange has ever succeeded.
    pub(crate) new: bool,
    /// Time since the first failure in a row.
    pub(crate) lasted: f64,
    pub(crate) retry_after: Option<f64>,
}

/// A retry delay lies between these. `name` is the row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) name: &'static str,
    pub(crate) least: f64,
    pub(crate) most: f64,
    /// The delay has the jitter of its row. Otherwise the expiry or the server cuts it.
    pub(crate) uncut: bool,
}

impl Failed {
    /// `valid`: the remaining time of valid credentials, 0 without them.
    pub(crate) fn range(&self, valid: f64) -> Range {
        let (name, least_share, top) = self.row(valid);
        let server =
            self.retry_after.unwrap_or_default().min(if valid > 0.0 { 300_f64.min(valid / 2.0) } else { 60.0 });
        let (mut least, mut most) = ((top * least_share).max(server), top.max(server * 1.25));
        let mut uncut = server == 0.0;
        if valid > 0.0 && self.class != Class::BadInput {
            uncut &= most < valid;
            (least, most) = (least.min(valid), most.min(valid));
        }
        Range { name, least, most, uncut }
    }

    fn row(&self, valid: f64) -> (&'static str, f64, f64) {
        let doubling =
            |step: f64, factor: f64, times: u32, cap: f64| (step * factor.powi(times.min(99) as i32)).min(cap);
        let (k, j) = (self.before, self.alike);
        let class = match self.class {
            Class::Unclear if j < 2 => Class::Outage,
            Class::Unclear => Class::Misconfigured,
            Class::NotYetKnown if !self.new => Class::Misconfigured,
            Class::NotYetKnown if j < 5 => return ("new role", 0.5, doubling(1.0, 2.0, j, 300.0)),
            Class::NotYetKnown if self.lasted < 300.0 => return ("new role, for long", 0.5, 30.0),
            Class::NotYetKnown => Class::Misconfigured,
            class => class,
        };
        match class {
            Class::BadInput => ("token problem", 0.5, 60.0),
            Class::Outage if valid > 0.0 => {
                ("outage, valid", 0.5, doubling(2.0, 2.0, k, (valid / 8.0).clamp(15.0, 300.0)))
            }
            Class::Throttled if valid > 0.0 => {
                ("throttled, valid", 0.5, doubling(5.0, 2.0, k, (valid / 4.0).clamp(30.0, 300.0)))
            }
            _ if valid > 0.0 => ("misconfigured, valid", 0.5, doubling(30.0, 2.0, k, (valid / 4.0).clamp(15.0, 300.0))),
            Class::Outage if self.lasted < 300.0 => ("outage", 0.5, doubling(0.5, 3.0, k, 10.0)),
            Class::Outage => ("outage, for long", 0.5, doubling(0.5, 3.0, k, 24.0)),
            Class::Throttled if self.new => ("throttled start", 0.2, doubling(20.0, 5.0, j, 240.0)),
            Class::Throttled => ("throttled", 0.2, doubling(4.0, 2.0, j, 60.0)),
            _ => ("misconfigured", 0.5, 300.0),
        }
    }
}
