//! Recovery of a partition whose memory may be lost: the only requeue there is.
//!
//! Each step refuses unless the partition is recovering under the very
//! generation the link was made for, so a leader that was overtaken does nothing.
//! The order, and what happens between the steps in PostgreSQL, is the
//! scheduler's: [`begin`]; barrier; events ([`super::sweep`], [`super::forget`]);
//! the door; [`groups`]; [`settle()`] the rows that are open; [`survey()`] what is
//! open in Redis and [`conclude`] what PostgreSQL knows to be final;
//! [`stranded`]; [`recount`]; [`promote_backlogs`]; [`rewrite_log`]; [`certify`].
//! Every step may be repeated, and a crash at any of them starts again at
//! [`begin`] with a higher generation.

mod count;
mod rewrite;
mod settle;
mod survey;

pub use count::{Charged, recount};
pub use rewrite::rewrite_log;
pub use settle::{OpenRow, Settled, conclude, settle};
pub use survey::{OpenInRedis, promote_backlogs, stranded, survey};

use super::error::QueueError;
use super::link::{Link, Links};
use super::script;

/// What asking to begin came to.
#[derive(Clone, Debug)]
pub enum Begun {
    /// The partition is closed to everybody else; all other steps go over this link.
    Yes(Link),
    /// Another leader has a higher term.
    Outranked,
    /// Redis knows this generation or a later one: take the next.
    Stale,
}

/// Closes the partition and puts `generation` under construction.
///
/// # Errors
/// It may have begun; beginning again with a higher generation is safe.
pub async fn begin(links: &Links, generation: u64, term: u64) -> Result<Begun, QueueError> {
    let link = links.recovering(generation).await?;
    let (tag, reply) = link
        .call(&script::BEGIN, |command| {
            command.arg(term);
        })
        .await?;
    match tag.as_str() {
        "begun" => Ok(Begun::Yes(link)),
        "outranked" => Ok(Begun::Outranked),
        "stale" => Ok(Begun::Stale),
        _ => Err(reply.wrong("unknown tag")),
    }
}

/// Makes the streams and their groups where missing, from the first entry on.
///
/// # Errors
/// Repeat.
pub async fn groups(link: &Link) -> Result<(), QueueError> {
    link.call(&script::GROUPS, |_| ()).await.map(|_| ())
}

/// Whether keys may have been forgotten: then `accept` asks PostgreSQL for each
/// unknown one for a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Redis lost its memory, or some of it, or it is not known.
    Possible,
    /// Nothing was ever accepted in this partition.
    Impossible,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certified {
    Yes,
    /// The server changed since the recovery's link greeted: begin again.
    OtherServer,
}

/// Opens the partition under the link's generation.
///
/// # Errors
/// Whether it is certified is not known: greet.
pub async fn certify(link: &Link, loss: Loss) -> Result<Certified, QueueError> {
    let (tag, reply) = link
        .call(&script::CERTIFY, |command| {
            command
                .arg(link.run_id())
                .arg(u8::from(loss == Loss::Possible));
        })
        .await?;
    match tag.as_str() {
        "certified" => Ok(Certified::Yes),
        "other_server" => Ok(Certified::OtherServer),
        _ => Err(reply.wrong("unknown tag")),
    }
}
