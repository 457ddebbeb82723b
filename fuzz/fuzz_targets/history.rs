//! Histories: what is read can be judged and is written and read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shakedown::history::ReadHistory;
use shakedown::report::judge_again;

fuzz_target!(|bytes: &[u8]| {
    let Ok(read) = ReadHistory::parse(bytes) else {
        return;
    };
    // A verdict of any kind; what is not all of a run is never held.
    let _ = judge_again(bytes);
    let mut written = Vec::new();
    read.history.write_json_lines(&mut written).expect("memory takes all");
    let again = ReadHistory::parse(&written).expect("what is written is read");
    assert_eq!(again.history, read.history);
});
