//! `ops migrate | ready NAME=URL... | welcome`: called by `ops/up`, not by people.

use anyhow::bail;

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match words
        .split_first()
        .map(|(word, rest)| (word.as_str(), rest))
    {
        Some(("migrate", _)) => runtime.block_on(ops::up::migrate()),
        Some(("ready", listeners)) => runtime.block_on(ops::up::ready(listeners)),
        Some(("welcome", _)) => runtime.block_on(ops::up::welcome()),
        _ => bail!("ops migrate | ready NAME=URL... | welcome"),
    }
}
