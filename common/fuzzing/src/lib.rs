//! Random inputs for a property, and the inputs that are kept. For tests alone.
//!
//! Every target takes bytes, so that an input can be kept as it is: a file in
//! `tests/corpus/<target>` of its crate. Those are tried first, always; what a run finds is
//! written there, as small as it could be made, and stays once the fault is mended. (A
//! seed would mean another input as soon as somebody changes how inputs are made.)
//!
//! A plain run tries the same inputs each time: what was green is green. `ops/fuzz` gives
//! other seeds and more cases, by the variables that `proptest` reads: `PROPTEST_RNG_SEED`
//! and `PROPTEST_CASES`.

mod hosts;
pub mod json;
mod mutate;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

pub use hosts::authorities;
pub use mutate::{nearly, pieces};
pub use proptest;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

/// Of a run that was given none.
const SEED: u64 = 0x5eed;

/// Where the inputs of one property are kept, and how many are tried.
#[derive(Debug)]
pub struct Target {
    name: &'static str,
    corpus: PathBuf,
    /// How often `PROPTEST_CASES` (256 unless said): more where a case costs little.
    times: u32,
}

/// A target of the crate in which this stands.
#[macro_export]
macro_rules! target {
    ($name:literal, $times:literal) => {
        $crate::Target::of(env!("CARGO_MANIFEST_DIR"), $name, $times)
    };
}

impl Target {
    #[must_use]
    pub fn of(crate_dir: &str, name: &'static str, times: u32) -> Self {
        Self {
            name,
            corpus: Path::new(crate_dir).join("tests/corpus").join(name),
            times,
        }
    }

    /// Tries the kept inputs, then random ones.
    ///
    /// # Panics
    /// At the first input for which the property doesn't hold.
    pub fn try_all<S>(&self, inputs: S, holds: impl Fn(&[u8]) -> Result<(), TestCaseError>)
    where
        S: Strategy<Value = Vec<u8>>,
    {
        let kept = self.kept().unwrap_or_else(|error| {
            panic!(
                "the inputs in {} cannot be read: {error}",
                self.corpus.display()
            )
        });
        assert!(
            !kept.is_empty(),
            "no input is kept in {}",
            self.corpus.display()
        );
        for (path, input) in &kept {
            if let Err(error) = holds(input) {
                panic!("{}: {}: {error}", self.name, path.display());
            }
        }
        let mut config = Config::default();
        config.cases = config.cases.saturating_mul(self.times);
        config.failure_persistence = None;
        if config.rng_seed == RngSeed::Random {
            config.rng_seed = RngSeed::Fixed(SEED);
        }
        let (cases, seed) = (config.cases, config.rng_seed);
        let tried = TestRunner::new(config).run(&inputs, |input| holds(&input));
        match tried {
            Ok(()) => println!("fuzzed {}: {} kept, {cases} random", self.name, kept.len()),
            Err(TestError::Fail(reason, input)) => {
                let path = self.keep(&input);
                let text = shown(&input);
                panic!(
                    "{}: {reason}\nseed {seed:?}, kept in {path}: {text}",
                    self.name
                );
            }
            Err(error) => panic!("{}: {error}", self.name),
        }
    }

    fn kept(&self) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.corpus)? {
            let path = entry?.path();
            let input = fs::read(&path)?;
            kept.push((path, input));
        }
        kept.sort_unstable();
        Ok(kept)
    }

    /// Under a name that its bytes give it.
    fn keep(&self, input: &[u8]) -> String {
        let sum = input.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
            (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
        });
        let path = self.corpus.join(format!("found-{sum:016x}"));
        match fs::write(&path, input) {
            Ok(()) => path.display().to_string(),
            Err(error) => format!("nothing, as {} failed ({error})", path.display()),
        }
    }
}

/// Bytes as one line.
fn shown(input: &[u8]) -> String {
    input.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text never fails.
        let _ = write!(text, "{}", byte.escape_ascii());
        text
    })
}
