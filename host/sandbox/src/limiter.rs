//! Limits of an instance's memory and tables.
//!
//! Wasmtime's `StoreLimits` bounds each memory on its own. Here all memories of an instance share one
//! budget, and so do all tables. A refused request is kept, to name the failure that usually follows.

use edge_cache_core::Limits;
use wasmtime::ResourceLimiter;

/// Counts the memory and the tables of one instance.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_bytes: usize,
    memory_bytes_max: usize,
    table_elements: usize,
    table_elements_max: usize,
    objects_max: usize,
    refused: Option<Refused>,
}

/// A request that was refused since the last call began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Memory { limit: usize },
    Table { limit: usize },
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory_bytes: 0,
            memory_bytes_max: limits.memory_bytes,
            table_elements: 0,
            table_elements_max: limits.table_elements,
            objects_max: limits.objects,
            refused: None,
        }
    }

    /// Returns the size of the linear memory, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    pub(crate) fn forget_refusals(&mut self) {
        self.refused = None;
    }

    pub(crate) fn refused(&self) -> Option<Refused> {
        self.refused
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self
            .memory_bytes
            .saturating_add(desired.saturating_sub(current));
        if total > self.memory_bytes_max {
            self.refused = Some(Refused::Memory {
                limit: self.memory_bytes_max,
            });
            return Ok(false);
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self
            .table_elements
            .saturating_add(desired.saturating_sub(current));
        if total > self.table_elements_max {
            self.refused = Some(Refused::Table {
                limit: self.table_elements_max,
            });
            return Ok(false);
        }
        self.table_elements = total;
        Ok(true)
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
