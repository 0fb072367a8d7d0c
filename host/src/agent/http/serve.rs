//! Serving on a bound listener until told to stop.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::{AppState, router};

/// How long requests that are under way may take to end.
const DRAIN: Duration = Duration::from_secs(5);

/// Serves until `shutdown` resolves, then lets requests end for at most [`DRAIN`].
///
/// # Errors
///
/// What the system says where the listener fails.
pub async fn serve(
    listener: TcpListener,
    state: AppState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (begin_drain, drain) = oneshot::channel();
    let server = axum::serve(listener, router(state)).with_graceful_shutdown(async move {
        shutdown.await;
        // The other side is there until the server has ended.
        let _ = begin_drain.send(());
    });
    let too_late = async {
        match drain.await {
            Ok(()) => tokio::time::sleep(DRAIN).await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        served = server => served,
        () = too_late => {
            tracing::warn!(limit = ?DRAIN, "requests under way were cut off");
            Ok(())
        }
    }
}
