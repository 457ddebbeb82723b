//! The breaker's worlds, on the shortest histories that distinguish them.
use super::*;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Lets a client's sync fail or succeed, from `seconds` to a second later.
fn sync(breaker: &mut Breaker, client: usize, succeeded: bool, seconds: u64) {
    assert!(breaker.begin(client, at(seconds), at(seconds)));
    breaker.request(client, at(seconds));
    assert!(breaker.end(client, succeeded, at(seconds + 1)));
}

fn opened_at_50() -> Breaker {
    let mut breaker = Breaker::new(2);
    for n in 0..5 {
        sync(&mut breaker, 0, false, 10 * n);
    }
    assert!(!breaker.may_be_closed());
    breaker
}

#[test]
fn five_failures_in_a_row_open_it_for_all_until_the_cool_down_is_over() {
    let breaker = opened_at_50();
    assert!(breaker.clone().prevented(1, at(45), at(45)));
    assert!(!breaker.clone().begin(1, at(50), at(50)));
    assert!(breaker.clone().begin(1, at(71), at(71)));
}

#[test]
fn a_success_resets_the_count() {
    let mut breaker = Breaker::new(2);
    for n in 0..4 {
        sync(&mut breaker, 0, false, 10 * n);
    }
    sync(&mut breaker, 1, true, 40);
    sync(&mut breaker, 0, false, 50);
    assert!(breaker.is_closed());
    assert!(!breaker.prevented(1, at(60), at(60)));
    assert!(!breaker.opened(at(60), at(60)));
}

#[test]
fn a_sync_in_half_open_beside_the_probe_is_refused() {
    let mut breaker = opened_at_50();
    assert!(breaker.begin(0, at(80), at(80)));
    assert!(breaker.clone().prevented(1, at(85), at(85)));
    // The probe may have ended without its line having come; but not if it goes on.
    let mut both = breaker.clone();
    assert!(both.begin(1, at(85), at(85)));
    assert!(!both.clone().request(0, at(86)));
    assert!(!both.clone().end(0, false, at(86)));
    assert!(both.end(0, true, at(86)));
    breaker.end(0, false, at(90));
    assert!(!breaker.clone().begin(1, at(95), at(95)));
    assert!(breaker.begin(1, at(125), at(125)));
    breaker.end(1, true, at(126));
    assert!(breaker.is_closed());
}

#[test]
fn a_probe_that_dies_frees_the_permit() {
    let mut breaker = opened_at_50();
    assert!(breaker.begin(0, at(80), at(80)));
    breaker.died(0, at(82));
    assert!(breaker.begin(1, at(83), at(83)));
}

#[test]
fn ends_that_overlap_count_in_either_order() {
    let mut breaker = Breaker::new(2);
    for n in 0..4 {
        sync(&mut breaker, 0, false, 10 * n);
    }
    assert!(breaker.begin(0, at(40), at(40)));
    assert!(breaker.begin(1, at(40), at(40)));
    breaker.request(0, at(41));
    breaker.request(1, at(41));
    breaker.end(0, false, at(42));
    breaker.end(1, true, at(42));
    assert!(breaker.may_be_closed() && !breaker.is_closed());
}

#[test]
fn what_was_counted_before_its_line_is_believed_of_others() {
    let mut breaker = Breaker::new(2);
    for n in 0..4 {
        sync(&mut breaker, 0, false, 10 * n);
    }
    assert!(breaker.begin(0, at(40), at(40)));
    breaker.request(0, at(50));
    assert!(breaker.prevented(1, at(52), at(52)));
    assert!(breaker.end(0, false, at(53)));
    assert!(!breaker.may_be_closed());
}

#[test]
fn a_success_whose_line_comes_late_may_have_reset_the_count() {
    let ms = |n| Duration::from_secs(100) + Duration::from_millis(n);
    let mut breaker = Breaker::new(3);
    for n in 0..4 {
        sync(&mut breaker, 0, false, 10 * n);
    }
    assert!(breaker.begin(0, ms(0), ms(0)));
    assert!(breaker.begin(1, ms(0), ms(0)));
    breaker.request(0, ms(100));
    breaker.request(1, ms(100));
    // Counted: the success of 1, then the failure of 0, which is the first in a row.
    assert!(breaker.end(0, false, ms(200)));
    assert!(breaker.begin(2, ms(300), ms(300)));
    assert!(breaker.end(1, true, ms(400)));
    assert!(breaker.may_be_closed());
    assert!(breaker.end(2, true, ms(10_000)));
    assert!(breaker.begin(0, ms(20_000), ms(20_000)));
}

#[test]
fn a_success_whose_line_comes_after_a_death_may_have_been_counted_before_it() {
    let ms = |n| Duration::from_millis(n);
    let mut breaker = Breaker::new(2);
    assert!(breaker.begin(0, ms(0), ms(0)));
    assert!(breaker.begin(1, ms(0), ms(0)));
    breaker.request(0, ms(100));
    breaker.request(1, ms(100));
    // Counted: the success of 0, then the failure of 1, whose container dies before it says so.
    breaker.died(1, ms(200));
    assert!(breaker.end(0, true, ms(300)));
    for n in 1..=4 {
        sync(&mut breaker, 1, false, 20 * n);
    }
    assert!(breaker.opened(at(82), at(82)));
}
