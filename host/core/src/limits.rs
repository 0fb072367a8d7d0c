//! Limits of the host, with their defaults.
//!
//! All limits are on by default. An error or a log line names the exceeded limit by its field.

use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Limits of a plugin, and of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Size of a plugin file. Compiling takes time and memory in proportion. Default: 64 MiB.
    pub plugin_bytes: usize,
    /// Size of all linear memories of an instance and its heap of objects together, which never shrink. Default: 64 MiB.
    pub memory_bytes: usize,
    /// Number of elements in all tables of an instance together. Default: 100,000.
    pub table_elements: usize,
    /// Number of core instances, of tables, and of memories in one instance. Default: 10,000 each.
    pub objects: usize,
    /// Duration of one call into the plugin, including calls of the host. Default: 250 ms.
    pub call_deadline: Duration,
    /// Duration of calls that grow with the registry: instantiation, `load`, `list-eligible`. Default: 10 s.
    pub load_deadline: Duration,
    /// Interval between checks of a running call, which is the accuracy of deadlines. Default: 10 ms.
    pub epoch_tick: Duration,
    /// Size of the stack of a plugin. Default: 512 KiB.
    pub stack_bytes: usize,
    /// Size of the data that a plugin passes to the host at once, as the result of a call or the arguments
    /// of an import. An entry takes 72 bytes and its text. Default: 1 MiB.
    pub call_data_bytes: usize,
    /// Size of the data within `load` and `list-eligible`. Default: 16 MiB.
    pub list_data_bytes: usize,
    /// Host memory that a plugin and one instance take beside code, linear memories and objects. Each core instance takes
    /// 1 KiB, and 32 bytes for each global, function, import, table, segment and tag. Their definitions take 64 bytes, an
    /// export 144, a type 640 and 72 for each field, a byte of the component's own types 16. Default: 16 MiB.
    pub instance_bytes: usize,
    /// Duration of compiling a plugin in a child process. Default: 60 s.
    pub compile_deadline: Duration,
    /// Memory of the child process that compiles a plugin. Default: 1 GiB.
    pub compile_memory: usize,
    /// Size of the machine code of a plugin. Default: 128 MiB.
    pub compiled_bytes: usize,
    /// Number of handles and resources of an instance. Default: 1,000.
    pub handles: usize,
    /// Number of random bytes in one call of the host. Default: 64 KiB.
    pub random_bytes: usize,
    /// Length of a line in the plugin's log; longer lines are cut. Default: 1 KiB.
    pub log_line_bytes: usize,
    /// Number of lines in the plugin's log per second; more are counted and dropped. Default: 100.
    pub log_lines_per_second: usize,
    /// Limits of the labels of one node.
    pub labels: LabelLimits,
    /// Number of nodes in the registry, and of nodes that one call publishes labels for. Default: 20,000.
    pub nodes_max: usize,
    /// Number of disabled nodes that are remembered, so that no older decision enables them again. Default: 50,000.
    pub tombstones: usize,
    /// Memory that the states of all gossip members take together. Default: 128 MiB.
    pub gossip_bytes: usize,
    /// Number of changes that wait for the writer. Default: 1,024.
    pub queue: usize,
    /// Time that a change waits while the queue is full. Default: 10 s.
    pub queue_wait: Duration,
    /// Number of changes in one commit. Default: 256.
    pub batch: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            plugin_bytes: 64 * MIB,
            memory_bytes: 64 * MIB,
            table_elements: 100_000,
            objects: 10_000,
            call_deadline: Duration::from_millis(250),
            load_deadline: Duration::from_secs(10),
            epoch_tick: Duration::from_millis(10),
            stack_bytes: 512 * KIB,
            call_data_bytes: MIB,
            list_data_bytes: 16 * MIB,
            instance_bytes: 16 * MIB,
            compile_deadline: Duration::from_secs(60),
            compile_memory: 1024 * MIB,
            compiled_bytes: 128 * MIB,
            handles: 1_000,
            random_bytes: 65_536,
            log_line_bytes: KIB,
            log_lines_per_second: 100,
            labels: LabelLimits::default(),
            nodes_max: 20_000,
            tombstones: 50_000,
            gossip_bytes: 128 * MIB,
            queue: 1_024,
            queue_wait: Duration::from_secs(10),
            batch: 256,
        }
    }
}

/// Limits of the labels of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelLimits {
    /// Number of labels that the plugin sets. Default: 16.
    pub count: usize,
    /// Length of a key. Default: 64 bytes.
    pub key_bytes: usize,
    /// Length of a value. Default: 256 bytes.
    pub value_bytes: usize,
    /// Size of all keys and values together, including those of other software. Default: 2 KiB.
    pub node_bytes: usize,
}

impl Default for LabelLimits {
    fn default() -> Self {
        Self {
            count: 16,
            key_bytes: 64,
            value_bytes: 256,
            node_bytes: 2 * KIB,
        }
    }
}
