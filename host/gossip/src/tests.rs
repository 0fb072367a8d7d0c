//! Members on real UDP sockets on loopback, with short intervals and ports that the system chose, and
//! on the simulated network in virtual time.

mod harness;
mod identity;
mod joining;
mod labels;
mod lifecycle;
mod log;
mod membership;
mod records;
mod refused;
mod virtual_time;
