//! The queue: which requests become executions, who runs them, which end stands.
//!
//! # How it works
//!
//! **Redis decides, PostgreSQL remembers.** Every decision is one script, so it is
//! taken once however many ask: the idempotency key, the quota, a slot, a lease,
//! the outcome that wins. A refusal writes nothing, and no row exists before Redis
//! said yes.
//!
//! An execution is one hash, and is in one place at a time:
//!
//! ```text
//!              accept, slot free          read                    finish
//!     (none) ───────────────────► waiting ─────► leased ───────────────────► final
//!       └─ accept, no slot ► backlog ─┘ ▲ ▲        │ │ └ reclaim: leased by another
//!                             promote ──┘ │        │ └── hand_back ► waiting
//!                                  due ◄─ delayed ◄┘ the user's code failed, tries left
//! ```
//!
//! `cancel` ends what waits at once; what is leased it flags, and from then on the
//! lease ends in nothing but `cancelled`. To clients backlog, waiting and delayed
//! are `queued`, leased is `running`.
//!
//! A **slot** is one of the executions an account may have at once. It is held from
//! entering a stream to the end (or a delay), and given back by the script that
//! ends it, which also gives it to the oldest of the account's backlog that fits.
//! So one account's ten thousand delay nobody else's one.
//!
//! A **lease** is a pending entry of a stream. Its [`Token`] is stream, entry,
//! consumer and delivery count; every script compares it whole. A worker that was
//! away too long finds itself fenced: it can neither end nor renew what somebody
//! took over. After [`crate::limits::LEASE`] without renewal anybody may [`reclaim`],
//! up to [`crate::limits::STARTS`] starts; then the execution is `worker_lost`. A
//! last start is left to a process that holds nothing else, so that an execution
//! which kills its worker never takes an innocent one along for good.
//!
//! An **event** is an end that PostgreSQL may not know yet. Who ended the execution
//! records it and then [`forget`]s the event; whoever [`sweep`]s finds those of the
//! dead. An outcome begins to expire when it is forgotten, never before.
//!
//! A **log** is what an execution has printed so far, told by who runs it, for those
//! who follow. One string: the name of the run (its start), then frames, each a length
//! of four bytes and as much sealed text. Only who holds the lease adds to it, and its
//! first frame replaces the log of any run before. It has a bound, past which nothing is
//! added, and goes with the outcome or a while after the lease; the outcome has all of
//! it, so that nothing but patience depends on it. Who reads it ([`LogRead`]) is woken by
//! the next [`append_log`].
//!
//! A **generation** is a time during which Redis lost nothing. The partition is
//! usable only while its certificate names the generation and the very incarnation
//! of the server. Emptying removes the certificate; a restart or a fail-over gives
//! the server another run id. Each script compares the certificate with the one its
//! [`Link`] was greeted with and answers `recovering` otherwise. A link is one
//! connection and never reconnects: the log brings the certificate back, so only a
//! greeting on the new connection can tell. [`recovery`] is the only requeue there
//! is; no duty ever looks for lost executions beside running traffic.
//!
//! # What always holds
//!
//! - A script checks everything before it writes anything: Redis does not undo half
//!   a script. After the first write nothing is refused.
//! - Slots counted equal executions in streams; quota counted equals executions
//!   accepted; neither is ever passed.
//! - An execution has one outcome. `finish` never changes the one it is given, and
//!   the first valid one stands.
//! - Where a slot is free, none of the first [`crate::limits::PROMOTE_AT_ONCE`] of
//!   the account's backlog fits it. A function at its own bound is passed over; more
//!   of its entries than that in a row hold up those behind, until one of them ends.
//! - What can't be understood is set aside in `{p}:damaged` and work goes on.
//!
//! # Keys of a partition
//!
//! All carry the partition's tag, so that one script may touch them all in a cluster.
//!
//! | key | holds |
//! |---|---|
//! | `{p}:gen` | the certificate: generation, run id, time of the last loss in ms (0: none) |
//! | `{p}:recovering` | the generation under construction |
//! | `{p}:q:i` `q:b` `q:l` | streams with group `w`: interactive, background, last starts; `x` id, `d` body |
//! | `{p}:x:<id>` | hash: `st` w b d f (waiting or leased, backlog, delayed, final), `e` entry, `lane`, `acct ns fn ver`, `cap` its bounds when accepted, `lost` losses carried, `try mx` tries, `cx` cancel asked, `key`, `wait` apis to wake at the end, `fol` at each text, `body due` where no stream has it; `o out tok ev` how it ended, by which token, its event |
//! | `{p}:log:<id>` | string: what is told while it runs; run, then frames |
//! | `{p}:conc:<account>` | hash: slots in use, see `part_slots.lua` |
//! | `{p}:back:<account>` | sorted set: the backlog, by `{p}:seq` |
//! | `{p}:delay` | sorted set: delayed, by when they are due |
//! | `{p}:quota:<account>:<period>` | executions charged |
//! | `{p}:idem:<account>:<key>` | id and digest of what a key was used for, a day |
//! | `{p}:ev` | stream: events, removed one by one |
//! | `{p}:damaged` | stream: the last that could not be understood or recorded, a week |
//! | `{p}:bytes` `{p}:term` | bytes of open bodies; the leader's term |
//!
//! Ids are 32 hex digits. Bodies, outcomes and messages are opaque here, but for the
//! final state. Messages: `api:<api>` gets the id and the encoded outcome, or the id
//! alone when text was added; `worker:<consumer>` the id to cancel. They are hints: what was missed is seen by
//! [`watch()`], or by the next [`renew`].
//!
//! # What it does not do
//!
//! It opens nothing sealed, writes no row, starts nothing, and waits for nobody but
//! Redis. When to call what, and what a death in between means, is the callers'.

mod accept;
mod cancel;
mod duty;
mod erase;
mod error;
mod events;
mod finish;
mod keys;
mod lease;
mod link;
mod log;
mod read;
pub mod recovery;
mod reply;
mod script;
mod wakes;
mod watch;

pub use accept::{Accept, Accepted, Bounds, Owner, Period, accept};
pub use cancel::{Cancelled, cancel};
pub use duty::{Dropped, Promoted, drop_consumer, promote_due};
pub use erase::erase;
pub use error::QueueError;
pub(crate) use events::set_events_aside;
pub use events::{Event, EventKind, Swept, forget, sweep, unrecorded};
pub use finish::{EventId, Finish, Finished, Key, finish};
pub use keys::{GROUP, Partition, StreamKind};
pub use lease::{
    Alone, HandedBack, Reclaimed, Renewed, Verdict, hand_back, reclaim, renew, set_aside,
};
pub use link::{Hello, Link, Links, Standing};
pub use log::{Appended, LogRead, LogText, More, append_log};
pub use read::{Leased, Reader, Taken, Token};
pub use wakes::{CancelOrders, Wake, Wakes};
pub use watch::{Watched, watch};
