//! A server that does nothing but accept: the same script in the same Redis, behind
//! the same HTTP, without a record and without a worker. A floor for the `202`.
//!
//! Its partition has a name of its own, which no worker reads.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use common::clock::{Clock as _, SystemClock};
use common::execution::Lane;
use common::ids::{AccountId, ExecutionId, FunctionId, NamespaceId, VersionId};
use common::queue::recovery::{self, Begun, Loss};
use common::queue::{self, Accept, Accepted, Bounds, Link, Links, Owner, Partition, Period};

const PREFIX: &str = "bench-accept:";

#[derive(Debug)]
struct Alone {
    link: Link,
    owner: Owner,
}

/// Serves on a free port, which is the one line it prints, until it is killed.
pub async fn serve(redis_url: &str) -> Result<()> {
    let client = redis::Client::open(redis_url)?;
    forget(&client).await?;
    let links = Links::new(client, Partition::with_prefix(PREFIX));
    let Begun::Yes(link) = recovery::begin(&links, 1, 1).await? else {
        bail!("the partition of the floor is in use");
    };
    recovery::groups(&link).await?;
    recovery::certify(&link, Loss::Impossible).await?;
    let owner = Owner {
        account: AccountId::new(&SystemClock),
        namespace: NamespaceId::new(&SystemClock),
        function: FunctionId::new(&SystemClock),
        version: VersionId::new(&SystemClock),
    };
    let alone = Arc::new(Alone {
        link: links.link().await?,
        owner,
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let router = Router::new()
        .route("/accept", post(accept))
        .with_state(alone);
    axum::serve(listener, router).await.context("serving")
}

async fn accept(State(alone): State<Arc<Alone>>, body: String) -> StatusCode {
    let ends = SystemClock.now() + std::time::Duration::from_secs(3_600);
    let asked = Accept {
        id: ExecutionId::new(&SystemClock),
        owner: alone.owner,
        lane: Lane::Background,
        period: Period {
            name: "bench",
            ends,
        },
        bounds: Bounds {
            quota: None,
            concurrency: u32::MAX,
            background: u32::MAX,
            queued: 1,
            function_concurrency: None,
        },
        key: None,
        checked: false,
        attempts: 1,
        body: body.as_bytes(),
        waiter: None,
    };
    match queue::accept(&alone.link, &asked).await {
        Ok(Accepted::New) => StatusCode::ACCEPTED,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Removes every key of the floor's partition.
pub async fn forget(client: &redis::Client) -> Result<()> {
    let mut connection = client.get_multiplexed_async_connection().await?;
    let mut cursor = 0_u64;
    loop {
        let (next, keys): (u64, Vec<String>) = redis::cmd("SCAN")
            .arg(cursor)
            .arg("MATCH")
            .arg(format!("{PREFIX}*"))
            .arg("COUNT")
            .arg(1_000)
            .query_async(&mut connection)
            .await?;
        if !keys.is_empty() {
            let _: u64 = redis::cmd("UNLINK")
                .arg(keys)
                .query_async(&mut connection)
                .await?;
        }
        if next == 0 {
            return Ok(());
        }
        cursor = next;
    }
}
