//! Packages a version asks for: each line one requirement by name (PEP 508), and
//! nothing else that a resolver would understand.

#[cfg(test)]
mod fuzz;

use std::str::FromStr as _;

use common::limits;
use pep508_rs::{Requirement, VerbatimUrl};

use crate::fields::Fields;

/// The field `requirements`: normalised, sorted, each once.
pub(crate) fn take(fields: &mut Fields) -> Vec<String> {
    let bounds = (limits::REQUIREMENTS, limits::REQUIREMENT_BYTES);
    let mut requirements = fields.each("requirements", bounds, normalised);
    requirements.sort_unstable();
    requirements.dedup();
    requirements
}

fn normalised(text: &str) -> Result<String, String> {
    // A line of its own for the resolver, whatever the grammar thinks of it.
    if text.contains(char::is_control) {
        return Err("one requirement, on one line".to_owned());
    }
    if text.trim_start().starts_with('-') {
        return Err("options are not taken; the index is the operator's choice".to_owned());
    }
    let (name, marker) = match text.split_once(';') {
        Some((name, marker)) => (name, Some(marker)),
        None => (text, None),
    };
    // Before the library sees it, which puts the environment of this process into addresses.
    if name.contains(['@', '/', '\\', ':', '$']) {
        return Err("packages are named, not fetched from an address or a path".to_owned());
    }
    if !has_whole_names(name) {
        return Err("a name ends with a letter or a digit".to_owned());
    }
    let requirement = Requirement::<VerbatimUrl>::from_str(name)
        .map_err(|error| format!("no requirement of PEP 508: {}", error.message))?;
    match marker.map(plain_marker) {
        None => Ok(requirement.to_string()),
        Some(Some(marker)) => Ok(format!("{requirement} ; {marker}")),
        Some(None) => Err("no marker of PEP 508 behind the semicolon".to_owned()),
    }
}

/// Whether the package and its extras end as names do; the library panics at some that don't.
fn has_whole_names(text: &str) -> bool {
    let names = text.split(['<', '>', '=', '!', '~', '(']).next();
    names
        .unwrap_or_default()
        .split(|letter: char| !letter.is_ascii_alphanumeric() && !"._-".contains(letter))
        .all(|name| !name.ends_with(['.', '_', '-']))
}

/// A marker as far as it is read here: comparisons of words and quoted texts, with single
/// spaces. What they mean is the resolver's to say, in its sandbox; the library that would
/// say it here keeps each marker it has seen for ever.
fn plain_marker(marker: &str) -> Option<String> {
    const WORDS: [&str; 16] = [
        "and",
        "or",
        "in",
        "not",
        "extra",
        "os_name",
        "sys_platform",
        "platform_machine",
        "platform_python_implementation",
        "platform_release",
        "platform_system",
        "platform_version",
        "python_version",
        "python_full_version",
        "implementation_name",
        "implementation_version",
    ];
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-+*!<>=~(), '\"".contains(&byte);
    let words: Vec<&str> = marker.split_whitespace().collect();
    let marker = words.join(" ");
    let quotes = |quote| marker.matches(quote).count();
    let is_whole = quotes('\'') % 2 == 0 && quotes('"') % 2 == 0 && quotes('\'') + quotes('"') > 0;
    let bare: String = marker
        .split('"')
        .step_by(2)
        .flat_map(|part| part.split('\'').step_by(2))
        .fold(String::new(), |all, part| all + part + " ");
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '.';
    let mut words = bare
        .split(|letter| !is_word(letter))
        .filter(|word| !word.is_empty());
    let is_known = words.all(|word| WORDS.contains(&word));
    (is_whole && is_known && marker.bytes().all(is_plain)).then_some(marker)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn taken(requirements: &serde_json::Value) -> (Vec<String>, Vec<String>) {
        let mut fields = Fields::of(json!({"requirements": requirements})).unwrap();
        let taken = take(&mut fields);
        let pointers = match fields.finish() {
            Ok(()) => Vec::new(),
            Err(problem) => problem
                .errors()
                .iter()
                .map(|error| error.pointer.clone())
                .collect(),
        };
        (taken, pointers)
    }

    #[test]
    fn equal_requirements_are_one_in_one_order() {
        let asked = json!([
            "Requests >= 2,<3",
            "numpy",
            "requests<3,>=2",
            "zope.interface[Test]"
        ]);
        let (taken, _) = taken(&asked);
        assert_eq!(taken.len(), 3, "{taken:?}");
        assert_eq!(taken[0], "numpy");
        assert!(taken[1].starts_with("requests"));
        assert!(taken[2].starts_with("zope-interface[test]"));
    }

    #[test]
    fn markers_are_kept() {
        let (taken, _) = taken(&json!(["tomli; python_version < \"3.0\""]));
        assert_eq!(taken, ["tomli ; python_version < \"3.0\""]);
    }

    #[test]
    fn every_part_of_a_marker_is_passed_on() {
        let marker = "(python_version<'4' and os_name not in \"x y\") or extra == 'a-b'";
        let (taken, _) = taken(&json!([format!("six;{marker}")]));
        assert_eq!(taken, [format!("six ; {marker}")]);
    }

    #[test]
    fn what_is_no_name_is_refused_at_its_place() {
        for wrong in [
            "--index-url http://127.0.0.1/",
            "-r /etc/passwd",
            " -e .",
            "./wheel.whl",
            "/etc/passwd",
            "x.whl",
            "six @ https://example.org/six.whl",
            "six @ file:///etc/passwd",
            "six @ git+https://example.org/six",
            "https://example.org/six.whl",
            "six\n--pre",
            "six\r--pre",
            "six --hash=sha256:aa",
            "six # comment",
            "six==",
            "six-[test]",
            "six-==1",
            "six_ ",
            "six[test-]",
            "six @ ${HOME}",
            "six; os_name ==",
            "six; os_name == 'x",
            "six; bogus == '1'",
            "six; os_name == 'x' xor os_name == 'y'",
            "six; os_name == \"x' #\"",
            "six; os_name == 'x' --hash=sha256:aa # \\",
            "six; os_name == 'x' # y",
            "six; os_name == '\u{e9}'",
            "${HOME}",
            "a b",
        ] {
            let (_, pointers) = taken(&json!(["numpy", wrong]));
            assert_eq!(pointers, ["/requirements/1"], "{wrong:?}");
        }
        // Also behind one that is no text at all.
        let (_, pointers) = taken(&json!([7, "six", "a b"]));
        assert_eq!(pointers, ["/requirements/0", "/requirements/2"]);
    }

    #[test]
    fn there_are_bounds_on_their_number_and_length() {
        let many = |count: usize| json!((0..count).map(|n| format!("p{n}")).collect::<Vec<_>>());
        assert_eq!(taken(&many(limits::REQUIREMENTS)).1, [""; 0]);
        assert_eq!(taken(&many(limits::REQUIREMENTS + 1)).1, ["/requirements"]);
        let long = |length: usize| json!(["a".repeat(length)]);
        assert_eq!(taken(&long(limits::REQUIREMENT_BYTES)).1, [""; 0]);
        assert_eq!(
            taken(&long(limits::REQUIREMENT_BYTES + 1)).1,
            ["/requirements/0"]
        );
    }
}
