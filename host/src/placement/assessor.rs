//! The instance that judges members, and when a failed one is followed by the next.

use std::sync::Arc;
use std::time::Instant;

use crate::gossip::PeerInfo;
use crate::routing::Candidate;
use crate::sandbox::{CallCounters, Failure, Instance, InstanceConfig, Plugin};
use crate::supervisor::{Next, Supervisor};

pub(super) struct Assessor {
    plugin: Plugin,
    config: InstanceConfig,
    calls: Arc<CallCounters>,
    supervisor: Supervisor,
    running: Running,
}

enum Running {
    Instance(Box<Instance>),
    /// There is none; the next may be started then.
    Down(Instant),
}

/// Why there is no answer.
pub(super) enum Stopped {
    /// The component failed on these labels.
    Failed(Failure),
    /// It was not asked: there is no instance before this time.
    Down(Instant),
}

impl Assessor {
    /// Nothing is started before the first question.
    pub(super) fn new(plugin: Plugin, config: InstanceConfig, calls: Arc<CallCounters>) -> Self {
        Self {
            plugin,
            config,
            calls,
            supervisor: Supervisor::default(),
            running: Running::Down(Instant::now()),
        }
    }

    pub(super) fn assess(&mut self, info: &PeerInfo) -> Result<Option<Candidate>, Stopped> {
        let now = Instant::now();
        if let Running::Down(at) = self.running {
            if at > now {
                return Err(Stopped::Down(at));
            }
            match self.fresh() {
                Ok(instance) => {
                    self.supervisor.started(now);
                    self.running = Running::Instance(Box::new(instance));
                }
                Err(failure) => {
                    tracing::error!(%failure, "the component does not start for judging members");
                    return Err(Stopped::Down(self.down(&failure, now)));
                }
            }
        }
        let Running::Instance(instance) = &mut self.running else {
            return Err(Stopped::Down(now));
        };
        instance
            .assess(info.node_id, &info.labels)
            .map_err(|failure| {
                self.down(&failure, Instant::now());
                Stopped::Failed(failure)
            })
    }

    /// An instance with an empty registry, which judging never looks at.
    fn fresh(&self) -> Result<Instance, Failure> {
        let (config, calls) = (self.config.clone(), self.calls.clone());
        let mut instance = Instance::start_counted(&self.plugin, config, calls)?;
        instance.load(&[])?;
        Ok(instance)
    }

    fn down(&mut self, failure: &Failure, now: Instant) -> Instant {
        self.calls.failed(failure);
        let (Next::Retry(at) | Next::Degraded(at)) = self.supervisor.failed(now);
        self.running = Running::Down(at);
        at
    }
}
