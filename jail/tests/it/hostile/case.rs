//! One hostile program: what it is asked, what it meets, and what lets it in.

use std::any::Any;
use std::time::Duration;

use jail::{FailureCode, Limits, Profile};
use serde_json::Value;

use super::reach::Reach;
use crate::world::{LIMITS, World, config, world_of};

/// A case as its group lists it.
pub(super) struct Named {
    pub(super) group: &'static str,
    pub(super) program: &'static str,
    pub(super) source: &'static str,
    pub(super) make: fn(Case) -> Case,
}

impl Named {
    pub(super) fn case(&self) -> Case {
        let case = Case {
            limits: LIMITS,
            walls: Vec::new(),
            mutations: Vec::new(),
            kept: Vec::new(),
            reach: None,
        };
        (self.make)(case)
    }

    /// The first line of its docstring that begins with this word.
    pub(super) fn says(&self, word: &str) -> Option<&'static str> {
        let (_, docstring) = self.source.split_once("\"\"\"")?;
        let (docstring, _) = docstring.split_once("\"\"\"")?;
        docstring.lines().find_map(|line| line.strip_prefix(word))
    }
}

pub(super) struct Case {
    pub(super) limits: Limits,
    /// Behind all walls, one after the other.
    pub(super) walls: Vec<Step>,
    pub(super) mutations: Vec<Mutation>,
    /// What of the host must be there while it runs.
    pub(super) kept: Vec<Box<dyn Any>>,
    /// What is beyond its sandbox's network.
    pub(super) reach: Option<Reach>,
}

/// What is taken away so that the trick works.
pub(super) struct Mutation {
    pub(super) says: &'static str,
    pub(super) world: Open,
    pub(super) steps: Vec<Step>,
}

pub(super) enum Open {
    Weakened(fn(&mut Profile)),
    /// No sandbox at all, where the kernel is the wall: an ordinary process of this uid.
    Host {
        uid: u32,
    },
}

pub(super) struct Step {
    pub(super) input: Value,
    /// Another sandbox of the same program is asked this meanwhile, and killed afterwards.
    pub(super) beside: Option<Value>,
    pub(super) meets: Meets,
    pub(super) timeout: Duration,
    /// It takes no less than this.
    pub(super) least: Duration,
    /// Whether the sandbox takes another execution afterwards; `None` where both may be.
    pub(super) kept: Option<bool>,
}

pub(super) enum Meets {
    Gives(Value),
    Shows(fn(&Value) -> bool),
    Fails(FailureCode),
    /// Fails, and the failure's message begins so.
    Says(FailureCode, &'static str),
    /// The result's bytes, or the failure's code.
    Ends(fn(Result<Vec<u8>, FailureCode>) -> bool),
    /// Gives another value in each of two executions; the same in both.
    Differs,
    Repeats,
}

impl Case {
    pub(super) fn with(mut self, change: fn(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }

    /// Something of the host that the program is told of.
    pub(super) fn beside(mut self, kept: impl Any) -> Self {
        self.kept.push(Box::new(kept));
        self
    }

    /// Its sandbox may reach some hosts.
    pub(super) fn reaching(mut self, reach: Reach) -> Self {
        self.reach = Some(reach);
        self
    }

    /// A host of its own, with walls taken away.
    pub(super) fn world(&self, weaken: impl FnOnce(&mut Profile)) -> World {
        let mut profile = Profile::default();
        weaken(&mut profile);
        let config = self.reach.as_ref().map_or_else(config, Reach::config);
        world_of(&config, profile)
    }

    pub(super) fn gives(self, input: Value, output: Value) -> Self {
        self.step(input, Meets::Gives(output), Some(true))
    }

    pub(super) fn shows(self, input: Value, is_so: fn(&Value) -> bool) -> Self {
        self.step(input, Meets::Shows(is_so), Some(true))
    }

    pub(super) fn fails(self, input: Value, code: FailureCode) -> Self {
        self.step(input, Meets::Fails(code), None)
    }

    pub(super) fn says(self, input: Value, code: FailureCode, message: &'static str) -> Self {
        self.step(input, Meets::Says(code, message), None)
    }

    pub(super) fn ends(
        self,
        input: Value,
        is_so: fn(Result<Vec<u8>, FailureCode>) -> bool,
    ) -> Self {
        self.step(input, Meets::Ends(is_so), None)
    }

    pub(super) fn differs(self, input: Value) -> Self {
        self.step(input, Meets::Differs, Some(true))
    }

    pub(super) fn repeats(self, input: Value) -> Self {
        self.step(input, Meets::Repeats, Some(true))
    }

    /// Of the last step: the sandbox takes no other execution.
    pub(super) fn costs_the_sandbox(mut self) -> Self {
        self.last().kept = Some(false);
        self
    }

    pub(super) fn keeps_the_sandbox(mut self) -> Self {
        self.last().kept = Some(true);
        self
    }

    /// Of the last step: whoever runs it does nothing else for at least this long.
    pub(super) fn holds_up_for(mut self, least: Duration) -> Self {
        self.last().least = least;
        self
    }

    pub(super) fn within(mut self, timeout: Duration) -> Self {
        self.last().timeout = timeout;
        self
    }

    /// Of the last step: another tenant with the same program is asked this meanwhile. The
    /// step is tried until it meets what it should, for the other takes a moment to begin.
    pub(super) fn while_another_is_asked(mut self, input: Value) -> Self {
        self.last().beside = Some(input);
        self
    }

    /// From here on the steps are those that succeed without this wall.
    pub(super) fn let_in_by(mut self, says: &'static str, weaken: fn(&mut Profile)) -> Self {
        self.mutations.push(Mutation {
            says,
            world: Open::Weakened(weaken),
            steps: Vec::new(),
        });
        self
    }

    pub(super) fn works_outside(mut self, says: &'static str, uid: u32) -> Self {
        self.mutations.push(Mutation {
            says,
            world: Open::Host { uid },
            steps: Vec::new(),
        });
        self
    }

    fn step(mut self, input: Value, meets: Meets, kept: Option<bool>) -> Self {
        let step = Step {
            input,
            beside: None,
            meets,
            timeout: Duration::from_secs(60),
            least: Duration::ZERO,
            // Without a wall anything may be left.
            kept: kept.filter(|_| self.mutations.is_empty()),
        };
        self.steps().push(step);
        self
    }

    fn last(&mut self) -> &mut Step {
        self.steps().last_mut().unwrap()
    }

    fn steps(&mut self) -> &mut Vec<Step> {
        match self.mutations.last_mut() {
            Some(mutation) => &mut mutation.steps,
            None => &mut self.walls,
        }
    }
}
