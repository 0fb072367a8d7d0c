//! Readers of chitchat's encoding.
//!
//! A compressed stream is a sequence of blocks, each plain or compressed on its own. Content may span blocks,
//! so a stream is inflated as a whole before it is read.

use zstd::bulk::Decompressor;

use super::protocol::{INFLATED_BYTES_MAX, NAME_BYTES_MAX};
use crate::drop_reason::DropReason;

/// Maximum inflated size of a block in chitchat.
const BLOCK_BYTES_MAX: usize = u16::MAX as usize;
/// Size of generation and address family, after the name of a member.
const AFTER_NAME_BYTES: usize = 8 + 1;
const IPV4_BYTES: usize = 4;
const IPV6_BYTES: usize = 16;
const PORT_BYTES: usize = 2;

/// Bytes that are not yet read.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

/// Inflates the streams of a message.
#[derive(Default)]
pub(super) struct Inflater {
    decompressor: Decompressor<'static>,
    /// Remaining inflated bytes of the current message's streams.
    bytes_left: usize,
}

impl<'a> Bytes<'a> {
    pub(super) fn take(&mut self, bytes: usize) -> Result<&'a [u8], DropReason> {
        let (taken, rest) = self
            .0
            .split_at_checked(bytes)
            .ok_or(DropReason::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, DropReason> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, DropReason> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, DropReason> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn text(&mut self, bytes: usize) -> Result<&'a str, DropReason> {
        std::str::from_utf8(self.take(bytes)?).map_err(|_| DropReason::Malformed)
    }

    /// Reads a name with its length.
    pub(super) fn name(&mut self) -> Result<&'a str, DropReason> {
        let bytes = usize::from(self.u16()?);
        if bytes > NAME_BYTES_MAX {
            return Err(DropReason::LongName);
        }
        self.text(bytes)
    }

    /// Reads the id of a member: name, generation and address. Equal ids have equal bytes.
    pub(super) fn member_id(&mut self) -> Result<&'a [u8], DropReason> {
        let before = self.0;
        self.name()?;
        let address_bytes = match self.take(AFTER_NAME_BYTES)?.last() {
            Some(4) => IPV4_BYTES,
            Some(6) => IPV6_BYTES,
            _ => return Err(DropReason::Malformed),
        };
        self.take(address_bytes.saturating_add(PORT_BYTES))?;
        let bytes = before.len().saturating_sub(self.0.len());
        before.get(..bytes).ok_or(DropReason::Malformed)
    }

    fn array<const BYTES: usize>(&mut self) -> Result<[u8; BYTES], DropReason> {
        let (array, rest) = self.0.split_first_chunk().ok_or(DropReason::Malformed)?;
        self.0 = rest;
        Ok(*array)
    }
}

/// Size of the blocks that are compressed, as chitchat's.
const BLOCK_BYTES: usize = 16 * 1024;

/// Compresses a stream.
pub(super) fn deflate(content: &[u8]) -> Result<Vec<u8>, DropReason> {
    let mut stream = Vec::new();
    for block in content.chunks(BLOCK_BYTES) {
        let packed = zstd::bulk::compress(block, 0).map_err(|_| DropReason::Malformed)?;
        let (block_type, bytes) = match packed.len() < block.len() {
            true => (1, packed.as_slice()),
            false => (2, block),
        };
        let length = u16::try_from(bytes.len()).map_err(|_| DropReason::Malformed)?;
        stream.push(block_type);
        stream.extend_from_slice(&length.to_le_bytes());
        stream.extend_from_slice(bytes);
    }
    stream.push(0);
    Ok(stream)
}

impl Inflater {
    /// Resets the limit for a new message.
    pub(super) fn begin_message(&mut self) {
        self.bytes_left = INFLATED_BYTES_MAX;
    }

    /// Inflates the stream that begins at the first byte. Other content may follow it.
    pub(super) fn inflate(&mut self, bytes: &mut Bytes<'_>) -> Result<Vec<u8>, DropReason> {
        let (inflated, is_cut) = self.inflate_begin(bytes)?;
        if is_cut {
            return Err(DropReason::Inflated);
        }
        Ok(inflated)
    }

    /// Inflates the stream that begins at the first byte. Stops before the block that would exceed the limit, and
    /// returns `true` then; the rest of the message is not read.
    pub(super) fn inflate_begin(
        &mut self,
        bytes: &mut Bytes<'_>,
    ) -> Result<(Vec<u8>, bool), DropReason> {
        let mut inflated = Vec::new();
        loop {
            let block_type = bytes.u8()?;
            if block_type == 0 {
                return Ok((inflated, false));
            }
            let block_bytes = usize::from(bytes.u16()?);
            let block = bytes.take(block_bytes)?;
            let before = inflated.len();
            match block_type {
                1 => inflated.extend(
                    self.decompressor
                        .decompress(block, BLOCK_BYTES_MAX)
                        .map_err(|_| DropReason::Malformed)?,
                ),
                2 => inflated.extend(block),
                _ => return Err(DropReason::Malformed),
            }
            let added = inflated.len().saturating_sub(before);
            let Some(bytes_left) = self.bytes_left.checked_sub(added) else {
                inflated.truncate(before);
                bytes.0 = &[];
                return Ok((inflated, true));
            };
            self.bytes_left = bytes_left;
        }
    }
}
