//! Problem documents (RFC 9457): the body of every error.

use serde::{Deserialize, Serialize};

use crate::ProblemType;

/// A problem document (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// The stable name of the type of problem, relative to the API.
    #[serde(rename = "type")]
    pub uri: String,
    /// The type of problem in words.
    pub title: String,
    /// The status of the response.
    #[cfg_attr(feature = "openapi", schema(minimum = 400, maximum = 599))]
    pub status: u16,
    /// The cause, and what would be right.
    pub detail: String,
}

impl Problem {
    /// Creates the document of a type of problem.
    pub fn new(problem_type: ProblemType, detail: impl Into<String>) -> Self {
        Self {
            uri: problem_type.uri().to_string(),
            title: problem_type.title().to_string(),
            status: problem_type.status(),
            detail: detail.into(),
        }
    }

    /// Returns the type of problem; `None` for one that this version does not know.
    #[must_use]
    pub fn problem_type(&self) -> Option<ProblemType> {
        ProblemType::from_uri(&self.uri)
    }
}
