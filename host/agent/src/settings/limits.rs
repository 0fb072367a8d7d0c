//! The limits of the host as settings, one for each field of [`Limits`].
//!
//! The bounds exclude values that cannot work at all.

use std::ops::RangeInclusive;
use std::time::Duration;

use clap::Args;

use super::names::named;
use super::values::{count, size, time};
use edge_cache_host::{GEO_BYTES_MAX, Limits};

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
/// A member's record of the largest size must fit into its share.
const MEMORIES_OF_GOSSIP: RangeInclusive<usize> = 4 * MIB..=65_536 * MIB;
const DATA: RangeInclusive<usize> = KIB..=1_024 * MIB;
/// Host memory of instances.
const INSTANCES: RangeInclusive<usize> = MIB..=1_024 * MIB;
/// The compiler itself needs some memory.
const COMPILERS: RangeInclusive<usize> = 64 * MIB..=65_536 * MIB;
/// Generating much randomness exceeds a deadline, and a host call cannot be interrupted.
const RANDOM: RangeInclusive<usize> = 0..=MIB;
const LINES: RangeInclusive<usize> = 64..=64 * KIB;
/// All labels of a node share one gossip record of at most 16 KiB, escapes included.
const NODE_LABELS: RangeInclusive<usize> = 64..=4 * KIB;
/// Other agents ignore nodes with more labels.
const LABEL_COUNT: RangeInclusive<usize> = 0..=64;

/// Declares the settings: variable, field of [`Limits`], type, default, notation and parser of each.
macro_rules! limit_settings {
    ($(
        #[$doc:meta]
        $setting:ident $variable:literal => $($field:ident).+: $type:ty
            = $default:literal, $notation:literal, $parser:expr;
    )*) => {
        /// The limits of the host.
        #[derive(Debug, Clone, Args)]
        pub struct LimitSettings {
            $(
                #[$doc]
                #[arg(
                    long,
                    env = $variable,
                    value_name = $notation,
                    default_value = $default,
                    value_parser = $parser,
                    help_heading = HEADING,
                    hide_short_help = true
                )]
                pub $setting: $type,
            )*
        }

        impl LimitSettings {
            /// Converts to the host's limits.
            #[must_use]
            pub fn limits(&self) -> Limits {
                let mut limits = Limits::default();
                $(limits.$($field).+ = self.$setting;)*
                limits
            }
        }
    };
}

limit_settings! {
    /// Size of a plugin file
    limits_plugin_bytes "EDGE_CACHE_LIMITS_PLUGIN_BYTES" => plugin_bytes: usize = "64MiB", "SIZE", size(DATA);
    /// Total size of the plugin's linear memories and objects
    limits_memory_bytes "EDGE_CACHE_LIMITS_MEMORY_BYTES" => memory_bytes: usize = "64MiB", "SIZE", size(MEMORIES);
    /// Total number of elements of the plugin's tables
    limits_table_elements "EDGE_CACHE_LIMITS_TABLE_ELEMENTS" => table_elements: usize = "100000", "COUNT", count(0..=10 * MANY);
    /// Number of the plugin's core instances, of its tables and of its memories, each
    limits_objects "EDGE_CACHE_LIMITS_OBJECTS" => objects: usize = "10000", "COUNT", count(1..=MANY);
    /// Deadline of a call into the plugin
    limits_call_deadline "EDGE_CACHE_LIMITS_CALL_DEADLINE" => call_deadline: Duration = "250ms", "TIME", time(DEADLINES);
    /// Deadline of calls that grow with the registry: start, `load`, `list-eligible`
    limits_load_deadline "EDGE_CACHE_LIMITS_LOAD_DEADLINE" => load_deadline: Duration = "10s", "TIME", time(DEADLINES);
    /// Resolution of the deadlines
    limits_epoch_tick "EDGE_CACHE_LIMITS_EPOCH_TICK" => epoch_tick: Duration = "10ms", "TIME", time(TICKS);
    /// Stack size of the plugin
    limits_stack_bytes "EDGE_CACHE_LIMITS_STACK_BYTES" => stack_bytes: usize = "512KiB", "SIZE", size(STACKS);
    /// Size of the data that the plugin may pass to the host in one call
    limits_call_data_bytes "EDGE_CACHE_LIMITS_CALL_DATA_BYTES" => call_data_bytes: usize = "1MiB", "SIZE", size(DATA);
    /// Size of the data that the plugin may pass to the host in `load` and `list-eligible`
    limits_list_data_bytes "EDGE_CACHE_LIMITS_LIST_DATA_BYTES" => list_data_bytes: usize = "16MiB", "SIZE", size(DATA);
    /// Host memory of the plugin and an instance, besides code, linear memories and objects
    limits_instance_bytes "EDGE_CACHE_LIMITS_INSTANCE_BYTES" => instance_bytes: usize = "16MiB", "SIZE", size(INSTANCES);
    /// Time for compiling a plugin
    limits_compile_deadline "EDGE_CACHE_LIMITS_COMPILE_DEADLINE" => compile_deadline: Duration = "60s", "TIME", time(DEADLINES);
    /// Memory for compiling a plugin; at most half of the memory that the control group of the agent may use
    limits_compile_memory "EDGE_CACHE_LIMITS_COMPILE_MEMORY" => compile_memory: usize = "1GiB", "SIZE", size(COMPILERS);
    /// Size of the machine code of a plugin
    limits_compiled_bytes "EDGE_CACHE_LIMITS_COMPILED_BYTES" => compiled_bytes: usize = "128MiB", "SIZE", size(DATA);
    /// Number of handles and resources of the plugin
    limits_handles "EDGE_CACHE_LIMITS_HANDLES" => handles: usize = "1000", "COUNT", count(1..=MANY);
    /// Number of random bytes in one host call
    limits_random_bytes "EDGE_CACHE_LIMITS_RANDOM_BYTES" => random_bytes: usize = "64KiB", "SIZE", size(RANDOM);
    /// Length of a line in the plugin's log; longer lines are truncated
    limits_log_line_bytes "EDGE_CACHE_LIMITS_LOG_LINE_BYTES" => log_line_bytes: usize = "1KiB", "SIZE", size(LINES);
    /// Lines of the plugin's log per second; further lines are dropped and counted
    limits_log_lines_per_second "EDGE_CACHE_LIMITS_LOG_LINES_PER_SECOND" => log_lines_per_second: usize = "100", "COUNT", count(0..=100_000);
    /// Number of nodes in the registry
    limits_nodes_max "EDGE_CACHE_LIMITS_NODES_MAX" => nodes_max: usize = "20000", "COUNT", count(1..=MANY);
    /// Number of disabled nodes that are remembered, so that no older decision enables them again
    limits_tombstones "EDGE_CACHE_LIMITS_TOMBSTONES" => tombstones: usize = "50000", "COUNT", count(1..=MANY);
    /// Memory that the states of all gossip members take together
    limits_gossip_bytes "EDGE_CACHE_LIMITS_GOSSIP_BYTES" => gossip_bytes: usize = "128MiB", "SIZE", size(MEMORIES_OF_GOSSIP);
    /// Number of changes that wait for the writer
    limits_queue "EDGE_CACHE_LIMITS_QUEUE" => queue: usize = "1024", "COUNT", count(1..=MANY);
    /// Time for which a change waits for space in the queue
    limits_queue_wait "EDGE_CACHE_LIMITS_QUEUE_WAIT" => queue_wait: Duration = "10s", "TIME", time(WAITS);
    /// Number of changes in one commit
    limits_batch "EDGE_CACHE_LIMITS_BATCH" => batch: usize = "256", "COUNT", count(1..=100_000);
    /// Number of plugin labels on one node
    limits_labels_count "EDGE_CACHE_LIMITS_LABELS_COUNT" => labels.count: usize = "16", "COUNT", count(LABEL_COUNT);
    /// Length of a label key
    limits_labels_key_bytes "EDGE_CACHE_LIMITS_LABELS_KEY_BYTES" => labels.key_bytes: usize = "64", "SIZE", size(1..=KIB);
    /// Length of a label value
    limits_labels_value_bytes "EDGE_CACHE_LIMITS_LABELS_VALUE_BYTES" => labels.value_bytes: usize = "256", "SIZE", size(1..=4 * KIB);
    /// Total size of a node's labels, including those of other software
    limits_labels_node_bytes "EDGE_CACHE_LIMITS_LABELS_NODE_BYTES" => labels.node_bytes: usize = "2KiB", "SIZE", size(NODE_LABELS);
}

impl LimitSettings {
    /// Checks the limits against each other.
    ///
    /// # Errors
    ///
    /// Limits contradict each other; the text names both of each contradiction.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut found = Vec::new();
        let (tick, call) = (named("limits.epoch_tick"), named("limits.call_deadline"));
        if self.limits_epoch_tick > self.limits_call_deadline {
            found.push(format!("{tick} must not be longer than {call}"));
        }
        if self.limits_call_deadline > self.limits_load_deadline {
            let load = named("limits.load_deadline");
            found.push(format!("{load} must not be shorter than {call}"));
        }
        let entry = ENTRY_BYTES.saturating_add(GEO_BYTES_MAX);
        let needed = self.limits_nodes_max.saturating_mul(entry);
        if needed > self.limits_list_data_bytes {
            let (nodes, list) = (named("limits.nodes_max"), named("limits.list_data_bytes"));
            found.push(format!(
                "{nodes} of {} needs {list} of at least {needed}, or a full registry could not be listed",
                self.limits_nodes_max
            ));
        }
        if found.is_empty() {
            return Ok(());
        }
        Err(found.join("; "))
    }
}
