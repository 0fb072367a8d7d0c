//! The component: which it is and how it is doing.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::AppState;
use crate::PluginState;
use crate::text;

#[derive(Debug, Serialize)]
pub(super) struct PluginView {
    sha256: String,
    imports: Vec<String>,
    state: &'static str,
    restarts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_failure: Option<String>,
}

pub(super) async fn show(State(state): State<AppState>) -> Json<PluginView> {
    let plugin = state.registry.plugin();
    let status = state.registry.status();
    Json(PluginView {
        sha256: text::hex(plugin.sha256()),
        imports: plugin.imports().to_vec(),
        state: match status.state {
            PluginState::Starting => "starting",
            PluginState::Running => "running",
            PluginState::Restarting => "restarting",
            PluginState::Degraded => "degraded",
        },
        restarts: status.restarts,
        last_failure: status.last_failure,
    })
}
