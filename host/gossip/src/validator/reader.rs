//! Readers of chitchat's encoding, from plain bytes and from compressed streams.
//!
//! A stream is a sequence of blocks, each plain or compressed on its own. Content may span blocks. A
//! stream is inflated block by block into a reused buffer.

use zstd::bulk::Decompressor;

use super::limits::{INFLATED_BYTES_MAX, NAME_BYTES_MAX};
use super::rejection::Rejection;

/// Maximum inflated size of a block in chitchat.
const BLOCK_BYTES_MAX: usize = u16::MAX as usize;
/// Size of the buffer: the beginning of a value, and the block with its rest. No value is larger than
/// a block.
const BUFFER_BYTES: usize = 2 * BLOCK_BYTES_MAX;

/// A source of encoded values.
pub(super) trait Reader {
    /// Returns the next bytes without consuming them. Fails if there are fewer.
    fn peek(&mut self, bytes: usize) -> Result<&[u8], Rejection>;

    /// Consumes bytes that were peeked at.
    fn skip(&mut self, bytes: usize);
}

/// Plain bytes that are not yet read.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

/// Inflates streams. Reused for the next message because of its buffer.
pub(super) struct Inflater {
    decompressor: Decompressor<'static>,
    buffer: Box<[u8]>,
    /// Remaining inflated bytes of the current message's streams.
    bytes_left: usize,
}

/// A stream that is being read. Other content may follow it in the bytes.
pub(super) struct Inflated<'a, 'b> {
    inflater: &'a mut Inflater,
    bytes: &'a mut Bytes<'b>,
    /// Range of the buffer that is inflated and unread.
    start: usize,
    end: usize,
    last_block_seen: bool,
}

impl Reader for Bytes<'_> {
    fn peek(&mut self, bytes: usize) -> Result<&[u8], Rejection> {
        self.0.get(..bytes).ok_or(Rejection::Malformed)
    }

    fn skip(&mut self, bytes: usize) {
        self.0 = self.0.get(bytes..).unwrap_or_default();
    }
}

impl Default for Inflater {
    fn default() -> Self {
        Self {
            decompressor: Decompressor::default(),
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            bytes_left: 0,
        }
    }
}

impl Inflater {
    /// Resets the limit for a new message.
    pub(super) fn begin_message(&mut self) {
        self.bytes_left = INFLATED_BYTES_MAX;
    }

    /// Opens the stream that begins at the first byte.
    pub(super) fn open<'a, 'b>(&'a mut self, bytes: &'a mut Bytes<'b>) -> Inflated<'a, 'b> {
        Inflated {
            inflater: self,
            bytes,
            start: 0,
            end: 0,
            last_block_seen: false,
        }
    }
}

impl Inflated<'_, '_> {
    /// Returns `true` if the whole stream is read. The bytes continue after the stream then.
    pub(super) fn is_at_end(&mut self) -> Result<bool, Rejection> {
        while self.start == self.end && !self.last_block_seen {
            self.inflate_block()?;
        }
        Ok(self.start == self.end)
    }

    /// Inflates the next block after the unread content.
    fn inflate_block(&mut self) -> Result<(), Rejection> {
        let block_type = read_u8(self.bytes)?;
        if block_type == 0 {
            self.last_block_seen = true;
            return Ok(());
        }
        let bytes = usize::from(read_u16(self.bytes)?);
        let block = self.bytes.0.get(..bytes).ok_or(Rejection::Malformed)?;
        self.bytes.skip(bytes);

        let Inflater {
            decompressor,
            buffer,
            bytes_left,
        } = &mut *self.inflater;
        buffer.copy_within(self.start..self.end, 0);
        self.end = self.end.saturating_sub(self.start);
        self.start = 0;
        let (_, free) = buffer
            .split_at_mut_checked(self.end)
            .ok_or(Rejection::Malformed)?;
        let free = free
            .get_mut(..BLOCK_BYTES_MAX)
            .ok_or(Rejection::Malformed)?;
        let inflated = match block_type {
            1 => decompressor
                .decompress_to_buffer(block, free)
                .map_err(|_| Rejection::Malformed)?,
            2 => {
                free.iter_mut()
                    .zip(block)
                    .for_each(|(to, from)| *to = *from);
                bytes
            }
            _ => return Err(Rejection::Malformed),
        };
        self.end = self.end.saturating_add(inflated);
        *bytes_left = bytes_left
            .checked_sub(inflated)
            .ok_or(Rejection::Inflated)?;
        Ok(())
    }
}

impl Reader for Inflated<'_, '_> {
    fn peek(&mut self, bytes: usize) -> Result<&[u8], Rejection> {
        while self.end.saturating_sub(self.start) < bytes {
            if self.last_block_seen {
                return Err(Rejection::Malformed);
            }
            self.inflate_block()?;
        }
        let unread = self.inflater.buffer.get(self.start..self.end);
        unread
            .and_then(|unread| unread.get(..bytes))
            .ok_or(Rejection::Malformed)
    }

    fn skip(&mut self, bytes: usize) {
        self.start = self.start.saturating_add(bytes).min(self.end);
    }
}

pub(super) fn read_u8(reader: &mut impl Reader) -> Result<u8, Rejection> {
    read_array(reader).map(u8::from_le_bytes)
}

pub(super) fn read_u16(reader: &mut impl Reader) -> Result<u16, Rejection> {
    read_array(reader).map(u16::from_le_bytes)
}

pub(super) fn read_u64(reader: &mut impl Reader) -> Result<u64, Rejection> {
    read_array(reader).map(u64::from_le_bytes)
}

/// Reads a name with its length.
pub(super) fn read_name<'a>(bytes: &mut Bytes<'a>) -> Result<&'a str, Rejection> {
    let length = usize::from(read_u16(bytes)?);
    if length > NAME_BYTES_MAX {
        return Err(Rejection::LongName);
    }
    let (text, rest) = bytes
        .0
        .split_at_checked(length)
        .ok_or(Rejection::Malformed)?;
    bytes.0 = rest;
    check_text(text)
}

pub(super) fn check_text(bytes: &[u8]) -> Result<&str, Rejection> {
    std::str::from_utf8(bytes).map_err(|_| Rejection::Malformed)
}

fn read_array<const BYTES: usize>(reader: &mut impl Reader) -> Result<[u8; BYTES], Rejection> {
    let array = reader.peek(BYTES)?.first_chunk().copied();
    reader.skip(BYTES);
    array.ok_or(Rejection::Malformed)
}
