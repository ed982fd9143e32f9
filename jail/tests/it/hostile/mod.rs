//! Programs that misbehave, one trick each (`tests/hostile`): what they meet, that the
//! next call of the same and of another tenant is well, and, with one wall taken away,
//! that the trick works, so that each test is known to bite.

use std::time::Duration;

use jail::{Code, Done, FailureCode, Limits, Profile, Sandbox};
use serde_json::Value;

use crate::world::{IMPORT, LIMITS, World, failure, host, output, request, run, sandbox, weakened};

macro_rules! hostile {
    ($name:literal) => {
        include_str!(concat!("../../hostile/", $name, ".py"))
    };
}

/// Two tenants on one host: the hostile one and one that only wants its answer.
struct Two {
    hostile: Sandbox,
    source: &'static str,
    limits: Limits,
    other: Sandbox,
    /// Last: it waits for the sandboxes to be gone.
    world: World,
}

impl Two {
    async fn on(world: World, source: &'static str, limits: Limits) -> Self {
        let other = sandbox(&world, "def main(n): return n + 1").await;
        let hostile = bind(&world, source, limits).await;
        Self {
            hostile,
            source,
            limits,
            other,
            world,
        }
    }

    async fn behind_all_walls(source: &'static str) -> Self {
        Self::on(host(), source, LIMITS).await
    }

    async fn without(source: &'static str, weaken: impl FnOnce(&mut Profile)) -> Self {
        Self::on(weakened(weaken), source, LIMITS).await
    }

    /// Runs the trick, in a new sandbox where the last trick cost the old one.
    async fn tries(&mut self, input: &Value) -> Done {
        if !self.hostile.is_reusable() {
            self.hostile = bind(&self.world, self.source, self.limits).await;
        }
        let input = input.to_string();
        let mut asked = request(&input);
        asked.timeout = Duration::from_secs(60);
        self.hostile.run(asked).await.unwrap()
    }

    async fn gets(&mut self, input: Value) -> Value {
        let done = self.tries(&input).await;
        serde_json::from_str(&output(&done)).unwrap()
    }

    async fn fails(&mut self, input: Value, code: FailureCode) {
        let done = self.tries(&input).await;
        assert_eq!(failure(&done).code, code, "{input}: {:?}", failure(&done));
    }

    /// The other tenant notices nothing.
    async fn other_is_well(&mut self) {
        let done = run(&mut self.other, r#"{"n": 1}"#).await;
        assert_eq!(output(&done), "2");
        assert!(done.reusable);
    }
}

async fn bind(world: &World, source: &str, limits: Limits) -> Sandbox {
    let generic = world.boot().await.unwrap();
    let bound = generic
        .bind(&Code::single(source), &limits, IMPORT)
        .await
        .unwrap();
    bound.sandbox.unwrap()
}

mod remains;
mod resources;
mod walls;
