use shakedown::defect::{Defect, known, trial};
use shakedown::{runner, verdict::Verdict};
#[test]
fn prune() {
    std::panic::set_hook(Box::new(|_| {}));
    let mut all = known::all().to_vec();
    let before = all.len();
    let raw =
        known::parse(&std::fs::read_to_string(std::env::var("RAW").unwrap()).unwrap()).unwrap();
    for new in raw {
        let mut copy = all.clone();
        if known::add(&mut copy, new.clone()) {
            let Some(d) = Defect::by_name(&new.defect) else {
                continue;
            };
            match runner::run(&trial::planted_sim(d), &new.plan, new.seed).verdict {
                Verdict::Violated(v) if v.rule.id() == new.rule && v.kind == new.kind => all = copy,
                _ => {}
            }
        }
    }
    println!("{before} -> {}", all.len());
    std::fs::write("src/defect/known.plans", known::text(&all)).unwrap();
}
