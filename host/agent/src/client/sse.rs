//! Reads a stream of server-sent events, as the HTML standard has them.

use serde_json::Value;

#[cfg(test)]
mod tests;

/// The longest event: the whole state of the largest cluster is below.
const EVENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    /// What a client names to go on from here; empty where there is none.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) data: Value,
}

/// What has come of a stream and is not read yet.
#[derive(Debug, Default)]
pub(super) struct Parser {
    bytes: Vec<u8>,
    /// How much of it is known to hold no end of an event.
    searched: usize,
}

impl Parser {
    /// Takes what came next. Fails where an event gets too long.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(), String> {
        if self.bytes.len().saturating_add(bytes.len()) > EVENT_BYTES_MAX {
            return Err(format!("an event has more than {EVENT_BYTES_MAX} bytes"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// The next event that is whole.
    pub(super) fn next(&mut self) -> Result<Option<Event>, String> {
        while let Some(block) = self.block() {
            if let Some(event) = event(&block)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// The lines up to the next empty one.
    fn block(&mut self) -> Option<Vec<u8>> {
        let fresh = self.bytes.get(self.searched..).unwrap_or_default();
        let Some(end) = fresh.windows(2).position(|two| two == b"\n\n") else {
            // The end may be half there.
            self.searched = self.bytes.len().saturating_sub(1);
            return None;
        };
        let end = self.searched.saturating_add(end).saturating_add(2);
        self.searched = 0;
        Some(self.bytes.drain(..end.min(self.bytes.len())).collect())
    }
}

/// `None` where the lines are a comment.
fn event(block: &[u8]) -> Result<Option<Event>, String> {
    let block = std::str::from_utf8(block).map_err(|_| "an event is not text".to_string())?;
    let (mut id, mut name, mut data) = ("", "", Vec::new());
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => id = value,
            "event" => name = value,
            "data" => data.push(value),
            _ => {}
        }
    }
    if data.is_empty() {
        return Ok(None);
    }
    let data = serde_json::from_str(&data.join("\n"))
        .map_err(|error| format!("an event is not JSON: {error}"))?;
    Ok(Some(Event {
        id: id.to_string(),
        name: name.to_string(),
        data,
    }))
}
