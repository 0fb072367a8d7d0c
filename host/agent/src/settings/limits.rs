//! The limits of the host as settings, one for each field of [`Limits`].
//!
//! The bounds exclude values that cannot work at all.

use std::ops::RangeInclusive;
use std::time::Duration;

use clap::Args;

use super::values::{count, size, time};
use edge_cache_host::{GEO_BYTES_MAX, LabelLimits, Limits};

const HEADING: &str = "Limits";
const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const MANY: usize = 1_000_000;
/// The size of an entry without geo in a plugin's result, in bytes.
const ENTRY_BYTES: usize = 72;

/// Deadlines of calls and starts. A deadline of zero would fail every call.
const DEADLINES: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(600);
const TICKS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(1);
const WAITS: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(600);
/// The plugin runs on threads with 2 MiB of stack and may use half of it.
const STACKS: RangeInclusive<usize> = 64 * KIB..=MIB;
const MEMORIES: RangeInclusive<usize> = 64 * KIB..=4_096 * MIB;
const DATA: RangeInclusive<usize> = KIB..=1_024 * MIB;
/// Generating much randomness exceeds a deadline, and a host call cannot be interrupted.
const RANDOM: RangeInclusive<usize> = 0..=MIB;
const LINES: RangeInclusive<usize> = 64..=64 * KIB;
/// All labels of a node share one gossip record of at most 16 KiB, escapes included.
const NODE_LABELS: RangeInclusive<usize> = 64..=4 * KIB;
/// Other agents ignore nodes with more labels.
const LABEL_COUNT: RangeInclusive<usize> = 0..=64;

/// The limits of the host.
#[derive(Debug, Clone, Args)]
pub struct LimitSettings {
    /// Size of a plugin file
    #[arg(long, env = "EDGE_CACHE_LIMITS_PLUGIN_BYTES", value_name = "SIZE", default_value = "64MiB", value_parser = size(DATA), help_heading = HEADING, hide_short_help = true)]
    pub limits_plugin_bytes: usize,
    /// Total size of the plugin's linear memories
    #[arg(long, env = "EDGE_CACHE_LIMITS_MEMORY_BYTES", value_name = "SIZE", default_value = "64MiB", value_parser = size(MEMORIES), help_heading = HEADING, hide_short_help = true)]
    pub limits_memory_bytes: usize,
    /// Total number of elements of the plugin's tables
    #[arg(long, env = "EDGE_CACHE_LIMITS_TABLE_ELEMENTS", value_name = "COUNT", default_value = "100000", value_parser = count(0..=10 * MANY), help_heading = HEADING, hide_short_help = true)]
    pub limits_table_elements: usize,
    /// Number of the plugin's core instances, of its tables and of its memories, each
    #[arg(long, env = "EDGE_CACHE_LIMITS_OBJECTS", value_name = "COUNT", default_value = "10000", value_parser = count(1..=MANY), help_heading = HEADING, hide_short_help = true)]
    pub limits_objects: usize,
    /// Deadline of a call into the plugin
    #[arg(long, env = "EDGE_CACHE_LIMITS_CALL_DEADLINE", value_name = "TIME", default_value = "250ms", value_parser = time(DEADLINES), help_heading = HEADING, hide_short_help = true)]
    pub limits_call_deadline: Duration,
    /// Deadline of calls that grow with the registry: start, `load`, `apply`, `list-eligible`
    #[arg(long, env = "EDGE_CACHE_LIMITS_LOAD_DEADLINE", value_name = "TIME", default_value = "10s", value_parser = time(DEADLINES), help_heading = HEADING, hide_short_help = true)]
    pub limits_load_deadline: Duration,
    /// Resolution of the deadlines
    #[arg(long, env = "EDGE_CACHE_LIMITS_EPOCH_TICK", value_name = "TIME", default_value = "10ms", value_parser = time(TICKS), help_heading = HEADING, hide_short_help = true)]
    pub limits_epoch_tick: Duration,
    /// Stack size of the plugin
    #[arg(long, env = "EDGE_CACHE_LIMITS_STACK_BYTES", value_name = "SIZE", default_value = "512KiB", value_parser = size(STACKS), help_heading = HEADING, hide_short_help = true)]
    pub limits_stack_bytes: usize,
    /// Size of the data that the plugin may pass to the host in one call
    #[arg(long, env = "EDGE_CACHE_LIMITS_CALL_DATA_BYTES", value_name = "SIZE", default_value = "1MiB", value_parser = size(DATA), help_heading = HEADING, hide_short_help = true)]
    pub limits_call_data_bytes: usize,
    /// Size of the data that the plugin may pass to the host in `load`, `apply` and `list-eligible`
    #[arg(long, env = "EDGE_CACHE_LIMITS_LIST_DATA_BYTES", value_name = "SIZE", default_value = "16MiB", value_parser = size(DATA), help_heading = HEADING, hide_short_help = true)]
    pub limits_list_data_bytes: usize,
    /// Number of handles and resources of the plugin
    #[arg(long, env = "EDGE_CACHE_LIMITS_HANDLES", value_name = "COUNT", default_value = "1000", value_parser = count(1..=MANY), help_heading = HEADING, hide_short_help = true)]
    pub limits_handles: usize,
    /// Number of random bytes in one host call
    #[arg(long, env = "EDGE_CACHE_LIMITS_RANDOM_BYTES", value_name = "SIZE", default_value = "64KiB", value_parser = size(RANDOM), help_heading = HEADING, hide_short_help = true)]
    pub limits_random_bytes: usize,
    /// Length of a line in the plugin's log; longer lines are truncated
    #[arg(long, env = "EDGE_CACHE_LIMITS_LOG_LINE_BYTES", value_name = "SIZE", default_value = "1KiB", value_parser = size(LINES), help_heading = HEADING, hide_short_help = true)]
    pub limits_log_line_bytes: usize,
    /// Lines of the plugin's log per second; further lines are dropped and counted
    #[arg(long, env = "EDGE_CACHE_LIMITS_LOG_LINES_PER_SECOND", value_name = "COUNT", default_value = "100", value_parser = count(0..=100_000), help_heading = HEADING, hide_short_help = true)]
    pub limits_log_lines_per_second: usize,
    /// Number of nodes in the registry
    #[arg(long, env = "EDGE_CACHE_LIMITS_NODES_MAX", value_name = "COUNT", default_value = "20000", value_parser = count(1..=MANY), help_heading = HEADING, hide_short_help = true)]
    pub limits_nodes_max: usize,
    /// Number of disabled nodes that are remembered, so that no older decision enables them again
    #[arg(long, env = "EDGE_CACHE_LIMITS_TOMBSTONES", value_name = "COUNT", default_value = "50000", value_parser = count(1..=MANY), help_heading = HEADING, hide_short_help = true)]
    pub limits_tombstones: usize,
    /// Number of changes that wait for the writer
    #[arg(long, env = "EDGE_CACHE_LIMITS_QUEUE", value_name = "COUNT", default_value = "1024", value_parser = count(1..=MANY), help_heading = HEADING, hide_short_help = true)]
    pub limits_queue: usize,
    /// Time for which a change waits for space in the queue
    #[arg(long, env = "EDGE_CACHE_LIMITS_QUEUE_WAIT", value_name = "TIME", default_value = "10s", value_parser = time(WAITS), help_heading = HEADING, hide_short_help = true)]
    pub limits_queue_wait: Duration,
    /// Number of changes in one commit
    #[arg(long, env = "EDGE_CACHE_LIMITS_BATCH", value_name = "COUNT", default_value = "256", value_parser = count(1..=100_000), help_heading = HEADING, hide_short_help = true)]
    pub limits_batch: usize,
    /// Number of plugin labels on one node
    #[arg(long, env = "EDGE_CACHE_LIMITS_LABELS_COUNT", value_name = "COUNT", default_value = "16", value_parser = count(LABEL_COUNT), help_heading = HEADING, hide_short_help = true)]
    pub limits_labels_count: usize,
    /// Length of a label key
    #[arg(long, env = "EDGE_CACHE_LIMITS_LABELS_KEY_BYTES", value_name = "SIZE", default_value = "64", value_parser = size(1..=KIB), help_heading = HEADING, hide_short_help = true)]
    pub limits_labels_key_bytes: usize,
    /// Length of a label value
    #[arg(long, env = "EDGE_CACHE_LIMITS_LABELS_VALUE_BYTES", value_name = "SIZE", default_value = "256", value_parser = size(1..=4 * KIB), help_heading = HEADING, hide_short_help = true)]
    pub limits_labels_value_bytes: usize,
    /// Total size of a node's labels, including those of other software
    #[arg(long, env = "EDGE_CACHE_LIMITS_LABELS_NODE_BYTES", value_name = "SIZE", default_value = "2KiB", value_parser = size(NODE_LABELS), help_heading = HEADING, hide_short_help = true)]
    pub limits_labels_node_bytes: usize,
}

impl LimitSettings {
    /// Converts to the host's limits.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            plugin_bytes: self.limits_plugin_bytes,
            memory_bytes: self.limits_memory_bytes,
            table_elements: self.limits_table_elements,
            objects: self.limits_objects,
            call_deadline: self.limits_call_deadline,
            load_deadline: self.limits_load_deadline,
            epoch_tick: self.limits_epoch_tick,
            stack_bytes: self.limits_stack_bytes,
            call_data_bytes: self.limits_call_data_bytes,
            list_data_bytes: self.limits_list_data_bytes,
            handles: self.limits_handles,
            random_bytes: u64::try_from(self.limits_random_bytes).unwrap_or(u64::MAX),
            log_line_bytes: self.limits_log_line_bytes,
            log_lines_per_second: u32::try_from(self.limits_log_lines_per_second)
                .unwrap_or(u32::MAX),
            labels: LabelLimits {
                count: self.limits_labels_count,
                key_bytes: self.limits_labels_key_bytes,
                value_bytes: self.limits_labels_value_bytes,
                node_bytes: self.limits_labels_node_bytes,
            },
            nodes_max: self.limits_nodes_max,
            tombstones: self.limits_tombstones,
            queue: self.limits_queue,
            queue_wait: self.limits_queue_wait,
            batch: self.limits_batch,
        }
    }

    /// Checks the limits against each other.
    ///
    /// # Errors
    ///
    /// Two limits contradict each other; the text names both.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.limits_epoch_tick > self.limits_call_deadline {
            return Err(
                "`--limits-epoch-tick` must not be longer than `--limits-call-deadline`"
                    .to_string(),
            );
        }
        if self.limits_call_deadline > self.limits_load_deadline {
            return Err(
                "`--limits-load-deadline` must not be shorter than `--limits-call-deadline`"
                    .to_string(),
            );
        }
        let entry = ENTRY_BYTES.saturating_add(GEO_BYTES_MAX);
        let needed = self.limits_nodes_max.saturating_mul(entry);
        if needed > self.limits_list_data_bytes {
            return Err(format!(
                "`--limits-nodes-max {}` needs `--limits-list-data-bytes` of at least {needed}, or a \
                 full registry could not be listed",
                self.limits_nodes_max
            ));
        }
        Ok(())
    }
}
