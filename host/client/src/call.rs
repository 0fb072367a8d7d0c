//! A request of one operation, with the type of its response.

use std::time::Duration;

use edge_cache_api::NodeChange;
use reqwest::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::connection::{Connection, Response};
use crate::error::ClientError;
use crate::request::Request;

/// A call of one operation. Nothing is sent before [`Call::send`].
#[derive(Debug)]
#[must_use = "nothing is sent before `send`"]
pub struct Call<'a, T> {
    connection: &'a Connection,
    request: Request,
    decode: fn(&Response) -> serde_json::Result<T>,
}

/// The outcome of a change of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// The change is made, and its labels have followed where they were waited for.
    Done,
    /// The change is made; its labels have not followed in time.
    Pending(NodeChange),
}

impl<'a, T: DeserializeOwned> Call<'a, T> {
    /// Creates a call whose response is JSON.
    pub(crate) fn json(connection: &'a Connection, request: Request) -> Self {
        Self {
            connection,
            request,
            decode: |response| serde_json::from_slice(&response.body),
        }
    }
}

impl<'a> Call<'a, ()> {
    /// Creates a call whose response has no body.
    pub(crate) fn empty(connection: &'a Connection, request: Request) -> Self {
        Self {
            connection,
            request,
            decode: |_| Ok(()),
        }
    }
}

impl<'a> Call<'a, String> {
    /// Creates a call whose response is text.
    pub(crate) fn text(connection: &'a Connection, request: Request) -> Self {
        Self {
            connection,
            request,
            decode: |response| Ok(String::from_utf8_lossy(&response.body).into_owned()),
        }
    }
}

impl<'a> Call<'a, ChangeOutcome> {
    /// Creates a call that changes one node.
    pub(crate) fn change(connection: &'a Connection, request: Request) -> Self {
        Self {
            connection,
            request,
            decode: |response| {
                if response.status == StatusCode::ACCEPTED {
                    serde_json::from_slice(&response.body).map(ChangeOutcome::Pending)
                } else {
                    Ok(ChangeOutcome::Done)
                }
            },
        }
    }

    /// Lets the agent wait until the labels have followed, at most [`WAIT_MAX`](edge_cache_api::limits::WAIT_MAX).
    pub fn wait(mut self, time: Duration) -> Self {
        self.request.extra_time = time;
        self.request = self
            .request
            .query("wait", Some(format!("{}ms", time.as_millis())));
        self
    }
}

impl<T> Call<'_, T> {
    /// Sends the request and returns the response.
    ///
    /// # Errors
    ///
    /// [`ClientError::NoResponse`] or [`ClientError::Refused`].
    pub async fn send(&self) -> Result<T, ClientError> {
        let response = self.connection.request(&self.request).await?;
        (self.decode)(&response).map_err(|error| self.invalid(&error))
    }

    /// Sends the request and returns the response as the agent wrote it, with fields that this version does not know.
    ///
    /// # Errors
    ///
    /// As [`Call::send`].
    pub async fn send_json(&self) -> Result<Value, ClientError> {
        let response = self.connection.request(&self.request).await?;
        serde_json::from_slice(&response.body).map_err(|error| self.invalid(&error))
    }

    fn invalid(&self, error: &serde_json::Error) -> ClientError {
        let reason = format!("the response is not that of an agent: {error}");
        self.connection.no_response(&self.request, &reason)
    }
}
