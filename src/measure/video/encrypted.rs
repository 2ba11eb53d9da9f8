//! Large downloads inside TLS and QUIC: most likely video, known by their sizes and pauses only.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Context;
use super::rate;
use super::session::{Kind, Piece, Session};
use crate::app::tls::TlsConnection;
use crate::app::video::arrivals::Arrivals;
use crate::app::web::WebLedger;
use crate::base::limits::VIDEO_GAPS;
use crate::base::net::Side;
use crate::base::time::{Nanos, Timestamp};
use crate::flow::FlowKey;

/// A viewer's downloads from one host that are together below this are pages. 1 MB is half a minute of the poorest video.
pub const LEAST_BYTES: u64 = 1_000_000;
/// The same for hosts that serve nothing but video.
const LEAST_BYTES_NAMED: u64 = 200_000;
/// Hosts of video services.
const VIDEO_HOSTS: &[&str] =
    &[".googlevideo.com", ".nflxvideo.net", ".ttvnw.net", ".aiv-cdn.net", ".vimeocdn.com", ".akamaized.net", ".dssott.com"];
/// Ports where TLS carries the web.
const WEB_PORTS: &[u16] = &[443, 8443];
/// Pauses of a download that are told.
const GAP: Nanos = Nanos(1_000_000_000);

/// One encrypted conversation.
struct Flow<'a> {
    key: FlowKey,
    host: Option<&'a str>,
    bytes: u64,
    arrivals: &'a Arrivals,
    first: Option<Timestamp>,
    over: &'static str,
}

/// Sessions of large encrypted downloads by viewer and host.
pub(super) fn sessions(web: &WebLedger, context: &Context<'_>) -> Vec<Session> {
    let mut groups: BTreeMap<(IpAddr, Result<&str, IpAddr>), Vec<Flow<'_>>> = BTreeMap::new();
    for flow in flows(web) {
        groups.entry((flow.key.client.ip, flow.host.ok_or(flow.key.server.ip))).or_default().push(flow);
    }
    let sessions = groups.into_iter().filter_map(|((client, host), flows)| session(client, host.ok(), &flows, context));
    sessions.collect()
}

fn flows(web: &WebLedger) -> Vec<Flow<'_>> {
    let tls = web.tls.iter().filter(|c| is_web(c)).map(|c| Flow {
        key: c.key,
        host: c.host(),
        bytes: c.application[Side::Server.index()],
        arrivals: &c.arrivals,
        first: c.first.map(|m| m.at),
        over: "TLS",
    });
    let quic = web.quic.iter().map(|c| Flow {
        key: c.key,
        host: c.host(),
        bytes: c.bytes[Side::Server.index()],
        arrivals: &c.arrivals,
        first: c.first.map(|m| m.at),
        over: "QUIC",
    });
    tls.chain(quic).collect()
}

/// TLS also carries migrations, databases and much else.
fn is_web(connection: &TlsConnection) -> bool {
    let http = |name: &str| name == "h2" || name.starts_with("http/");
    let offered = connection.client.as_ref().is_some_and(|h| h.alpn.iter().any(|a| http(a)));
    offered || WEB_PORTS.contains(&connection.key.server.port)
}

fn session(client: IpAddr, host: Option<&str>, flows: &[Flow<'_>], context: &Context<'_>) -> Option<Session> {
    let bytes: u64 = flows.iter().map(|f| f.bytes).sum();
    let named = host.is_some_and(|h| VIDEO_HOSTS.iter().any(|v| h.ends_with(v)));
    if bytes < if named { LEAST_BYTES_NAMED } else { LEAST_BYTES } {
        return None;
    }
    let on = |t: Timestamp| context.clock.to_reference(t);
    let asked = flows.iter().filter_map(|f| f.first).min().map(on)?;
    let largest = flows.iter().max_by_key(|f| f.bytes)?;
    let mut out = Session::new(Kind::Encrypted, client, largest.key.server.ip, asked);
    out.host = host.map(str::to_owned);
    out.bytes = bytes;
    out.pieces = flows
        .iter()
        .filter(|f| f.bytes > 0)
        .map(|f| Piece {
            path: format!("{} connection to {}", f.over, f.key.server),
            asked: f.first.map(on),
            first_byte: f.arrivals.first().map(on),
            last_byte: f.arrivals.last().map(on),
            done: f.arrivals.last().map(on),
            bytes: f.bytes,
            init: true,
            ..Piece::default()
        })
        .collect();
    let parts: Vec<_> = flows.iter().flat_map(|f| rate::of_arrivals(f.arrivals, context.clock)).collect();
    out.rate = rate::rate(&parts, context.origin);
    out.gaps = gaps(flows, context);
    out.why =
        Some(format!("It is encrypted ({}): requests and media times cannot be read, only pauses of the download are told.", largest.over));
    out.assumptions.push(match named {
        true => "The host is known to serve video.".to_owned(),
        false => format!("An encrypted download of {LEAST_BYTES} bytes or more from one host is taken for video."),
    });
    Some(out)
}

/// Times without any byte of all connections of a viewer to a host.
fn gaps(flows: &[Flow<'_>], context: &Context<'_>) -> Vec<(Timestamp, Timestamp)> {
    let mut times: Vec<Timestamp> = flows.iter().flat_map(|f| f.arrivals.points().map(|p| p.0)).collect();
    times.sort_unstable();
    let gaps = times.windows(2).filter(|w| w[1] - w[0] > GAP);
    gaps.map(|w| (context.clock.to_reference(w[0]), context.clock.to_reference(w[1]))).take(VIDEO_GAPS).collect()
}
