//! Leases: what this process holds, and what keeps it.
//!
//! **What it is for.** An execution belongs to whoever holds its pending entry. A
//! lease that isn't renewed for [`limits::LEASE`] may be taken by anyone, so this
//! process must renew what it runs, and must stop running what it could not renew.
//!
//! **How it works.** [`Leases`] is the table of all that is held. Attempts put
//! themselves into it (a [`Lease`], which leaves the table when it is dropped) and
//! attach what kills their sandbox. The [`Keeper`] is a thread of its own, with a
//! runtime and connections of its own, so that nothing the attempts do can block
//! it: every [`limits::RENEW_EVERY`] it renews the whole table by script, each
//! lease by its whole token; it listens for orders to cancel; and it watches the
//! own clock. What it learns, it tells an attempt by a [`Sign`], after killing the
//! sandbox itself.
//!
//! **What always holds.** A sandbox is killed by this thread before its attempt is
//! told. Signs only rise: who was told `Lost` is never told to go on. Between two
//! renewals that were answered, no more than [`limits::STOP_SANDBOX`] pass while
//! user code runs. The clock counts the time the machine slept.
//!
//! **What it doesn't do.** It never finishes or hands back: that is the attempt's.

mod holding;
mod keeper;
mod table;

#[cfg(doc)]
use common::limits;
pub use holding::{Lease, Lost};
pub use keeper::{Keeper, KeeperError, KeeperParts};
pub use table::{Leases, Sign};
