//! Access tokens: JWTs signed with ES256, an hour long, checked against our own key.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use common::clock::Clock;
use common::ids::{AccountId, UserId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// How long an access token is good for, in seconds.
pub(crate) const LIFE: i64 = 3_600;
const AUDIENCE: &str = "patchbay";

#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    #[error("PATCHBAY_JWT_KEY is no PKCS#8 PEM")]
    Pem,
    #[error("PATCHBAY_JWT_KEY is no P-256 key: {0}")]
    Curve(aws_lc_rs::error::KeyRejected),
    #[error("PATCHBAY_JWT_KEY cannot sign")]
    Key(#[source] jsonwebtoken::errors::Error),
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: UserId,
    account: AccountId,
    iat: i64,
    exp: i64,
}

/// Whom a token speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bearer {
    pub(crate) user: UserId,
    pub(crate) account: AccountId,
    /// Seconds since 1970.
    pub(crate) expires: i64,
}

/// Signs and checks access tokens with one key.
pub(crate) struct Tokens {
    signing: EncodingKey,
    checking: DecodingKey,
    header: Header,
    validation: Validation,
    issuer: String,
    key_set: Value,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

impl Tokens {
    pub(crate) fn new(pem: &SecretString, issuer: &str) -> Result<Self, SigningKeyError> {
        let pem = pem.expose_secret();
        let der = der_of(pem).ok_or(SigningKeyError::Pem)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der)
            .map_err(SigningKeyError::Curve)?;
        // An uncompressed point: 4, then 32 bytes each of x and y.
        let point = pair.public_key().as_ref();
        let x = URL_SAFE_NO_PAD.encode(&point[1..33]);
        let y = URL_SAFE_NO_PAD.encode(&point[33..65]);
        let kid = thumbprint(&x, &y);
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(kid.clone());
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[AUDIENCE]);
        // Expiry is compared with the clock we were given, below.
        validation.validate_exp = false;
        Ok(Self {
            signing: EncodingKey::from_ec_pem(pem.as_bytes()).map_err(SigningKeyError::Key)?,
            checking: DecodingKey::from_ec_components(&x, &y).map_err(SigningKeyError::Key)?,
            header,
            validation,
            issuer: issuer.to_owned(),
            key_set: json!({"keys": [{
                "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig",
                "kid": kid, "x": x, "y": y,
            }]}),
        })
    }

    pub(crate) fn sign(
        &self,
        user: UserId,
        account: AccountId,
        clock: &dyn Clock,
    ) -> Result<String, SigningKeyError> {
        let now = clock.now().as_second();
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: AUDIENCE.to_owned(),
            sub: user,
            account,
            iat: now,
            exp: now + LIFE,
        };
        jsonwebtoken::encode(&self.header, &claims, &self.signing).map_err(SigningKeyError::Key)
    }

    /// Whom the token speaks for; `None` where it is not ours or not good any more.
    pub(crate) fn check(&self, token: &str, clock: &dyn Clock) -> Option<Bearer> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.checking, &self.validation)
            .ok()?
            .claims;
        (claims.exp > clock.now().as_second()).then_some(Bearer {
            user: claims.sub,
            account: claims.account,
            expires: claims.exp,
        })
    }

    /// The public key, as `/.well-known/jwks.json` shows it.
    pub(crate) fn key_set(&self) -> &Value {
        &self.key_set
    }
}

fn der_of(pem: &str) -> Option<Vec<u8>> {
    let body = pem
        .trim()
        .strip_prefix("-----BEGIN PRIVATE KEY-----")?
        .strip_suffix("-----END PRIVATE KEY-----")?;
    let text: String = body.split_whitespace().collect();
    STANDARD.decode(text).ok()
}

/// RFC 7638: the same key has the same id everywhere.
fn thumbprint(x: &str, y: &str) -> String {
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    URL_SAFE_NO_PAD.encode(Sha256::digest(canonical.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::clock::{ManualClock, SystemClock};
    use std::time::Duration;

    fn tokens(issuer: &str) -> Tokens {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let der = pair.to_pkcs8v1().unwrap();
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(der.as_ref())
        );
        Tokens::new(&pem.into(), issuer).unwrap()
    }

    #[test]
    fn a_token_is_good_for_an_hour_and_for_its_own_issuer() {
        let clock = ManualClock::at("2026-03-01T00:00:00Z");
        let ours = tokens("https://a.example");
        let (user, account) = (UserId::new(&SystemClock), AccountId::new(&SystemClock));
        let token = ours.sign(user, account, &clock).unwrap();
        assert_eq!(ours.check(&token, &clock).unwrap().user, user);
        assert!(tokens("https://a.example").check(&token, &clock).is_none());
        clock.advance(Duration::from_secs(3_599));
        assert!(ours.check(&token, &clock).is_some());
        clock.advance(Duration::from_secs(1));
        assert!(ours.check(&token, &clock).is_none());
    }

    #[test]
    fn a_token_without_a_signature_or_with_another_algorithm_is_refused() {
        let clock = ManualClock::at("2026-03-01T00:00:00Z");
        let ours = tokens("https://a.example");
        let token = ours
            .sign(
                UserId::new(&SystemClock),
                AccountId::new(&SystemClock),
                &clock,
            )
            .unwrap();
        let claims = token.split('.').nth(1).unwrap();
        for header in [r#"{"alg":"none"}"#, r#"{"alg":"HS256","typ":"JWT"}"#] {
            let header = URL_SAFE_NO_PAD.encode(header);
            assert!(ours.check(&format!("{header}.{claims}."), &clock).is_none());
        }
        assert!(ours.check("", &clock).is_none());
    }

    #[test]
    fn the_key_set_shows_no_private_part() {
        let shown = tokens("i").key_set()["keys"][0].clone();
        assert_eq!(shown["crv"], "P-256");
        assert!(shown.get("d").is_none());
    }
}
