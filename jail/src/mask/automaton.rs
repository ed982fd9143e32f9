//! Aho and Corasick's automaton: after each byte it knows the longest end of the text
//! that begins some value, and the longest value that ends here.
//!
//! Nodes stand in the order of a walk, a node's first child right after it; further
//! children are a list. Thirteen bytes a node: values are long and share little.

const NONE: u32 = 0;

/// A place in the text: how much of which value has been read.
pub(super) type State = u32;
pub(super) const START: State = 0;

pub(super) struct Automaton {
    /// The byte that leads to a node.
    byte: Vec<u8>,
    /// How many bytes lead to it.
    depth: Vec<u32>,
    /// The next child of the same parent.
    sibling: Vec<u32>,
    /// The longest proper end of what was read that begins a value too.
    shorter: Vec<State>,
    /// Length of the longest value that ends here.
    ends: Vec<u32>,
    /// The children of the start, where a text nearly always is.
    first: Vec<State>,
}

impl Automaton {
    /// `texts` are sorted, different and not empty.
    pub(super) fn new(texts: &[String]) -> Self {
        let mut made = Self {
            byte: vec![0],
            depth: vec![0],
            sibling: vec![NONE],
            shorter: vec![START],
            ends: vec![0],
            first: vec![START; 256],
        };
        let mut path = vec![START];
        for text in texts {
            made.add(text.as_bytes(), &mut path);
        }
        made.link();
        made
    }

    /// `path` is the way to the text before this one, and becomes the way to this one.
    fn add(&mut self, text: &[u8], path: &mut Vec<State>) {
        let shared = path[1..]
            .iter()
            .zip(text)
            .take_while(|&(&node, &byte)| self.byte[node as usize] == byte)
            .count();
        if let Some(&elder) = path.get(shared + 1) {
            self.sibling[elder as usize] = self.next_node();
        }
        path.truncate(shared + 1);
        for (index, &byte) in text.iter().enumerate().skip(shared) {
            let node = self.next_node();
            if index == 0 {
                self.first[byte as usize] = node;
            }
            self.byte.push(byte);
            self.depth.push(self.depth[path[index] as usize] + 1);
            self.sibling.push(NONE);
            self.shorter.push(START);
            self.ends.push(0);
            path.push(node);
        }
        if let Some(&end) = path.last() {
            self.ends[end as usize] = self.depth[end as usize];
        }
    }

    /// Fills in `shorter`, nearer nodes before farther ones.
    fn link(&mut self) {
        let mut nodes = vec![START];
        let mut done = 0;
        while let Some(&node) = nodes.get(done) {
            done += 1;
            let mut child = self.first_child(node);
            while child != NONE {
                if node != START {
                    let shorter = self.step(self.shorter[node as usize], self.byte[child as usize]);
                    self.shorter[child as usize] = shorter;
                    let ends = self.ends[shorter as usize];
                    let own = &mut self.ends[child as usize];
                    *own = (*own).max(ends);
                }
                nodes.push(child);
                child = self.sibling[child as usize];
            }
        }
    }

    pub(super) fn step(&self, mut state: State, byte: u8) -> State {
        while state != START {
            let mut child = self.first_child(state);
            while child != NONE {
                if self.byte[child as usize] == byte {
                    return child;
                }
                child = self.sibling[child as usize];
            }
            state = self.shorter[state as usize];
        }
        self.first[byte as usize]
    }

    /// So many bytes at the end of the text may be the beginning of a value.
    pub(super) fn begun(&self, state: State) -> usize {
        self.depth[state as usize] as usize
    }

    /// So many bytes at the end of the text are a value; zero is none.
    pub(super) fn ended(&self, state: State) -> usize {
        self.ends[state as usize] as usize
    }

    fn first_child(&self, node: State) -> State {
        let next = node as usize + 1;
        match self.depth.get(next) {
            Some(&depth) if depth > self.depth[node as usize] => node + 1,
            _ => NONE,
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "an environment has a few megabytes at most"
    )]
    fn next_node(&self) -> State {
        self.byte.len() as State
    }
}
