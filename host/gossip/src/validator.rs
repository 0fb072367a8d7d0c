//! The message validator: checks each message byte by byte before chitchat decodes it.
//!
//! chitchat 0.13 trusts its peers. 80 bytes can end its task (a falling version, or a key that begins
//! with a two-byte character), 60 KB can make it allocate a gigabyte, and a few thousand invented
//! members make it panic when it answers. The checks protect a cluster from faulty members. Without
//! encryption they are the only protection from the network.
//!
//! All messages of chitchat 0.13 (protocols V0 and V1) and 0.10 pass, with two exceptions: a key and
//! value of more than 65,440 bytes, which chitchat itself cannot send, and a digest that
//! inflates to more than 8 MiB. A delta that would is cut: the rest comes with the next round. Values
//! of a member that has used up its part of the memory are cut out, and so are members beyond those
//! that fit into a digest.
//!
//! The validator does no I/O and has no clock. Its memory is bounded by the inflated message and the
//! hashes of the members.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use chitchat::{ChitchatId, ProtocolVersion, Serializable};
use foldhash::quality::RandomState;

use crate::drop_reason::DropReason;
use delta::Delta;
use digest::{Digest, DigestMember, MemberSet};
use digest_budget::DigestBudget;
use protocol::{MESSAGE_BYTES_MAX, MessageKind};
use reader::{Bytes, Inflater, deflate};
use turns::Turns;

pub(crate) use state_budget::StateBudget;

mod delta;
mod digest;
mod digest_budget;
pub(crate) mod protocol;
mod reader;
mod state_budget;
#[cfg(test)]
mod tests;
mod turns;

const MAGIC: [u8; 2] = 45_139_u16.to_le_bytes();

/// The answer to a message of another cluster, readable by all versions.
pub(crate) const BAD_CLUSTER: [u8; 4] = {
    let [first, second] = MAGIC;
    [first, second, 0, 3]
};

/// Checks the messages that a member receives and sends.
pub(crate) struct MessageValidator {
    /// The own member id in its wire format.
    own_id: Vec<u8>,
    cluster_id: Box<str>,
    /// Highest version of its own state that this member has sent.
    sent_version: u64,
    /// Highest heartbeat that this member has sent. A peer with a higher one was misled by another
    /// member, and ignores this member's heartbeats below it.
    sent_heartbeat: u64,
    budget: DigestBudget,
    inflater: Inflater,
    states: Arc<StateBudget>,
    turns: Turns,
    /// Hash of the own member.
    own_hash: u64,
    hashes: RandomState,
    /// The last checked message without refused parts, or with another digest.
    rewritten: Option<Vec<u8>>,
    /// Reasons for which parts of the last checked message were refused.
    pub(crate) cuts: Vec<DropReason>,
}

struct ParsedMessage {
    kind: MessageKind,
    digest: Option<Digest>,
    delta: Delta,
    /// Size of head and digest.
    head_bytes: usize,
    /// The operations of the delta.
    ops: Vec<u8>,
    /// `true` if the delta goes on, but would inflate to more than the limit.
    is_cut: bool,
    /// `true` for a SYN of another cluster.
    is_foreign: bool,
}

impl MessageValidator {
    /// Creates a validator for a member. `version` is the configured one of its chitchat.
    pub(crate) fn new(
        own: &ChitchatId,
        cluster_id: &str,
        version: ProtocolVersion,
        states: Arc<StateBudget>,
    ) -> Self {
        let own_id = own.serialize_to_vec();
        let hashes = states.hashes.clone();
        let own = DigestMember::new(&own_id, 0, &hashes);
        Self {
            sent_version: 0,
            sent_heartbeat: 0,
            budget: DigestBudget::new(version, own),
            inflater: Inflater::default(),
            cluster_id: cluster_id.into(),
            own_id,
            states,
            turns: Turns::default(),
            own_hash: own.hash,
            hashes,
            rewritten: None,
            cuts: Vec::new(),
        }
    }

    /// Checks a message of this peer. A valid message must reach chitchat before the next check, because
    /// its members count as known from then on.
    pub(crate) fn check(
        &mut self,
        from: SocketAddr,
        plain: &[u8],
    ) -> Result<MessageKind, DropReason> {
        self.rewritten = None;
        self.cuts.clear();
        let mut message = self.read(plain)?;
        if let Some(claim) = message.delta.own {
            return Err(if claim.is_within(self.sent_version) {
                DropReason::EchoesSelf
            } else {
                DropReason::AboutSelf
            });
        }
        if message.is_foreign {
            return Err(DropReason::OtherCluster);
        }
        // chitchat only logs it, once a datagram.
        if message.kind == MessageKind::BadCluster {
            return Err(DropReason::Refused);
        }
        let digest = message.digest.as_ref();
        if digest.is_some_and(|digest| digest.own_heartbeat > self.sent_heartbeat) {
            return Err(DropReason::AboutSelf);
        }
        let left_out = self.budget.admit(message.kind, digest)?;
        if let Some(digest) = &mut message.digest {
            digest.leave_out(&left_out);
            self.states.note_first(&digest.members);
        }
        // chitchat ignores values of members that it does not know. Peers send them again.
        let updates = &mut message.delta.updates;
        let all_updates = updates.len();
        let is_known = |member| self.budget.names(member) || self.states.has_measured(member);
        updates.retain(|update| is_known(update.member));
        let refused = self.states.admit(updates)?;
        let is_full = message.is_cut || refused.contains(&true);
        let is_cut = is_full || updates.len() < all_updates;
        if !left_out.is_empty() {
            self.cuts.push(DropReason::DigestFull);
        }
        if is_full {
            self.cuts.push(DropReason::StateFull);
        }
        let (head, rest) = plain
            .split_at_checked(message.head_bytes)
            .ok_or(DropReason::Malformed)?;
        let rest = if is_cut {
            let ops = delta::without(&message.ops, &message.delta.updates, &refused);
            Cow::from(deflate(&ops)?)
        } else {
            Cow::from(rest)
        };
        let head = match &message.digest {
            Some(digest) => self.take_turns(from, head, digest, rest.len())?,
            None => Cow::from(head),
        };
        if matches!(head, Cow::Owned(_)) || is_cut {
            self.rewritten = Some([head, rest].concat());
        }
        Ok(message.kind)
    }

    /// Takes the message to use instead of the last one that was checked, if it was changed.
    pub(crate) fn take_rewritten(&mut self) -> Option<Vec<u8>> {
        self.rewritten.take()
    }

    /// Notes a message that this member sends to a peer. All sent messages must pass here: they are the
    /// only source of this member's sent version and digest size.
    ///
    /// # Errors
    ///
    /// The reason for which a peer's validator will reject the message.
    pub(crate) fn sent(&mut self, to: SocketAddr, plain: &[u8]) -> Result<MessageKind, DropReason> {
        let message = self.read(plain).inspect_err(|_| {
            if matches!(plain, [_, _, _, MessageKind::SYN, ..]) {
                self.budget.record_unsent();
            }
        })?;
        if let Some(claim) = message.delta.own {
            self.sent_version = self.sent_version.max(claim.max_version);
        }
        if let Some(digest) = &message.digest {
            self.sent_version = self.sent_version.max(digest.own_version);
            self.sent_heartbeat = self.sent_heartbeat.max(digest.own_heartbeat);
            self.budget.record_sent(digest, &self.states);
        }
        if message.kind != MessageKind::Syn {
            let updates = &message.delta.updates;
            self.turns.record_sent(to, updates, message.ops.len());
        }
        Ok(message.kind)
    }

    /// Notes that chitchat could not write a message: its digest is too large.
    pub(crate) fn unwritten(&mut self) {
        self.budget.record_unsent();
    }

    /// Returns head and digest of a message of this peer, without the members that were left out, and changed so that
    /// the members that wait are not in the answer. `rest_bytes` is the size of what follows.
    fn take_turns<'a>(
        &mut self,
        from: SocketAddr,
        head: &'a [u8],
        digest: &Digest,
        rest_bytes: usize,
    ) -> Result<Cow<'a, [u8]>, DropReason> {
        let (own, sent_version) = (self.own_hash, self.sent_version);
        let states = &self.states;
        let version = |member: u64| {
            let sent = if member == own { sent_version } else { 0 };
            states.version(member).max(sent)
        };
        let before_bytes = head.len().saturating_sub(digest.wire_bytes);
        let before = head.get(..before_bytes).unwrap_or_default();
        let knowing = |members: &MemberSet| {
            let changed = [before, &digest.knowing(members)?].concat();
            let fits = changed.len().saturating_add(rest_bytes) <= MESSAGE_BYTES_MAX;
            Ok(fits.then_some(Cow::from(changed)))
        };
        if let Some(waiting) = self.turns.waiting(from, &digest.members, version)
            && let Some(changed) = knowing(waiting)?
        {
            return Ok(changed);
        }
        if digest.is_cut {
            return knowing(&MemberSet::default())?.ok_or(DropReason::DigestFull);
        }
        Ok(Cow::from(head))
    }

    /// Returns the size of this member's digest as sent last, in bytes. Before the first one, the size
    /// of a digest with this member only.
    pub(crate) fn digest_bytes(&self) -> usize {
        self.budget.sent_bytes
    }

    /// Returns the number of members of that digest.
    pub(crate) fn digest_members(&self) -> usize {
        self.budget.sent.len()
    }

    fn read(&mut self, plain: &[u8]) -> Result<ParsedMessage, DropReason> {
        let ([magic @ .., version, kind], body) = plain
            .split_first_chunk::<4>()
            .ok_or(DropReason::NotChitchat)?;
        if *magic != MAGIC {
            return Err(DropReason::NotChitchat);
        }
        let version = ProtocolVersion::from_code(*version).ok_or(DropReason::NotChitchat)?;
        let kind = MessageKind::from_code(*kind).ok_or(DropReason::NotChitchat)?;
        self.inflater.begin_message();
        let mut bytes = Bytes(body);
        let (own_id, hashes) = (&*self.own_id, &self.hashes);
        let mut digest = None;
        if kind.has_digest() {
            digest = Some(Digest::read(
                version,
                &mut bytes,
                &mut self.inflater,
                own_id,
                hashes,
            )?);
        }
        let mut delta = Delta::default();
        let mut ops = Vec::new();
        let head_bytes = plain.len().saturating_sub(bytes.0.len());
        let (mut is_foreign, mut is_cut) = (false, false);
        match kind {
            MessageKind::Syn => is_foreign = bytes.name()? != &*self.cluster_id,
            MessageKind::SynAck | MessageKind::Ack => {
                (ops, is_cut) = self.inflater.inflate_begin(&mut bytes)?;
                delta = delta::read(&ops, is_cut, own_id, hashes)?;
            }
            MessageKind::BadCluster => (),
        }
        // chitchat ignores trailing bytes, but never writes any.
        if !bytes.0.is_empty() {
            return Err(DropReason::Malformed);
        }
        Ok(ParsedMessage {
            kind,
            digest,
            delta,
            head_bytes,
            ops,
            is_cut,
            is_foreign,
        })
    }
}
