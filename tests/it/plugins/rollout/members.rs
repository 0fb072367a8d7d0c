//! A rollout over all members that announce their address, by TLS, and back without the registry.

use edge_cache_tests::agent::{self, write_secret};
use edge_cache_tests::proxies::free_address;
use edge_cache_tests::registry::Certificate;
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::access::{Token, token};

const MEMBERS: u64 = 3;

/// Agents with TLS, tokens and data directories, which announce their address.
struct Members {
    registry: Server,
    reference: Reference,
    folder: TempDir,
    token: Token,
    http: Client,
    nodes: Vec<Node>,
}

impl Members {
    async fn start() -> Result<Option<Self>> {
        let Some(registry) = docker_registry(None, false).await? else {
            return Ok(None);
        };
        let certificate = Certificate::new()?;
        let mut members = Self {
            reference: format!("oci://{}/acme/plugin:1", registry.address).parse()?,
            registry,
            folder: tempfile::tempdir()?,
            token: token("operator", "admin").await,
            http: agent::client(&[&certificate.pem])?,
            nodes: Vec::new(),
        };
        certificate.write(members.folder.path())?;
        write_secret(members.path("tokens").as_ref(), &members.token.line)?;
        write_secret(members.path("token").as_ref(), &members.token.secret)?;
        push(&members.reference, &version(b"1")?).await?;
        for id in 1..=MEMBERS {
            let node = members.member(id).await?;
            members.nodes.push(node);
        }
        until("all members at each of them", SEEN_WITHIN, || async {
            for node in &members.nodes {
                let list = members.get(node, "/api/v1/cluster/members").await;
                let list = list.map_err(|error| error.to_string())?;
                let seen = list["members"].as_array().into_iter().flatten();
                let seen = seen.filter(|member| member["api"].is_string()).count();
                if u64::try_from(seen) != Ok(MEMBERS) {
                    return Err(list.to_string());
                }
            }
            Ok(())
        })
        .await;
        Ok(Some(members))
    }

    async fn member(&self, id: u64) -> Result<Node> {
        let listen = free_address()?.to_string();
        let announced = format!("https://{listen}");
        let source = self.reference.to_string();
        let files = ["cert.pem", "key.pem", "tokens"].map(|name| self.path(name));
        let data = self.path(&format!("data-{id}"));
        let mut args = vec!["--http-listen", &*listen, "--http-advertise", &*announced];
        args.extend(["--http-tls-cert-file", &*files[0]]);
        args.extend(["--http-tls-key-file", &*files[1]]);
        args.extend(["--api-token-file", &*files[2], "--data-dir", &*data]);
        args.extend(["--plugin", &*source, "--plugin-registry-plain-http"]);
        args.extend(["--gossip-interval", "100ms"]);
        let seed = self.nodes.first().map(|first| first.gossip.to_string());
        if let Some(seed) = &seed {
            args.extend(["--seed", seed]);
        }
        Node::start(id, &args).await
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    async fn get(&self, node: &Node, path: &str) -> Result<Value> {
        let request = self.http.get(format!("https://{}{path}", node.http));
        let answer = request.bearer_auth(&self.token.secret).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    /// Compares the plugin of each member.
    async fn run(&self, expected: &Publication) -> Result<()> {
        for node in &self.nodes {
            let plugin = self.get(node, "/api/v1/plugin").await?;
            assert_eq!(plugin["origin"]["digest"], of(expected), "{plugin}");
        }
        Ok(())
    }

    /// Rolls out at all members, and returns the command that goes back.
    async fn rollout(&self, reference: &Reference, more: &[&str]) -> Result<String> {
        let at = format!("https://{}", self.nodes[0].http);
        let (token, ca) = (self.path("token"), self.path("cert.pem"));
        let reference = reference.to_string();
        let args = ["plugin", "rollout", &reference, "--addr", &at];
        let files = ["--token-file", &*token, "--ca-file", &*ca];
        let ended = run_rollout(&[&args[..], &files, more].concat()).await?;
        ensure!(ended.code == Some(0), "{ended:?}");
        assert_eq!(ended.stdout.lines().count(), self.nodes.len(), "{ended:?}");
        let back = ended.stderr.split('`').nth(1);
        Ok(back.context("no command")?.to_string())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_members_are_reached_by_tls_and_go_back_without_the_registry() -> Result<()> {
    let Some(mut members) = Members::start().await? else {
        return Ok(());
    };
    let (first, second) = (version(b"1")?, version(b"2")?);
    push(&members.reference, &second).await?;
    let other = format!("oci://{}/acme/other:1", members.registry.address);
    let other: Reference = other.parse()?;
    push(&other, &second).await?;
    for (reference, more) in [
        (members.reference.clone(), &[][..]),
        (other, &["--until-restart"]),
    ] {
        members.run(&first).await?;
        let back = members.rollout(&reference, more).await?;
        members.run(&second).await?;
        members.registry.stop().await?;
        let programs = agent::binary()?.parent().context("no folder")?;
        let path = format!("{}:{}", programs.display(), std::env::var("PATH")?);
        let mut shell = agent::command("sh");
        let ended = timeout(
            ROLLED_WITHIN,
            shell.args(["-ec", &back]).env("PATH", path).output(),
        );
        let ended = ended.await??;
        assert!(ended.status.success(), "{back}: {ended:?}");
        members.run(&first).await?;
        members.registry.start_again().await?;
    }
    Ok(())
}
