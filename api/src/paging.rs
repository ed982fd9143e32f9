//! Pages of a list: `{"items": […], "next_cursor": …}`.
//!
//! A cursor is the position of the last item shown, in the order of the list itself,
//! so each row comes exactly once at any page size. It ends with a check: one
//! that isn't ours is a 422.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::problem::Problem;
use crate::query::{Query, wrong};

/// Which list a cursor belongs to: one of another list is not ours either.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Listing {
    ApiKeys = 1,
    Namespaces = 2,
    Functions = 3,
    Versions = 4,
    Executions = 5,
    Secrets = 6,
}

/// What one answer shows.
#[derive(Debug, Serialize)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next_cursor: Option<String>,
}

/// What was asked for: how many, after which position.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    listing: Listing,
    limit: u32,
    after: Option<Vec<u8>>,
}

impl Asked {
    pub(crate) fn of(query: &Query, listing: Listing) -> Result<Self, Problem> {
        let after = query
            .text("cursor")?
            .map(|text| position(listing, text).ok_or_else(|| wrong("cursor", NOT_OURS)))
            .transpose()?;
        Ok(Self {
            listing,
            limit: query.limit()?,
            after,
        })
    }

    /// The position after which to go on, where it reads as such a position.
    pub(crate) fn after<T>(&self, read: impl Fn(&[u8]) -> Option<T>) -> Result<Option<T>, Problem> {
        self.after
            .as_deref()
            .map(|bytes| read(bytes).ok_or_else(|| wrong("cursor", NOT_OURS)))
            .transpose()
    }

    /// One more than shown, so that the last page is known to be the last.
    pub(crate) fn rows(&self) -> u32 {
        self.limit + 1
    }

    /// The page of rows that were read with [`Self::rows`].
    pub(crate) fn page<R, T>(
        &self,
        mut rows: Vec<R>,
        position: impl Fn(&R) -> Vec<u8>,
        show: impl Fn(R) -> T,
    ) -> Page<T> {
        let shown = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > shown;
        rows.truncate(shown);
        let next_cursor = rows
            .last()
            .filter(|_| more)
            .map(|last| cursor(self.listing, &position(last)));
        Page {
            items: rows.into_iter().map(show).collect(),
            next_cursor,
        }
    }
}

const NOT_OURS: &str = "this is no cursor of ours";

fn cursor(listing: Listing, position: &[u8]) -> String {
    let mut bytes = vec![listing as u8];
    bytes.extend_from_slice(position);
    let check = check(&bytes);
    bytes.extend_from_slice(&check);
    URL_SAFE_NO_PAD.encode(bytes)
}

fn position(listing: Listing, text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (signed, sum) = bytes.split_last_chunk::<4>()?;
    let (kind, position) = signed.split_first()?;
    let ours = *kind == listing as u8 && *sum == check(signed);
    ours.then(|| position.to_vec())
}

fn check(bytes: &[u8]) -> [u8; 4] {
    let digest = Sha256::digest(bytes);
    [digest[0], digest[1], digest[2], digest[3]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_one_of_another_list_does_not() {
        let text = cursor(Listing::Functions, b"name");
        assert_eq!(position(Listing::Functions, &text).unwrap(), b"name");
        assert_eq!(position(Listing::Versions, &text), None);
        for odd in ["", "AAAA", "ü", &text[1..], &format!("{text}A")] {
            assert_eq!(position(Listing::Functions, odd), None, "{odd}");
        }
    }

    #[test]
    fn the_last_page_says_so() {
        let asked = Asked {
            listing: Listing::Functions,
            limit: 2,
            after: None,
        };
        let page = asked.page(vec![1_u8, 2, 3], |row| vec![*row], |row| row);
        assert_eq!(page.items, [1, 2]);
        let next = page.next_cursor.unwrap();
        assert_eq!(position(Listing::Functions, &next), Some(vec![2]));
        let last = asked.page(vec![1_u8, 2], |row| vec![*row], |row| row);
        assert!(last.next_cursor.is_none());
    }
}
