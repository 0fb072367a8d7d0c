//! `plugin inspect` and `plugin check`: examination of a plugin file before an agent runs it.
//!
//! Both use the agent's settings, comparisons and sandbox. Neither needs an agent, opens a socket or writes a file.

mod check;
mod inspect;
mod report;

pub use self::check::check;
pub use self::inspect::inspect;
pub use self::report::ToolReport;
