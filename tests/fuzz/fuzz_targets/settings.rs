//! See `src/fuzzing.rs`: `settings` says what an input is, and what holds. `tests/fuzz/run` runs it.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| aws_web_identity::fuzzing::settings(input));
