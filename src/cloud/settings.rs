//! What systems read when they start: the values of Secrets Manager, and of the Parameter Store of Systems Manager.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::answer::{Answer, AwsError};
use super::credentials::{ACCOUNT, AGENT_KEY, GIT_TOKEN, REGION};
use super::protocol;
use super::route::Asked;
use super::services::Services;
use crate::plan::ClientId;
use crate::profile::{Names, Resources, Setting, SettingKind, Values};

/// What each client was given; the profile's are there before it starts.
pub(super) struct Settings {
    names: Names,
    resources: Resources,
    made: Mutex<BTreeMap<(ClientId, SettingKind), BTreeMap<String, Kept>>>,
}

/// A value with what is known of it.
#[derive(Clone)]
struct Kept {
    value: String,
    /// `String`, `StringList` or `SecureString`, of a parameter.
    class: String,
    version: u64,
    since: f64,
}

impl Kept {
    fn new(value: String) -> Self {
        Self {
            value,
            class: "SecureString".into(),
            version: 1,
            since: 0.0,
        }
    }
}

type Shelf = BTreeMap<String, Kept>;

impl Settings {
    pub(super) fn new(names: Names, resources: Resources) -> Self {
        Self {
            names,
            resources,
            made: Mutex::default(),
        }
    }

    /// Does something with a client's settings of a kind.
    fn with<T>(
        &self,
        client: &ClientId,
        kind: SettingKind,
        then: impl FnOnce(&mut Shelf) -> T,
    ) -> T {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let shelf = made
            .entry((client.clone(), kind))
            .or_insert_with(|| self.declared(client, kind));
        then(shelf)
    }

    fn declared(&self, client: &ClientId, kind: SettingKind) -> Shelf {
        let values = Values::of(client)
            .with("agent.key", AGENT_KEY)
            .with("bucket", self.names.bucket(client))
            .with("git.token", GIT_TOKEN);
        let of_kind = self.resources.settings.iter().filter(|it| it.kind == kind);
        of_kind
            .filter_map(|Setting { name, value, .. }| {
                // They have no other placeholders, as was looked at when they were read.
                let fill = |text: &crate::profile::Text| text.fill(&values, |_| None).ok();
                Some((fill(name)?, Kept::new(fill(value)?)))
            })
            .collect()
    }
}

/// Answers a request to Secrets Manager.
pub(super) fn answer_secrets(services: &Services, asked: &Asked) -> Answer {
    answer(services, asked, SettingKind::Secret, secrets)
}

/// Answers a request to Systems Manager.
pub(super) fn answer_parameters(services: &Services, asked: &Asked) -> Answer {
    answer(services, asked, SettingKind::Parameter, parameters)
}

/// An operation on settings at a time; `None` where it is none that is served.
type Serve = fn(&str, &Value, &mut Shelf, f64) -> Option<Result<Value, AwsError>>;

fn answer(services: &Services, asked: &Asked, kind: SettingKind, serve: Serve) -> Answer {
    let Some(call) = &asked.call else {
        return Answer::Close;
    };
    let request: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let recorder = &services.recorder;
    let now = |at: Duration| recorder.unix(at).as_secs_f64();
    let (began, now) = (now(Duration::ZERO), now(recorder.now()));
    let result = services.settings.with(&asked.client, kind, |shelf| {
        for kept in shelf.values_mut().filter(|kept| kept.since == 0.0) {
            kept.since = began;
        }
        serve(&call.operation, &request, shelf, now)
    });
    protocol::answer(
        call,
        result.unwrap_or_else(|| Err(protocol::not_served(call))),
    )
}

/// The code of a secret that is not there.
pub(super) const NO_SECRET: &str = "ResourceNotFoundException";
/// The code of a parameter that is not there.
pub(super) const NO_PARAMETER: &str = "ParameterNotFound";

fn secrets(
    operation: &str,
    request: &Value,
    shelf: &mut Shelf,
    now: f64,
) -> Option<Result<Value, AwsError>> {
    let missing = || {
        let why = "Secrets Manager can't find the specified secret.";
        AwsError::new(NO_SECRET, why)
    };
    let text = |field: &str| request[field].as_str().unwrap_or_default();
    let value = || {
        let binary = request["SecretBinary"].as_str();
        request["SecretString"]
            .as_str()
            .or(binary)
            .map(str::to_owned)
    };
    let describe = |name: &str, kept: &Kept| {
        json!({
            "ARN": secret_arn(name),
            "Name": name,
            "VersionId": version_id(name, kept.version),
            "VersionStages": ["AWSCURRENT"],
            "CreatedDate": kept.since,
        })
    };
    let id = secret_name(text("SecretId"), shelf);
    Some(match operation {
        "GetSecretValue" => shelf.get(&id).map_or_else(
            || Err(missing()),
            |kept| {
                let mut answer = describe(&id, kept);
                answer["SecretString"] = kept.value.as_str().into();
                Ok(answer)
            },
        ),
        "DescribeSecret" => shelf.get(&id).map_or_else(
            || Err(missing()),
            |kept| {
                let stages = json!({ version_id(&id, kept.version): ["AWSCURRENT"] });
                Ok(json!({
                    "ARN": secret_arn(&id),
                    "Name": id,
                    "CreatedDate": kept.since,
                    "VersionIdsToStages": stages,
                }))
            },
        ),
        "ListSecrets" => {
            let list = shelf.iter().map(|(name, kept)| {
                json!({ "ARN": secret_arn(name), "Name": name, "CreatedDate": kept.since })
            });
            Ok(json!({ "SecretList": list.collect::<Vec<_>>() }))
        }
        "CreateSecret" if shelf.contains_key(text("Name")) => Err(AwsError::new(
            "ResourceExistsException",
            "The operation failed because the secret already exists.",
        )),
        "CreateSecret" => {
            let kept = Kept {
                since: now,
                ..Kept::new(value().unwrap_or_default())
            };
            let answer = describe(text("Name"), &kept);
            shelf.insert(text("Name").to_owned(), kept);
            Ok(answer)
        }
        "PutSecretValue" | "UpdateSecret" => match shelf.get_mut(&id) {
            None => Err(missing()),
            Some(kept) => {
                if let Some(value) = value() {
                    kept.value = value;
                    kept.version += 1;
                }
                Ok(describe(&id, kept))
            }
        },
        "DeleteSecret" => match shelf.remove(&id) {
            None => Err(missing()),
            Some(_) => Ok(json!({ "ARN": secret_arn(&id), "Name": id, "DeletionDate": now })),
        },
        _ => return None,
    })
}

fn parameters(
    operation: &str,
    request: &Value,
    shelf: &mut Shelf,
    now: f64,
) -> Option<Result<Value, AwsError>> {
    let is_plain = request["WithDecryption"] == true;
    let describe = |name: &str, kept: &Kept| {
        let value = match kept.class == "SecureString" && !is_plain {
            // As it is kept: of use to nobody.
            true => BASE64_STANDARD.encode(Sha256::digest(&kept.value)),
            false => kept.value.clone(),
        };
        json!({
            "Name": name,
            "Type": kept.class,
            "Value": value,
            "Version": kept.version,
            "LastModifiedDate": kept.since,
            "ARN": format!("arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{}", name.trim_start_matches('/')),
            "DataType": "text",
        })
    };
    let name = parameter_name(request["Name"].as_str().unwrap_or_default());
    let names = || {
        let names = request["Names"].as_array().into_iter().flatten();
        names.filter_map(Value::as_str).map(str::to_owned)
    };
    let missing = || AwsError::new(NO_PARAMETER, "");
    Some(match operation {
        "GetParameter" => match shelf.get(name) {
            Some(kept) => Ok(json!({ "Parameter": describe(name, kept) })),
            None => Err(missing()),
        },
        "GetParameters" => {
            let (found, invalid): (Vec<String>, Vec<String>) =
                names().partition(|name| shelf.contains_key(parameter_name(name)));
            let found = found.iter().map(|name| parameter_name(name));
            let found: Vec<Value> = found.map(|name| describe(name, &shelf[name])).collect();
            Ok(json!({ "Parameters": found, "InvalidParameters": invalid }))
        }
        "GetParametersByPath" => {
            let path = request["Path"].as_str().unwrap_or("/");
            let path = format!("{}/", path.trim_end_matches('/'));
            let below = shelf.iter().filter(|(name, _)| {
                let rest = name.strip_prefix(&path);
                rest.is_some_and(|rest| request["Recursive"] == true || !rest.contains('/'))
            });
            let found: Vec<Value> = below.map(|(name, kept)| describe(name, kept)).collect();
            Ok(json!({ "Parameters": found }))
        }
        "PutParameter" => {
            let before = shelf.get(name);
            if before.is_some() && request["Overwrite"] != true {
                let why = "The parameter already exists. To overwrite this value, set the overwrite \
                           option in the request to true.";
                return Some(Err(AwsError::new("ParameterAlreadyExists", why)));
            }
            let class = request["Type"].as_str().map(str::to_owned);
            let class = class.or(before.map(|kept| kept.class.clone()));
            let kept = Kept {
                value: request["Value"].as_str().unwrap_or_default().to_owned(),
                class: class.unwrap_or_else(|| "String".into()),
                version: before.map_or(0, |kept| kept.version) + 1,
                since: now,
            };
            let answer = json!({ "Version": kept.version, "Tier": "Standard" });
            shelf.insert(name.to_owned(), kept);
            Ok(answer)
        }
        "DeleteParameter" => match shelf.remove(name) {
            Some(_) => Ok(json!({})),
            None => Err(missing()),
        },
        "DeleteParameters" => {
            let (gone, invalid): (Vec<String>, Vec<String>) =
                names().partition(|name| shelf.remove(parameter_name(name)).is_some());
            Ok(json!({ "DeletedParameters": gone, "InvalidParameters": invalid }))
        }
        _ => return None,
    })
}

/// The name of a secret that is given by its name or its ARN, which may lack its last part.
fn secret_name(id: &str, shelf: &Shelf) -> String {
    let Some((_, name)) = id.split_once(":secret:") else {
        return id.to_owned();
    };
    let short = name.rsplit_once('-').map_or(name, |(short, _)| short);
    match shelf.contains_key(name) {
        true => name.to_owned(),
        false => short.to_owned(),
    }
}

fn secret_arn(name: &str) -> String {
    // Six signs of its own, which AWS puts behind each.
    let digest = Sha256::digest(name);
    let signs: String = digest[..3]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-{signs}")
}

fn version_id(name: &str, version: u64) -> String {
    let digest = Sha256::digest(name);
    let signs: String = digest[..4]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{signs}-0000-4000-9000-{version:012x}")
}

/// The name of a parameter, without the version or label that may follow it.
fn parameter_name(given: &str) -> &str {
    let name = given
        .split_once(":parameter")
        .map_or(given, |(_, name)| name);
    name.split_once(':').map_or(name, |(name, _)| name)
}

#[cfg(test)]
mod tests;
