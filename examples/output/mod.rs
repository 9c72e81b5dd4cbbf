//! Text for people, by programs that may lose their readers: `println!` and `eprintln!` panic then.
#![allow(dead_code, unused_macros, reason = "each example uses a part")]

use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::process::{self, ExitCode};

/// A line on standard output.
macro_rules! say {
    ($($text:tt)*) => { output::line(format_args!($($text)*)) };
}

/// A line on standard error.
macro_rules! complain {
    ($($text:tt)*) => { output::error_line(format_args!($($text)*)) };
}

/// Ends the program with status 1 if the line cannot be written, as to a full disk. A reader that has gone, as `head -1`
/// does, has seen enough: that is no failure.
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
    // There is nobody left to tell.
    drop(writeln!(io::stderr(), "{text}"));
}

/// Says why the program failed.
pub(crate) fn failed(program: &str, error: &(dyn Error + 'static)) -> ExitCode {
    error_line(format_args!("{program}: {error}"));
    let mut source = error.source();
    while let Some(cause) = source {
        error_line(format_args!("  because {cause}"));
        source = cause.source();
    }
    ExitCode::FAILURE
}
