//! Words of a plan that take no arguments.

use super::table::words;

words!(
    /// What an instruction asks the agent for; simplest first, so that shrinking goes to the front.
    Edit ("an edit") {
        Change = "change" "A plain change of the site's content.",
        BreakBuild = "break-build" "Deletes a file that the build needs: it fails until a repair.",
        Repair = "repair" "Restores what other edits broke.",
        Warn = "warn" "Puts a syntax error in a component: the rest is built, with warnings.",
        MemoryHungry = "memory-hungry" "Adds 1000 large files, which take memory to build.",
    }
);

words!(
    /// Where an instruction is on its way, in the contract's order.
    Phase ("a phase", few Thinking, Committing, Pushing, Building, Deploying, Done) {
        Received = "received" "The container has the message.",
        Thinking = "thinking" "The agent is asked.",
        Editing = "editing" "The agent's answer is carried out.",
        Committing = "committing" "The edit is committed.",
        Pushing = "pushing" "The commit is pushed.",
        Building = "building" "The site is built.",
        Deploying = "deploying" "The site is uploaded.",
        Done = "done" "The outcome is durable.",
    }
);

words!(
    /// How a service shows that it is down.
    Outage ("how it is down", few SlowDown) {
        SlowDown = "slow-down" "503: please slow down.",
        Refused = "refused" "The connection is refused.",
        Reset = "reset" "The connection is reset while the request is under way.",
        Timeout = "timeout" "No answer ever comes.",
    }
);

words!(
    /// How the agent's answer is cut, although its status is good.
    Cut ("how an answer is cut", few Dangling) {
        MaxTokens = "max-tokens" "Stopped at the limit of tokens, within what a tool is given.",
        StreamError = "stream-error" "An error event in the stream; without a stream, a reset.",
        Empty = "empty" "No bytes.",
        Dangling = "dangling" "It ends in its middle, with the connection or without.",
    }
);

words!(
    /// A push by an outsider.
    Outsider ("a kind of push") {
        Clean = "clean" "Touches a file of its own.",
        Conflicting = "conflicting" "Touches the lines that every edit touches.",
    }
);

/// A word that is none of those that there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the word is unknown")]
pub struct UnknownWord;
