use super::*;
use crate::defect::Defect;
use crate::defect::trial::planted_sim;
use crate::target::sim::Sim;

fn config(alphabet: Alphabet, depth: usize) -> Config {
    Config {
        alphabet,
        depth,
        seeds: vec![1],
        jobs: 2,
        keep_going: true,
        max_plans: None,
        time: None,
        pruning: Pruning::ALL,
        quiet: true,
        title: "test".into(),
    }
}

#[test]
fn count() {
    for (name, alphabet) in [("small", Alphabet::small()), ("full", Alphabet::full())] {
        println!("{name}: {} letters", alphabet.steps.len());
        let began = Instant::now();
        let summary = explore(&Sim::default(), &config(alphabet, 2), &Interrupt::default());
        println!("{:?}", summary.levels);
        println!("{:?} {:?}", began.elapsed(), summary.found.len());
        for found in &summary.found {
            println!("{} {:?}", found.plan, found.violation);
        }
    }
    let _ = (planted_sim, Defect::by_name);
}
