//! The errors of SQS, by their names in JSON.

use crate::cloud::answer::AwsError;

pub(super) fn no_queue() -> AwsError {
    AwsError::new(
        "com.amazonaws.sqs#QueueDoesNotExist",
        "The specified queue does not exist.",
    )
}

pub(super) fn missing(parameter: &str) -> AwsError {
    AwsError::new(
        "com.amazonaws.sqs#MissingRequiredParameterException",
        format!("The request must contain the parameter {parameter}."),
    )
}

/// An error that names no parameter.
pub(super) fn bad(message: impl Into<String>) -> AwsError {
    AwsError::new("com.amazonaws.sqs#InvalidParameterValueException", message)
}

pub(super) fn invalid(value: &str, parameter: &str, why: &str) -> AwsError {
    bad(format!(
        "Value {value} for parameter {parameter} is invalid. Reason: {why}"
    ))
}

pub(super) fn out_of_range(value: u64, parameter: &str, (least, most): (u64, u64)) -> AwsError {
    let why = format!("Must be between {least} and {most}, if provided.");
    invalid(&value.to_string(), parameter, &why)
}

pub(super) fn no_receipt(text: &str) -> AwsError {
    AwsError::new(
        "com.amazonaws.sqs#ReceiptHandleIsInvalid",
        format!("The input receipt handle \"{text}\" is not a valid receipt handle."),
    )
}

pub(super) fn expired(receipt: &str) -> AwsError {
    invalid(receipt, "ReceiptHandle", "The receipt handle has expired.")
}

pub(super) fn not_in_flight() -> AwsError {
    AwsError::new(
        "com.amazonaws.sqs#MessageNotInflight",
        "The message referred to is not in flight.",
    )
}

/// The name that an error has in the query protocol, which the SDKs still go by.
pub(super) fn query_code(code: &str) -> &str {
    match code.rsplit('#').next().unwrap_or_default() {
        "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue",
        "MessageNotInflight" => "AWS.SimpleQueueService.MessageNotInflight",
        "PurgeQueueInProgress" => "AWS.SimpleQueueService.PurgeQueueInProgress",
        "EmptyBatchRequest" => "AWS.SimpleQueueService.EmptyBatchRequest",
        "TooManyEntriesInBatchRequest" => "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
        "BatchEntryIdsNotDistinct" => "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
        "BatchRequestTooLong" => "AWS.SimpleQueueService.BatchRequestTooLong",
        "InvalidBatchEntryId" => "AWS.SimpleQueueService.InvalidBatchEntryId",
        "UnsupportedOperation" => "AWS.SimpleQueueService.UnsupportedOperation",
        "QueueNameExists" => "QueueAlreadyExists",
        "UnrecognizedClientException" => "InvalidClientTokenId",
        "UnknownOperationException" => "InvalidAction",
        "InvalidParameterValueException" => "InvalidParameterValue",
        "MissingRequiredParameterException" => "MissingParameter",
        other => other,
    }
}
