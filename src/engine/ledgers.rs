//! What the parsers of one point said, sorted by protocol family.

use std::collections::HashMap;

use crate::app::Event;
use crate::app::amqp::ledger::AmqpLedger;
use crate::app::ceph::CephReport;
use crate::app::dispatch::Tagged;
use crate::app::http::{Exchange, HttpEvent};
use crate::app::libvirt::Call;
use crate::app::migration::ledger::MigrationLedger;
use crate::app::migration::watch::ConnectionWatch;
use crate::app::migration::{MigrationEvent, Step};
use crate::app::openstack;
use crate::app::web::WebLedger;
use crate::base::limits::{CEPH_CONNECTIONS, CONTROL_STEPS, WEB_CONNECTIONS};
use crate::flow::{FlowId, FlowKey, FlowTable};
use crate::measure::pace::Pace;

/// One ledger per protocol family.
#[derive(Default)]
pub struct Ledgers {
    /// Migration streams.
    pub migration: MigrationLedger,
    /// Calls of libvirt's RPC.
    pub libvirt: Vec<(FlowKey, Call)>,
    /// Calls over AMQP.
    pub amqp: AmqpLedger,
    /// Connections to Ceph.
    pub ceph: Vec<(FlowId, FlowKey, CephReport)>,
    /// Those beyond [`CEPH_CONNECTIONS`].
    pub ceph_left_out: u64,
    /// Calls of OpenStack's APIs.
    pub openstack: Vec<openstack::Call>,
    /// Conversations of OpenStack's APIs, with the name of the service that the first call of each was of.
    pub apis: HashMap<FlowId, &'static str>,
    /// Steps of the control timeline beyond [`CONTROL_STEPS`].
    pub steps_left_out: u64,
    /// HTTP, TLS, QUIC and media.
    pub web: WebLedger,
    /// Events of conversations that the table no longer knew.
    pub orphans: u64,
}

impl Ledgers {
    /// Sorts the events in, and leaves `events` empty with its room kept.
    pub fn take(&mut self, events: &mut Vec<Tagged>, flows: &FlowTable, pace: &mut Pace, connections: &mut ConnectionWatch) {
        for Tagged { flow, event } in events.drain(..) {
            let Some(key) = flows.key(flow) else {
                self.orphans += 1;
                continue;
            };
            match event {
                Event::Migration(event) => {
                    match event {
                        MigrationEvent::Passed(Step::Begin, _) => {
                            pace.watch(flow);
                            connections.watch(flow);
                        }
                        MigrationEvent::Passed(Step::Switchover, _) => pace.freeze(flow),
                        _ => {}
                    }
                    self.migration.event(flow, &key, event);
                }
                Event::Libvirt(call) if self.libvirt.len() < CONTROL_STEPS => self.libvirt.push((key, call)),
                Event::Amqp(message) => self.amqp.message(key, *message),
                Event::Ceph(report) if self.ceph.len() < CEPH_CONNECTIONS => self.ceph.push((flow, key, *report)),
                Event::Ceph(_) => self.ceph_left_out += 1,
                Event::Libvirt(_) => self.steps_left_out += 1,
                Event::Http(event) => {
                    if let HttpEvent::Exchange(exchange) = &event {
                        self.exchange(flow, exchange);
                    }
                    self.web.event(flow, Event::Http(event));
                }
                event @ (Event::Tls(_) | Event::Quic(_) | Event::Media(_)) => self.web.event(flow, event),
            }
        }
    }

    fn exchange(&mut self, flow: FlowId, exchange: &Exchange) {
        let Some(service) = openstack::service(exchange) else { return };
        if self.apis.len() < WEB_CONNECTIONS {
            self.apis.entry(flow).or_insert(service);
        }
        match openstack::call(exchange) {
            Some(call) if self.openstack.len() < CONTROL_STEPS => self.openstack.push(call),
            Some(_) => self.steps_left_out += 1,
            None => {}
        }
    }
}
