//! What the queue should do, in plain Rust: a reference for the random test.
//!
//! It knows no Redis, no tokens and no scripts. An execution is in one place, a
//! slot is counted by looking at the places, and a lease is a number.

use common::execution::{FinalState, Lane};
use common::limits;
use common::queue::{StreamKind, Verdict};

/// Accounts 0 and 1 have these slots, this share of them for background, and two
/// functions each, of which the second may have one slot.
pub(super) const SLOTS: usize = 5;
pub(super) const BACKGROUND: usize = 3;
pub(super) const QUEUED: usize = 20;
pub(super) const BOUND: [Option<u32>; 2] = [None, Some(1)];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Backlog,
    Waiting(StreamKind),
    Leased {
        stream: StreamKind,
        lease: usize,
        count: u32,
        ran_out: bool,
    },
    Delayed,
    /// Ended like this, by which lease (none: by a cancel).
    Final(FinalState, Option<usize>),
}

#[derive(Clone, Debug)]
pub(super) struct Execution {
    pub(super) account: usize,
    pub(super) function: usize,
    pub(super) lane: Lane,
    pub(super) attempts: u32,
    pub(super) tried: u32,
    pub(super) losses: u32,
    pub(super) asked: bool,
    pub(super) place: Place,
    /// Its number among all entries there ever were: streams are in this order.
    entry: usize,
    /// Redis lost it after it ended.
    pub(super) gone: bool,
}

/// What `finish` and `hand_back` should answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    Already,
    Delayed,
    Asked,
    Fenced,
}

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) all: Vec<Execution>,
    backlogs: [Vec<usize>; 2],
    entries: usize,
    leases: usize,
}

impl Model {
    /// `None`: accepted. Otherwise which bound refuses it.
    pub(super) fn accept(&mut self, mut execution: Execution) -> Option<&'static str> {
        let slot = self.fits(&execution);
        if !slot && execution.lane == Lane::Interactive {
            return Some("no_slot");
        }
        if !slot && self.backlogs[execution.account].len() >= QUEUED {
            return Some("full");
        }
        let at = self.all.len();
        execution.place = Place::Backlog;
        let account = execution.account;
        self.all.push(execution);
        if slot {
            self.enqueue(at);
        } else {
            self.backlogs[account].push(at);
        }
        None
    }

    /// The next of a stream, as a new lease.
    pub(super) fn take(&mut self, stream: StreamKind) -> Option<(usize, usize)> {
        let waiting = (0..self.all.len())
            .filter(|at| self.all[*at].place == Place::Waiting(stream))
            .min_by_key(|at| self.all[*at].entry)?;
        Some((waiting, self.lease(waiting, stream, 1)))
    }

    pub(super) fn finish(
        &mut self,
        at: usize,
        lease: usize,
        state: FinalState,
        retry: bool,
    ) -> Answer {
        let Some(count) = self.held(at, lease) else {
            return match self.all[at].place {
                Place::Final(_, Some(by)) if by == lease && !self.all[at].gone => Answer::Already,
                _ => Answer::Fenced,
            };
        };
        let one = &mut self.all[at];
        if one.asked && state != FinalState::Cancelled {
            return Answer::Asked;
        }
        let may_try = one.tried + 1 < one.attempts;
        let failed = matches!(state, FinalState::Failed | FinalState::TimedOut);
        let answer = if retry && may_try && failed {
            one.tried += 1;
            one.losses += count - 1;
            one.place = Place::Delayed;
            Answer::Delayed
        } else {
            one.place = Place::Final(state, Some(lease));
            Answer::Done
        };
        self.promote(self.all[at].account);
        answer
    }

    pub(super) fn hand_back(&mut self, at: usize, lease: usize) -> Answer {
        let Some(count) = self.held(at, lease) else {
            return Answer::Fenced;
        };
        if self.all[at].asked {
            return Answer::Asked;
        }
        self.all[at].losses += count - 1;
        self.enqueue(at);
        Answer::Done
    }

    /// The state it had ended in before, or `None`: asked or cancelled now.
    pub(super) fn cancel(&mut self, at: usize) -> Option<FinalState> {
        match self.all[at].place {
            Place::Final(state, _) => return Some(state),
            Place::Leased { .. } => self.all[at].asked = true,
            Place::Backlog | Place::Waiting(_) | Place::Delayed => {
                self.all[at].place = Place::Final(FinalState::Cancelled, None);
                let account = self.all[at].account;
                self.backlogs[account].retain(|waiting| *waiting != at);
                self.promote(account);
            }
        }
        None
    }

    pub(super) fn run_out(&mut self, at: usize, lease: usize) {
        if self.held(at, lease).is_some()
            && let Place::Leased { ran_out, .. } = &mut self.all[at].place
        {
            *ran_out = true;
        }
    }

    /// Which leases that ran out are taken over, in order, with their verdicts.
    pub(super) fn reclaim(&mut self, alone: bool) -> Vec<(usize, usize, Verdict)> {
        let order = [
            StreamKind::LastStarts,
            StreamKind::Interactive,
            StreamKind::Background,
        ];
        let mut out: Vec<usize> = (0..self.all.len())
            .filter(|at| matches!(self.all[*at].place, Place::Leased { ran_out: true, .. }))
            .collect();
        out.sort_by_key(|at| {
            let Place::Leased { stream, .. } = self.all[*at].place else {
                unreachable!("only leases were kept");
            };
            let rank = order.iter().position(|one| *one == stream);
            (rank, self.all[*at].entry)
        });
        let mut taken = Vec::new();
        let mut started = 0;
        for at in out {
            let Place::Leased { stream, count, .. } = self.all[at].place else {
                continue;
            };
            let losses = self.all[at].losses + count;
            let verdict = if self.all[at].asked {
                Verdict::Cancelled
            } else if losses >= limits::STARTS {
                Verdict::WorkerLost
            } else {
                Verdict::Run
            };
            if verdict == Verdict::Run {
                let last = losses + 1 >= limits::STARTS;
                if last != alone || started >= if alone { 1 } else { limits::RECLAIM_AT_ONCE } {
                    continue;
                }
                started += 1;
            }
            let lease = self.lease(at, stream, count + 1);
            taken.push((at, lease, verdict));
        }
        taken
    }

    /// Delayed ones that are due, in the order given, find a slot or wait for one.
    pub(super) fn promote_due(&mut self, due: &[usize]) {
        for at in due {
            self.place(*at);
        }
    }

    /// Redis forgot everything; rows that are open come back in order. Those
    /// whose cancel was asked for end as cancelled.
    pub(super) fn forget_all(&mut self) {
        self.backlogs = Default::default();
        let mut open = Vec::new();
        for at in 0..self.all.len() {
            let one = &mut self.all[at];
            if matches!(one.place, Place::Final(..)) {
                one.gone = true;
            } else if one.asked {
                one.place = Place::Final(FinalState::Cancelled, None);
                one.gone = true;
            } else {
                one.place = Place::Delayed;
                open.push(at);
            }
        }
        for at in open {
            self.place(at);
        }
    }

    fn place(&mut self, at: usize) {
        if self.fits(&self.all[at]) {
            self.enqueue(at);
        } else {
            self.all[at].place = Place::Backlog;
            let account = self.all[at].account;
            self.backlogs[account].push(at);
        }
    }

    fn enqueue(&mut self, at: usize) {
        self.entries += 1;
        let one = &mut self.all[at];
        one.entry = self.entries;
        one.place = Place::Waiting(if one.losses + 1 >= limits::STARTS {
            StreamKind::LastStarts
        } else {
            one.lane.into()
        });
    }

    fn lease(&mut self, at: usize, stream: StreamKind, count: u32) -> usize {
        self.leases += 1;
        self.all[at].place = Place::Leased {
            stream,
            lease: self.leases,
            count,
            ran_out: false,
        };
        self.leases
    }

    /// The delivery count, where the lease is the present one.
    pub(super) fn held(&self, at: usize, lease: usize) -> Option<u32> {
        match self.all[at].place {
            Place::Leased {
                lease: now, count, ..
            } if now == lease => Some(count),
            _ => None,
        }
    }

    fn promote(&mut self, account: usize) {
        let look = self.backlogs[account]
            .iter()
            .take(limits::PROMOTE_AT_ONCE)
            .copied()
            .collect::<Vec<_>>();
        for at in look {
            if self.fits(&self.all[at]) {
                self.backlogs[account].retain(|waiting| *waiting != at);
                self.enqueue(at);
            }
        }
    }

    fn fits(&self, one: &Execution) -> bool {
        let function = |other: &&Execution| other.function == one.function;
        self.holding(one.account).count() < SLOTS
            && (one.lane == Lane::Interactive || self.background(one.account) < BACKGROUND)
            && BOUND[one.function].is_none_or(|bound| {
                self.holding(one.account).filter(function).count() < bound as usize
            })
    }

    pub(super) fn holding(&self, account: usize) -> impl Iterator<Item = &Execution> {
        let slot = |one: &&Execution| matches!(one.place, Place::Waiting(_) | Place::Leased { .. });
        self.all
            .iter()
            .filter(move |one| one.account == account)
            .filter(slot)
    }

    pub(super) fn background(&self, account: usize) -> usize {
        let background = |one: &&Execution| one.lane == Lane::Background;
        self.holding(account).filter(background).count()
    }

    pub(super) fn backlog(&self, account: usize) -> &[usize] {
        &self.backlogs[account]
    }
}

impl Execution {
    pub(super) fn new(account: usize, function: usize, lane: Lane, attempts: u32) -> Self {
        Self {
            account,
            function,
            lane,
            attempts,
            tried: 0,
            losses: 0,
            asked: false,
            place: Place::Backlog,
            entry: 0,
            gone: false,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        !matches!(self.place, Place::Final(..))
    }
}
