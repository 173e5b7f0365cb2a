//! The console: what is typed becomes a [`Command`](command::Command), and `exec` carries out the
//! command.
//!
//! - [`mod@line`]: bytes of the UART become lines; echo, editing, [`history`], completion.
//! - [`parse`]: lines become commands, or an error that says what to type instead.
//! - [`command`]: the commands as values.
//! - [`help`]: the one table of commands; the parser takes its names and options from it, so that
//!   what is explained is what is understood.

pub mod command;
mod exec;
pub mod help;
pub mod history;
pub mod line;
pub mod parse;

pub use exec::serve;
