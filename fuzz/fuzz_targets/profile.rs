//! Profiles: what is read has a name and the text that it was read from; what is not says where it is wrong.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shakedown::profile::Profile;

fuzz_target!(|bytes: &[u8]| {
    match Profile::parse_bytes(bytes) {
        Ok(profile) => {
            let again = Profile::parse(profile.source()).expect("its own text is read");
            assert_eq!(again.hash(), profile.hash());
            assert!(!profile.name.trim().is_empty());
        }
        Err(mistakes) => {
            assert!(!mistakes.is_empty());
            assert!(mistakes.iter().all(|it| it.line >= 1 && it.column >= 1));
        }
    }
});
