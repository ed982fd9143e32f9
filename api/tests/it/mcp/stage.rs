//! An api on ports of its own, over a database and a queue of its own, with an account
//! that went in through the front door.

use std::path::PathBuf;
use std::time::Duration;

use api::Config;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::clock::SystemClock;
use common::config::Env;
use common::queue::StreamKind;
use common::testing::{self, KEK, Queue, Role, TestDatabase, wait_until};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::stand_in::StandIn;

/// Generous: tests wait for states, not for time.
pub(crate) const BOUND: Duration = Duration::from_secs(30);

pub(crate) struct Stage {
    pub(crate) database: TestDatabase,
    pub(crate) queue: Queue,
    /// `http://127.0.0.1:<port>`
    pub(crate) url: String,
    pub(crate) http: Client,
    /// Ends what was started.
    pub(crate) shutdown: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

/// Who asks: an account's key, and its namespace.
pub(crate) struct Tenant {
    pub(crate) key: String,
    pub(crate) namespace: String,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let database = testing::database().await;
        let queue = testing::queue(&database).await;
        let shutdown = CancellationToken::new();
        let config = config(&database, &queue);
        let clock = std::sync::Arc::new(SystemClock);
        let started = api::bind(config, clock, &shutdown).await.unwrap();
        let url = format!("http://{}", started.address().unwrap());
        let tasks = TaskTracker::new();
        let stopped = shutdown.clone();
        tasks.spawn(async move { started.serve(stopped).await.unwrap() });
        Self {
            database,
            queue,
            url,
            http: Client::new(),
            shutdown,
            tasks,
        }
    }

    /// Starts a worker that needs no sandbox.
    pub(crate) fn stand_in(&self) {
        self.builder();
        let worker = StandIn::new(&self.database, &self.queue);
        self.beside(async move { worker.run().await });
    }

    /// Starts one that builds and runs nothing.
    pub(crate) fn builder(&self) {
        let worker = StandIn::new(&self.database, &self.queue);
        self.beside(async move { worker.build().await });
    }

    fn beside(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stopped = self.shutdown.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = work => {}
                () = stopped.cancelled() => {}
            }
        });
    }

    /// Returns once an execution is in the interactive stream.
    pub(crate) async fn until_waiting(&self) {
        let stream = self.queue.partition.stream(StreamKind::Interactive);
        wait_until("an execution is queued", BOUND, async || {
            let mut connection = self
                .queue
                .client
                .get_multiplexed_async_connection()
                .await
                .map_err(|error| error.to_string())?;
            let entries: u64 = redis::cmd("XLEN")
                .arg(&stream)
                .query_async(&mut connection)
                .await
                .map_err(|error| error.to_string())?;
            if entries == 1 {
                Ok(())
            } else {
                Err(entries.to_string())
            }
        })
        .await;
    }

    /// The newest execution, once it has this status.
    pub(crate) async fn until_listed(&self, tenant: &Tenant, status: &str) -> Value {
        wait_until(status, BOUND, async || {
            let listed = self.get("/v1/executions", &tenant.key).await;
            let newest = listed["items"][0].clone();
            if newest["status"] == status {
                Ok(newest)
            } else {
                Err(listed.to_string())
            }
        })
        .await
    }

    /// An account with a key of these scopes and a namespace.
    pub(crate) async fn tenant(&self, name: &str, scopes: &[&str]) -> Tenant {
        let email = format!("{name}@example.org");
        let who = json!({"email": email, "password": "long enough to be one"});
        let mut registration = who.clone();
        registration["accept_terms"] = true.into();
        self.post("/v1/auth/register", "", &registration).await;
        let login = self.post("/v1/auth/login", "", &who).await;
        let token = login["access_token"].as_str().unwrap().to_owned();
        self.post("/v1/namespaces", &token, &json!({"name": name}))
            .await;
        let wanted = json!({"name": "test", "scopes": scopes});
        let made = self.post("/v1/api-keys", &token, &wanted).await;
        Tenant {
            key: made["key"].as_str().unwrap().to_owned(),
            namespace: name.to_owned(),
        }
    }

    /// Publishes a function; its code is an order to the stand-in.
    pub(crate) async fn publish(&self, tenant: &Tenant, name: &str, body: Value) {
        let path = format!("/v1/namespaces/{}/functions/{name}", tenant.namespace);
        let answer = self
            .request(Method::PUT, &path, &tenant.key)
            .json(&body)
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let said = answer.text().await.unwrap();
        assert!(status.is_success(), "{name}: {status} {said}");
        assert!(said.contains("\"ready\""), "{name}: {said}");
    }

    pub(crate) async fn get(&self, path: &str, key: &str) -> Value {
        let answer = self.request(Method::GET, path, key).send().await.unwrap();
        answer.json().await.unwrap()
    }

    async fn post(&self, path: &str, key: &str, body: &Value) -> Value {
        wait_until(path, BOUND, async || {
            let answer = self
                .request(Method::POST, path, key)
                .json(body)
                .send()
                .await
                .map_err(|error| error.to_string())?;
            let status = answer.status();
            let said = answer.text().await.map_err(|error| error.to_string())?;
            // Not everything it needs is there from the first moment.
            if status == StatusCode::SERVICE_UNAVAILABLE {
                return Err(said);
            }
            assert!(status.is_success(), "{path}: {status} {said}");
            Ok(serde_json::from_str(&said).unwrap_or(Value::Null))
        })
        .await
    }

    fn request(&self, method: Method, path: &str, key: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        if key.is_empty() {
            request
        } else {
            request.bearer_auth(key)
        }
    }

    /// A message to the tenant's endpoint, as a client of 2025-06-18 sends it.
    pub(crate) fn message(&self, tenant: &Tenant, message: &Value) -> RequestBuilder {
        self.raw(tenant, message.to_string())
    }

    pub(crate) fn raw(&self, tenant: &Tenant, message: String) -> RequestBuilder {
        let path = format!("/mcp/{}", tenant.namespace);
        self.request(Method::POST, &path, &tenant.key)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-06-18")
            .body(message)
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn config(database: &TestDatabase, queue: &Queue) -> Config {
    let pem = {
        let rng = aws_lc_rs::rand::SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng).unwrap();
        let body = STANDARD.encode(der.as_ref());
        format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
    };
    let url = |secret: secrecy::SecretString| secret.expose_secret().to_owned();
    let settings = [
        ("PATCHBAY_LISTEN", "127.0.0.1:0".to_owned()),
        ("PATCHBAY_ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
        ("PATCHBAY_PUBLIC_URL", "http://127.0.0.1".to_owned()),
        ("PATCHBAY_JWT_KEY", pem),
        ("DATABASE_URL", url(database.url(Role::Api))),
        ("KEYS_DATABASE_URL", url(database.keys_url(Role::Api))),
        ("PATCHBAY_KEK", KEK.to_owned()),
        ("REDIS_URL", testing::redis_url()),
        ("PATCHBAY_REDIS_PREFIX", queue.partition.prefix.clone()),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value));
    Config::read(&mut Env::of(settings)).unwrap()
}

/// What a peer needs: the interpreter of a venv that `ops/test` makes.
pub(crate) fn python(variable: &str) -> PathBuf {
    let path: Option<PathBuf> = Env::process().optional(variable);
    path.unwrap_or_else(|| {
        panic!(
            "{variable} does not name a Python with the MCP client: eval \"$(ops/test --servers)\""
        )
    })
}
