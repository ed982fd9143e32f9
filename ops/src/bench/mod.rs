//! `ops/bench`: floors and Patchbay side by side, in one interleaved run.
//!
//! Each round measures every case for a short while, one after the other, so that
//! whatever else the machine does falls on all of them alike; a figure is the median
//! over the rounds. Only ratios between cases of one run say something.

pub mod accept_alone;
mod cases;
mod client;
mod figures;
mod kills;
mod load;
mod machine;
mod network;
mod packages;
mod patchbay;
mod report;
mod setting;

use std::time::{Duration, Instant};

use anyhow::Result;
use jail::floors::Ready;

use cases::Case;
use figures::{Figures, Slice};
use setting::Setting;

/// How long and how often.
#[derive(Clone, Debug)]
pub struct Effort {
    pub rounds: u64,
    pub span: Duration,
    /// Cases whose names begin so; all where it is empty.
    pub only: Vec<String>,
}

impl Effort {
    fn has(&self, case: Case) -> bool {
        let name = case.name();
        self.only.is_empty() || self.only.iter().any(|only| name.starts_with(only))
    }
}

/// What one whole run showed.
#[derive(Clone, Debug)]
struct Run {
    cases: Vec<(Case, Figures)>,
    /// Share of the machine that neither Patchbay nor this program used, 0 to 1.
    others: f64,
}

/// Runs every case in rounds.
///
/// # Errors
/// Where a call fails or an answer is wrong: a benchmark of wrong answers is none.
async fn run(setting: &Setting, effort: &Effort) -> Result<Run> {
    setting.target.prepare().await?;
    let all: Vec<Case> = Case::ALL
        .iter()
        .copied()
        .filter(|case| effort.has(*case))
        .collect();
    let mut slices: Vec<Vec<Slice>> = vec![Vec::new(); all.len()];
    let mut others = Others::begin(setting)?;
    for round in 0..effort.rounds {
        for (case, slices) in all.iter().zip(&mut slices) {
            eprint!(
                "\rround {} of {}: {:<28}",
                round + 1,
                effort.rounds,
                case.name()
            );
            slices.push(cases::measure(setting, *case, effort.span, round).await?);
        }
    }
    eprintln!("\r{:<60}", "");
    let cases = all.iter().zip(&slices);
    let cases = cases
        .filter_map(|(case, slices)| Some((*case, Figures::of(slices)?)))
        .collect();
    Ok(Run {
        cases,
        others: others.share(setting)?,
    })
}

/// CPU time that is not ours.
struct Others {
    began: Instant,
    busy: u64,
    ours: u64,
}

impl Others {
    fn begin(setting: &Setting) -> Result<Self> {
        Ok(Self {
            began: Instant::now(),
            busy: machine::busy_us()?,
            ours: ours(setting)?,
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "a share of some minutes")]
    fn share(&mut self, setting: &Setting) -> Result<f64> {
        let busy = machine::busy_us()?.saturating_sub(self.busy);
        let ours = ours(setting)?.saturating_sub(self.ours);
        let whole = self.began.elapsed().as_secs_f64() * 1e6 * machine::cores() as f64;
        Ok(busy.saturating_sub(ours) as f64 / whole)
    }
}

/// Patchbay's processes, and this one with all it started.
fn ours(setting: &Setting) -> Result<u64> {
    let mut groups = setting.groups.clone();
    let root = std::process::id();
    groups.push(machine::Group {
        name: "bench",
        root,
        scope: machine::Scope::Tree,
    });
    Ok(machine::usage(&groups)?
        .iter()
        .map(|usage| usage.cpu_us)
        .sum())
}

/// Measures, prints, and where `gate` is set says whether the goals hold: the best of
/// three runs, judged only while others use less than 15 % of the machine.
///
/// # Errors
/// Where a call fails, or a goal is missed.
pub async fn main(effort: Effort, gate: bool) -> Result<()> {
    for only in &effort.only {
        let known = Case::ALL.iter().any(|case| case.name().starts_with(only));
        anyhow::ensure!(known, "no case begins with {only:?}");
    }
    anyhow::ensure!(
        !gate || effort.only.is_empty(),
        "the goals are judged over all cases"
    );
    let setting = Setting::read().await?;
    print_memory(&setting).await?;
    let result = if gate {
        gated(&setting, &effort).await
    } else {
        once(&setting, &effort).await
    };
    let Setting { host, target, .. } = setting;
    target.revoke().await?;
    anyhow::ensure!(
        host.close(Duration::from_secs(20)),
        "sandboxes of the floors are left"
    );
    result
}

/// What the copy's api and a ready sandbox take, before anything is measured.
async fn print_memory(setting: &Setting) -> Result<()> {
    let api = setting.groups.iter().filter(|group| group.name == "api");
    let api: Vec<u32> = api.map(|group| group.root).collect();
    let ready = Ready::start(&setting.host).await?;
    let mib = |kib: u64| kib.div_ceil(1 << 10);
    println!(
        "memory (PSS): api {} MiB, a ready sandbox {} MiB",
        mib(machine::pss_kib(&api)?),
        mib(machine::pss_kib(&ready.pids)?)
    );
    Ok(())
}

async fn once(setting: &Setting, effort: &Effort) -> Result<()> {
    let run = run(setting, effort).await?;
    print!("{}", report::tables(&run));
    Ok(())
}

/// Others' share of the machine above which a run proves nothing.
const QUIET: f64 = 0.15;

async fn gated(setting: &Setting, effort: &Effort) -> Result<()> {
    let mut best: Option<Vec<report::Judged>> = None;
    for attempt in 1..=3 {
        let run = run(setting, effort).await?;
        print!("{}", report::tables(&run));
        if run.others >= QUIET {
            println!(
                "run {attempt}: others used {:.0} % of the machine; not judged",
                run.others * 100.0
            );
            continue;
        }
        let judged = report::judge(&run);
        best = Some(match best {
            Some(best) => report::better(best, judged),
            None => judged,
        });
        if best
            .as_ref()
            .is_some_and(|best| best.iter().all(report::Judged::is_met))
        {
            break;
        }
    }
    let best =
        best.ok_or_else(|| anyhow::anyhow!("the machine was never quiet enough to judge"))?;
    let missed: Vec<String> = best
        .iter()
        .filter(|g| !g.is_met())
        .map(ToString::to_string)
        .collect();
    anyhow::ensure!(missed.is_empty(), "missed:\n{}", missed.join("\n"));
    println!("every goal is met");
    Ok(())
}
