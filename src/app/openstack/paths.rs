//! Which API and which step a method and a path stand for.

use crate::base::secret;

/// A kind of call. [`STEPS`] lists them.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// Service, as in [`crate::app::services::SERVICES`].
    pub service: &'static str,
    /// Short fixed name, as `control[]` of the report uses it; empty for what is no step of an orchestration.
    pub what: &'static str,
    /// Methods, separated by spaces; empty for all.
    methods: &'static str,
    /// First segment of the path, the version of the API; several are separated by spaces.
    version: &'static str,
    /// Segments after it: `{}` is any, `{id}` a UUID, `{subject}` one that the step is about, `**` any number at the end.
    rest: &'static str,
    /// The path alone says it: no other service has one like it.
    sure: bool,
    /// The request's body is read.
    pub reads_request: bool,
    /// The response's body is read.
    pub reads_response: bool,
}

const fn step(service: &'static str, what: &'static str, methods: &'static str, version: &'static str, rest: &'static str) -> Step {
    Step { service, what, methods, version, rest, sure: false, reads_request: false, reads_response: false }
}

impl Step {
    const fn sure(self) -> Self {
        Self { sure: true, ..self }
    }

    const fn asks(self) -> Self {
        Self { reads_request: true, ..self }
    }

    const fn answers(self) -> Self {
        Self { reads_response: true, ..self }
    }
}

/// What a server action becomes when its body says that it moves the server.
pub(super) const LIVE_MIGRATE: &Step = &step("nova", "os-migrateLive", "POST", "v2 v2.1", "servers/{subject}/action");
/// The same for a cold migration.
pub(super) const COLD_MIGRATE: &Step = &step("nova", "migrate", "POST", "v2 v2.1", "servers/{subject}/action");
/// What setting allocations becomes when there are none in it.
pub(super) const CLEAR: &Step = &step("placement", "allocations-clear", "PUT", "allocations", "{subject}");

/// All kinds of calls; the first that fits counts.
pub(super) const STEPS: &[Step] = &[
    step("keystone", "token-issue", "POST", "v3", "auth/tokens").sure().answers(),
    step("keystone", "token-check", "GET HEAD", "v3", "auth/tokens").sure().answers(),
    step("keystone", "token-revoke", "DELETE", "v3", "auth/tokens").sure(),
    step("keystone", "keystone-call", "", "v3", "auth/**").sure(),
    step("nova", "server-action", "POST", "v2 v2.1", "servers/{subject}/action").sure().asks().answers(),
    step("nova", "migration-force-complete", "POST", "v2 v2.1", "servers/{subject}/migrations/{}/action").sure(),
    step("nova", "migration-abort", "DELETE", "v2 v2.1", "servers/{subject}/migrations/{}").sure().answers(),
    step("nova", "migration-poll", "GET", "v2 v2.1", "servers/{subject}/migrations").sure().answers(),
    step("nova", "migration-poll", "GET", "v2 v2.1", "servers/{subject}/migrations/{}").sure().answers(),
    step("nova", "server-poll", "GET", "v2 v2.1", "servers/{subject}").sure().answers(),
    step("nova", "external-events", "POST", "v2 v2.1", "os-server-external-events").sure().asks(),
    step("nova", "server-list", "GET", "v2 v2.1", "servers"),
    step("nova", "server-list", "GET", "v2 v2.1", "servers/detail").sure(),
    step("nova", "migration-list", "GET", "v2 v2.1", "os-migrations").sure(),
    step("nova", "nova-call", "", "v2.1", "servers/**"),
    step("nova", "nova-call", "", "v2.1", "{}/**"),
    step("neutron", "port-binding-activate", "PUT", "v2.0", "ports/{subject}/bindings/{}/activate").sure().answers(),
    step("neutron", "port-binding-create", "POST", "v2.0", "ports/{subject}/bindings").sure().asks().answers(),
    step("neutron", "port-binding-delete", "DELETE", "v2.0", "ports/{subject}/bindings/{}").sure().answers(),
    step("neutron", "port-binding-read", "GET", "v2.0", "ports/{subject}/bindings/**").sure().answers(),
    step("neutron", "port-update", "PUT", "v2.0", "ports/{subject}").sure().asks().answers(),
    step("neutron", "port-read", "GET", "v2.0", "ports/{subject}").sure(),
    step("neutron", "port-read", "GET", "v2.0", "ports"),
    step("neutron", "network-read", "GET", "v2.0", "networks/{id}").sure(),
    step("neutron", "network-read", "GET", "v2.0", "{}/**"),
    step("neutron", "neutron-call", "", "v2.0", "{}/**"),
    step("placement", "allocations-move", "POST", "allocations", "").asks().answers(),
    step("placement", "allocations-set", "PUT", "allocations", "{subject}").sure().asks().answers(),
    step("placement", "allocations-clear", "DELETE", "allocations", "{subject}").sure(),
    step("placement", "allocations-read", "GET", "allocations", "{subject}").sure(),
    step("placement", "allocation-candidates", "GET", "allocation_candidates", ""),
    step("placement", "placement-call", "", "resource_providers", "**"),
    step("placement", "placement-call", "", "resource_classes traits usages reshaper", "**"),
    step("glance", "image-download", "GET", "v2", "images/{id}/file").sure(),
    step("glance", "image-read", "GET HEAD", "v2", "images/{id}").sure(),
    step("glance", "glance-call", "", "v2", "images/**"),
    step("glance", "glance-call", "", "v2", "schemas/**"),
    step("cinder", "volume-attach", "POST", "v3", "{}/attachments").asks(),
    step("cinder", "volume-attach", "POST", "v3", "attachments").asks(),
    step("cinder", "volume-attach-update", "PUT", "v3", "{}/attachments/{id}"),
    step("cinder", "volume-attach-update", "PUT", "v3", "attachments/{id}"),
    step("cinder", "volume-attach-complete", "POST", "v3", "{}/attachments/{id}/action"),
    step("cinder", "volume-attach-complete", "POST", "v3", "attachments/{id}/action"),
    step("cinder", "volume-detach", "DELETE", "v3", "{}/attachments/{id}"),
    step("cinder", "volume-detach", "DELETE", "v3", "attachments/{id}"),
    step("cinder", "volume-read", "GET", "v3", "{}/volumes/{id}"),
    step("cinder", "volume-read", "GET", "v3", "volumes/{id}"),
    step("cinder", "cinder-call", "", "v3", "{}/volumes/**"),
    step("cinder", "cinder-call", "", "v3", "volumes/**"),
    step("cinder", "cinder-call", "", "v3", "{}/snapshots/**"),
    step("cinder", "cinder-call", "", "v3", "{}/attachments/**"),
    step("keystone", "keystone-call", "", "v3", "{}/**"),
    step("horizon", "dashboard-login", "POST", "dashboard horizon", "auth/login").sure(),
    step("horizon", "dashboard-live-migrate", "POST", "dashboard horizon", "admin/instances/{id}/live_migrate").sure(),
    step("horizon", "", "", "dashboard horizon", "auth/**").sure(),
    step("horizon", "", "", "dashboard horizon", "project/**").sure(),
    step("horizon", "", "", "dashboard horizon", "admin/**").sure(),
    step("horizon", "", "", "dashboard horizon", "i18n/**").sure(),
];

/// A step and what the path says besides.
#[derive(Debug)]
pub struct Path {
    /// The step.
    pub step: &'static Step,
    /// The path from its version on, without what could be a secret.
    pub path: String,
    /// The segment that the step is about.
    pub subject: Option<String>,
}

/// The most segments that are looked at.
const SEGMENTS: usize = 12;

/// The step that `method` and `path` stand for. `identified`: something else says that it is OpenStack.
pub(super) fn find(method: &str, path: &str, identified: bool) -> Option<Path> {
    let mut parts = [""; SEGMENTS];
    let mut n = 0;
    for part in path.split('/').filter(|s| !s.is_empty()) {
        *parts.get_mut(n)? = part;
        n += 1;
    }
    // A prefix such as /compute comes before the version.
    (0..n.min(2)).find_map(|from| {
        let parts = &parts[from..n];
        let fits = |step: &&Step| {
            let method = step.methods.is_empty() || step.methods.split(' ').any(|m| m == method);
            method && (step.sure || identified) && matches(step, parts)
        };
        let step = STEPS.iter().find(fits)?;
        let at = step.rest.split('/').position(|s| s == "{subject}");
        let subject = at.and_then(|i| parts.get(i + 1)).map(|s| (*s).to_owned());
        Some(Path { step, path: rebuilt(parts), subject })
    })
}

fn matches(step: &Step, parts: &[&str]) -> bool {
    let Some((version, rest)) = parts.split_first() else { return false };
    if !step.version.split(' ').any(|v| v == *version) {
        return false;
    }
    let mut rest = rest.iter();
    for wanted in step.rest.split('/').filter(|s| !s.is_empty()) {
        if wanted == "**" {
            return true;
        }
        let fits = rest.next().is_some_and(|part| match wanted {
            "{}" => true,
            "{id}" | "{subject}" => is_uuid(part),
            word => word == *part,
        });
        if !fits {
            return false;
        }
    }
    rest.next().is_none()
}

/// 8-4-4-4-12 hexadecimal digits.
pub(super) fn is_uuid(text: &str) -> bool {
    let dash = |i| matches!(i, 8 | 13 | 18 | 23);
    text.len() == 36 && text.bytes().enumerate().all(|(i, b)| if dash(i) { b == b'-' } else { b.is_ascii_hexdigit() })
}

/// The path from plain segments: what could be anything else is hidden.
fn rebuilt(parts: &[&str]) -> String {
    let joined: String = parts.iter().flat_map(|part| ["/", if plain(part).is_some() { part } else { secret::HIDDEN }]).collect();
    secret::path(&joined).into_owned()
}

/// `text` if it is a plain name.
pub(super) fn plain(text: &str) -> Option<&str> {
    let fits = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b));
    fits.then_some(text)
}
