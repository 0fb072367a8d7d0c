//! Artifacts of other tools, as an agent's declared plugin and swapped in.

use edge_cache_tests::debian::SKOPEO;

use super::*;
use crate::plugins::registry::{in_the_layouts_of_others, skopeo};

#[tokio::test]
async fn an_agent_runs_artifacts_in_the_layouts_of_others() -> Result<()> {
    let (Some(house), Some(_)) = (House::new().await?, SKOPEO.program()) else {
        return Ok(());
    };
    let host = house.registry.address;
    let component = version(1)?.component;
    let mut others = Vec::new();
    for (tag, plugin) in in_the_layouts_of_others(&component)? {
        let name = format!("others/plugin:{tag}");
        others.push((house.push_as(&name, &plugin).await?, plugin));
    }
    let at = |name: &str| format!("docker://{host}/{name}");
    skopeo(&[
        "copy",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        &at("acme/plugin:1"),
        &at("copies/plugin:1"),
    ])?;
    let copy = format!("oci://{host}/copies/plugin:1").parse()?;
    others.push((copy, version(1)?));
    for (declared, plugin) in &others {
        let source = declared.to_string();
        let agent = house.start(&["--plugin", &source]).await?;
        assert_eq!(digest(&agent).await?, text(plugin), "{declared}");
        for (reference, plugin) in &others {
            let swapped = put(&agent, reference).await?;
            assert_eq!(swapped.status, 200, "{reference}: {swapped:?}");
            assert_eq!(swapped.body["origin"]["digest"], text(plugin));
        }
        agent.terminate().await?;
    }
    Ok(())
}
