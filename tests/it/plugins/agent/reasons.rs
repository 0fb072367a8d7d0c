//! Reloads for another reason than the plugin.

use std::time::Duration;

use edge_cache_tests::wait::until;

use super::*;
use crate::access::{token, write};
use crate::gossip_node::keygen;

const READ_WITHIN: Duration = Duration::from_secs(20);

/// Asks with a token.
async fn ask(agent: &Agent, method: Method, path: &str, secret: &str) -> Result<Answer> {
    answer(agent.request(method, path).bearer_auth(secret)).await
}

#[tokio::test]
async fn new_keys_and_tokens_never_change_the_plugin() -> Result<()> {
    let Some(house) = House::new().await? else {
        return Ok(());
    };
    let (first, second) = (version(1)?, version(2)?);
    let data = house.path("data").display().to_string();
    let (tokens, keys) = (house.path("tokens"), house.path("keys"));
    let (old, new) = (token("old", "admin").await, token("new", "admin").await);
    let reference = house.reference.to_string();
    let (tokens_file, keys_file) = (tokens.display().to_string(), keys.display().to_string());
    let args = [
        "--node-id",
        "1",
        "--data-dir",
        &*data,
        "--plugin-registry-plain-http",
        "--plugin",
        &*reference,
        "--api-token-file",
        &*tokens_file,
        "--gossip-listen",
        "127.0.0.1:0",
        "--gossip-key-file",
        &*keys_file,
    ];
    for policy in ["if-not-present", "never", "always"] {
        house.push(&first).await?;
        write(&tokens, &[&old]);
        write_secret(&keys, keygen().await)?;
        let agent = Agent::start(&[&args[..], &["--plugin-pull", policy]].concat()).await?;
        // The tag moves before the files are read again.
        house.push(&second).await?;
        write(&tokens, &[&new]);
        write_secret(&keys, keygen().await)?;
        agent.hang_up()?;
        until("the new token", READ_WITHIN, || async {
            match ask(&agent, Method::GET, PLUGIN, &new.secret).await {
                Ok(answer) if answer.status == 200 => Ok(()),
                other => Err(other),
            }
        })
        .await;
        let reloaded = ask(&agent, Method::POST, RELOAD, &new.secret).await?;
        assert_eq!(reloaded.status, 200, "{policy}: {reloaded:?}");
        let shown = ask(&agent, Method::GET, PLUGIN, &new.secret).await?;
        assert_eq!(shown.body["origin"]["digest"], text(&first), "{policy}");
        assert_eq!(shown.body["is_declared"], true, "{policy}");
        agent.terminate().await?;
    }
    Ok(())
}
