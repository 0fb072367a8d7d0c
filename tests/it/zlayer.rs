//! The interface of ZLayer's native registry, as its users know it.

use edge_cache_host::zlayer::edge_cache::NodeCapacity;

mod announcing;
mod changes;
mod many;
mod native;
mod router;
mod runtimes;

fn capacity(disk_mib: u64) -> NodeCapacity {
    NodeCapacity {
        cpu_cores: 4,
        ram_mib: 1_024,
        disk_mib,
        geo: None,
    }
}
