//! How often is a gate wrong, and how small an effect does it see?
//!
//! Simulated launches with a known truth; every generator is seeded, so a rate is a number and no
//! matter of luck.

use crate::support::Noise;
use crate::support::gate::{Gate, Truth};
use crate::support::gates;
use std::collections::BTreeMap;
use zclab_report::gate::record::{Arm, Measured, Phase, Record, Sample};
use zclab_report::gate::{Judged, Verdict, needs_second, timing};
use zclab_report::record::Verified;

/// What a simulated machine does.
#[derive(Clone, Copy)]
struct World {
    launches: u32,
    turns: u32,
    effect: f64,
    launch_sd: f64,
    turn_sd: f64,
    slot_bias: f64,
}

const BOTH: [Phase; 2] = [Phase::First, Phase::Second];

const QUIET: World = World {
    launches: 16,
    turns: 5,
    effect: 0.0,
    launch_sd: 0.006,
    turn_sd: 0.007,
    slot_bias: 0.004,
};

/// Standard normal.
fn normal(noise: &mut Noise) -> f64 {
    let uniform = |noise: &mut Noise| f64::midpoint(noise.next(), 1.0).clamp(1e-12, 1.0);
    (-2.0 * uniform(noise).ln()).sqrt() * (std::f64::consts::TAU * uniform(noise)).cos()
}

/// Student's t with three degrees of freedom, its standard deviation 1: tails as machines have.
fn heavy(noise: &mut Noise) -> f64 {
    let squares: f64 = (0..3).map(|_| normal(noise).powi(2)).sum();
    normal(noise) / (squares / 3.0).sqrt() / 3.0f64.sqrt()
}

impl World {
    /// The samples of one cell.
    fn cell(&self, id: &str, phase: Phase, noise: &mut Noise) -> Vec<Sample> {
        let mut samples = Vec::new();
        for launch in 0..self.launches {
            let luck: [f64; 3] =
                std::array::from_fn(|_| self.launch_sd / 2f64.sqrt() * heavy(noise));
            for turn in 0..self.turns {
                let shared = 0.3 * heavy(noise).abs();
                for (index, arm) in [Arm::Base, Arm::Head, Arm::Control].into_iter().enumerate() {
                    let slot = (index as u32 + launch) % 3;
                    let mut log = luck[index] + shared + self.turn_sd * heavy(noise);
                    log += self.slot_bias * f64::from(slot);
                    log += if arm == Arm::Head { self.effect } else { 0.0 };
                    let bytes = 16u64 << 20;
                    let cpu_ns = (90.0 * bytes as f64 / 1024.0 * log.exp()) as u64;
                    samples.push(Sample {
                        cell: id.into(),
                        phase,
                        arm,
                        launch,
                        turn,
                        slot,
                        bytes,
                        header_bytes: 0,
                        fetches: 256,
                        wall_ns: cpu_ns,
                        readings: BTreeMap::from([("sender_cpu_ns".into(), cpu_ns)]),
                        verified: Verified::Length,
                    });
                }
            }
        }
        samples
    }

    /// A gate of so many cells and phases.
    fn gate(&self, cells: usize, phases: &[Phase], seed: u64) -> Record {
        let mut record = Gate::default().record();
        let mut noise = Noise::new(seed);
        record.cells = (0..cells)
            .map(|n| {
                let id = format!("cell-{n}");
                let phases = phases.iter();
                let samples = phases.flat_map(|phase| self.cell(&id, *phase, &mut noise)).collect();
                Measured { id, samples, ..Measured::default() }
            })
            .collect();
        record
    }
}

fn firsts(record: &Record) -> Vec<Judged> {
    timing::judge(record).into_iter().map(|timing| timing.expect("samples").first).collect()
}

/// Base against base, heavy tails, slots that cost up to 0.8 %: with no margin at all the first launches
/// alone cry wolf no more often than the rule lets them, over all cells of a gate together.
#[test]
fn nothing_is_rarely_called_something() {
    let (mut worse, mut better, mut invalid) = (0, 0, 0);
    for seed in 0..100 {
        let mut record = QUIET.gate(3, &[Phase::First], seed);
        record.opening.rule.margin = 0.0;
        record.opening.rule.alpha = 0.05;
        let verdicts: Vec<Verdict> = firsts(&record).iter().map(|one| one.verdict).collect();
        worse += u32::from(verdicts.contains(&Verdict::Regression));
        better += u32::from(verdicts.contains(&Verdict::Improvement));
        invalid += u32::from(verdicts.contains(&Verdict::Invalid));
    }
    // 5 % of 100 gates may be, both sides together; the floor takes most of it.
    assert!(worse + better <= 5, "{worse} regressions, {better} improvements");
    assert!(invalid <= 10, "{invalid} of 100 invalid, 5 are due");
}

/// With the margin of 1 % and two sets of launches nothing is ever called a regression here.
#[test]
fn with_margin_and_two_sets_no_alarm_is_false() {
    for seed in 1000..1060 {
        let record = QUIET.gate(1, &BOTH, seed);
        let timing = timing::judge(&record).remove(0).expect("samples");
        assert_ne!(timing.verdict, Verdict::Regression, "seed {seed}");
        assert_ne!(timing.verdict, Verdict::Improvement, "seed {seed}");
    }
}

/// 2 % more with launches that differ by 1 %: forty of them find it always, twice.
#[test]
fn two_per_cent_are_found_by_forty_launches() {
    let world = World { launches: 40, turns: 4, effect: 0.02, launch_sd: 0.008, ..QUIET };
    for seed in 0..30 {
        let record = world.gate(1, &BOTH, seed);
        let timing = timing::judge(&record).remove(0).expect("samples");
        assert_eq!(timing.verdict, Verdict::Regression, "seed {seed}: {:?}", timing.first.ratio);
    }
}

/// An effect as large as the smallest that is said to be seen is seen about as often as is said.
#[test]
fn what_would_have_been_seen_is_seen() {
    let unconfirmed = |world: World, seed| {
        let mut record = world.gate(1, &[Phase::First], seed);
        record.opening.rule.confirm = false;
        firsts(&record).remove(0)
    };
    let runs = 100;
    let promised: f64 = (0..runs)
        .map(|seed| unconfirmed(QUIET, seed).smallest_seen.expect("enough launches").ln())
        .sum::<f64>()
        / runs as f64;
    assert!((0.01..0.03).contains(&promised), "{promised}");
    let planted = World { effect: promised, ..QUIET };
    let found = (0..runs)
        .filter(|seed| unconfirmed(planted, 5000 + seed).verdict == Verdict::Regression)
        .count();
    let share = found as f64 / runs as f64;
    assert!((0.7..=0.92).contains(&share), "{share} of gates found {promised}");
}

/// The same of gates whose launches are made again where they do not pass.
#[test]
fn what_would_have_been_seen_by_two_sets_is_seen() {
    let gate = |world: World, seed| {
        let once = world.gate(1, &[Phase::First], seed);
        match needs_second(&once).is_empty() {
            true => once,
            false => world.gate(1, &BOTH, seed),
        }
    };
    let runs = 100;
    let promised = (0..runs)
        .map(|seed| firsts(&gate(QUIET, seed)).remove(0).smallest_seen.expect("enough").ln())
        .sum::<f64>()
        / runs as f64;
    let planted = World { effect: promised, ..QUIET };
    let verdict =
        |seed| timing::judge(&gate(planted, 5000 + seed)).remove(0).expect("samples").verdict;
    let found = (0..runs).filter(|seed| verdict(*seed) == Verdict::Regression).count();
    let share = found as f64 / runs as f64;
    assert!((0.7..=0.95).contains(&share), "{share} of gates found {promised}");
}

/// Launches that decide nothing by themselves decide together with as many more.
#[test]
fn two_sets_find_what_one_is_too_short_for() {
    let world = World { launches: 12, effect: 0.02, launch_sd: 0.015, ..QUIET };
    let (mut by_one, mut by_two) = (0, 0);
    for seed in 0..60 {
        let timing = timing::judge(&world.gate(1, &BOTH, seed)).remove(0).expect("samples");
        by_one += u32::from(timing.first.verdict == Verdict::Regression);
        by_two += u32::from(timing.verdict == Verdict::Regression);
    }
    assert!(by_two > by_one + 10, "{by_one} by one set, {by_two} by two");
}

#[test]
fn what_does_not_pass_is_launched_again_once() {
    let record = gates::awaits_confirmation().record();
    let cell = "quick/size/sendfile/cache=warm,fetch=65536";
    assert_eq!(needs_second(&record), [cell]);
    let timing = timing::judge(&record).remove(0).expect("samples");
    assert_eq!(
        (timing.first.verdict, timing.verdict),
        (Verdict::Regression, Verdict::Inconclusive)
    );
    for gate in [gates::regresses(), gates::is_not_confirmed(), gates::passes()] {
        assert!(needs_second(&gate.record()).is_empty());
    }
    let noisy = gates::is_too_noisy().record();
    assert_eq!(needs_second(&noisy), [cell], "what decides nothing is launched again");
    let mut at_once = record;
    at_once.opening.rule.confirm = false;
    assert!(needs_second(&at_once).is_empty());
    let timing = timing::judge(&at_once).remove(0).expect("samples");
    assert_eq!(timing.verdict, Verdict::Regression);
}

#[test]
fn a_few_launches_decide_nothing_and_say_how_many_would() {
    let mut gate = Gate::default().sized(5, 12);
    gate.cell("quick/size", "sendfile", &Truth { head: 1.5, ..Truth::default() });
    let first = firsts(&gate.end().record()).remove(0);
    assert_eq!((first.verdict, first.smallest_seen), (Verdict::Inconclusive, None));
    assert!(first.p >= 2.0 / 32.0 && first.launches_wanted.is_some_and(|launches| launches > 5));
}

/// Whatever the true effect, the three kinds of evidence have to agree: each alone is not enough.
#[test]
fn margin_floor_and_chance_all_have_to_be_passed() {
    let judged = |change: fn(&mut Record)| {
        let mut record = gates::regresses().record();
        change(&mut record);
        firsts(&record).remove(0)
    };
    assert_eq!(judged(|_| {}).verdict, Verdict::Regression);
    let wide = judged(|record| record.opening.rule.margin = 0.2);
    assert_eq!(wide.verdict, Verdict::Pass);
    let strict = judged(|record| record.opening.rule.alpha = 1e-9);
    assert_eq!((strict.verdict, strict.smallest_seen), (Verdict::Inconclusive, None));
    // A control that is as noisy as the effect is large, though not off on the whole.
    let floor = judged(|record| {
        for sample in &mut record.cells[0].samples {
            if sample.arm == Arm::Control {
                let cpu = sample.readings.get_mut("sender_cpu_ns").expect("a reading");
                *cpu = *cpu / 10 * if sample.launch % 2 == 0 { 8 } else { 13 };
            }
        }
    });
    assert!(floor.floor > 1.06, "{}", floor.floor);
    assert_eq!(floor.verdict, Verdict::Inconclusive);
}

fn exchanged(mut record: Record) -> Record {
    for sample in record.cells.iter_mut().flat_map(|cell| &mut cell.samples) {
        sample.arm = match sample.arm {
            Arm::Base => Arm::Control,
            Arm::Control => Arm::Base,
            Arm::Head => Arm::Head,
        };
    }
    record
}

#[test]
fn base_and_control_are_two_looks_at_one_cost_and_the_unit_does_not_matter() {
    let record = gates::improves().record();
    let there = firsts(&record).remove(0);
    let back = firsts(&exchanged(record.clone())).remove(0);
    assert!((there.ratio.point / back.ratio.point - 1.0).abs() < 1e-9);
    assert!((there.control.point * back.control.point - 1.0).abs() < 1e-9);
    assert_eq!(there.p, back.p);
    assert_eq!((there.verdict, there.launches.len()), (Verdict::Improvement, 24));

    let mut scaled = record.clone();
    for sample in scaled.cells.iter_mut().flat_map(|cell| &mut cell.samples) {
        sample.readings.values_mut().for_each(|ns| *ns *= 1000);
    }
    let scaled = firsts(&scaled).remove(0);
    assert!((scaled.ratio.point / there.ratio.point - 1.0).abs() < 1e-9);
    assert_eq!((scaled.p, scaled.verdict), (there.p, there.verdict));

    let mut shuffled = record;
    shuffled.cells[0].samples.reverse();
    assert_eq!(firsts(&shuffled).remove(0), there);
    let pairs = timing::pairs(&shuffled.cells[0], Phase::First);
    assert_eq!(pairs.len(), 24 * 12);
    assert!(pairs.is_sorted_by_key(|pair| (pair.launch, pair.turn)));
}
