//! What the programs say without their settings. `tests/it/examples_on_object_storage.rs` runs them against real object storage.

use std::process::Command;

#[test]
fn missing_setting_is_named() {
    let programs = [env!("CARGO_BIN_EXE_object_store"), env!("CARGO_BIN_EXE_opendal"), env!("CARGO_BIN_EXE_presign")];
    for program in programs {
        let output = Command::new(program).env_clear().output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{program}: {errors}");
        assert!(errors.contains("BUCKET is not set"), "{program}: {errors}");
    }
}
