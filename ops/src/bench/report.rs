//! Tables of a run, its ratios, and the goals they are held to.

use std::fmt::{self, Write as _};

use super::Run;
use super::cases::Case;
use super::figures::Figures;
use super::kills::Until;
use super::packages::Imports;

/// Which way is good.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// One goal and how it came out; `None` where a case is missing.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    what: &'static str,
    bound: Bound,
    value: Option<f64>,
}

impl Judged {
    /// Whether the goal is met.
    #[must_use]
    pub(super) fn is_met(&self) -> bool {
        match (self.value, self.bound) {
            (None, _) => false,
            (Some(value), Bound::AtMost(most)) => value <= most,
            (Some(value), Bound::AtLeast(least)) => value >= least,
        }
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.is_met() { "met   " } else { "missed" };
        let value = self
            .value
            .map_or_else(|| "not measured".to_owned(), |v| format!("{v:.2}"));
        match self.bound {
            Bound::AtMost(most) => {
                write!(f, "{sign}  {:<66} {value:>8}  at most {most}", self.what)
            }
            Bound::AtLeast(least) => {
                write!(f, "{sign}  {:<66} {value:>8}  at least {least}", self.what)
            }
        }
    }
}

impl Run {
    fn of(&self, case: Case) -> Option<&Figures> {
        self.cases
            .iter()
            .find(|each| each.0 == case)
            .map(|each| &each.1)
    }

    fn ratio(&self, above: Case, below: Case, figure: impl Fn(&Figures) -> f64) -> Option<f64> {
        let below = figure(self.of(below)?);
        (below > 0.0).then_some(figure(self.of(above)?) / below)
    }
}

/// CPU per call of everything but the sandbox.
fn outside(figures: &Figures) -> f64 {
    ["api", "worker", "redis", "postgres"]
        .iter()
        .map(|group| figures.cpu(group))
        .sum()
}

/// Every goal, as this run has it.
#[must_use]
pub(super) fn judge(run: &Run) -> Vec<Judged> {
    use Bound::{AtLeast, AtMost};
    let p50 = |figures: &Figures| figures.p50_us;
    let rate = |figures: &Figures| figures.rate;
    let one = Case::Sync(1);
    let many = Case::Sync(16);
    let own = |case| run.of(case).map(|f: &Figures| f.p99_us / f.p50_us);
    let cpu = || {
        let floor = run.of(Case::ForkFloor(2))?.cpu("floor");
        (floor > 0.0).then_some(outside(run.of(many)?) / floor)
    };
    let faults = run.of(many).and_then(|figures| figures.faults_per_call);
    let goal = |what, bound, value| Judged { what, bound, value };
    let mut judged = vec![
        goal(
            "sync 1, p50 over that of fork floor 1",
            AtMost(1.3),
            run.ratio(one, Case::ForkFloor(1), p50),
        ),
        goal(
            "spawn 1, p50 over that of sync 1",
            AtLeast(30.0),
            run.ratio(Case::Spawn(1), one, p50),
        ),
        goal("sync 1, p99 over its own p50", AtMost(4.0), own(one)),
        goal(
            "sync 16, rate over that of fork floor 2",
            AtLeast(0.8),
            run.ratio(many, Case::ForkFloor(2), rate),
        ),
        goal(
            "sync 16, rate over that of spawn 2",
            AtLeast(22.0),
            run.ratio(many, Case::Spawn(2), rate),
        ),
        goal(
            "sync 16, CPU outside the sandbox over fork floor 2's per call",
            AtMost(0.30),
            cpu(),
        ),
        goal(
            "sync 16, page faults in the sandbox per call",
            AtMost(130.0),
            faults,
        ),
        goal(
            "durable 202 of 1, p50 over one fdatasync",
            AtMost(2.0),
            run.ratio(Case::Durable(1), Case::Fdatasync, p50),
        ),
        goal(
            "durable 202 of 64, rate over accept alone",
            AtLeast(0.4),
            run.ratio(Case::Durable(64), Case::AcceptAlone(64), rate),
        ),
        goal(
            "first call of a version, p50 over spawn 1",
            AtMost(0.5),
            run.ratio(Case::FirstCall(Imports::Nothing), Case::Spawn(1), p50),
        ),
    ];
    judged.push(goal(
        "kill 60 spinning, milliseconds until it is answered, p99",
        AtMost(50.0),
        run.of(Case::Kill(60, Until::Answered))
            .map(|figures| figures.p99_us / 1_000.0),
    ));
    judged.extend(of_functions(run));
    judged
}

/// What functions with packages, and those with a network, are held to.
fn of_functions(run: &Run) -> Vec<Judged> {
    use Bound::{AtLeast, AtMost};
    let p50 = |figures: &Figures| figures.p50_us;
    let rate = |figures: &Figures| figures.rate;
    let added = |with, without| {
        let milliseconds = |case| run.of(case).map(|figures| figures.p50_us / 1_000.0);
        Some(milliseconds(with)? - milliseconds(without)?)
    };
    let goal = |what, bound, value| Judged { what, bound, value };
    vec![
        goal(
            "spaced calls, p50 with pandas over that with nothing imported",
            AtMost(1.5),
            run.ratio(
                Case::Spaced(Imports::Pandas),
                Case::Spaced(Imports::Nothing),
                p50,
            ),
        ),
        goal(
            "sync 16, rate with pandas over that with nothing imported",
            AtLeast(0.12),
            run.ratio(Case::Crowd(16), Case::Sync(16), rate),
        ),
        goal(
            "bind, milliseconds that a layer adds",
            AtMost(1.0),
            added(Case::Bind { layer: true }, Case::Bind { layer: false }),
        ),
        goal(
            "https to a named host, milliseconds that the sandbox and its proxy add",
            AtMost(1.0),
            added(
                Case::Https { proxied: true },
                Case::Https { proxied: false },
            ),
        ),
    ]
}

/// Goal by goal, the better of two runs.
#[must_use]
pub(super) fn better(one: Vec<Judged>, other: Vec<Judged>) -> Vec<Judged> {
    let pick = |(one, other): (Judged, Judged)| match (one.value, other.value, one.bound) {
        (Some(a), Some(b), Bound::AtMost(_)) if b < a => other,
        (Some(a), Some(b), Bound::AtLeast(_)) if b > a => other,
        (None, _, _) => other,
        _ => one,
    };
    one.into_iter().zip(other).map(pick).collect()
}

/// The figures, then the goals.
#[must_use]
pub(super) fn tables(run: &Run) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{:<26} {:>8} {:>10} {:>10} {:>10} {:>8}  CPU per call, us",
        "case", "calls", "p50 us", "p99 us", "calls/s", "faults"
    );
    for (case, figures) in &run.cases {
        let faults = figures
            .faults_per_call
            .map_or_else(|| "-".to_owned(), |n| format!("{n:.0}"));
        let _ = write!(
            text,
            "{:<26} {:>8} {:>10.0} {:>10.0} {:>10.1} {:>8} ",
            case.name(),
            figures.calls,
            figures.p50_us,
            figures.p99_us,
            figures.rate,
            faults
        );
        for (group, cpu) in figures.cpu_us_per_call.iter().filter(|cpu| cpu.1 >= 0.5) {
            let _ = write!(text, " {group} {cpu:.0}");
        }
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "\nothers used {:.0} % of the machine\n",
        run.others * 100.0
    );
    for judged in judge(run).iter().filter(|judged| judged.value.is_some()) {
        let _ = writeln!(text, "{judged}");
    }
    text
}
