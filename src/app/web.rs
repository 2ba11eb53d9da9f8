//! What one capture point saw of the web: exchanges, encrypted connections, media streams. Bounded; what did not fit is counted.

use std::collections::HashMap;

use super::Event;
use super::http::{Exchange, Http2, HttpEvent};
use super::quic::{QuicConnection, QuicEvent};
use super::tls::{TlsConnection, TlsEvent};
use super::video::MediaEvent;
use super::video::rtp::RtpStream;
use super::video::rtsp::RtspSession;
use crate::base::limits::{HTTP_EXCHANGES, WEB_CONNECTIONS, WEB_CURVES};
use crate::flow::FlowId;

/// The web as one point saw it. Times are on the clock of the point.
#[derive(Debug, Default)]
pub struct WebLedger {
    /// HTTP exchanges in the order in which they ended, at most [`HTTP_EXCHANGES`]. Bodies of JSON are not kept here.
    pub exchanges: Vec<Exchange>,
    /// Exchanges that did not fit.
    pub left_out: LeftOut,
    /// HTTP/2 connections without TLS.
    pub http2: Vec<Http2>,
    /// TLS connections.
    pub tls: Vec<TlsConnection>,
    /// QUIC connections.
    pub quic: Vec<QuicConnection>,
    /// RTP sources.
    pub rtp: Vec<RtpStream>,
    /// RTSP conversations.
    pub rtsp: Vec<RtspSession>,
    /// Names by which servers were called, per conversation.
    hosts: HashMap<FlowId, Box<str>>,
    /// Curves of arrivals that are kept.
    curves: usize,
}

/// What did not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Exchanges that were complete with a status below 400.
    pub ok: u64,
    /// Exchanges that were complete with a status of 400 or above.
    pub failed: u64,
    /// Exchanges that were not complete.
    pub incomplete: u64,
    /// Connections.
    pub connections: u64,
    /// Curves of arrivals: of these downloads only start and end are known.
    pub curves: u64,
}

impl WebLedger {
    /// Takes one event of conversation `flow`.
    pub fn event(&mut self, flow: FlowId, event: Event) {
        match event {
            Event::Http(HttpEvent::Exchange(exchange)) => self.exchange(flow, *exchange),
            Event::Http(HttpEvent::Http2(connection)) => {
                if self.http2.len() < WEB_CONNECTIONS {
                    self.http2.push(*connection);
                } else {
                    self.left_out.connections += 1;
                }
            }
            Event::Tls(TlsEvent::Hello(hello)) => {
                if let Some(name) = &hello.2.server_name {
                    self.name(flow, name);
                }
            }
            Event::Tls(TlsEvent::Connection(connection)) => {
                if self.tls.len() < WEB_CONNECTIONS {
                    self.tls.push(*connection);
                } else {
                    self.left_out.connections += 1;
                }
            }
            Event::Quic(event) => self.quic(flow, event),
            Event::Media(event) => self.media(flow, event),
            Event::Migration(_) | Event::Libvirt(_) | Event::Amqp(_) | Event::Ceph(_) => {}
        }
    }

    fn exchange(&mut self, flow: FlowId, mut exchange: Exchange) {
        if let Some(host) = &exchange.target.host {
            self.name(flow, host);
        }
        if self.exchanges.len() >= HTTP_EXCHANGES {
            match (exchange.complete, exchange.failed()) {
                (false, _) => self.left_out.incomplete += 1,
                (true, true) => self.left_out.failed += 1,
                (true, false) => self.left_out.ok += 1,
            }
            return;
        }
        exchange.request_body.prefix = None;
        exchange.response_body.prefix = None;
        if exchange.arrivals.is_some() {
            if self.curves < WEB_CURVES {
                self.curves += 1;
            } else {
                exchange.arrivals = None;
                self.left_out.curves += 1;
            }
        }
        self.exchanges.push(exchange);
    }

    fn quic(&mut self, flow: FlowId, event: QuicEvent) {
        match event {
            QuicEvent::Hello(hello) => {
                if let Some(name) = &hello.2.server_name {
                    self.name(flow, name);
                }
            }
            QuicEvent::Connection(connection) => {
                if self.quic.len() < WEB_CONNECTIONS {
                    self.quic.push(*connection);
                } else {
                    self.left_out.connections += 1;
                }
            }
        }
    }

    fn media(&mut self, flow: FlowId, event: MediaEvent) {
        let room = self.rtp.len() < WEB_CONNECTIONS && self.rtsp.len() < WEB_CONNECTIONS;
        match event {
            MediaEvent::Rtp(stream) if room => self.rtp.push(*stream),
            MediaEvent::Rtsp(session) if room => {
                if let Some(host) = session.url.as_ref().and_then(|u| u.host.as_deref()) {
                    self.name(flow, host);
                }
                self.rtsp.push(*session);
            }
            _ => self.left_out.connections += 1,
        }
    }

    fn name(&mut self, flow: FlowId, host: &str) {
        if self.hosts.len() < WEB_CONNECTIONS {
            self.hosts.entry(flow).or_insert_with(|| host.into());
        }
    }

    /// The name by which the server of a conversation was called first.
    pub fn host(&self, flow: FlowId) -> Option<&str> {
        self.hosts.get(&flow).map(|h| &**h)
    }

    /// How much of the web this point can tell: exchanges that are complete, and all that was seen. To choose among points.
    pub fn weight(&self) -> (usize, usize) {
        let complete = self.exchanges.iter().filter(|e| e.complete && e.response_body.missing == 0).count();
        (complete, self.exchanges.len() + self.tls.len() + self.quic.len() + self.rtp.len() + self.http2.len())
    }

    /// True if nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.exchanges.is_empty() && self.http2.is_empty() && self.tls.is_empty() && self.quic.is_empty() && self.rtp.is_empty()
    }
}
