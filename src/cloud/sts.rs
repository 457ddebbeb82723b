//! STS: who a client is.

use hyper::StatusCode;
use serde_json::json;

use super::answer::{Answer, reply};
use super::credentials::{ACCESS_KEY, ACCOUNT};
use super::protocol::{self, Protocol};
use super::route::Asked;

/// Answers a request to STS.
pub(super) fn answer(asked: &Asked) -> Answer {
    let Some(call) = &asked.call else {
        return Answer::Close;
    };
    if call.operation != "GetCallerIdentity" {
        let error = protocol::not_served(call);
        return protocol::error(call, StatusCode::BAD_REQUEST, error.code, &error.message);
    }
    let arn = format!("arn:aws:iam::{ACCOUNT}:user/{}", asked.client);
    if call.protocol != Protocol::Query {
        let who = json!({ "Account": ACCOUNT, "Arn": arn, "UserId": ACCESS_KEY });
        return protocol::answer(call, Ok(who));
    }
    let body = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <GetCallerIdentityResult><Arn>{arn}</Arn><UserId>{ACCESS_KEY}</UserId>\
         <Account>{ACCOUNT}</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>{}\
         </RequestId></ResponseMetadata></GetCallerIdentityResponse>",
        protocol::request_id()
    );
    Answer::Reply(protocol::with_id(reply(StatusCode::OK, "text/xml", body)))
}
