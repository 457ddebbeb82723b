//! The plans that come with the crate: every fault, and every kind of step.

macro_rules! plans {
    ($($name:literal),+ $(,)?) => {
        /// The plans by name, as text.
        pub static PLANS: &[(&str, &str)] = &[$((
            $name,
            include_str!(concat!("../../conformance/", $name, ".plan")),
        )),+];
    };
}

plans! {
    "agent-error-429",
    "agent-error-500",
    "agent-error-529",
    "agent-slow",
    "breaker-opens",
    "broken-and-repaired",
    "build-error",
    "build-warning",
    "changes-in-order",
    "conflict-then-change",
    "conflict",
    "crash-before-conflict",
    "crash-building",
    "crash-committing",
    "crash-deploying",
    "crash-done",
    "crash-editing",
    "crash-in-recovery",
    "crash-pushing",
    "crash-received",
    "crash-thinking",
    "git-auth",
    "git-down",
    "left-broken",
    "memory-hungry",
    "out-of-memory",
    "outside-alone",
    "partition",
    "pushed-from-outside",
    "redelivered-after-crash",
    "redelivered",
    "s3-ack-lost",
    "s3-denied-everywhere",
    "s3-denied",
    "s3-missing",
    "s3-partial",
    "s3-refused",
    "s3-reset",
    "s3-slow-down",
    "s3-timeout",
    "saved-then-outside",
    "saved-work-lost",
    "store-throttled",
    "two-outsiders",
    "warned-then-broken",
    "warned",
    "workspace-lost",
}
