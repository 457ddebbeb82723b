//! Access control lists: kept, given back, and looked at where nobody signed a request.

use s3s::dto::*;
use s3s::{S3Error, S3Result, s3_error};

use super::Call;
use super::reading::check_version;
use super::store::Buckets;

/// The canonical id of the account that everything belongs to.
pub(super) const OWNER_ID: &str =
    "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a";
const OWNER_NAME: &str = "loopback";

const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const AUTHENTICATED_USERS: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";

pub(super) fn owner() -> Owner {
    Owner {
        display_name: Some(OWNER_NAME.into()),
        id: Some(OWNER_ID.into()),
    }
}

/// The grants of something that only its owner may use.
pub(super) fn private() -> Vec<Grant> {
    vec![grant(owner_grantee(), Permission::FULL_CONTROL)]
}

/// Whether grants give something to everybody.
pub(super) fn is_public(grants: &[Grant]) -> bool {
    let to = |grant: &Grant| grant.grantee.as_ref().and_then(|it| it.uri.clone());
    grants
        .iter()
        .filter_map(to)
        .any(|uri| uri == ALL_USERS || uri == AUTHENTICATED_USERS)
}

/// Whether grants give a permission to those who did not sign.
pub(super) fn gives_all_users(grants: &[Grant], permission: &'static str) -> bool {
    grants.iter().any(|grant| {
        let uri = grant.grantee.as_ref().and_then(|it| it.uri.as_deref());
        let given = grant.permission.as_ref().map(Permission::as_str);
        uri == Some(ALL_USERS)
            && (given == Some(permission) || given == Some(Permission::FULL_CONTROL))
    })
}

/// What a request says of grants: a canned list, or the grantees of each permission.
pub(super) fn grants_of(
    canned: Option<&str>,
    headers: [(Option<&str>, &'static str); 4],
) -> S3Result<Vec<Grant>> {
    let mut grants = match canned {
        None | Some("private") => private(),
        Some(canned) => {
            let mut grants = private();
            let more: &[(&str, &'static str)] = match canned {
                "public-read" => &[(ALL_USERS, Permission::READ)],
                "public-read-write" => &[
                    (ALL_USERS, Permission::READ),
                    (ALL_USERS, Permission::WRITE),
                ],
                "authenticated-read" => &[(AUTHENTICATED_USERS, Permission::READ)],
                "bucket-owner-read"
                | "bucket-owner-full-control"
                | "aws-exec-read"
                | "log-delivery-write" => &[],
                other => return Err(s3_error!(InvalidArgument, "There is no ACL {other}")),
            };
            grants.extend(
                more.iter()
                    .map(|(uri, permission)| grant(group(uri), permission)),
            );
            grants
        }
    };
    let said: Vec<(&str, &'static str)> = headers
        .into_iter()
        .filter_map(|(text, permission)| Some((text?, permission)))
        .collect();
    if !said.is_empty() {
        if canned.is_some() {
            return Err(s3_error!(
                InvalidRequest,
                "Specifying both Canned ACLs and Header Grants is not allowed"
            ));
        }
        grants.clear();
        for (text, permission) in said {
            for one in text.split(',') {
                grants.push(grant(grantee(one)?, permission));
            }
        }
    }
    Ok(grants)
}

/// A grantee as a header names it: `id="…"`, `uri="…"` or `emailAddress="…"`.
fn grantee(text: &str) -> S3Result<Grantee> {
    let bad = || -> S3Error { s3_error!(InvalidArgument, "Argument format not recognized") };
    let (kind, value) = text.trim().split_once('=').ok_or_else(bad)?;
    let value = value.trim().trim_matches('"');
    match kind.trim() {
        "id" if value == OWNER_ID => Ok(owner_grantee()),
        "id" => Ok(Grantee {
            id: Some(value.into()),
            ..empty(Type::CANONICAL_USER)
        }),
        "uri" => Ok(group(value)),
        "emailAddress" => Ok(Grantee {
            email_address: Some(value.into()),
            ..empty(Type::AMAZON_CUSTOMER_BY_EMAIL)
        }),
        _ => Err(bad()),
    }
}

fn grant(grantee: Grantee, permission: &'static str) -> Grant {
    Grant {
        grantee: Some(grantee),
        permission: Some(Permission::from_static(permission)),
    }
}

fn group(uri: &str) -> Grantee {
    Grantee {
        uri: Some(uri.into()),
        ..empty(Type::GROUP)
    }
}

fn owner_grantee() -> Grantee {
    let Owner { display_name, id } = owner();
    Grantee {
        display_name,
        id,
        ..empty(Type::CANONICAL_USER)
    }
}

fn empty(kind: &'static str) -> Grantee {
    Grantee {
        display_name: None,
        email_address: None,
        id: None,
        type_: Type::from_static(kind),
        uri: None,
    }
}

/// The grants that a request to put an object or bucket gives.
macro_rules! grants {
    ($input:expr) => {
        $crate::cloud::s3::acl::grants_of(
            $input.acl.as_ref().map(|acl| acl.as_str()),
            [
                (
                    $input.grant_full_control.as_deref(),
                    s3s::dto::Permission::FULL_CONTROL,
                ),
                ($input.grant_read.as_deref(), s3s::dto::Permission::READ),
                (
                    $input.grant_read_acp.as_deref(),
                    s3s::dto::Permission::READ_ACP,
                ),
                (
                    $input.grant_write_acp.as_deref(),
                    s3s::dto::Permission::WRITE_ACP,
                ),
            ],
        )?
    };
}
pub(super) use grants;

impl Buckets {
    pub(super) fn put_bucket_acl(
        &self,
        call: &Call,
        mut input: PutBucketAclInput,
    ) -> S3Result<PutBucketAclOutput> {
        let grants = match input.access_control_policy.take() {
            Some(policy) => policy.grants.unwrap_or_default(),
            None => grants!(input),
        };
        self.check_public(call, &input.bucket, &grants)?;
        self.within(call, &input.bucket, |bucket| {
            bucket.grants = grants;
            Ok(PutBucketAclOutput::default())
        })
    }

    pub(super) fn get_bucket_acl(
        &self,
        call: &Call,
        input: GetBucketAclInput,
    ) -> S3Result<GetBucketAclOutput> {
        self.within(call, &input.bucket, |bucket| {
            Ok(GetBucketAclOutput {
                grants: Some(bucket.grants.clone()),
                owner: Some(owner()),
            })
        })
    }

    pub(super) fn put_object_acl(
        &self,
        call: &Call,
        mut input: PutObjectAclInput,
    ) -> S3Result<PutObjectAclOutput> {
        check_version(input.version_id.as_deref())?;
        let grants = match input.access_control_policy.take() {
            Some(policy) => policy.grants.unwrap_or_default(),
            None => grants!(input),
        };
        self.check_public(call, &input.bucket, &grants)?;
        self.change(call, &input.bucket, &input.key, |object| {
            object.grants = grants;
        })?;
        Ok(PutObjectAclOutput::default())
    }

    pub(super) fn get_object_acl(
        &self,
        call: &Call,
        input: GetObjectAclInput,
    ) -> S3Result<GetObjectAclOutput> {
        check_version(input.version_id.as_deref())?;
        self.within(call, &input.bucket, |bucket| {
            let object = self.find(call, bucket, &input.bucket, &input.key)?;
            Ok(GetObjectAclOutput {
                grants: Some(object.grants.clone()),
                owner: Some(owner()),
                ..GetObjectAclOutput::default()
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [(Option<&str>, &str); 4] = [(None, ""), (None, ""), (None, ""), (None, "")];

    #[test]
    fn a_canned_list_gives_what_it_says() {
        for (canned, is_read, is_written) in [
            ("private", false, false),
            ("public-read", true, false),
            ("public-read-write", true, true),
            ("authenticated-read", false, false),
        ] {
            let grants = grants_of(Some(canned), NONE).unwrap();
            assert_eq!(gives_all_users(&grants, Permission::READ), is_read);
            assert_eq!(gives_all_users(&grants, Permission::WRITE), is_written);
        }
        assert!(grants_of(Some("everybody"), NONE).is_err());
    }

    #[test]
    fn grants_are_read_from_headers() {
        let read = format!("uri=\"{ALL_USERS}\", id=\"{OWNER_ID}\"");
        let mut headers = NONE;
        headers[1] = (Some(&read), Permission::READ);
        let grants = grants_of(None, headers).unwrap();
        assert_eq!(grants.len(), 2);
        assert!(gives_all_users(&grants, Permission::READ) && is_public(&grants));
        assert!(grants_of(Some("private"), headers).is_err(), "both");
        headers[1] = (Some("everybody"), Permission::READ);
        assert!(grants_of(None, headers).is_err());
    }
}
