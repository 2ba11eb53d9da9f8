use super::paths::find;
use super::*;
use crate::base::net::Endpoint;

const ID: &str = "ac3b8124-a115-49ac-aaa4-446126b8e336";
const PORT: &str = "b4993ca6-c123-421b-96eb-6902b5a213b6";

fn exchange(method: &str, path: &str, request: &str, status: u16, response: &str) -> Exchange {
    let end = |last, port| Endpoint { ip: std::net::IpAddr::from([10, 20, 0, last]), port };
    let mut exchange = Exchange::new(FlowKey { proto: 6, client: end(20, 40_000), server: end(10, 8774) }, 0);
    exchange.method = Some(method.into());
    exchange.target.path = path.into();
    exchange.status = Some(status);
    exchange.request_id = Some("req-90dc7e86-90bd-4bdb-ae73-b0fc8ba57ea1".into());
    for (body, text) in [(&mut exchange.request_body, request), (&mut exchange.response_body, response)] {
        body.prefix = (!text.is_empty()).then(|| text.as_bytes().into());
        body.whole = true;
    }
    exchange
}

fn said(method: &str, path: &str, request: &str, status: u16, response: &str) -> (&'static str, String) {
    let call = call(&exchange(method, path, request, status, response)).unwrap();
    (call.step.what, call.said.words)
}

#[test]
fn steps_by_the_shape_of_paths() {
    let what = |method: &str, path: &str| find(method, path, false).map(|p| (p.step.service, p.step.what));
    assert_eq!(what("POST", "/v3/auth/tokens"), Some(("keystone", "token-issue")));
    assert_eq!(what("GET", "/identity/v3/auth/tokens"), Some(("keystone", "token-check")));
    assert_eq!(what("POST", &format!("/compute/v2.1/servers/{ID}/action")), Some(("nova", "server-action")));
    assert_eq!(what("GET", &format!("/v2.1/servers/{ID}")), Some(("nova", "server-poll")));
    assert_eq!(what("DELETE", &format!("/v2.1/servers/{ID}/migrations/6")), Some(("nova", "migration-abort")));
    assert_eq!(what("PUT", &format!("/v2.0/ports/{PORT}/bindings/node1/activate")), Some(("neutron", "port-binding-activate")));
    assert_eq!(what("DELETE", &format!("/v2.0/ports/{PORT}/bindings/node1")), Some(("neutron", "port-binding-delete")));
    assert_eq!(what("PUT", &format!("/placement/allocations/{ID}")), Some(("placement", "allocations-set")));
    assert_eq!(what("GET", &format!("/v2/images/{ID}/file")), Some(("glance", "image-download")));
    assert_eq!(what("POST", &format!("/dashboard/admin/instances/{ID}/live_migrate")), Some(("horizon", "dashboard-live-migrate")));
    // A site of one's own may have these.
    let own = ["/", "/index.html", "/allocations", "/v2/images/cat.png", "/v3/volumes", "/video/segment1.ts", "/v2.1/x", "/dashboard/"];
    for path in own {
        assert_eq!(what("GET", path), None, "{path}");
    }
    assert_eq!(find("GET", "/allocation_candidates", true).unwrap().step.what, "allocation-candidates");
    let volume = format!("/v3/{}/attachments", ID.replace('-', ""));
    assert_eq!(find("POST", &volume, true).unwrap().step.what, "volume-attach");
}

#[test]
fn every_step_can_be_reached() {
    for step in paths::STEPS {
        let at = format!("{step:?}");
        let field = |name: &str| at.split(&format!("{name}: \"")).nth(1).unwrap().split('"').next().unwrap().to_owned();
        let rest = field("rest").replace("{id}", ID).replace("{subject}", ID).replace("{}", "some").replace("**", "other/more");
        let path = format!("/{}/{rest}", field("version").split(' ').next().unwrap());
        let method = field("methods").split(' ').next().filter(|m| !m.is_empty()).unwrap_or("PATCH").to_owned();
        let found = find(&method, &path, true).unwrap_or_else(|| panic!("{method} {path}"));
        assert_eq!((found.step.service, found.step.what), (step.service, step.what), "{method} {path}");
        assert!(crate::app::services::SERVICES.iter().any(|s| s.name == step.service), "{}", step.service);
    }
}

#[test]
fn secrets_in_paths_are_left_out() {
    assert_eq!(find("GET", "/v2.0/tokens/0123456789abcdef", true).unwrap().path, "/v2.0/tokens/***");
    let long = format!("/v2.1/servers/{}", "gAAAAAB".repeat(20));
    assert_eq!(find("GET", &long, true).unwrap().path, "/v2.1/servers/***");
    assert!(find("GET", &"/a".repeat(50), true).is_none());
}

#[test]
fn bodies_tell_the_action_and_nothing_secret() {
    let path = format!("/v2.1/servers/{ID}/action");
    let live = r#"{"os-migrateLive": {"host": null, "block_migration": "auto"}}"#;
    assert_eq!(said("POST", &path, live, 202, ""), ("os-migrateLive", "os-migrateLive block_migration=auto host=null".into()));
    let secret = r#"{"changePassword": {"adminPass": "hunter2"}}"#;
    assert_eq!(said("POST", &path, secret, 202, r#"{"adminPass": "hunter2"}"#), ("server-action", "changePassword".into()));
    assert_eq!(said("POST", &path, &live[..20], 202, ""), ("server-action", String::new()));
    let events = r#"{"events": [{"name": "network-vif-plugged", "status": "completed", "tag": "x"}, {"name": "network-changed"}]}"#;
    let told = said("POST", "/v2.1/os-server-external-events", events, 200, "");
    assert_eq!(told, ("external-events", "network-vif-plugged completed, network-changed".into()));
    assert!(call(&exchange("POST", "/upload/action", live, 202, "")).is_none());
}

#[test]
fn bodies_tell_bindings_allocations_states_and_errors() {
    let bindings = format!("/v2.0/ports/{PORT}/bindings");
    let asked = r#"{"binding": {"host": "node1", "profile": {}}}"#;
    let made = said("POST", &bindings, asked, 201, r#"{"binding": {"host": "node1", "status": "INACTIVE"}}"#);
    assert_eq!(made, ("port-binding-create", "host=node1 status=INACTIVE".into()));
    let error = r#"{"NeutronError": {"type": "X", "message": "cannot use mysql://u:hunter2@h/db"}}"#;
    let failed = said("PUT", &format!("{bindings}/node1/activate"), "", 500, error);
    assert_eq!(failed, ("port-binding-activate", "error: cannot use mysql://***@h/db".into()));
    let set = format!(r#"{{"allocations": {{"{PORT}": {{"resources": {{"VCPU": 1, "MEMORY_MB": 128}}}}}}}}"#);
    let told = said("PUT", &format!("/allocations/{ID}"), &set, 204, "");
    assert_eq!(told, ("allocations-set", format!("VCPU=1 MEMORY_MB=128 on {PORT}")));
    assert_eq!(said("PUT", &format!("/allocations/{ID}"), r#"{"allocations": {}}"#, 204, ""), ("allocations-clear", "none".into()));
    let moved = format!(r#"{{"{ID}": {{"allocations": {{}}}}, "{PORT}": {set}}}"#);
    let told = said("POST", "/allocations", &moved, 204, "");
    assert_eq!(told, ("allocations-move", format!("{ID}: none, {PORT}: VCPU=1 MEMORY_MB=128 on {PORT}")));
    let state =
        r#"{"server": {"status": "MIGRATING", "OS-EXT-STS:task_state": "migrating", "OS-EXT-SRV-ATTR:host": "n2", "adminPass": "x"}}"#;
    let told = said("GET", &format!("/v2.1/servers/{ID}"), "", 200, state);
    assert_eq!(told, ("server-poll", "status=MIGRATING task=migrating host=n2".into()));
    let list = r#"{"migrations": [{"id": 7, "status": "running", "source_compute": "n2", "dest_compute": "n1"}]}"#;
    let told = said("GET", &format!("/v2.1/servers/{ID}/migrations"), "", 200, list);
    assert_eq!(told, ("migration-poll", "7 running n2>n1".into()));
}

#[test]
fn keystone_tells_whose_token_it_is_and_its_request_is_not_read() {
    let token = r#"{"token": {"user": {"name": "admin"}, "project": {"name": "demo"}, "audit_ids": ["x"]}}"#;
    let told = call(&exchange("POST", "/v3/auth/tokens", "", 201, token)).unwrap();
    assert_eq!(told.said.user, Some(User { name: "admin".into(), project: Some("demo".into()) }));
    let key = told.key;
    assert_eq!((INTEREST.wish)(&key, "POST", "/v3/auth/tokens"), Wish { request: 0, response: OPENSTACK_BODY });
    assert_eq!((INTEREST.wish)(&key, "GET", "/index.html"), Wish::default());
}

#[test]
fn only_request_ids_are_kept() {
    let mut exchange = exchange("GET", "/v3/auth/tokens", "", 200, "");
    assert!(call(&exchange).unwrap().request_id.is_some());
    exchange.request_id = Some("gAAAAABsecret".into());
    assert_eq!(call(&exchange).unwrap().request_id, None);
}
