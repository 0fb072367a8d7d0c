//! A log that is flooded: capped, cut and cleaned.

use anyhow::Result;
use edge_cache_host::{EdgeCacheRegistry, Limits};
use insta::assert_snapshot;

use super::{excerpt, misbehave, node};

/// A call ends within its deadline, so it meets at most two of the seconds that lines are counted in.
const KEPT_MAX: usize = 200;

#[tokio::test]
async fn lines_through_the_log() -> Result<()> {
    let node = node("flood@enable", Limits::default()).await?;
    misbehave(&node.registry, "flood@enable").await?;
    let kept = kept(&node.registry);
    assert_eq!(kept as u64 + node.registry.log().dropped_total(), 1_000);
    let lines = node.registry.log().latest();
    let line = lines.last().map(|line| {
        format!(
            "{:?} {} | {}",
            line.level,
            line.context,
            excerpt(&line.message)
        )
    });
    assert_snapshot!(line.unwrap_or_default(), @"Error �[2J�]0;owned����ERROR forged | �[2J�]0;owned����ERROR forged�[2J�]0;owned����ERROR forged�[ .. ge… | 1027 bytes");
    Ok(())
}

#[tokio::test]
async fn lines_through_standard_output() -> Result<()> {
    let node = node("print@enable", Limits::default()).await?;
    misbehave(&node.registry, "print@enable").await?;
    let kept = kept(&node.registry);
    assert!(kept as u64 + node.registry.log().dropped_total() >= 5_000);
    let lines = node.registry.log().latest();
    let line = lines
        .last()
        .map(|line| format!("{:?} {} | {}", line.level, line.context, line.message));
    assert_snapshot!(line.unwrap_or_default(), @"Info stdout | ERROR forged�[2J�]0;owned���");
    Ok(())
}

/// The number of lines that were kept, each of which is short and printable.
fn kept(registry: &EdgeCacheRegistry) -> usize {
    let lines = registry.log().latest();
    for line in &lines {
        for text in [&line.context, &line.message] {
            assert!(text.len() <= 1024 + '…'.len_utf8(), "{} bytes", text.len());
            assert!(!text.contains(char::is_control), "{text:?}");
            assert!(!text.contains('\u{202e}'), "{text:?}");
        }
    }
    assert!(
        (1..=KEPT_MAX).contains(&lines.len()),
        "{} lines",
        lines.len()
    );
    lines.len()
}
