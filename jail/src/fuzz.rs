//! Random bytes for what reads what a sandbox sent, and for what leaves it.
//!
//! Each property has an oracle that says the rule another way: a second reader of frames
//! written from their description, the peer in the sandbox, a JSON library that is strict
//! where ours looks away. The proxy's are beside it (`egress/fuzz.rs`).

mod frames;
mod judge;
mod masked;
mod peers;
mod streams;
