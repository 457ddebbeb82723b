//! How each fault is made in an account, and how it is undone; and why some cannot be made.

use crate::plan::FaultKind;

/// How a fault is made.
///
/// # Errors
/// Why it cannot be.
pub fn way(fault: FaultKind) -> Result<&'static str, &'static str> {
    use FaultKind as Kind;
    const DENIED: &str = "a statement of ours in the bucket's policy, which denies PutObject and DeleteObject to the worker's \
                          role alone; undone by putting back the policy that was there";
    const INJECTED: &str =
        "a session's record is the system's own, and this version does not write into it";
    const PROXY: &str = "AWS offers no way, and the profile names no proxy of the system";
    match fault {
        Kind::S3Denied => Ok(DENIED),
        Kind::BuildError | Kind::BuildWarning => Err(INJECTED),
        Kind::S3Missing => Err("it would delete a bucket"),
        Kind::S3Down | Kind::S3Partial | Kind::S3AckLost => {
            Err("S3 cannot be made to time out, to take a part, or to lose an answer")
        }
        Kind::GitAuth | Kind::GitDown | Kind::AgentSlow | Kind::AgentError | Kind::AgentCut => {
            Err(PROXY)
        }
        Kind::OutOfMemory => {
            Err("the memory of a task is in its definition, which is never changed")
        }
        Kind::Partition => {
            Err("it needs the fault injection of ECS, which this version does not ask for")
        }
        Kind::StoreThrottled => Err("DynamoDB cannot be made to throttle one role"),
        Kind::QueueDown => Err("SQS cannot be made to fail"),
    }
}
