//! All tests that need a built component, a socket or a process, in one binary.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helper functions too"
)]

// The order of crates and files.
mod structure;
// The contract, against the component and against its native core.
mod conformance;
// Random operations, compared with a simple model.
mod model;
// Files that are no component of our world.
mod plugin_files;
// Output about plugins without an agent.
mod plugin_check;
mod plugin_inspect;
mod plugin_try;
// Plugins from registries, and their signatures.
mod plugins;
// The contract from release to release.
mod wit_versions;
// What a component can reach, and whether the README says so.
mod reach;
// Compiled code that was tampered with.
mod code_cache;
// Labels that are refused, and labels of other software.
mod labels;
// Labels of peers that make no sense.
mod peer_labels;
// The handle that an embedder holds.
mod registry;
// Gossip and hosts of an embedder's own.
mod own_gossip;
mod own_host;
mod routing;
// The interface of ZLayer's native registry.
mod zlayer;
// The registry with a store.
mod durable;
// Components that fail.
mod failures;
// A component of two, which wasmtime connects.
mod composed;
// Policies, composed with the reference.
mod policies;
// Components in other languages, alone and in a cluster.
mod foreign;
// The pages of documentation.
mod docs;
// The guide to writing a component.
mod guide;
// Agents as processes: flags, HTTP, gossip.
mod agents;
// Nodes enabled and disabled at any agent.
mod anywhere;
// Registries that are full.
mod cap;
// What the own agent of a node says about it.
mod own_agent;
// Whole clusters in virtual time.
mod convergence;
mod simulation;
// Snapshots of running agents, restored.
mod snapshots;
// Agents killed under load, and power lost at each write of a file.
mod crash_points;
mod power_cut;
// Threads that pause anywhere.
mod pauses;
// Another component in the place of the one that runs.
mod swap;
// Bytes that others choose, at every door.
mod fuzz;
// Bad requests.
mod http;
// Who may use the API, and how.
mod access;
mod tls;
// Files and settings that are read again.
mod reload;
// The page, in a real browser.
mod page;
mod traffic;
// More connections than the API serves.
mod load;
// The log, and its audit lines.
mod log;
// The agent's numbers.
mod metrics;
// Alert rules and a dashboard for Prometheus and Grafana.
mod monitoring;
// The packages for machines and clusters.
mod install;
// Agents under load for a long time, and the memory of many.
mod footprint;
mod soak;
// The description of the API, and whether it is true.
mod openapi;
// All nodes listed and replaced at once.
mod all_nodes;
// The list of nodes in pages.
mod node_pages;
// The nodes of a file, made the eligible ones.
mod apply;
// Answers that are kept.
mod answers;
// Changes as they happen.
mod events;
// Members that live, leave and die.
mod members;
// Components that hang, trap, lie and spam.
mod hostile;
// Agents of a cluster, as the tests below start them.
mod gossip_node;
// Agents and nodes of ZLayer in one cluster.
mod zlayer_peers;
// Agents on hosts that are cut off, killed and ended.
mod namespaces;
// Agents that are sent all kinds of datagrams.
mod hostile_gossip;
// The keys of gossip, and their exchange.
mod key_rotation;
// Decisions at random agents of a simulated cluster.
mod decisions;
// The commands that ask an agent.
mod client;
// What commands print on terminals.
mod terminal;
// What the README says to operators.
mod walkthrough;
// Settings from files and the environment, their check, and the log.
mod settings;
// Which agent this is, and where its settings come from.
mod status;
// Wrong settings, about which a check and a start agree.
mod wrong_settings;
// Agents under a service manager, and their end within its bound.
mod life;
// Signs of trouble that an agent shows to operators.
mod signs;
// Real proxies and caches, from packages.
mod proxies;
// Counters of caches, as feeders put them.
mod feeds;
mod sources;
