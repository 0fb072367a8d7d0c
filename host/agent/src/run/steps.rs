//! The steps of a start, and their results.

use anyhow::Error;

/// The reason for which the steps of a start are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// An agent runs with the result. The first step that fails ends the start.
    Run,
    /// The result is described. All steps are taken.
    Check,
}

/// The result of a step that succeeded.
#[derive(Debug)]
pub(super) struct Done<T> {
    pub(super) value: T,
    /// The description of the result.
    pub(super) text: String,
    /// Facts in spite of which the agent starts.
    pub(super) warnings: Vec<String>,
}

/// A step that was taken.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) result: Result<String, Error>,
    pub(crate) warnings: Vec<String>,
}

/// The steps that were taken.
#[derive(Debug)]
pub(crate) struct Steps {
    pub(super) purpose: Purpose,
    pub(crate) taken: Vec<Step>,
}

impl Steps {
    pub(crate) fn new(purpose: Purpose) -> Self {
        Self {
            purpose,
            taken: Vec::new(),
        }
    }

    /// Notes the result of a step, and returns its value. A run logs the warnings.
    ///
    /// # Errors
    ///
    /// The step of a run failed.
    pub(super) fn take<T>(
        &mut self,
        name: &'static str,
        result: Result<Done<T>, Error>,
    ) -> Result<Option<T>, Error> {
        let (value, result, warnings) = match result {
            Ok(done) => (Some(done.value), Ok(done.text), done.warnings),
            Err(error) if self.purpose == Purpose::Run => return Err(error),
            Err(error) => (None, Err(error), Vec::new()),
        };
        if self.purpose == Purpose::Run {
            for warning in &warnings {
                tracing::warn!(part = name, "{warning}");
            }
        }
        self.taken.push(Step {
            name,
            result,
            warnings,
        });
        Ok(value)
    }
}
