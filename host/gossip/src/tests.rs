//! Members on real UDP sockets on loopback, with short intervals and ports that the system chose.

mod harness;
mod labels;
mod lifecycle;
mod membership;
mod records;
