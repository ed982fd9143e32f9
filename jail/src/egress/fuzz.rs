//! Random authorities and random connections for the proxy: what code may say to it.
//!
//! Inputs are kept with words where ports stand (`pport` and others, see [`stage`]), as long
//! as the ports of a run, so that lengths stay right.

mod hosts;
mod proxied;
mod requests;
mod stage;
mod wire;
