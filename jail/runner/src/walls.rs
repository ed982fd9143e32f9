//! The walls of the loop that a test may take away, one at a time.

use libc::c_int;

#[derive(Clone, Copy)]
pub(crate) struct Walls(c_int);

impl Walls {
    /// As `native.py` puts them together.
    pub(crate) const fn of(bits: c_int) -> Self {
        Self(bits)
    }

    /// Executions have another uid than the template.
    pub(crate) const fn second_uid(self) -> bool {
        self.0 & 1 != 0
    }

    /// Each execution opens its own standard input.
    pub(crate) const fn own_stdin(self) -> bool {
        self.0 & 2 != 0
    }

    /// Option of `waitpid`: whether children that end with another signal than SIGCHLD, or
    /// with none, are seen as well.
    pub(crate) const fn children(self) -> c_int {
        if self.0 & 4 != 0 { libc::__WALL } else { 0 }
    }
}
