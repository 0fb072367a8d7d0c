//! The limits of one instance's memory, tables and objects.
//!
//! Wasmtime's `StoreLimits` bounds each memory on its own. Here all memories of an instance share one
//! budget, and so do all tables. A refused request is kept, to name the failure that usually follows.

use edge_cache_core::Limits;
use wasmtime::ResourceLimiter;

/// The limits of one instance, with what it uses of them.
///
/// Growth beyond a limit is refused: the plugin sees it fail, and usually traps.
#[derive(Debug)]
pub struct InstanceLimits {
    memory: Budget,
    table_elements: Budget,
    objects_max: usize,
    pub(crate) handles_max: usize,
    pub(crate) call_data_bytes_max: usize,
    /// The last resource that was refused since the last call began.
    pub(crate) refused: Option<Resource>,
}

/// A resource that memories or tables of an instance share.
#[derive(Debug)]
struct Budget {
    used: usize,
    max: usize,
}

/// A kind of resource with a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resource {
    Memory,
    Table,
}

impl InstanceLimits {
    /// Returns the limits of an instance that uses nothing yet.
    pub(crate) fn new(limits: &Limits) -> Self {
        let budget = |max| Budget { used: 0, max };
        Self {
            memory: budget(limits.memory_bytes),
            table_elements: budget(limits.table_elements),
            objects_max: limits.objects,
            handles_max: limits.handles,
            call_data_bytes_max: limits.call_data_bytes,
            refused: None,
        }
    }

    /// Returns the size of the linear memories and of the heap of objects, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory.used
    }

    fn grow(&mut self, resource: Resource, current: usize, desired: usize) -> bool {
        let budget = match resource {
            Resource::Memory => &mut self.memory,
            Resource::Table => &mut self.table_elements,
        };
        let total = budget.used.saturating_add(desired.saturating_sub(current));
        if total > budget.max {
            self.refused = Some(resource);
            return false;
        }
        budget.used = total;
        true
    }
}

impl ResourceLimiter for InstanceLimits {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow(Resource::Memory, current, desired))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow(Resource::Table, current, desired))
    }

    fn instances(&self) -> usize {
        self.objects_max
    }

    fn tables(&self) -> usize {
        self.objects_max
    }

    fn memories(&self) -> usize {
        self.objects_max
    }
}
