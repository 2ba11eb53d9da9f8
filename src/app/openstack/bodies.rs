//! What of the bodies matters. Members are read by name; nothing else of a body is kept.

use serde_json::Value;

use super::paths::{CLEAR, COLD_MIGRATE, LIVE_MIGRATE, Path, plain};
use crate::base::secret;

/// Entries of one list that are told; the rest is a `…`.
const LISTED: usize = 4;
/// Characters of an error's text.
const TEXT: usize = 200;

/// What the bodies of a call say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// In words of the APIs: `block_migration=auto host=null`.
    pub words: String,
    /// Whose token it is, of Keystone's answers.
    pub user: Option<User>,
    /// State of the server, of Nova's answers.
    pub server: Option<ServerState>,
}

/// Who a token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Name of the user.
    pub name: String,
    /// Name of the project.
    pub project: Option<String>,
}

/// A server as Nova describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerState {
    /// `ACTIVE`, `MIGRATING`, …
    pub status: String,
    /// `OS-EXT-STS:task_state`; `None` if nothing is under way.
    pub task: Option<String>,
    /// `OS-EXT-SRV-ATTR:host`, for those who may see it.
    pub host: Option<String>,
}

/// Reads what the step says; a server action that moves the server becomes a step of its own.
pub(super) fn read(found: &mut Path, request: Option<&[u8]>, response: Option<&[u8]>, status: Option<u16>) -> Said {
    let json = |bytes: Option<&[u8]>| bytes.and_then(|b| serde_json::from_slice::<Value>(b).ok());
    let (request, response) = (json(request), json(response));
    let mut said = Said::default();
    let mut words: Vec<String> = Vec::new();
    if let Some(body) = &request {
        words.extend(match found.step.what {
            "server-action" => action(found, body),
            "external-events" => events(body),
            "port-binding-create" => body.get("binding").map(|b| named(b, &["host"])),
            "port-update" => body.get("port").map(port),
            "allocations-set" => {
                if body.get("allocations").is_some_and(empty) {
                    found.step = CLEAR;
                }
                Some(resources(body))
            }
            "allocations-move" => moves(body),
            "volume-attach" => body.get("attachment").map(|a| named(a, &["instance_uuid", "volume_uuid"])),
            _ => None,
        });
    }
    if let Some(body) = &response {
        if status.is_some_and(|s| s >= 400) {
            words.extend(error(body));
        } else {
            match found.step.what {
                "token-issue" | "token-check" => {
                    said.user = user(body);
                    words.extend(said.user.as_ref().map(ToString::to_string));
                }
                "server-poll" => {
                    said.server = server(body);
                    words.extend(said.server.as_ref().map(ToString::to_string));
                }
                "migration-poll" => words.extend(migrations(body)),
                "port-binding-create" => words.extend(body.get("binding").map(|b| named(b, &["status"]))),
                _ => {}
            }
        }
    }
    words.retain(|w| !w.is_empty());
    said.words = words.join(" ");
    said
}

fn action(found: &mut Path, body: &Value) -> Option<String> {
    let (name, given) = body.as_object()?.iter().next()?;
    // Other actions hold passwords (changePassword, rebuild): of them the name only.
    let moved = match name.as_str() {
        "os-migrateLive" => LIVE_MIGRATE,
        "migrate" => COLD_MIGRATE,
        _ => return plain(name).map(str::to_owned),
    };
    found.step = moved;
    Some([name.clone(), named(given, &["block_migration", "host", "force", "disk_over_commit"])].join(" "))
}

/// `name=value` of the members that are there, in the order of `names`.
fn named(body: &Value, names: &[&str]) -> String {
    let one = |name: &&str| {
        let value = match body.get(*name)? {
            Value::String(text) => plain(text).unwrap_or(secret::HIDDEN).to_owned(),
            value @ (Value::Bool(_) | Value::Null | Value::Number(_)) => value.to_string(),
            _ => return None,
        };
        Some(format!("{name}={value}"))
    };
    names.iter().filter_map(one).collect::<Vec<_>>().join(" ")
}

fn text(value: Option<&Value>) -> Option<&str> {
    plain(value?.as_str()?)
}

fn listed(all: usize, parts: impl Iterator<Item = String>) -> Option<String> {
    let mut parts: Vec<String> = parts.take(LISTED).collect();
    if all > LISTED {
        parts.push("…".to_owned());
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn events(body: &Value) -> Option<String> {
    let list = body.get("events")?.as_array()?;
    listed(
        list.len(),
        list.iter().filter_map(|e| {
            let name = text(e.get("name"))?;
            Some(match text(e.get("status")) {
                Some(status) => format!("{name} {status}"),
                None => name.to_owned(),
            })
        }),
    )
}

fn port(body: &Value) -> String {
    let mut parts = Vec::new();
    if let Some(to) = body.get("binding:profile").and_then(|p| text(p.get("migrating_to"))) {
        parts.push(format!("migrating_to={to}"));
    }
    if let Some(host) = text(body.get("binding:host_id")) {
        parts.push(format!("host={host}"));
    }
    parts.join(" ")
}

fn empty(value: &Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

/// `{"allocations": {provider: {"resources": {class: amount}}}}`.
fn resources(body: &Value) -> String {
    let Some(all) = body.get("allocations").and_then(Value::as_object) else { return String::new() };
    if all.is_empty() {
        return "none".to_owned();
    }
    let one = |(provider, given): (&String, &Value)| {
        let amount = |(class, n): (&String, &Value)| Some(format!("{}={}", plain(class)?, n.as_u64()?));
        let amounts: Vec<String> = given.get("resources")?.as_object()?.iter().take(LISTED).filter_map(amount).collect();
        Some(format!("{} on {}", amounts.join(" "), plain(provider)?))
    };
    listed(all.len(), all.iter().filter_map(one)).unwrap_or_default()
}

/// `{consumer: {"allocations": …}}`: what moves to whom.
fn moves(body: &Value) -> Option<String> {
    let all = body.as_object()?;
    listed(all.len(), all.iter().filter_map(|(consumer, given)| Some(format!("{}: {}", plain(consumer)?, resources(given)))))
}

fn user(body: &Value) -> Option<User> {
    let token = body.get("token")?;
    let name = |of: &str| text(token.get(of)?.get("name")).map(str::to_owned);
    Some(User { name: name("user")?, project: name("project") })
}

fn server(body: &Value) -> Option<ServerState> {
    let server = body.get("server")?;
    let own = |name: &str| text(server.get(name)).map(str::to_owned);
    Some(ServerState { status: own("status")?, task: own("OS-EXT-STS:task_state"), host: own("OS-EXT-SRV-ATTR:host") })
}

fn migrations(body: &Value) -> Option<String> {
    let one = |m: &Value| {
        let own = |name: &str| text(m.get(name)).unwrap_or("?");
        let id = m.get("id").and_then(Value::as_u64).map(|id| format!("{id} ")).unwrap_or_default();
        let status = text(m.get("status")).map(|s| format!("{s} ")).unwrap_or_default();
        format!("{id}{status}{}>{}", own("source_compute"), own("dest_compute"))
    };
    match (body.get("migrations").and_then(Value::as_array), body.get("migration")) {
        (Some(list), _) if list.is_empty() => Some("none under way".to_owned()),
        (Some(list), _) => listed(list.len(), list.iter().map(one)),
        (None, Some(single)) => Some(one(single)),
        (None, None) => None,
    }
}

/// The text of an error: `{"badRequest": {"message": …}}`, `{"NeutronError": {…}}`, `{"errors": [{"detail": …}]}`.
fn error(body: &Value) -> Option<String> {
    let (_, first) = body.as_object()?.iter().next()?;
    let of = first.as_array().and_then(|list| list.first()).unwrap_or(first);
    let said = ["message", "detail", "title"].iter().find_map(|name| of.get(*name)?.as_str()).or_else(|| of.as_str())?;
    let cut: String = secret::text(said).chars().take(TEXT).collect();
    Some(format!("error: {cut}"))
}

impl std::fmt::Display for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "user={}", self.name)?;
        self.project.iter().try_for_each(|project| write!(f, " project={project}"))
    }
}

impl std::fmt::Display for ServerState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "status={}", self.status)?;
        self.task.iter().try_for_each(|task| write!(f, " task={task}"))?;
        self.host.iter().try_for_each(|host| write!(f, " host={host}"))
    }
}
