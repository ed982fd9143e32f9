//! Texts that the runner has made: cut where they are long, and pointers into JSON.

use super::Mask;

/// What the runner writes where it has cut, after a space or a line's end.
const CUT: &str = "[…]";

impl Mask {
    /// A text of the runner's. Before each cut, what may be the beginning of a value is
    /// covered too; after one, the runner goes on with a whole line.
    #[must_use]
    pub fn told(&self, text: &str) -> String {
        if self.is_empty() {
            return text.to_owned();
        }
        // First as a whole, for a value may have such a mark in it.
        let covered = String::from_utf8_lossy(&self.text(text.as_bytes())).into_owned();
        let Some((pieces, last)) = covered.rsplit_once(CUT) else {
            return covered;
        };
        let mut shown = String::with_capacity(covered.len());
        for piece in pieces.split(CUT) {
            let cut = piece.strip_suffix([' ', '\n']).unwrap_or(piece);
            shown.push_str(&String::from_utf8_lossy(&self.cut_text(cut.as_bytes())));
            shown.push_str(&piece[cut.len()..]);
            shown.push_str(CUT);
        }
        shown.push_str(last);
        shown
    }

    /// A JSON Pointer: its tokens are covered in what they mean.
    pub(crate) fn pointer(&self, pointer: &str) -> String {
        let tokens = pointer.split('/').map(|token| {
            let meant = token.replace("~1", "/").replace("~0", "~");
            let covered = self.told(&meant);
            if covered == meant {
                token.to_owned()
            } else {
                covered.replace('~', "~0").replace('/', "~1")
            }
        });
        tokens.collect::<Vec<_>>().join("/")
    }
}
