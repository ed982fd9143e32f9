//! Limits as a user meets them: just under passes, just over ends under a code and words
//! that name the limit, the next call is well, and nothing is left on the host.

use jail::{Code, Done, FailureCode, Limits, Request, Sandbox};
use serde_json::Value;

use crate::traces::{Traces, at_rest};
use crate::world::{IMPORT, World, failure, output, request};

macro_rules! program {
    ($name:literal) => {
        include_str!(concat!("../../limits/", $name, ".py"))
    };
}

mod accounting;
mod cpu;
mod files;
mod memory;
mod output;
mod processes;
mod stack;
mod time;

/// One version on a host of its own.
struct Stand {
    source: String,
    limits: Limits,
    sandbox: Option<Sandbox>,
    before: Traces,
    /// Last: it waits for the sandboxes to be gone.
    world: World,
}

impl Stand {
    async fn new(source: &str, limits: Limits) -> Self {
        let (world, before) = at_rest().await;
        Self {
            source: source.to_owned(),
            limits,
            sandbox: None,
            before,
            world,
        }
    }

    /// A bound sandbox: the one that served the last call, unless that call cost it.
    async fn sandbox(&mut self) -> &mut Sandbox {
        let held = self.sandbox.take();
        let sandbox = match held.filter(Sandbox::is_reusable) {
            Some(sandbox) => sandbox,
            None => {
                let generic = self.world.boot().await.unwrap();
                let code = Code::single(&self.source);
                let bound = generic.bind(&code, &self.limits, IMPORT).await.unwrap();
                bound.sandbox.unwrap()
            }
        };
        self.sandbox.insert(sandbox)
    }

    async fn runs(&mut self, request: Request<'_>) -> Done {
        self.sandbox().await.run(request).await.unwrap()
    }

    async fn called(&mut self, input: &Value) -> Done {
        self.runs(request(&input.to_string())).await
    }

    /// Just under: it gives something.
    async fn passes(&mut self, input: Value) -> Done {
        let done = self.called(&input).await;
        assert!(done.result.is_ok(), "{input}: {:?}", done.result);
        done
    }

    /// Just over, twice: the second time in what the first one left.
    async fn meets(&mut self, input: Value, code: FailureCode, words: &str) {
        for _ in 0..2 {
            let done = self.called(&input).await;
            tells(&done, code, words);
        }
    }

    /// The same version answers, and once its sandbox is gone all of it is.
    async fn stays_well(mut self, input: Value) {
        output(&self.called(&input).await);
        drop(self.sandbox.take());
        self.before.come_back(&self.world).await;
    }
}

fn tells(done: &Done, code: FailureCode, words: &str) {
    let failure = failure(done);
    assert_eq!(failure.code, code, "{failure:?}");
    assert!(failure.message.contains(words), "{failure:?}");
}
