//! The instance that assesses members, and the restart after its failure.

use std::time::Instant;

use crate::supervisor::{Next, Supervisor};
use edge_cache_gossip::PeerInfo;
use edge_cache_routing::Candidate;
use edge_cache_sandbox::{CallMetrics, Failure, Instance, InstanceConfig, Plugin};

/// Assesses the labels of members by the plugin.
pub(super) struct Assessor {
    plugin: Plugin,
    config: InstanceConfig,
    calls: CallMetrics,
    supervisor: Supervisor,
    running: Running,
}

/// The state of the instance.
enum Running {
    Instance {
        instance: Box<Instance>,
        /// Set once the instance has assessed a member: from then on its own state may cause a failure.
        is_used: bool,
    },
    /// The last instance failed on a member. Members without past failures may start the next one at once, others at
    /// this time.
    Killed(Instant),
    /// The last instance could not be started. The next attempt is due at this time.
    Broken(Instant),
}

/// Why there is no assessment.
pub(super) enum Stopped {
    /// The plugin failed on these labels.
    Failed(Failure),
    /// The plugin was not called: there is no instance before this time.
    Down(Instant),
}

/// A member's history: none, or some, of its labels made the plugin fail before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PastFailures {
    None,
    Some,
}

impl Assessor {
    /// Creates the assessor. The first assessment starts the instance.
    pub(super) fn new(plugin: Plugin, config: InstanceConfig, calls: CallMetrics) -> Self {
        Self {
            plugin,
            config,
            calls,
            supervisor: Supervisor::default(),
            running: Running::Killed(Instant::now()),
        }
    }

    /// Tells whether the assessor runs this plugin.
    pub(super) fn runs(&self, plugin: &Plugin) -> bool {
        self.plugin.ptr_eq(plugin)
    }

    pub(super) fn replace(&mut self, plugin: Plugin) {
        *self = Self::new(plugin, self.config.clone(), self.calls.clone());
    }

    /// Assesses a member. A failure is repeated in a fresh instance first, so its cause is the labels and not the state
    /// of the instance.
    pub(super) fn assess(
        &mut self,
        info: &PeerInfo,
        past: PastFailures,
    ) -> Result<Option<Candidate>, Stopped> {
        loop {
            let (instance, is_used) = self.instance(past)?;
            let was_used = std::mem::replace(is_used, true);
            match instance.assess(info.node_id, &info.labels) {
                Ok(candidate) => return Ok(candidate),
                Err(failure) => {
                    self.running = Running::Killed(self.next_attempt(&failure));
                    if !was_used {
                        return Err(Stopped::Failed(failure));
                    }
                    tracing::debug!(%failure, "assessing again in a fresh instance");
                }
            }
        }
    }

    /// Returns the running instance, or starts a fresh one.
    fn instance(&mut self, past: PastFailures) -> Result<(&mut Instance, &mut bool), Stopped> {
        let now = Instant::now();
        match self.running {
            Running::Killed(at) if at > now && past == PastFailures::Some => {
                return Err(Stopped::Down(at));
            }
            Running::Broken(at) if at > now => return Err(Stopped::Down(at)),
            Running::Killed(_) | Running::Broken(_) => match self.start_instance() {
                Ok(instance) => {
                    self.supervisor.started(now);
                    self.running = Running::Instance {
                        instance: Box::new(instance),
                        is_used: false,
                    };
                }
                Err(failure) => {
                    tracing::error!(%failure, "cannot start the plugin to assess members");
                    let at = self.next_attempt(&failure);
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

    /// Starts an instance with an empty registry, which assessments do not use.
    fn start_instance(&self) -> Result<Instance, Failure> {
        let (config, calls) = (self.config.clone(), self.calls.clone());
        let mut instance = Instance::start_counted(&self.plugin, config, calls)?;
        instance.load(&[])?;
        Ok(instance)
    }

    /// Counts a failure and returns the time of the next attempt.
    fn next_attempt(&mut self, failure: &Failure) -> Instant {
        self.calls.failed(failure);
        let (Next::Retry(at) | Next::Degraded(at)) = self.supervisor.failed(Instant::now());
        at
    }
}
