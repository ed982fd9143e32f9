//! `bench [--gate] [--rounds N] [--only CASE]`: called by `ops/bench`, which says where everything is.

use std::time::Duration;

use anyhow::{Context as _, bail};
use common::config::{Env, RedisConfig};
use ops::bench::{self, Effort};
use secrecy::ExposeSecret as _;

fn main() -> anyhow::Result<()> {
    let mut effort = Effort {
        rounds: 4,
        span: Duration::from_millis(1_500),
        only: Vec::new(),
    };
    let mut gate = false;
    let mut words = std::env::args().skip(1);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    while let Some(word) = words.next() {
        match word.as_str() {
            "accept-alone" => {
                let mut env = Env::process();
                let redis = RedisConfig::read(&mut env);
                env.finish()?;
                return runtime.block_on(bench::accept_alone::serve(redis.url.expose_secret()));
            }
            "--gate" => gate = true,
            "--rounds" => effort.rounds = words.next().context("--rounds N")?.parse()?,
            "--only" => effort.only.push(words.next().context("--only CASE")?),
            _ => bail!("bench [--gate] [--rounds N] [--only CASE]"),
        }
    }
    runtime.block_on(bench::main(effort, gate))
}
