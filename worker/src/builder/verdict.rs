//! What importing a version told, as its row will say it.

use common::db::builds::Built;
use common::db::versions::{BrokenKind, EntryPoint, SingleUse};
use common::execution::{ErrorCode, Failure};
use common::ids::{AccountId, VersionId};
use common::limits;
use common::vault::{Purpose, Vault, VaultError};
use jail::{Entry, SyntaxFailure, Verdict};
use serde::Serialize;

use super::inferred::usable;

/// What a build found, open.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    broken: Option<BrokenKind>,
    entry_point: Option<EntryPoint>,
    input_schema: Option<String>,
    output_schema: Option<String>,
    description: Option<String>,
    single_use: Option<SingleUse>,
    /// JSON text.
    reason: Option<Vec<u8>>,
    log: String,
    /// Names of the environment that the import read.
    import_env: Vec<String>,
}

/// Why a version is broken: what its calls answer, and where the fault is.
#[derive(Serialize)]
struct Reason<'a> {
    #[serde(flatten)]
    failure: &'a Failure,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
}

/// `read` are the names of the environment that the import read.
///
/// One that failed after it had read a name that has no value yet may well succeed in a
/// call that brings it: nothing is known of it then, and each call finds out anew.
pub(super) fn found(
    verdict: Verdict,
    log: String,
    read: Vec<String>,
    is_absent: impl Fn(&String) -> bool,
) -> Found {
    let absent: Vec<&str> = read
        .iter()
        .filter(|name| is_absent(name))
        .map(String::as_str)
        .collect();
    let mut found = match verdict {
        Verdict::Import(failure) if !absent.is_empty() => Found {
            log: format!(
                "{log}[the import failed while {} had no value: {}]\n",
                absent.join(", "),
                failure.message
            ),
            ..Found::default()
        },
        verdict => judged(verdict, log),
    };
    found.import_env = read;
    found
}

fn judged(verdict: Verdict, log: String) -> Found {
    match verdict {
        Verdict::Described(described) => Found {
            entry_point: Some(match described.entry {
                Entry::Main => EntryPoint::Main,
                Entry::Handler => EntryPoint::Handler,
                Entry::Script => EntryPoint::Script,
            }),
            input_schema: usable(described.input_schema),
            output_schema: usable(described.output_schema),
            description: described.doc.map(|doc| cut(doc, limits::DESCRIPTION_BYTES)),
            single_use: described.single_use.map(left),
            log,
            ..Found::default()
        },
        Verdict::Syntax(syntax) => Found {
            broken: Some(BrokenKind::Syntax),
            reason: Some(syntax_reason(&syntax)),
            log,
            ..Found::default()
        },
        Verdict::Import(failure) => Found {
            broken: Some(BrokenKind::Import),
            reason: Some(json(&Reason {
                failure: &crate::attempt::failure_of(&failure),
                line: None,
                column: None,
                file: None,
            })),
            log,
            ..Found::default()
        },
    }
}

/// Packages that can't be had, in the resolver's words.
pub(super) fn refused(words: String) -> Found {
    let failure = Failure::new(ErrorCode::ImportError, words);
    Found {
        broken: Some(BrokenKind::Packages),
        reason: Some(json(&Reason {
            failure: &failure,
            line: None,
            column: None,
            file: None,
        })),
        ..Found::default()
    }
}

/// The jail's word for it, as the row has it.
const fn left(left: jail::SingleUse) -> SingleUse {
    match left {
        jail::SingleUse::Threads => SingleUse::Threads,
        jail::SingleUse::Processes => SingleUse::Processes,
        jail::SingleUse::Sigchld => SingleUse::Sigchld,
        jail::SingleUse::User => SingleUse::User,
        jail::SingleUse::OpenFiles => SingleUse::OpenFiles,
        jail::SingleUse::SharedMemory => SingleUse::SharedMemory,
        jail::SingleUse::Files => SingleUse::Files,
        jail::SingleUse::Other => SingleUse::Other,
    }
}

fn syntax_reason(syntax: &SyntaxFailure) -> Vec<u8> {
    let mut failure = Failure::new(ErrorCode::ImportError, syntax.message.clone());
    failure.kind = Some("SyntaxError".to_owned());
    json(&Reason {
        failure: &failure,
        line: Some(syntax.line),
        column: Some(syntax.column),
        file: Some(&syntax.file),
    })
}

fn json(reason: &Reason<'_>) -> Vec<u8> {
    serde_json::to_vec(reason).unwrap_or_default()
}

fn cut(mut text: String, most: usize) -> String {
    text.truncate(text.floor_char_boundary(most));
    text
}

impl Found {
    /// Seals all that is the user's.
    pub(super) async fn seal(
        self,
        vault: &Vault,
        account: AccountId,
        id: VersionId,
    ) -> Result<Built, VaultError> {
        let key = vault.key_to_seal(account).await?;
        let seal = |purpose, text: Option<&[u8]>| {
            let sealed = text.map(|text| key.seal(purpose, id.uuid(), text));
            sealed.transpose().map_err(|source| VaultError::Text {
                purpose,
                id: id.uuid(),
                source,
            })
        };
        let log = Some(self.log.as_bytes()).filter(|log| !log.is_empty());
        Ok(Built {
            broken: self.broken,
            entry_point: self.entry_point,
            input_schema: self.input_schema,
            output_schema: self.output_schema,
            description: seal(
                Purpose::Description,
                self.description.as_ref().map(String::as_bytes),
            )?,
            reason: seal(Purpose::Reason, self.reason.as_deref())?,
            import_log: seal(Purpose::ImportLog, log)?,
            single_use: self.single_use,
            lock: None,
            import_env: self.import_env,
        })
    }
}

#[cfg(test)]
mod tests {
    use jail::FailureCode;

    use super::*;

    #[test]
    fn a_syntax_error_says_where_and_reads_as_a_failure() {
        let syntax = SyntaxFailure {
            message: "'(' was never closed".to_owned(),
            line: 3,
            column: 7,
            file: "main.py".to_owned(),
        };
        let found = judged(Verdict::Syntax(syntax), String::new());
        assert_eq!(found.broken, Some(BrokenKind::Syntax));
        let reason = found.reason.unwrap();
        let read: Failure = serde_json::from_slice(&reason).unwrap();
        assert_eq!(read.code, ErrorCode::ImportError);
        let value: serde_json::Value = serde_json::from_slice(&reason).unwrap();
        assert_eq!((&value["line"], &value["column"]), (&3.into(), &7.into()));
    }

    #[test]
    fn an_import_that_failed_for_want_of_a_value_is_not_broken() {
        let failed = || Verdict::Import(jail::Failure::new(FailureCode::ImportError, "no good"));
        let read = || vec!["TOKEN".to_owned(), "KEY".to_owned()];
        let known = found(failed(), String::new(), read(), |_| false);
        assert_eq!(known.broken, Some(BrokenKind::Import));
        assert_eq!(known.import_env, read());
        let absent = found(failed(), "hi\n".to_owned(), read(), |name| name == "KEY");
        assert_eq!((absent.broken, &absent.reason), (None, &None));
        assert_eq!(
            absent.log,
            "hi\n[the import failed while KEY had no value: no good]\n"
        );
        assert_eq!(absent.import_env, read());
        let unread = found(failed(), String::new(), Vec::new(), |_| true);
        assert_eq!(unread.broken, Some(BrokenKind::Import));
    }

    #[test]
    fn a_description_is_cut_between_characters() {
        let text = "é".repeat(limits::DESCRIPTION_BYTES);
        let kept = cut(text, limits::DESCRIPTION_BYTES - 1);
        assert_eq!(kept.len(), limits::DESCRIPTION_BYTES - 2);
    }
}
