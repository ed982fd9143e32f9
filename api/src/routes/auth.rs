//! Becoming a user, and showing to be one.

mod key_set;
mod login;
mod register;

use http::Method;
use unicode_normalization::UnicodeNormalization as _;

use super::{Access, Route, route};
use crate::fields::Fields;
use common::limits;

pub(super) fn routes() -> Vec<Route> {
    vec![
        route(
            Method::POST,
            "/v1/auth/register",
            Access::Open,
            register::answer,
        ),
        route(Method::POST, "/v1/auth/login", Access::Open, login::answer),
        route(
            Method::GET,
            "/.well-known/jwks.json",
            Access::Open,
            key_set::answer,
        ),
    ]
}

/// An address as typed, and the identity it stands for: trimmed, NFC, lower case.
struct Email {
    typed: String,
    identity: String,
}

impl Email {
    fn take(fields: &mut Fields) -> Self {
        let typed = fields.required_text("email", 2 * limits::EMAIL_BYTES);
        let typed = typed.trim().to_owned();
        let identity: String = typed.nfc().collect::<String>().to_lowercase();
        // NFC of what lower case made: "İ" becomes two characters.
        let identity: String = identity.nfc().collect();
        let fits = |text: &str| text.len() <= limits::EMAIL_BYTES;
        let right = fits(&typed) && fits(&identity) && is_address(&identity);
        if !typed.is_empty() && !right {
            fields.wrong(
                "email",
                "an address like name@example.org, at most 254 bytes",
            );
        }
        Self { typed, identity }
    }
}

/// Only what no address can do without: the mail itself is the proof.
fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let plain = |c: char| !c.is_whitespace() && !c.is_control();
    !local.is_empty()
        && local.len() <= 64
        && domain.split('.').count() >= 2
        && domain.split('.').all(|label| !label.is_empty())
        && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn identity(typed: &str) -> Option<String> {
        let mut fields = Fields::of(json!({ "email": typed })).unwrap();
        let email = Email::take(&mut fields);
        fields.finish().ok().map(|()| email.identity)
    }

    #[test]
    fn two_spellings_of_one_mailbox_are_one_identity() {
        let one = identity(" Jos\u{e9}@Example.org ").unwrap();
        assert_eq!(one, "jos\u{e9}@example.org");
        assert_eq!(identity("JOSE\u{301}@example.ORG"), Some(one));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for wrong in [
            "a",
            "@b.c",
            "a@",
            "a@b",
            "a b@c.d",
            "a@b..c",
            "a\u{7}@b.c",
            "",
        ] {
            assert_eq!(identity(wrong), None, "{wrong}");
        }
        let long = format!("{}@{}.org", "a".repeat(64), "b".repeat(185));
        assert_eq!(long.len(), limits::EMAIL_BYTES);
        assert!(identity(&long).is_some());
        assert_eq!(identity(&format!("{long}g")), None);
    }
}
