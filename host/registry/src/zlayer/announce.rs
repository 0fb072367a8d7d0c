//! The way of a registry's labels to a gossip pool.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::kept::Kept;
use edge_cache_gossip::{GossipPool, PeerInfo};

/// The reason why an info was not announced, of any type.
pub type AnnounceError = Box<dyn Error + Send + Sync>;

/// A gossip pool by which a node announces itself.
///
/// [`GossipPool`] is one. Over ZLayer's own pool, whose infos have the same form as JSON:
///
/// ```ignore
/// struct Pool(Arc<zlayer_overlay::gossip::GossipPool>);
///
/// impl AnnounceSelf for Pool {
///     async fn announce_self(&self, info: &PeerInfo) -> Result<(), AnnounceError> {
///         let info = serde_json::from_value(serde_json::to_value(info)?)?;
///         Ok(self.0.announce_self(&info).await?)
///     }
/// }
/// ```
pub trait AnnounceSelf: Send + Sync {
    /// Announces an info in place of the one that the node announced before.
    ///
    /// # Errors
    ///
    /// The info was not announced. The registry tries again with its next change.
    fn announce_self(
        &self,
        info: &PeerInfo,
    ) -> impl Future<Output = Result<(), AnnounceError>> + Send;
}

impl AnnounceSelf for GossipPool {
    async fn announce_self(&self, info: &PeerInfo) -> Result<(), AnnounceError> {
        Ok(GossipPool::announce_self(self, info.clone()).await?)
    }
}

impl<T: AnnounceSelf + ?Sized> AnnounceSelf for Arc<T> {
    async fn announce_self(&self, info: &PeerInfo) -> Result<(), AnnounceError> {
        T::announce_self(self, info).await
    }
}

/// A pool of any type.
#[async_trait]
trait Pool: Send + Sync {
    async fn announce(&self, info: &PeerInfo) -> Result<(), AnnounceError>;
}

#[async_trait]
impl<T: AnnounceSelf> Pool for T {
    async fn announce(&self, info: &PeerInfo) -> Result<(), AnnounceError> {
        self.announce_self(info).await
    }
}

/// Announces the labels of the own node, the newest ones and in their order.
pub(super) struct Announcer {
    pool: Box<dyn Pool>,
    /// The info of the node, without the plugin's labels.
    self_info: PeerInfo,
    /// The revision of the labels that were announced last.
    announced: Mutex<u64>,
}

impl Announcer {
    pub(super) fn new(pool: impl AnnounceSelf + 'static, self_info: PeerInfo) -> Self {
        Self {
            pool: Box::new(pool),
            self_info,
            announced: Mutex::default(),
        }
    }

    /// Announces the labels that the plugin published last, unless that is done. What failed before, or whose caller
    /// went away, is caught up on here.
    pub(super) async fn announce(&self, kept: &Kept) -> Result<(), AnnounceError> {
        let mut announced = self.announced.lock().await;
        let own = kept.own_labels();
        if own.revision == *announced {
            return Ok(());
        }
        let mut info = self.self_info.clone();
        info.labels.extend(own.labels.clone());
        self.pool.announce(&info).await?;
        *announced = own.revision;
        Ok(())
    }
}

impl fmt::Debug for Announcer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announcer")
            .field("self_info", &self.self_info)
            .finish_non_exhaustive()
    }
}
