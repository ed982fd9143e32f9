//! A version's source: named texts, one of which is the entry.
//!
//! Stored sealed, as bytes: one file is its own text, several are a NUL, which no source
//! has, and a JSON object of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::limits;

/// The file whose functions are called, or that is run.
pub const ENTRY: &str = "main.py";

/// At least the entry, and its names and sizes checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source(BTreeMap<String, String>);

/// What is wrong with a set of files.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceFault {
    /// Which file; `None` where it is all of them.
    pub file: Option<String>,
    pub what: String,
}

/// What is stored is no source.
#[derive(Debug, thiserror::Error)]
#[error("a stored source cannot be read")]
pub struct DamagedSource;

impl Source {
    /// One file.
    ///
    /// # Errors
    /// Where it is too large or has a NUL.
    pub fn single(text: String) -> Result<Self, SourceFault> {
        Self::of_files(BTreeMap::from([(ENTRY.to_owned(), text)]))
    }

    /// # Errors
    /// The first fault, by file name.
    pub fn of_files(files: BTreeMap<String, String>) -> Result<Self, SourceFault> {
        let all = |what: String| SourceFault { file: None, what };
        if files.len() > limits::CODE_FILES {
            return Err(all(format!("at most {} files", limits::CODE_FILES)));
        }
        if folders(&files) > limits::CODE_FILES {
            return Err(all(format!("at most {} folders", limits::CODE_FILES)));
        }
        if files.values().map(String::len).sum::<usize>() > limits::CODE_BYTES {
            return Err(all(format!("at most {} bytes", limits::CODE_BYTES)));
        }
        for (name, text) in &files {
            let wrong = if let Some(what) = name_fault(name, &files) {
                what
            } else if let Some(at) = text.find('\0') {
                nul_at(text, at)
            } else {
                continue;
            };
            return Err(SourceFault {
                file: Some(name.clone()),
                what: wrong,
            });
        }
        if !files.contains_key(ENTRY) {
            return Err(all(format!("{ENTRY} is missing: it is the entry")));
        }
        Ok(Self(files))
    }

    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self.as_single() {
            Some(text) => text.as_bytes().to_vec(),
            None => [b"\0", serde_json::json!(self.0).to_string().as_bytes()].concat(),
        }
    }

    /// # Errors
    /// Where the bytes are not what [`Source::encode`] gave.
    pub fn decode(bytes: Vec<u8>) -> Result<Self, DamagedSource> {
        let files = match bytes.split_first() {
            Some((0, json)) => serde_json::from_slice(json).map_err(|_| DamagedSource)?,
            _ => {
                let text = String::from_utf8(bytes).map_err(|_| DamagedSource)?;
                BTreeMap::from([(ENTRY.to_owned(), text)])
            }
        };
        Self::of_files(files).map_err(|_| DamagedSource)
    }

    /// The text, where the entry is the only file.
    #[must_use]
    pub fn as_single(&self) -> Option<&str> {
        let entry = self.0.get(ENTRY).filter(|_| self.0.len() == 1);
        entry.map(String::as_str)
    }

    #[must_use]
    pub const fn files(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    #[must_use]
    pub fn into_files(self) -> BTreeMap<String, String> {
        self.0
    }
}

/// How many folders the files are in.
fn folders(files: &BTreeMap<String, String>) -> usize {
    let above = |name: &'_ String| {
        let ends = name.match_indices('/').map(|(at, _)| at);
        ends.map(|at| name[..at].to_owned()).collect::<Vec<_>>()
    };
    files.keys().flat_map(above).collect::<BTreeSet<_>>().len()
}

/// Names become paths of files: plain relative ones.
fn name_fault(name: &str, files: &BTreeMap<String, String>) -> Option<String> {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
    };
    if name.len() > limits::CODE_NAME_BYTES || !name.split('/').all(plain) {
        return Some(format!(
            "a relative path of at most {} letters, digits, '_', '-' and '.', its parts not beginning with a dot",
            limits::CODE_NAME_BYTES
        ));
    }
    let folder = format!("{name}/");
    let below = files.keys().find(|other| other.starts_with(&folder))?;
    Some(format!("it is a folder too: there is {below}"))
}

fn nul_at(text: &str, at: usize) -> String {
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    let column = before[line_start..].chars().count() + 1;
    format!("line {line}, column {column}: source code has no NUL")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        names.iter().map(owned).collect()
    }

    #[test]
    fn what_is_stored_comes_back() {
        let one = Source::single("def main(): pass".to_owned()).unwrap();
        assert_eq!(one.encode(), b"def main(): pass");
        let several = Source::of_files(files(&[(ENTRY, "é"), ("a/b.py", "")])).unwrap();
        for source in [one, several] {
            assert_eq!(Source::decode(source.encode()).unwrap(), source);
        }
        for damaged in [&b"\0["[..], b"\0{}", b"\0{\"main.py\":\"\",\"../a\":\"\"}"] {
            assert!(Source::decode(damaged.to_vec()).is_err());
        }
        assert!(Source::decode(vec![0xff]).is_err());
    }

    #[test]
    fn the_first_fault_is_named_with_its_file() {
        let fault = |names: &[_]| Source::of_files(files(names)).unwrap_err();
        assert_eq!(fault(&[("helpers.py", "")]).file, None);
        for name in [
            "", "/a.py", "a//b.py", "../a.py", ".a", "a/.b", "a b.py", "ä.py",
        ] {
            let found = fault(&[(ENTRY, ""), (name, "")]);
            assert_eq!(found.file.as_deref(), Some(name), "{name:?}");
        }
        let folder = fault(&[(ENTRY, ""), ("a", ""), ("a/b.py", "")]);
        assert_eq!(folder.file.as_deref(), Some("a"));
        let nul = fault(&[(ENTRY, ""), ("x.py", "a\nbé\0")]);
        assert_eq!(
            (nul.file.as_deref(), nul.what.as_str()),
            (Some("x.py"), "line 2, column 3: source code has no NUL")
        );
    }

    #[test]
    fn bounds_hold_for_all_files_together() {
        let half = "x".repeat(limits::CODE_BYTES / 2);
        let with = |more: &str| {
            let more = format!("{half}{more}");
            Source::of_files(files(&[(ENTRY, &half), ("a.py", &more)]))
        };
        assert!(with("").is_ok());
        assert_eq!(with("x").unwrap_err().file, None);
        let many = |count: usize| {
            let mut all = files(&[(ENTRY, "")]);
            all.extend((1..count).map(|at| (format!("m{at}.py"), String::new())));
            Source::of_files(all)
        };
        assert!(many(limits::CODE_FILES).is_ok());
        assert!(many(limits::CODE_FILES + 1).is_err());
        let deep = |folders: usize| {
            let mut all = files(&[(ENTRY, "")]);
            all.extend((0..folders / 2).map(|at| (format!("f{at}/g/m.py"), String::new())));
            Source::of_files(all)
        };
        assert!(deep(limits::CODE_FILES).is_ok());
        assert!(deep(limits::CODE_FILES + 2).is_err());
        let named =
            |length: usize| Source::of_files(files(&[(ENTRY, ""), (&"n".repeat(length), "")]));
        assert!(named(limits::CODE_NAME_BYTES).is_ok());
        assert!(named(limits::CODE_NAME_BYTES + 1).is_err());
    }
}
