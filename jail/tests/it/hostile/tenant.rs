//! One tenant of a host: a program and the sandbox it has at the moment.

use std::collections::BTreeMap;
use std::time::Duration;

use jail::{Bound, Code, Done, Limits, Network, Sandbox};
use serde_json::{Value, json};

use super::case::{Case, Meets, Named, Step};
use super::reach::Reach;
use crate::world::{IMPORT, World, failure, output, request};

/// Calls the program, and tells what an execution finds.
const MAIN: &str = include_str!("well.py");

pub(super) struct Tenant {
    code: Code,
    limits: Limits,
    sandbox: Option<Sandbox>,
    network: Network,
    /// Sandboxes so far.
    pub(super) sandboxes: u32,
}

impl Tenant {
    pub(super) fn new(source: &str, limits: Limits) -> Self {
        let files = [("main.py", MAIN), ("program.py", source)];
        let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
        Self {
            code: Code {
                entry: "main.py".to_owned(),
                files: BTreeMap::from(files),
            },
            limits,
            sandbox: None,
            network: Network::default(),
            sandboxes: 0,
        }
    }

    pub(super) fn of(named: &Named, case: &Case) -> Self {
        Self {
            network: case
                .reach
                .as_ref()
                .map_or_else(Network::default, Reach::network),
            ..Self::new(named.source, case.limits)
        }
    }

    /// Runs one execution, in a new sandbox where the last one cost the old.
    pub(super) async fn run(&mut self, world: &World, input: &Value, timeout: Duration) -> Done {
        let input = input.to_string();
        let mut asked = request(&input);
        asked.timeout = timeout;
        self.sandbox(world).await.run(asked).await.unwrap()
    }

    /// What an ordinary execution finds now: files, processes, limits, descriptors and more.
    pub(super) async fn finds(&mut self, world: &World) -> Value {
        let done = self
            .run(world, &json!({"well": true}), Duration::from_secs(60))
            .await;
        serde_json::from_str(&output(&done)).unwrap()
    }

    /// Whether the sandbox takes another execution.
    pub(super) async fn is_kept(&mut self) -> bool {
        match &mut self.sandbox {
            Some(sandbox) => sandbox.settle().await && sandbox.is_reusable(),
            None => false,
        }
    }

    pub(super) async fn sandbox(&mut self, world: &World) -> &mut Sandbox {
        // It may be that only a slow host did not clear up after the last one in time.
        let is_there = match &mut self.sandbox {
            Some(old) => old.settle().await,
            None => false,
        };
        if !is_there {
            // The old one first: its end is waited for by nobody.
            self.sandbox = None;
            self.sandbox = Some(self.bind(world).await.sandbox.unwrap());
            self.sandboxes += 1;
        }
        self.sandbox.as_mut().unwrap()
    }

    async fn bind(&self, world: &World) -> Bound {
        let generic = world.boot().await.unwrap();
        let generic = generic.reaching(self.network.clone());
        generic
            .bind(&self.code, &self.limits, IMPORT)
            .await
            .unwrap()
    }

    /// Asks the program, and holds what comes against what it should meet.
    pub(super) async fn tries(&mut self, world: &World, step: &Step) {
        let met = match &step.beside {
            None => self.meets(world, step).await,
            Some(holding) => self.meets_beside(world, step, holding).await,
        };
        assert_eq!(met, Ok(()), "{}", step.input);
        if let Some(kept) = step.kept {
            assert_eq!(self.is_kept().await, kept, "sandbox kept, {}", step.input);
        }
    }

    async fn meets(&mut self, world: &World, step: &Step) -> Result<(), String> {
        let done = self.run(world, &step.input, step.timeout).await;
        let mut again = async || {
            let again = self.run(world, &step.input, step.timeout).await;
            (value(&done), value(&again))
        };
        let is_so = match &step.meets {
            Meets::Gives(wanted) => done.result.is_ok() && value(&done) == *wanted,
            Meets::Shows(is_so) => done.result.is_ok() && is_so(&value(&done)),
            Meets::Fails(code) => done.result.is_err() && failure(&done).code == *code,
            Meets::Says(code, message) => {
                done.result.is_err()
                    && failure(&done).code == *code
                    && failure(&done).message.starts_with(message)
            }
            Meets::Ends(is_so) => is_so(done.result.clone().map_err(|failure| failure.code)),
            Meets::Differs => matches!(again().await, (first, second) if first != second),
            Meets::Repeats => matches!(again().await, (first, second) if first == second),
        };
        if is_so && done.duration >= step.least {
            return Ok(());
        }
        let met = done.result.as_deref().map(String::from_utf8_lossy);
        let Done {
            stdout,
            stderr,
            duration,
            ..
        } = &done;
        Err(format!(
            "met {met:?} after {duration:?}\n{stdout}\n{stderr}"
        ))
    }

    /// The other takes a moment to have what it wants.
    async fn meets_beside(
        &mut self,
        world: &World,
        step: &Step,
        holding: &Value,
    ) -> Result<(), String> {
        let mut holder = Self {
            sandbox: None,
            code: self.code.clone(),
            network: self.network.clone(),
            ..*self
        };
        let killer = holder.sandbox(world).await.killer();
        let asked = async {
            let mut met = Ok(());
            for _ in 0..50 {
                met = self.meets(world, step).await;
                if met.is_ok() {
                    break;
                }
            }
            killer.kill();
            met
        };
        let held = holder.run(world, holding, step.timeout);
        tokio::join!(asked, held).0
    }
}

fn value(done: &Done) -> Value {
    serde_json::from_slice(done.result.as_ref().unwrap()).unwrap()
}
