//! The variables of proptest, read once and as strictly as arguments.

use crate::regression::parse_seed;

/// Those that take a number, and the least one.
const NUMBERS: [(&str, u32); 7] = [
    ("PROPTEST_CASES", 1),
    ("PROPTEST_MAX_SHRINK_ITERS", 0),
    ("PROPTEST_MAX_SHRINK_TIME", 0),
    ("PROPTEST_MAX_LOCAL_REJECTS", 0),
    ("PROPTEST_MAX_GLOBAL_REJECTS", 0),
    ("PROPTEST_MAX_FLAT_MAP_REGENS", 0),
    ("PROPTEST_VERBOSE", 0),
];
/// The others, whose values proptest takes as they are, or which are for its own runner.
const OTHERS: [&str; 5] = [
    "PROPTEST_DISABLE_FAILURE_PERSISTENCE",
    "PROPTEST_MAX_DEFAULT_SIZE_RANGE",
    "PROPTEST_RNG_ALGORITHM",
    "PROPTEST_FORK",
    "PROPTEST_TIMEOUT",
];
/// The seed.
const SEED: &str = "PROPTEST_RNG_SEED";

/// Why the variables of proptest cannot be what was meant, where they cannot.
///
/// # Errors
/// The first that is malformed or unknown, and what would be right.
pub fn check(variables: impl Iterator<Item = (String, String)>) -> Result<(), String> {
    for (name, value) in variables.filter(|(name, _)| name.starts_with("PROPTEST_")) {
        let wrong = |remedy: &str| Err(format!("{name} is `{value}`; {remedy}, or unset it"));
        let number = NUMBERS.iter().find(|(known, _)| *known == name);
        if name == SEED {
            if parse_seed(&value).is_none() {
                return wrong("set it to a whole number, or 0x and hexadecimal digits");
            }
        } else if let Some((_, least)) = number {
            if value.parse::<u32>().ok().is_none_or(|it| it < *least) {
                return wrong(&format!(
                    "set it to a whole number from {least} to {}",
                    u32::MAX
                ));
            }
        } else if !OTHERS.contains(&&*name) {
            let known = NUMBERS.iter().map(|(name, _)| *name).chain([SEED]);
            let known: Vec<&str> = known.chain(OTHERS).collect();
            return Err(format!(
                "{name} is no variable of proptest; unset it, or use one of these: {}",
                known.join(", ")
            ));
        }
    }
    Ok(())
}

/// The seed that the environment names, in either form.
pub fn seed() -> Option<u64> {
    parse_seed(&std::env::var(SEED).ok()?)
}

/// Gives proptest the seed in the only form that it reads.
pub fn normalize_seed() {
    if let Some(seed) = seed() {
        // SAFETY: called at the very start, by the only thread that there is.
        unsafe { std::env::set_var(SEED, seed.to_string()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_as_strictly_as_arguments() {
        let check =
            |name: &str, value: &str| check([(name.to_owned(), value.to_owned())].into_iter());
        for (name, value) in [
            ("PROPTEST_CASES", "12"),
            ("PROPTEST_RNG_SEED", "0x1f3c"),
            ("PROPTEST_RNG_SEED", "7"),
            ("PROPTEST_MAX_SHRINK_TIME", "0"),
            ("PROPTEST_DISABLE_FAILURE_PERSISTENCE", ""),
            ("PROPTESTS", "x"),
        ] {
            assert_eq!(check(name, value), Ok(()), "{name}={value}");
        }
        for (name, value, part) in [
            ("PROPTEST_CASES", "0", "from 1 to"),
            ("PROPTEST_CASES", "", "from 1 to"),
            ("PROPTEST_CASES", "12x", "from 1 to"),
            ("PROPTEST_CASES", "99999999999", "from 1 to"),
            ("PROPTEST_RNG_SEED", "0xhello", "hexadecimal"),
            ("PROPTEST_RNG_SEED", "-1", "hexadecimal"),
            ("PROPTEST_MAX_SHRINK_ITERS", "many", "from 0 to"),
            ("PROPTEST_SEED", "7", "PROPTEST_RNG_SEED"),
        ] {
            let error = check(name, value).unwrap_err();
            assert!(error.contains(part) && error.contains(name), "{error}");
        }
    }
}
