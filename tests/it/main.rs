//! One binary for all integration tests: it links once.

mod read_path;
mod test_kit;
