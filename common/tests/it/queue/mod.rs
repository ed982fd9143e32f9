//! The scripts of the queue, each against a real Redis.

mod accept;
mod backlog;
mod cancel;
mod damaged;
mod duty;
mod erase;
mod events;
mod fencing;
mod finish;
mod given;
mod lease;
mod loss;
mod model;
mod numbers;
mod random;
mod recovery;
mod server;
mod watch;
