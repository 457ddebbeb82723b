//! Plans: what is read is printed and read again as the same; what is not says where it is wrong.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shakedown::plan::Plan;
use shakedown::regression;

fuzz_target!(|bytes: &[u8]| {
    match regression::parse(bytes) {
        Ok(kept) => {
            let again: Plan = kept.plan.to_string().parse().expect("what is printed is read");
            assert_eq!(again, kept.plan);
            assert_eq!(again.marks().len(), again.steps.len());
        }
        Err(error) => {
            assert!(error.line >= 1 && error.column >= 1);
            assert!(error.message.len() < 2000, "{error}");
        }
    }
});
