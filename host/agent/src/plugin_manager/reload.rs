//! The result of a reload of the plugin or of its trust rules.

/// The result of a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// The source is what was read before; nothing has changed.
    Unchanged,
    /// The source has changed, and has replaced what ran or applied.
    Replaced,
}
