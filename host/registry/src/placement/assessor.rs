//! The instance that judges members, and when a failed one is followed by the next.

use std::time::Instant;

use crate::supervisor::{Next, Supervisor};
use edge_cache_gossip::PeerInfo;
use edge_cache_routing::Candidate;
use edge_cache_sandbox::{CallMetrics, Failure, Instance, InstanceConfig, Plugin};

pub(super) struct Assessor {
    plugin: Plugin,
    config: InstanceConfig,
    calls: CallMetrics,
    supervisor: Supervisor,
    running: Running,
}

enum Running {
    Instance {
        instance: Box<Instance>,
        /// Whether it has judged anybody: what it fails on then may be its own past.
        is_used: bool,
    },
    /// The last one failed on a member. The next may be started at once, but not for those that kill.
    Killed(Instant),
    /// The last one could not be started; the next may be then.
    Broken(Instant),
}

/// Why there is no answer.
pub(super) enum Stopped {
    /// The component failed on these labels.
    Failed(Failure),
    /// It was not asked: there is no instance before this time.
    Down(Instant),
}

/// Whether a member has made the component fail before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Record {
    Clean,
    Killer,
}

impl Assessor {
    /// Nothing is started before the first question.
    pub(super) fn new(plugin: Plugin, config: InstanceConfig, calls: CallMetrics) -> Self {
        Self {
            plugin,
            config,
            calls,
            supervisor: Supervisor::default(),
            running: Running::Killed(Instant::now()),
        }
    }

    /// Whether it is this very component that judges.
    pub(super) fn runs(&self, plugin: &Plugin) -> bool {
        self.plugin.is(plugin)
    }

    /// Lets another component judge.
    pub(super) fn replace(&mut self, plugin: Plugin) {
        *self = Self::new(plugin, self.config.clone(), self.calls.clone());
    }

    /// Judges a member. A failure is one of a fresh instance: the labels are to blame, and not what the
    /// instance had been through.
    pub(super) fn assess(
        &mut self,
        info: &PeerInfo,
        record: Record,
    ) -> Result<Option<Candidate>, Stopped> {
        loop {
            let (instance, is_used) = self.instance(record)?;
            let was_used = std::mem::replace(is_used, true);
            match instance.assess(info.node_id, &info.labels) {
                Ok(candidate) => return Ok(candidate),
                Err(failure) => {
                    self.running = Running::Killed(self.after(&failure));
                    if !was_used {
                        return Err(Stopped::Failed(failure));
                    }
                    tracing::debug!(%failure, "once more in a fresh instance");
                }
            }
        }
    }

    /// The instance that runs, or a fresh one.
    fn instance(&mut self, record: Record) -> Result<(&mut Instance, &mut bool), Stopped> {
        let now = Instant::now();
        match self.running {
            Running::Killed(at) if at > now && record == Record::Killer => {
                return Err(Stopped::Down(at));
            }
            Running::Broken(at) if at > now => return Err(Stopped::Down(at)),
            Running::Killed(_) | Running::Broken(_) => match self.fresh() {
                Ok(instance) => {
                    self.supervisor.started(now);
                    self.running = Running::Instance {
                        instance: Box::new(instance),
                        is_used: false,
                    };
                }
                Err(failure) => {
                    tracing::error!(%failure, "the component does not start for judging members");
                    let at = self.after(&failure);
                    self.running = Running::Broken(at);
                    return Err(Stopped::Down(at));
                }
            },
            Running::Instance { .. } => {}
        }
        match &mut self.running {
            Running::Instance { instance, is_used } => Ok((instance, is_used)),
            Running::Killed(at) | Running::Broken(at) => Err(Stopped::Down(*at)),
        }
    }

    /// An instance with an empty registry, which judging never looks at.
    fn fresh(&self) -> Result<Instance, Failure> {
        let (config, calls) = (self.config.clone(), self.calls.clone());
        let mut instance = Instance::start_counted(&self.plugin, config, calls)?;
        instance.load(&[])?;
        Ok(instance)
    }

    /// When the next attempt is due.
    fn after(&mut self, failure: &Failure) -> Instant {
        self.calls.failed(failure);
        let (Next::Retry(at) | Next::Degraded(at)) = self.supervisor.failed(Instant::now());
        at
    }
}
