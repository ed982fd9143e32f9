//! Aho and Corasick's automaton: after each byte it knows the longest end of the text
//! that begins some value, and the longest value that ends here.
//!
//! Nodes are numbered level by level, so that the children of one stand side by side, in
//! the order of their bytes, and are found by halving: whatever values are chosen, a byte
//! of text costs a few steps. Seventeen bytes a node, and a node for each byte of a value.

use std::collections::VecDeque;
use std::ops::Range;

/// A place in the text: how much of which value has been read.
pub(super) type State = u32;
pub(super) const START: State = 0;

pub(super) struct Automaton {
    /// The byte that leads to a node.
    byte: Vec<u8>,
    /// How many bytes lead to it.
    depth: Vec<u32>,
    /// The first child; the last one stands before the next node's first. One more than
    /// there are nodes.
    children: Vec<State>,
    /// The longest proper end of what was read that begins a value too.
    shorter: Vec<State>,
    /// Length of the longest value that ends here.
    ends: Vec<u32>,
    /// The children of the start, where a text nearly always is.
    first: Vec<State>,
}

impl Automaton {
    /// `texts` are sorted, different and not empty.
    pub(super) fn new(texts: &[Vec<u8>]) -> Self {
        let most = 1 + texts.iter().map(Vec::len).sum::<usize>();
        let mut made = Self {
            byte: Vec::with_capacity(most),
            depth: Vec::with_capacity(most),
            children: Vec::with_capacity(most + 1),
            shorter: Vec::new(),
            ends: Vec::with_capacity(most),
            first: vec![START; 256],
        };
        made.grow(texts);
        made.shorter = vec![START; made.byte.len()];
        made.link();
        for node in made.children_of(START) {
            made.first[usize::from(made.byte[node])] = state(node);
        }
        made
    }

    /// Makes all nodes; those that wait for their children know which texts pass them.
    fn grow(&mut self, texts: &[Vec<u8>]) {
        let mut waiting = VecDeque::new();
        waiting.push_back(0..texts.len());
        self.byte.push(0);
        self.depth.push(0);
        while let Some(through) = waiting.pop_front() {
            let depth = self.depth[self.ends.len()];
            let place = depth as usize;
            self.children.push(state(self.byte.len()));
            let Range { start: mut at, end } = through;
            // Sorted and different: a text that ends here is the first of them.
            let is_end = texts.get(at).is_some_and(|text| text.len() == place);
            self.ends.push(if is_end { depth } else { 0 });
            at += usize::from(is_end);
            while at < end {
                let byte = texts[at][place];
                let same = texts[at..end].partition_point(|text| text[place] <= byte);
                self.byte.push(byte);
                self.depth.push(depth + 1);
                waiting.push_back(at..at + same);
                at += same;
            }
        }
        self.children.push(state(self.byte.len()));
    }

    /// Fills in `shorter`, nearer nodes before farther ones.
    fn link(&mut self) {
        for node in 0..self.byte.len() {
            for child in self.children_of(state(node)) {
                if node != START as usize {
                    let shorter = self.step_from(self.shorter[node], self.byte[child]);
                    self.shorter[child] = shorter;
                    self.ends[child] = self.ends[child].max(self.ends[shorter as usize]);
                }
            }
        }
    }

    pub(super) fn step(&self, state: State, byte: u8) -> State {
        if state == START {
            return self.first[usize::from(byte)];
        }
        self.step_from(state, byte)
    }

    fn step_from(&self, mut state: State, byte: u8) -> State {
        loop {
            if let Some(child) = self.child(state, byte) {
                return child;
            }
            if state == START {
                return START;
            }
            state = self.shorter[state as usize];
        }
    }

    fn child(&self, node: State, byte: u8) -> Option<State> {
        let children = self.children_of(node);
        let at = self.byte[children.clone()].binary_search(&byte).ok()?;
        Some(state(children.start + at))
    }

    fn children_of(&self, node: State) -> Range<usize> {
        let node = node as usize;
        self.children[node] as usize..self.children[node + 1] as usize
    }

    /// So many bytes at the end of the text may be the beginning of a value.
    pub(super) fn begun(&self, state: State) -> usize {
        self.depth[state as usize] as usize
    }

    /// So many bytes at the end of the text are a value; zero is none.
    pub(super) fn ended(&self, state: State) -> usize {
        self.ends[state as usize] as usize
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "an environment is far smaller than 4 GiB"
)]
const fn state(node: usize) -> State {
    node as State
}
