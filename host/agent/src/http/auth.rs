//! Authentication by bearer tokens, and authorisation by role.
//!
//! With a token file every request but those for health carries a token, and the token's role must reach the role of
//! the operation. Without one the API is reached from this machine only, and every caller may read and write. A token
//! never appears in a log line or an answer; its name does.

mod access;
mod caller;
mod layers;
mod role;
mod tokens;

pub use access::Access;
pub use role::{Role, RoleError};
pub use tokens::{NewToken, TokenError, Tokens, TokensError};

pub(super) use caller::Caller;
pub(super) use layers::{authenticate, authorize};

#[cfg(test)]
mod tests;
