//! Leaves the C library's heap so that a child's first allocations touch few pages of it.

use std::hint::black_box;

use libc::c_void;

/// Gives back what is free and has the rest put in order, as far as a child would do it
/// with its first allocations, and copy a page for each free piece it looks at.
pub(crate) fn tidy() {
    /// More than any free piece that lies about, less than what is mapped on its own.
    const LARGE: usize = 64 << 10;
    // SAFETY: gives back free memory only; the piece is given back untouched.
    unsafe {
        libc::malloc_trim(0);
        libc::free(black_box(libc::malloc(LARGE)));
    }
    locks();
}

/// CPython makes its locks anew in every child. Free pieces of their size lie scattered
/// after an import; the ones behind them, taken in a row, lie in one page.
fn locks() {
    /// Of a lock, rounded up (`PyThread_allocate_lock`: a `sem_t`).
    const SIZE: usize = 32;
    const SCATTERED: usize = 224;
    const IN_A_ROW: usize = 32;
    let mut row = [std::ptr::null_mut::<c_void>(); IN_A_ROW];
    for at in 0..SCATTERED + IN_A_ROW {
        // SAFETY: has no preconditions. Those that scattered stay taken: ten kilobytes.
        row[at % IN_A_ROW] = black_box(unsafe { libc::malloc(SIZE) });
    }
    for piece in row {
        // SAFETY: each was given above and is given back once.
        unsafe { libc::free(piece) };
    }
}
