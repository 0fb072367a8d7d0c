//! Plugins from registries, their signatures and the rules that let them in.

mod agent;
mod push;
mod registry;
mod rollout;
mod scripted;
mod sign;
mod source;
