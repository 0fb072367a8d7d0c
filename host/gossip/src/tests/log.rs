//! Lines of the log, in virtual time.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::dispatcher::{DefaultGuard, set_default};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Metadata, Subscriber};

use super::virtual_time::{Net, join, until};

/// The messages that this thread has logged.
#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Text(String);

impl Lines {
    /// Collects the messages while the others live.
    fn collect() -> (Self, DefaultGuard, Dispatch) {
        let lines = Self::default();
        let guard = set_default(&Dispatch::new(lines.clone()));
        // Of a single subscriber, `tracing` asks the thread alone that logs a line first, which may be another test's.
        let second = Dispatch::new(Self::default());
        (lines, guard, second)
    }

    fn count(&self, said: &str) -> usize {
        let lines = self.0.lock().unwrap();
        lines.iter().filter(|line| line.contains(said)).count()
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            write!(self.0, "{value:?}").unwrap();
        }
    }
}

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_alone_says_so_once_a_minute_until_it_is_not() {
    const ALONE: &str = "this agent is alone: no other member is heard";
    let (lines, _guard, _second) = Lines::collect();
    let net = Net::new();
    let (_one, _) = join(&net.config(1, &[9])).await;
    until("the first line", || lines.count(ALONE) == 1).await;
    tokio::time::sleep(Duration::from_secs(10 * 60)).await;
    let said = lines.count(ALONE);
    assert!((10..=11).contains(&said), "{said} lines in ten minutes");

    let (_nine, _) = join(&net.config(9, &[])).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let said = lines.count(ALONE);
    tokio::time::sleep(Duration::from_secs(10 * 60)).await;
    assert_eq!(lines.count(ALONE), said);
}
