//! Shuttle's threads. A start can fail, and a model ends after all of its threads.

pub use shuttle::thread::*;

use crate::world;

#[derive(Default)]
pub struct Builder(());

impl Builder {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn name(self, _name: String) -> Self {
        self
    }

    pub fn spawn(self, run: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        world::point();
        if world::thread_start_fails() {
            return Err(std::io::ErrorKind::WouldBlock.into());
        }
        world::started(shuttle::thread::spawn(run));
        Ok(())
    }
}
