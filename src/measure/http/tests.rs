use super::*;
use crate::app::http::{Incomplete, Target};
use crate::base::anomaly::Place;
use crate::base::net::Endpoint;
use crate::base::time::Nanos;
use crate::flow::{FlowKey, Moment};

fn ms(t: i64) -> Moment {
    Moment { at: Timestamp(t * 1_000_000), place: Place::default() }
}

fn key(port: u16) -> FlowKey {
    FlowKey { proto: 6, client: Endpoint::new([192, 0, 2, 10].into(), port), server: Endpoint::new([192, 0, 2, 50].into(), 80) }
}

/// Asked at, answered from, to.
fn exchange(path: &str, asked: i64, from: i64, to: i64, why: Option<Incomplete>) -> Exchange {
    let mut e = Exchange::new(key(40_000), 0);
    e.method = Some("GET".into());
    e.target = Target::of_request(path, None);
    (e.request_first, e.request_last) = (Some(ms(asked)), Some(ms(asked)));
    if from >= 0 {
        (e.response_first, e.response_last, e.status) = (Some(ms(from)), Some(ms(to)), Some(200));
    }
    (e.complete, e.why) = (why.is_none(), why);
    // What died did so at 1100 ms.
    e.over = if e.complete { e.response_last } else { Some(ms(1100.max(to))) };
    e
}

fn window(start: i64, end: Option<i64>) -> Window {
    let at = |t: i64| Interval::exact(Timestamp(t * 1_000_000));
    Window { start: at(start), end: end.map(at) }
}

fn web(list: Vec<Exchange>) -> WebLedger {
    let mut web = WebLedger::default();
    web.exchanges = list;
    web
}

fn run(list: Vec<Exchange>, windows: &[Window]) -> Http {
    let web = web(list);
    assemble(&web, &[], &ClockMap::identity(), "client", &["192.0.2.50".parse().unwrap()], windows)
}

#[test]
fn sums_and_times() {
    let mut missing = exchange("/404", 100, 130, 140, None);
    missing.status = Some(404);
    let http = run(vec![exchange("/a", 0, 10, 30, None), missing, exchange("/b", 200, -1, -1, Some(Incomplete::NoResponse))], &[]);
    assert_eq!((http.exchanges, http.ok, http.failed, http.incomplete), (3, 1, 1, 1));
    assert_eq!(http.ttfb_ms, Quantiles { p50: Some(10.0), p95: Some(30.0), max: Some(30.0) });
    assert_eq!(http.total_ms, Quantiles { p50: Some(30.0), p95: Some(40.0), max: Some(40.0) });
    assert_eq!(http.overlapping_downtime, 0);
    assert_eq!(run(Vec::new(), &[]).ttfb_ms, Quantiles::default());
}

#[test]
fn what_the_downtime_hit_and_what_it_cost() {
    let http = run(
        vec![
            // Over before, begun after: not hit.
            exchange("/before", 0, 10, 990, None),
            exchange("/after", 1600, 1610, 1620, None),
            // Waited for its answer through the window.
            exchange("/delayed", 900, 1650, 1700, None),
            // Asked in the window, answered after it.
            exchange("/inside", 1200, 1550, 1560, None),
            // Died, and was asked again.
            exchange("/retried", 980, -1, -1, Some(Incomplete::Reset)),
            exchange("/retried", 2000, 2010, 2020, None),
            exchange("/lost", 990, -1, -1, Some(Incomplete::NoResponse)),
        ],
        &[window(1000, Some(1500))],
    );
    let rows: Vec<_> = http.hit.iter().map(|h| (h.request.as_str(), h.effect.as_str(), h.cost_ms)).collect();
    assert_eq!(
        rows,
        [
            ("GET /delayed", "delayed", Some(650.0)),
            ("GET /retried", "retried", None),
            ("GET /lost", "failed", None),
            ("GET /inside", "delayed", Some(350.0)),
        ],
    );
    assert_eq!(http.overlapping_downtime, 4);
}

#[test]
fn a_download_that_goes_on_after_the_window_survived_it() {
    let mut film = exchange("/film", 0, 10, 5000, Some(Incomplete::Abandoned));
    let mut arrivals = crate::app::video::arrivals::Arrivals::default();
    for t in (10..1000).chain(1700..5000) {
        arrivals.push(Timestamp(t * 1_000_000), 100);
    }
    film.arrivals = Some(Box::new(arrivals));
    let http = run(vec![film], &[window(1000, Some(1500))]);
    assert_eq!((http.hit[0].effect.as_str(), http.hit[0].cost_ms, http.hit[0].total_ms), ("delayed", Some(700.0), None));
}

#[test]
fn a_window_without_end_hits_all_that_was_open() {
    let http = run(vec![exchange("/x", 900, -1, -1, Some(Incomplete::CaptureEnded))], &[window(1000, None)]);
    assert_eq!((http.overlapping_downtime, http.hit[0].effect.as_str(), http.hit[0].cost_ms), (1, "failed", None));
    // Others' exchanges are none of the VM's.
    let mut other = exchange("/x", 900, -1, -1, Some(Incomplete::CaptureEnded));
    other.key.server.ip = "198.51.100.1".parse().unwrap();
    assert_eq!(run(vec![other], &[window(1000, None)]).overlapping_downtime, 0);
}

#[test]
fn times_are_on_the_reference_clock() {
    let web = web(vec![exchange("/d", 900, 1650, 1700, None)]);
    let clock = ClockMap::constant(Nanos(5_000_000_000), None);
    let http = assemble(&web, &[], &clock, "client", &[], &[window(6000, Some(6500))]);
    assert_eq!(http.hit[0].start, Some(Timestamp(5_900_000_000)));
}

#[test]
fn a_connection_that_was_opened_for_a_request_is_part_of_it() {
    let at = |t: i64| Timestamp(t * 1_000_000);
    let opening =
        |port, syn, last, answered: Option<i64>| Opening { key: key(port), syn: at(syn), last: at(last), answered: answered.map(at) };
    let mut second = exchange("/second", 5000, 5010, 5020, None);
    second.index = 1;
    // A spare connection, on which something was asked later.
    let mut spare = exchange("/spare", 3000, 3010, 3030, None);
    spare.key = key(40_002);
    let web = web(vec![exchange("/a", 2200, 2210, 2230, None), second, spare]);
    let openings = [
        // The ports were used before; the SYN of this connection came while the VM was away.
        opening(40_000, 100, 200, Some(101)),
        opening(40_000, 1200, 5020, Some(2190)),
        // Nobody answered this one, and the client came again with another.
        opening(40_001, 1100, 1400, None),
        opening(40_002, 1150, 3100, Some(2000)),
        // Given up before the VM went.
        opening(40_003, 900, 990, None),
    ];
    let http = assemble(&web, &openings, &ClockMap::identity(), "client", &["192.0.2.50".parse().unwrap()], &[window(1000, Some(1500))]);
    let rows: Vec<_> = http.hit.iter().map(|h| (h.request.as_str(), h.effect.as_str(), h.connect_ms, h.cost_ms, h.total_ms)).collect();
    assert_eq!(rows, [("CONNECT-TCP :80", "retried", None, None, None), ("GET /a", "delayed", Some(1000.0), Some(1010.0), Some(1030.0)),]);
    assert_eq!(http.overlapping_downtime, 2);
}
