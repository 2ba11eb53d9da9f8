//! The orchestration: what each point saw of it, told once.
//!
//! Method: a call's time is that of the packet that completed the request, its length runs to the packet that completed the answer. A
//! call seen at several points is one step, as the best point has it: answered before unanswered, then by the order of the points.
//! Calls are tied to the request that caused them by the ids that they bear; a token check, which bears none, by the token that it
//! is about. Whose token it is, Keystone's answers tell.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use crate::app::http::Tokens;
use crate::app::openstack::{ServerState, User};
use crate::base::time::{NS_PER_MS, Nanos, Timestamp};
use crate::model::Control;

/// Two points see one message within this on the reference clock. A connection has one call of a kind at a time.
const SAME: Nanos = Nanos(50 * NS_PER_MS);

/// A step as one point saw it.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// The step, on the reference clock.
    pub control: Control,
    /// Index of the point.
    pub point: usize,
    /// What must be equal for two steps to be one: connection, method and path, …
    pub same: String,
    /// Better is smaller.
    pub rank: u8,
    /// More of a call of OpenStack's APIs.
    pub api: Option<Api>,
}

/// What of a call of OpenStack's APIs is needed to tie it to others.
#[derive(Clone, Debug, Default)]
pub struct Api {
    /// Server that it is about.
    pub server: Option<String>,
    /// Who asked, who was asked.
    pub hosts: Option<(IpAddr, IpAddr)>,
    /// Tokens that it bore, as hashes.
    pub tokens: Tokens,
    /// Whose token the answer says it is.
    pub user: Option<User>,
    /// State of the server that the answer tells.
    pub state: Option<ServerState>,
    /// Status of the answer.
    pub status: Option<u16>,
}

impl Step {
    /// When the answer was complete.
    pub fn end(&self) -> Option<Timestamp> {
        let ms = self.control.ms?;
        Some(self.control.time? + Nanos((ms * NS_PER_MS as f64).round() as i64))
    }
}

/// Makes one list in the order of time.
pub fn merge(mut steps: Vec<Step>) -> Vec<Step> {
    steps.retain(|s| s.control.time.is_some());
    steps.sort_by(|a, b| (a.control.time, a.point, &a.same).cmp(&(b.control.time, b.point, &b.same)));
    let mut kept: Vec<(Step, Vec<usize>)> = Vec::new();
    let mut latest: HashMap<String, Vec<usize>> = HashMap::new();
    for step in steps {
        let among = latest.entry(step.same.clone()).or_default();
        among.retain(|&i| near(&kept[i].0, &step));
        match among.iter().copied().find(|&i| !kept[i].1.contains(&step.point)) {
            Some(twin) => {
                let (best, points) = &mut kept[twin];
                points.push(step.point);
                if (step.rank, step.point) < (best.rank, best.point) {
                    *best = step;
                }
            }
            None => {
                among.push(kept.len());
                let points = vec![step.point];
                kept.push((step, points));
            }
        }
    }
    let mut list: Vec<Step> = kept.into_iter().map(|(step, _)| step).collect();
    list.sort_by_key(|s| s.control.time);
    tie(&mut list);
    list
}

fn near(a: &Step, b: &Step) -> bool {
    a.control.time.zip(b.control.time).is_some_and(|(a, b)| (b - a).0.abs() <= SAME.0)
}

/// Names users, and ties token checks to the calls that they were made for.
fn tie(list: &mut [Step]) {
    let mut users: BTreeMap<u64, User> = BTreeMap::new();
    for api in list.iter().filter_map(|s| s.api.as_ref()) {
        if let (Some(token), Some(user)) = (api.tokens.subject, &api.user) {
            users.entry(token).or_insert_with(|| user.clone());
        }
    }
    // Calls under way, by their token: `list` is in the order of time.
    let mut by_token: HashMap<u64, Vec<usize>> = HashMap::new();
    for i in 0..list.len() {
        let Some(api) = &list[i].api else { continue };
        let name = api.tokens.auth.and_then(|t| users.get(&t)).map(|u| u.name.clone());
        if let (Some(subject), Some((asker, _)), true) = (api.tokens.subject, api.hosts, list[i].control.what == "token-check") {
            let caused = |j: &&usize| {
                let call = &list[**j];
                let under_way = call.end().is_none_or(|end| list[i].control.time.is_some_and(|t| t <= end));
                under_way && call.api.as_ref().and_then(|a| a.hosts).is_some_and(|h| h.1 == asker)
            };
            let cause = by_token.get(&subject).and_then(|calls| calls.iter().rev().find(caused)).copied();
            if let Some(chain) = cause.and_then(|j| list[j].control.chain.clone()) {
                list[i].control.chain = Some(chain);
            }
        }
        if let Some(token) = list[i].api.as_ref().and_then(|a| a.tokens.auth) {
            by_token.entry(token).or_default().push(i);
        }
        list[i].control.user = name;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(point: usize, ms: i64, rank: u8, same: &str) -> Step {
        let control = Control { time: Some(Timestamp(ms * NS_PER_MS)), frame: u64::from(rank) + 1, ..Control::default() };
        Step { control, point, same: same.into(), rank, api: None }
    }

    fn frames(steps: Vec<Step>) -> Vec<u64> {
        merge(steps).iter().map(|s| s.control.frame).collect()
    }

    #[test]
    fn a_call_seen_twice_is_one_step_of_the_better_point() {
        assert_eq!(frames(vec![step(0, 1000, 1, "a"), step(1, 1001, 0, "a"), step(0, 1600, 1, "a"), step(1, 1601, 0, "a")]), [1, 1]);
        assert_eq!(frames(vec![step(0, 1000, 1, "a"), step(1, 1001, 0, "b")]), [2, 1]);
    }

    #[test]
    fn calls_of_one_point_stay_apart() {
        assert_eq!(merge(vec![step(0, 1000, 0, "a"), step(0, 1010, 0, "a")]).len(), 2);
        assert_eq!(merge(vec![step(0, 1000, 0, "a"), step(1, 1500, 0, "a")]).len(), 2);
        // Two calls in a row, both seen at both points.
        let two = vec![step(0, 1000, 0, "a"), step(0, 1010, 0, "a"), step(1, 1001, 0, "a"), step(1, 1011, 0, "a")];
        assert_eq!(merge(two).len(), 2);
    }

    fn api(ms: i64, took: f64, what: &str, from: u8, to: u8, tokens: Tokens, chain: &str) -> Step {
        let ip = |last| IpAddr::from([10, 0, 0, last]);
        let mut step = step(0, ms, 0, what);
        step.control.what = what.into();
        step.control.ms = Some(took);
        step.control.chain = Some(chain.into());
        step.api = Some(Api { hosts: Some((ip(from), ip(to))), tokens, ..Api::default() });
        step
    }

    #[test]
    fn a_token_check_belongs_to_the_call_whose_token_it_is_and_names_the_user() {
        let asks = |auth| Tokens { auth: Some(auth), subject: None };
        let mut check = api(1005, 10.0, "token-check", 10, 5, Tokens { auth: Some(9), subject: Some(1) }, "check");
        check.api.as_mut().unwrap().user = Some(User { name: "admin".into(), project: None });
        let calls = vec![
            api(1000, 50.0, "os-migrateLive", 20, 10, asks(1), "first"),
            api(1001, 50.0, "other", 20, 10, asks(2), "second"),
            check,
            api(2000, 1.0, "late", 20, 10, asks(1), "third"),
        ];
        let list = merge(calls);
        let told: Vec<_> = list.iter().map(|s| (s.control.chain.as_deref().unwrap(), s.control.user.as_deref())).collect();
        assert_eq!(told, [("first", Some("admin")), ("second", None), ("first", None), ("third", Some("admin"))]);
    }
}
