//! Every limit of the host, with its default.
//!
//! All are on. A limit that is met is named in the error or the log by its field's name here.

use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// What a component may use, and what the registry may hold.
///
/// Every field is a limit of its own; `Limits::default()` has the values that the design gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The size of a component file. Compiling costs time and memory in proportion. Default: 64 MiB.
    pub plugin_bytes: usize,
    /// All linear memories of an instance together. Memory never shrinks while an instance lives.
    /// Default: 64 MiB.
    pub memory_bytes: usize,
    /// The elements of all tables of an instance together. Default: 100,000.
    pub table_elements: usize,
    /// Core instances, tables and memories in one instance, each. Default: 10,000.
    pub objects: usize,
    /// How long one call into the component may take, host calls included. Default: 250 ms.
    pub call_deadline: Duration,
    /// The same for calls in proportion to the registry: instantiation, `load`, `apply`, `list-eligible`.
    /// Default: 10 s.
    pub load_deadline: Duration,
    /// How often a running call is looked at. A deadline is met with this accuracy. Default: 10 ms.
    pub epoch_tick: Duration,
    /// The stack of the component. Default: 512 KiB.
    pub stack_bytes: usize,
    /// What a component may hand to the host at once, as the result of a call or as the arguments of one
    /// import: 72 bytes and its text an entry. Default: 1 MiB.
    pub call_data_bytes: usize,
    /// The same within `load`, `apply` and `list-eligible`. Default: 16 MiB.
    pub list_data_bytes: usize,
    /// Handles and resources that an instance may hold. Default: 1,000.
    pub handles: usize,
    /// Bytes of randomness in one host call. Default: 64 KiB.
    pub random_bytes: u64,
    /// The length of a line in the component's log; more is cut. Default: 1 KiB.
    pub log_line_bytes: usize,
    /// Lines of the component's log a second; more are counted and dropped. Default: 100.
    pub log_lines_per_second: u32,
    /// The labels of a component on one node.
    pub labels: LabelLimits,
    /// Nodes in the registry, and nodes that one call may publish labels for. Default: 20,000.
    pub nodes_max: usize,
    /// Changes that wait for the writer. Default: 1,024.
    pub queue: usize,
    /// How long a change waits for room in the queue. Default: 10 s.
    pub queue_wait: Duration,
    /// Changes that are committed at once. Default: 256.
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
            handles: 1_000,
            random_bytes: 65_536,
            log_line_bytes: KIB,
            log_lines_per_second: 100,
            labels: LabelLimits::default(),
            nodes_max: 20_000,
            queue: 1_024,
            queue_wait: Duration::from_secs(10),
            batch: 256,
        }
    }
}

/// The bounds of labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelLimits {
    /// Labels of the component on one node. Default: 16.
    pub count: usize,
    /// The length of a key. Default: 64 bytes.
    pub key_bytes: usize,
    /// The length of a value. Default: 256 bytes.
    pub value_bytes: usize,
    /// Keys and values of all labels of a node together, other software's included. Default: 2 KiB.
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
