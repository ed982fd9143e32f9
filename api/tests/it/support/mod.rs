//! An api on ports of its own over a database and a queue of its own, a stand-in for
//! the worker, and accounts that came in through the front door.

mod events;
mod http;
mod order;
mod peer;
mod printing;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use api::Config;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::clock::{Clock as _, SharedClock, SystemClock};
use common::config::Env;
use common::db::{accounts, users};
use common::ids::{AccountId, UserId};
use common::plan::Plan;
use common::testing::{self, KEK, Queue, Role, TestDatabase, wait_until};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use events::{Event, Events};
pub(crate) use http::{Client, Reply};
pub(crate) use peer::peer;
pub(crate) use worker::Worker;

/// Generous: tests wait for states, not for time.
pub(crate) const BOUND: Duration = Duration::from_secs(30);

pub(crate) struct Home {
    pub(crate) database: TestDatabase,
    pub(crate) queue: Queue,
    redis_url: String,
    jwt_key: String,
    shutdown: CancellationToken,
    pub(crate) tasks: TaskTracker,
    url: String,
    pub(crate) admin_url: String,
}

/// Somebody with an account and a key that may do everything.
pub(crate) struct Tenant {
    pub(crate) account: AccountId,
    pub(crate) user: UserId,
    pub(crate) email: String,
    /// By access token.
    pub(crate) person: Client,
    /// By API key.
    pub(crate) program: Client,
    /// A namespace of theirs.
    pub(crate) namespace: String,
}

pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) const SCOPES: &[&str] = &[
    "functions:read",
    "functions:write",
    "functions:invoke",
    "executions:read",
    "account:read",
    "account:write",
];

impl Home {
    pub(crate) async fn new() -> Self {
        let database = testing::database().await;
        let queue = testing::queue(&database).await;
        Self::over(database, queue, testing::redis_url()).await
    }

    /// Over servers of one's own.
    pub(crate) async fn over(database: TestDatabase, queue: Queue, redis_url: String) -> Self {
        let mut home = Self {
            database,
            queue,
            redis_url,
            jwt_key: signing_key(),
            shutdown: CancellationToken::new(),
            tasks: TaskTracker::new(),
            url: String::new(),
            admin_url: String::new(),
        };
        (home.url, home.admin_url) = home.start(&home.shutdown).await;
        home
    }

    /// Starts one more api of the same home; it stops with `shutdown`.
    pub(crate) async fn start(&self, shutdown: &CancellationToken) -> (String, String) {
        let clock = Arc::new(SystemClock);
        let started = api::bind(self.config(), clock, shutdown).await.unwrap();
        let url = format!("http://{}", started.address().unwrap());
        let admin = format!("http://{}", started.admin_address().unwrap());
        let stopped = shutdown.clone();
        self.tasks
            .spawn(async move { started.serve(stopped).await.unwrap() });
        let ready = Client::new(&admin, None);
        wait_until("the api is ready", BOUND, async || {
            let reply = ready.get("/readyz").await;
            if reply.status == 200 {
                Ok(())
            } else {
                Err(reply.text())
            }
        })
        .await;
        (url, admin)
    }

    /// Another api of the same home with a clock of its own; does not wait for it to be
    /// ready. Gives its admin listener's address.
    pub(crate) async fn start_at(
        &self,
        clock: SharedClock,
        shutdown: &CancellationToken,
    ) -> String {
        let started = api::bind(self.config(), clock, shutdown).await.unwrap();
        let admin = format!("http://{}", started.admin_address().unwrap());
        let stopped = shutdown.clone();
        self.tasks
            .spawn(async move { started.serve(stopped).await.unwrap() });
        admin
    }

    fn config(&self) -> Config {
        let text = |secret: secrecy::SecretString| secret.expose_secret().to_owned();
        let settings = [
            ("PATCHBAY_LISTEN", "127.0.0.1:0".to_owned()),
            ("PATCHBAY_ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
            ("PATCHBAY_PUBLIC_URL", "http://patchbay.test".to_owned()),
            ("PATCHBAY_JWT_KEY", self.jwt_key.clone()),
            ("DATABASE_URL", text(self.database.url(Role::Api))),
            ("KEYS_DATABASE_URL", text(self.database.keys_url(Role::Api))),
            ("PATCHBAY_KEK", KEK.to_owned()),
            ("REDIS_URL", self.redis_url.clone()),
            ("PATCHBAY_REDIS_PREFIX", self.queue.partition.prefix.clone()),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value));
        Config::from_env(&mut Env::of(settings)).unwrap()
    }

    /// A stand-in for the worker, at work until the home is gone.
    pub(crate) fn worker(&self) -> Worker {
        Worker::start(self)
    }

    /// A stand-in that only builds, until `stop`.
    pub(crate) fn builder(&self, stop: &CancellationToken) -> Worker {
        Worker::building(self, stop)
    }

    /// Somebody on plan `local` with a verified email, and a namespace.
    pub(crate) async fn tenant(&self, name: &str) -> Tenant {
        let tenant = self.newcomer(name).await;
        let database = self.database.connect(Role::Owner);
        let client = database.client().await.unwrap();
        users::verify(&client, tenant.user, SystemClock.now())
            .await
            .unwrap();
        drop(client);
        self.on_plan(&tenant, Plan::Local).await;
        tenant
    }

    pub(crate) async fn on_plan(&self, tenant: &Tenant, plan: Plan) {
        let database = self.database.connect(Role::Owner);
        let client = database.client().await.unwrap();
        let set = accounts::set_plan(&client, tenant.account, plan).await;
        assert!(set.unwrap());
    }

    /// Somebody as registered: plan free, the email not verified.
    pub(crate) async fn newcomer(&self, name: &str) -> Tenant {
        let open = self.anyone();
        let email = format!("{name}@example.org");
        let body = json!({"email": email, "password": PASSWORD, "accept_terms": true});
        open.post("/v1/auth/register", &body).await.must_be(201);
        let login = json!({"email": email, "password": PASSWORD});
        let login = open.post("/v1/auth/login", &login).await.must_be(200);
        let token = login["access_token"].as_str().unwrap();
        let person = Client::new(&self.url, Some(token));
        let account = person.get("/v1/account").await.must_be(200);
        person
            .post("/v1/namespaces", &json!({ "name": name }))
            .await
            .must_be(201);
        let key = self
            .key(&person, json!({"name": "all", "scopes": SCOPES}))
            .await;
        Tenant {
            account: account["id"].as_str().unwrap().parse().unwrap(),
            user: account["user"]["id"].as_str().unwrap().parse().unwrap(),
            email,
            program: Client::new(&self.url, Some(&key)),
            person,
            namespace: name.to_owned(),
        }
    }

    /// A new key's text.
    pub(crate) async fn key(&self, person: &Client, wanted: Value) -> String {
        let made = person.post("/v1/api-keys", &wanted).await.must_be(201);
        made["key"].as_str().unwrap().to_owned()
    }

    pub(crate) fn anyone(&self) -> Client {
        Client::new(&self.url, None)
    }

    pub(crate) fn with_key(&self, key: &str) -> Client {
        Client::new(&self.url, Some(key))
    }

    /// An access token that is good until then, in seconds since 1970.
    pub(crate) fn token(&self, tenant: &Tenant, until: i64) -> String {
        let claims = json!({
            "iss": "http://patchbay.test", "aud": "patchbay", "sub": tenant.user,
            "account": tenant.account, "iat": until - 3_600, "exp": until,
        });
        let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
        let key = jsonwebtoken::EncodingKey::from_ec_pem(self.jwt_key.as_bytes()).unwrap();
        jsonwebtoken::encode(&header, &claims, &key).unwrap()
    }

    pub(crate) fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Stops every api that runs until the home ends, and waits for it.
    pub(crate) async fn stop(&self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.shutdown
    }
}

impl Tenant {
    /// Publishes a function whose code is an order to the stand-in.
    pub(crate) async fn publish(&self, name: &str, order: &str) -> Value {
        let path = self.function(name);
        let reply = self.program.put(&path, &json!({ "code": order })).await;
        assert!(reply.status == 201 || reply.status == 200, "{reply:?}");
        reply.json()
    }

    pub(crate) fn function(&self, name: &str) -> String {
        format!("/v1/namespaces/{}/functions/{name}", self.namespace)
    }

    pub(crate) fn executions(&self, name: &str) -> String {
        format!("{}/executions", self.function(name))
    }

    /// Has a function run without waiting for it; gives the 202's body.
    pub(crate) async fn begin(&self, name: &str) -> Value {
        let path = self.executions(name);
        self.program.post(&path, &json!({})).await.must_be(202)
    }

    /// Waits until the record says that the latest execution succeeded.
    pub(crate) async fn latest_succeeded(&self) {
        wait_until("it is recorded", BOUND, async || {
            let listed = self.program.get("/v1/executions").await.json();
            if listed["items"][0]["status"] == "succeeded" {
                Ok(())
            } else {
                Err(listed)
            }
        })
        .await;
    }

    /// Runs a function and waits for its end.
    pub(crate) async fn call(&self, name: &str, input: &Value) -> Value {
        let path = self.executions(name);
        let request = self.program.request("POST", &path).json(input);
        let reply = Client::send(request.header("prefer", "wait=30")).await;
        reply.must_be(200)
    }
}

fn signing_key() -> String {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let body = STANDARD.encode(pair.to_pkcs8v1().unwrap().as_ref());
    format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
}
