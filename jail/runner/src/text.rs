//! Has a fork copy the page tables of the interpreter's own files, as far as a call needs them.
//!
//! A fork leaves out those of a private file mapping, and the child takes a page fault for
//! every sixteen pages of program it comes to (`vma_needs_copy` in the kernel's
//! mm/memory.c), unless the mapping has had an anonymous page. So one page of each gets a
//! copy of its own, written with what it holds. Then all of them are let go, as each costs
//! a little at every fork and every end: the calls made next bring back those that matter.
//! Where the kernel refuses, forks work as before.

use std::ptr;
use std::{fs, io};

use libc::{c_int, c_void};

use crate::child::check;

/// Whose text and constants an ordinary call runs through.
const FILES: [&str; 3] = ["/usr/bin/python3.11", "/libc.so.6", "/_json."];

/// An error only where a mapping could not be given back its rights: such a template ends.
pub(crate) fn copy_on_fork() -> io::Result<()> {
    let Ok(maps) = fs::read_to_string("/proc/self/smaps") else {
        return Ok(());
    };
    let mut last = None;
    for line in maps.lines() {
        // A mapping's line is followed by its figures.
        if let Some(mapping) = Mapping::parse(line) {
            last = mapping;
        } else if line.starts_with("Anonymous:") && !line.ends_with(" 0 kB") {
            // One with pages of its own has been relocated: those are nowhere else.
            last = None;
        } else if line.starts_with("Swap:")
            && let Some(mapping) = last.take()
            && line.ends_with(" 0 kB")
        {
            mapping.own_a_page()?;
        }
    }
    Ok(())
}

struct Mapping {
    start: usize,
    length: usize,
    protection: c_int,
}

impl Mapping {
    /// The outer `None` is no mapping's line (proc_pid_smaps(5)), the inner one a mapping
    /// that isn't a private, unwritable one of the files.
    #[expect(clippy::option_option, reason = "two kinds of no")]
    fn parse(line: &str) -> Option<Option<Self>> {
        let mut words = line.split_ascii_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let start = usize::from_str_radix(start, 16).ok()?;
        let end = usize::from_str_radix(end, 16).ok()?;
        let protection = match words.next()? {
            "r--p" => libc::PROT_READ,
            "r-xp" => libc::PROT_READ | libc::PROT_EXEC,
            _ => return Some(None),
        };
        let path = words.nth(3).unwrap_or_default();
        let wanted = FILES.iter().any(|file| path.contains(file));
        Some(wanted.then_some(Self {
            start,
            length: end.saturating_sub(start),
            protection,
        }))
    }

    fn own_a_page(&self) -> io::Result<()> {
        let start = ptr::with_exposed_provenance_mut::<c_void>(self.start);
        // All of it: a page that was writable once would stay a mapping of its own.
        // SAFETY: it is mapped for the process's life, this is its only thread, and it is
        // given back with its old rights and the byte it had. It stays executable
        // meanwhile, if it was: this very code calls through it. What is let go is read
        // from the file again; nothing else was ever written there.
        unsafe {
            if libc::mprotect(start, self.length, self.protection | libc::PROT_WRITE) != 0 {
                return Ok(());
            }
            let byte = start.cast::<u8>();
            byte.write_volatile(byte.read_volatile());
            check(libc::mprotect(start, self.length, self.protection))?;
            libc::madvise(start, self.length, libc::MADV_DONTNEED);
        }
        Ok(())
    }
}
