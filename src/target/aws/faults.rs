//! How each fault is made in an account, and how it is undone; and why some cannot be made.

use crate::plan::FaultKind;
use crate::profile::{Deployed, Profile};

/// How a fault is made.
///
/// # Errors
/// Why it cannot be.
pub fn way(
    fault: FaultKind,
    profile: &Profile,
    deployed: &Deployed,
) -> Result<&'static str, &'static str> {
    use FaultKind as Kind;
    const DENIED: &str = "a statement of ours in the bucket's policy, which denies PutObject and DeleteObject to the worker's \
                          role alone; undone by putting back the policy that was there";
    const INJECTED: &str = "an attribute of the session's record, which the system reads before a build; undone by giving \
                            it the value that it had, where it still has ours";
    const CUT: &str = "an experiment of the Fault Injection Service, which drops what the tasks send to port 443; undone by \
                       stopping it and deleting its template, and ended by AWS after ten minutes, or by the alarm";
    const NOT_READ: &str =
        "[aws] has no `failure-injection`, the attribute of a record in which the system reads it";
    let is_read = profile.record.is_some() && deployed.failure_injection.is_some();
    const PROXY: &str = "AWS offers no way, and the profile names no proxy of the system";
    match fault {
        Kind::S3Denied => Ok(DENIED),
        Kind::BuildError | Kind::BuildWarning if is_read => Ok(INJECTED),
        Kind::BuildError | Kind::BuildWarning => Err(NOT_READ),
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
        Kind::Partition if deployed.fis_role.is_some() => Ok(CUT),
        Kind::Partition => Err("[aws] has no `fis-role`, with which FIS cuts tasks off"),
        Kind::StoreThrottled => Err("DynamoDB cannot be made to throttle one role"),
        Kind::QueueDown => Err("SQS cannot be made to fail"),
    }
}
