//! A request of one operation, with the type of its response.

use std::time::Duration;

use edge_cache_api::NodeChange;
use reqwest::{Request, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::connection::{Connection, Response, describe};
use crate::error::ClientError;

/// A call of one operation. Nothing is sent before [`Call::send`].
#[derive(Debug)]
#[must_use = "nothing is sent before `send`"]
pub struct Call<'a, T> {
    connection: &'a Connection,
    request: Request,
    /// The time that the agent may need on top of the client's timeout.
    extra_time: Duration,
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

impl<'a, T> Call<'a, T> {
    /// Creates a call whose response is read by `decode`.
    pub(crate) fn new(
        connection: &'a Connection,
        request: Request,
        decode: fn(&Response) -> serde_json::Result<T>,
    ) -> Self {
        Self {
            connection,
            request,
            extra_time: Duration::ZERO,
            decode,
        }
    }

    /// Adds a query parameter that has a value.
    pub(crate) fn with_query(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            let url = self.request.url_mut();
            url.query_pairs_mut().append_pair(name, value);
        }
        self
    }

    /// Gives the agent this time on top of the client's timeout.
    pub(crate) fn with_extra_time(mut self, time: Duration) -> Self {
        self.extra_time = time;
        self
    }

    /// Sends the request and returns the response.
    ///
    /// # Errors
    ///
    /// [`ClientError::NoResponse`] or [`ClientError::Refused`].
    pub async fn send(self) -> Result<T, ClientError> {
        let decode = self.decode;
        self.send_and_read(decode).await
    }

    /// Sends the request and returns the response as the agent wrote it, with fields that this version does not know.
    ///
    /// # Errors
    ///
    /// As [`Call::send`].
    pub async fn send_json(self) -> Result<Value, ClientError> {
        self.send_and_read(json).await
    }

    async fn send_and_read<R>(
        self,
        decode: fn(&Response) -> serde_json::Result<R>,
    ) -> Result<R, ClientError> {
        let sent = describe(&self.request);
        let response = self.connection.send(self.request, self.extra_time).await?;
        decode(&response).map_err(|error| {
            let reason = format!("the response is not that of an agent: {error}");
            self.connection.no_response(&sent, &reason)
        })
    }
}

impl Call<'_, ChangeOutcome> {
    /// Lets the agent wait until the labels have followed, at most [`WAIT_MAX`](edge_cache_api::limits::WAIT_MAX).
    pub fn wait(self, time: Duration) -> Self {
        let text = format!("{}ms", time.as_millis());
        self.with_query("wait", Some(&text)).with_extra_time(time)
    }
}

/// Reads a response that is JSON.
pub(crate) fn json<T: DeserializeOwned>(response: &Response) -> serde_json::Result<T> {
    serde_json::from_slice(&response.body)
}

/// Reads the response to a change of one node.
pub(crate) fn change(response: &Response) -> serde_json::Result<ChangeOutcome> {
    if response.status == StatusCode::ACCEPTED {
        json(response).map(ChangeOutcome::Pending)
    } else {
        Ok(ChangeOutcome::Done)
    }
}
