//! What the template says of an import.

use serde::Deserialize;

use crate::mask::Mask;
use crate::outcome::{Entry, Failure, SingleUse, SyntaxFailure};

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Answer {
    Syntax {
        syntax: SyntaxFailure,
    },
    Failed {
        failure: Failure,
        #[serde(default)]
        read: Option<Vec<String>>,
    },
    Imported {
        entry: Entry,
        #[serde(default)]
        read: Option<Vec<String>>,
        single_use: Option<SingleUse>,
        #[serde(default)]
        doc: Option<String>,
        #[serde(default)]
        input_schema: Option<String>,
        #[serde(default)]
        output_schema: Option<String>,
    },
}

impl Answer {
    pub(super) fn masked(self, mask: &Mask) -> Self {
        if mask.is_empty() {
            return self;
        }
        let json = |schema: String| {
            let covered = mask.json(schema.into_bytes());
            String::from_utf8_lossy(&covered).into_owned()
        };
        match self {
            Self::Syntax { syntax } => Self::Syntax {
                syntax: syntax.masked(mask),
            },
            Self::Failed { failure, read } => Self::Failed {
                failure: failure.masked(mask),
                read,
            },
            Self::Imported {
                entry,
                read,
                single_use,
                doc,
                input_schema,
                output_schema,
            } => Self::Imported {
                entry,
                read,
                single_use,
                doc: doc.map(|doc| mask.told(&doc)),
                input_schema: input_schema.map(json),
                output_schema: output_schema.map(json),
            },
        }
    }
}
