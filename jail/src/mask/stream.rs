//! A text that comes in pieces, of which what can't become a value any more is given.

use std::collections::VecDeque;
use std::sync::Arc;

use super::COVER;
use super::automaton::{Automaton, START, State};
use super::escapes::Escapes;

/// Covers values also where they come in pieces. [`MaskStream::push`] gives what is safe
/// to show, [`MaskStream::finish`] the rest.
pub struct MaskStream {
    /// Without one there is nothing to cover.
    automaton: Option<Arc<Automaton>>,
    /// Bytes not given yet; the first of them is number `shown` of the text.
    held: VecDeque<u8>,
    shown: u64,
    read: u64,
    plain: Reading,
    /// Begins with the first backslash; until then it would say what `plain` says.
    meant: Option<Meant>,
    /// The last byte given was covered: what follows it at once is covered with it.
    covering: bool,
}

/// How far the automaton is in a text, and what it found.
#[derive(Clone, Default)]
struct Reading {
    state: State,
    /// Where values stand: apart, in order.
    found: VecDeque<(u64, u64)>,
}

struct Meant {
    escapes: Escapes,
    reading: Reading,
    /// Where in the text the last bytes of the meaning begin, as many as the automaton needs.
    starts: VecDeque<u64>,
}

impl MaskStream {
    pub(super) fn new(automaton: Option<Arc<Automaton>>) -> Self {
        Self {
            automaton,
            held: VecDeque::new(),
            shown: 0,
            read: 0,
            plain: Reading::default(),
            meant: None,
            covering: false,
        }
    }

    /// Takes a piece and gives what is safe to show of all so far.
    pub fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        let Some(automaton) = self.automaton.clone() else {
            return piece.to_vec();
        };
        self.held.extend(piece);
        for &byte in piece {
            self.read += 1;
            if byte == b'\\' && self.meant.is_none() {
                self.meant = Some(Meant::after(&self.plain, &automaton, self.read - 1));
            }
            self.plain.step(&automaton, byte);
            let length = automaton.ended(self.plain.state);
            if length > 0 {
                self.plain.find(self.read - length as u64, self.read);
            }
            if let Some(meant) = &mut self.meant {
                meant.step(&automaton, byte, self.read);
            }
        }
        let until = self.decided(&automaton);
        self.give(until)
    }

    /// The rest of a text that ends here.
    pub fn finish(mut self) -> Vec<u8> {
        self.give(self.read)
    }

    /// The rest of a text that was cut here: what may be the beginning of a value is covered.
    pub fn finish_cut(mut self) -> Vec<u8> {
        if let Some(automaton) = self.automaton.clone() {
            let from = self.decided(&automaton);
            if from < self.read {
                self.plain.find(from, self.read);
            }
        }
        self.finish()
    }

    /// Nothing before this place can be part of a value that isn't found yet.
    fn decided(&self, automaton: &Automaton) -> u64 {
        let plain = self.read - automaton.begun(self.plain.state) as u64;
        match &self.meant {
            Some(meant) => plain.min(meant.decided(automaton, self.read)),
            None => plain,
        }
    }

    fn give(&mut self, until: u64) -> Vec<u8> {
        let mut given = Vec::with_capacity(usize::try_from(until - self.shown).unwrap_or_default());
        while self.shown < until {
            let plain = self.plain.covers(self.shown, until);
            let meant = self.meant.as_ref().map_or((false, until), |meant| {
                meant.reading.covers(self.shown, until)
            });
            let (covered, to) = match (plain, meant) {
                ((true, one), (true, other)) => (true, one.max(other)),
                ((true, to), _) | (_, (true, to)) => (true, to),
                ((_, one), (_, other)) => (false, one.min(other)),
            };
            let bytes = self
                .held
                .drain(..usize::try_from(to - self.shown).unwrap_or_default());
            if !covered {
                given.extend(bytes);
            } else {
                drop(bytes);
                if !self.covering {
                    given.extend_from_slice(COVER.as_bytes());
                }
            }
            self.covering = covered;
            self.shown = to;
            self.plain.forget(to);
            if let Some(meant) = &mut self.meant {
                meant.reading.forget(to);
            }
        }
        given
    }
}

impl std::fmt::Debug for MaskStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MaskStream")
    }
}

impl Reading {
    fn step(&mut self, automaton: &Automaton, byte: u8) {
        self.state = automaton.step(self.state, byte);
    }

    /// Adds a place, which ends behind all others, and joins those that it touches.
    fn find(&mut self, mut start: u64, end: u64) {
        while let Some(&(before, until)) = self.found.back()
            && until >= start
        {
            start = start.min(before);
            self.found.pop_back();
        }
        self.found.push_back((start, end));
    }

    /// Whether the byte at `from` is covered, and how far what is said of it holds.
    fn covers(&self, from: u64, until: u64) -> (bool, u64) {
        match self.found.front() {
            Some(&(start, end)) if start <= from => (true, end.min(until)),
            Some(&(start, _)) => (false, start.min(until)),
            None => (false, until),
        }
    }

    fn forget(&mut self, until: u64) {
        while self.found.front().is_some_and(|&(_, end)| end <= until) {
            self.found.pop_front();
        }
    }
}

impl Meant {
    /// Takes over after `read` bytes that had no backslash.
    fn after(plain: &Reading, automaton: &Automaton, read: u64) -> Self {
        let begun = automaton.begun(plain.state) as u64;
        Self {
            escapes: Escapes::default(),
            reading: Reading {
                state: plain.state,
                found: VecDeque::new(),
            },
            starts: (read - begun..read).collect(),
        }
    }

    fn step(&mut self, automaton: &Automaton, byte: u8, end: u64) {
        let Self {
            escapes,
            reading,
            starts,
        } = self;
        escapes.read(byte, end, &mut |meant| {
            starts.push_back(meant.start);
            reading.step(automaton, meant.byte);
            let length = automaton.ended(reading.state);
            if length > 0 {
                reading.find(starts[starts.len() - length], meant.end);
            }
            let spare = starts.len() - automaton.begun(reading.state);
            starts.drain(..spare);
        });
    }

    fn decided(&self, automaton: &Automaton, read: u64) -> u64 {
        let read = read - self.escapes.pending() as u64;
        if self.reading.state == START {
            return read;
        }
        debug_assert_eq!(self.starts.len(), automaton.begun(self.reading.state));
        self.starts.front().copied().unwrap_or(read)
    }
}
