//! A tab of a browser with the page of an agent.

use std::time::{Duration, Instant};

use edge_cache_tests::browser::Browser;
use edge_cache_tests::wait::until;
use serde_json::{Value, json};

use super::SOON;

/// A tab that shows a page.
pub(super) struct Tab(pub(super) Browser);

impl Tab {
    /// Opens the page at an address; none where there is no browser.
    pub(super) async fn open(url: &str) -> Option<Self> {
        let browser = Browser::start().await.unwrap()?;
        browser.open(url).await.unwrap();
        // Gone after a reload.
        let mark = "window.isFirst = true";
        browser.run(mark, &[]).await.unwrap();
        Some(Self(browser))
    }

    /// Returns the text that a person sees in an element; empty where it is not shown.
    pub(super) async fn text(&self, selector: &str) -> String {
        let script = "const found = document.querySelector(arguments[0]);
            return found && found.checkVisibility() ? found.textContent : ''";
        let text = self.0.run(script, &[json!(selector)]).await.unwrap();
        text.as_str().unwrap().to_string()
    }

    /// Waits until an element shows all these words, and returns how long that took.
    pub(super) async fn shows(&self, selector: &str, words: &[&str]) -> Duration {
        let start = Instant::now();
        until(&format!("{words:?} in {selector}"), SOON, || async {
            let text = self.text(selector).await;
            let has_all = words.iter().all(|word| text.contains(word));
            if has_all { Ok(()) } else { Err(text) }
        })
        .await;
        start.elapsed()
    }

    /// Waits until the page follows the agent.
    pub(super) async fn is_live(&self) {
        self.shows("#link", &["Live"]).await;
    }

    pub(super) async fn run(&self, script: &str) -> Value {
        self.0.run(script, &[]).await.unwrap()
    }

    /// Checks that the page was not loaded again, that no script failed and that its policy was never violated. Lines
    /// with one of these texts are expected.
    pub(super) async fn expect_clean(&self, expected: &[&str]) {
        assert_eq!(self.run("return window.isFirst").await, true);
        let mut log = self.0.log().await.unwrap();
        log.retain(|line| !expected.iter().any(|text| line.contains(text)));
        assert!(log.is_empty(), "{log:#?}");
    }
}

/// Returns the selector of the row of a node in a table.
pub(super) fn row(table: &str, node_id: u64) -> String {
    format!("#{table} [data-key=\"{node_id}\"]")
}
