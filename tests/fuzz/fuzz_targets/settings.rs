//! Runs `settings` of `src/fuzzing.rs`, which describes the input. Started by `tests/fuzz/run`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| aws_web_identity::fuzzing::settings(input));
