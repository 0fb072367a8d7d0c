//! The directory's knowledge of one member.

use std::sync::Arc;

use chitchat::{ChitchatId, Version};
use tokio::time::Instant;

use super::reading::Liveness;
use crate::bad_records::BadRecord;
use crate::cluster_member::ClusterMember;
use crate::info::{InfoError, NodeRecord, node_id_of};
use edge_cache_core::{MemberStatus, PeerInfo};

/// A member with its validated record.
#[derive(Debug)]
pub(super) struct KnownMember {
    pub(super) liveness: Liveness,
    /// Set once the member has been live.
    pub(super) was_live: bool,
    /// Time at which the member was first seen.
    pub(super) since: Instant,
    /// Version of the record, and its content if it is valid. `None` without a record.
    pub(super) record: Option<(Version, Option<Announcement>)>,
    /// Highest version of another member's key that was reported.
    pub(super) foreign_version: Version,
}

/// The content of a valid record.
#[derive(Debug, Clone)]
pub(super) struct Announcement {
    pub(super) info: Arc<PeerInfo>,
    pub(super) leaving: bool,
    pub(super) policy: Option<Arc<str>>,
}

impl KnownMember {
    pub(super) fn new(since: Instant) -> Self {
        Self {
            liveness: Liveness::Silent,
            was_live: false,
            since,
            record: None,
            foreign_version: Version::default(),
        }
    }
}

impl Announcement {
    /// Decodes a record and checks that it describes the node of its member.
    pub(super) fn decode(
        id: &ChitchatId,
        value: Result<&str, &InfoError>,
    ) -> Result<Self, BadRecord> {
        let NodeRecord {
            info,
            leaving,
            policy,
        } = NodeRecord::decode(value.map_err(InfoError::clone)?)?;
        if node_id_of(&id.node_id) != Some(info.node_id) {
            return Err(BadRecord::OtherNode {
                claimed: info.node_id,
            });
        }
        Ok(Self {
            info: Arc::new(info),
            leaving,
            policy: policy.map(Arc::from),
        })
    }
}

/// Describes a member for operators.
pub(super) fn cluster_member(
    node_id: u64,
    status: MemberStatus,
    id: &ChitchatId,
    announcement: Option<&Announcement>,
) -> ClusterMember {
    let policy = announcement.and_then(|announcement| announcement.policy.as_deref());
    ClusterMember {
        node_id,
        status,
        address: id.gossip_advertise_addr,
        generation: id.generation_id,
        policy: policy.map(str::to_owned),
    }
}
