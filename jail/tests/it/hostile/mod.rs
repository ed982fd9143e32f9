//! Programs that misbehave, one trick each (`tests/hostile`): what they meet, that the
//! next call of the same and of another tenant is well, and, with a wall taken away,
//! that the trick works, so that each test is known to bite.
//!
//! A group's file lists its programs. A line is a test, and a line of the table that
//! `ops/test hostile` prints; `registered.rs` holds the lists against the folders.

mod case;
mod outside;
mod reach;
mod table;
mod tenant;

use case::{Named, Open};
use tenant::Tenant;

use crate::world::LIMITS;

/// `group: test's name, "program", what it meets;` for each program of a folder.
macro_rules! cases {
    ($group:literal: $($test:ident, $program:literal, $make:expr;)+) => {
        pub(super) const CASES: &[super::case::Named] = &[$(super::case::Named {
            group: $group,
            program: $program,
            source: include_str!(concat!("../../hostile/", $group, "/", $program, ".py")),
            make: $make,
        }),+];

        $(#[tokio::test]
        async fn $test() {
            super::holds(CASES, $program).await;
        })+
    };
}

mod escape;
mod exhaustion;
mod leakage;
mod persistence;
mod protocol;
mod proxy;
mod registered;

/// The whole story of one program.
async fn holds(cases: &[Named], program: &str) {
    let named = cases.iter().find(|named| named.program == program).unwrap();
    let case = named.case();
    let sandboxes = behind_all_walls(named, &case).await;
    for mutation in &case.mutations {
        match mutation.world {
            Open::Weakened(weaken) => {
                let world = case.world(weaken);
                let mut tenant = Tenant::of(named, &case);
                for step in &mutation.steps {
                    tenant.tries(&world, step).await;
                }
            }
            Open::Host { uid } => {
                for step in &mutation.steps {
                    outside::tries(named.source, step, uid);
                }
            }
        }
    }
    table::tell(named, &case, sandboxes);
}

/// What it meets, and after each try that neither its own tenant's next call nor another's
/// finds anything changed. Gives how many sandboxes that took.
async fn behind_all_walls(named: &Named, case: &case::Case) -> u32 {
    let world = case.world(|_| {});
    let mut other = Tenant::new("def main(): pass", LIMITS);
    let others = other.finds(&world).await;
    let mut hostile = Tenant::of(named, case);
    let before = hostile.finds(&world).await;
    for step in &case.walls {
        hostile.tries(&world, step).await;
        assert_eq!(hostile.finds(&world).await, before, "after {}", step.input);
        assert_eq!(other.finds(&world).await, others, "after {}", step.input);
    }
    assert_eq!(other.sandboxes, 1, "the other tenant lost its sandbox");
    hostile.sandboxes
}
