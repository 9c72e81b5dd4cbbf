//! Prints lines. Unlike `println!`, it does not panic when the reader of a pipe has gone.
#![allow(dead_code, unused_macros, reason = "each example uses a part")]

use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::process::{self, ExitCode};

/// Prints a line to standard output.
macro_rules! say {
    ($($text:tt)*) => { output::line(format_args!($($text)*)) };
}

/// Prints a line to standard error.
macro_rules! complain {
    ($($text:tt)*) => { output::error_line(format_args!($($text)*)) };
}

/// Ends the program with status 1 if the line cannot be written, for example to a full disk. It is no failure if the
/// reader has gone, as `head -1` does.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            error_line(format_args!("standard output cannot be written: {error}"));
            process::exit(1);
        }
        _ => {}
    }
}

pub(crate) fn error_line(text: fmt::Arguments<'_>) {
    // There is no other place to report a failure to.
    drop(writeln!(io::stderr(), "{text}"));
}

/// Prints the error and its causes.
pub(crate) fn failed(program: &str, error: &(dyn Error + 'static)) -> ExitCode {
    error_line(format_args!("{program}: {error}"));
    let mut source = error.source();
    while let Some(cause) = source {
        error_line(format_args!("  because {cause}"));
        source = cause.source();
    }
    ExitCode::FAILURE
}
