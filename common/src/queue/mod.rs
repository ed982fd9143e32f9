//! The queue: who decides, who remembers, and what a crash means.

mod accept;
mod cancel;
mod duty;
mod error;
mod events;
mod finish;
mod keys;
mod lease;
mod link;
mod read;
pub mod recovery;
mod reply;
mod script;
mod wakes;
mod watch;

pub use accept::{Accept, Accepted, Bounds, Owner, Period, accept};
pub use cancel::{Cancelled, cancel};
pub use duty::{Dropped, Promoted, drop_consumer, promote_due};
pub use error::QueueError;
pub use events::{Event, EventKind, Swept, forget, sweep};
pub use finish::{EventId, Finish, Finished, Key, finish};
pub use keys::{GROUP, Partition, StreamKind};
pub use lease::{
    Alone, HandedBack, Reclaimed, Renewed, Verdict, hand_back, reclaim, renew, set_aside,
};
pub use link::{Hello, Link, Links, Standing};
pub use read::{Leased, Reader, Taken, Token};
pub use wakes::{CancelOrders, Wake, Wakes};
pub use watch::{Watched, watch};
