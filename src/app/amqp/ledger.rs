//! Calls of one point: each once, from the caller to the broker, from the broker to whoever serves it, and the way back.

use std::collections::HashMap;

use super::Message;
use crate::base::limits::{AMQP_CALLS, AMQP_CALLS_OF_MIGRATION};
use crate::flow::{FlowKey, Moment};

/// Methods by which Nova and Neutron migrate a server: they are kept even where a long capture is full of other calls.
pub const OF_MIGRATION: &[&str] = &[
    "live_migrate_instance",
    "migrate_server",
    "select_destinations",
    "check_can_live_migrate_destination",
    "check_can_live_migrate_source",
    "live_migration",
    "pre_live_migration",
    "post_live_migration_at_destination",
    "rollback_live_migration_at_destination",
    "live_migration_abort",
    "live_migration_force_complete",
    "remove_volume_connection",
    "drop_move_claim_at_destination",
    "external_instance_event",
    "refresh_instance_security_rules",
    "binding_activate",
    "binding_deactivate",
];

/// One leg of a message: on which connection it was seen, and when it was complete (else when it began).
pub type Leg = (FlowKey, Moment);

/// A call, a cast or a notification, as one point saw it.
#[derive(Clone, Debug)]
pub struct Rpc {
    /// What it is; the reply's failure is here too.
    pub message: Message,
    /// From the caller to the broker.
    pub sent: Option<Leg>,
    /// From the broker to the first that takes it.
    pub taken: Option<Leg>,
    /// How many took it.
    pub takers: u32,
    /// From the one who serves to the broker.
    pub reply_sent: Option<Leg>,
    /// From the broker to the caller.
    pub reply_taken: Option<Leg>,
}

/// Calls in the order in which they came.
#[derive(Default)]
pub struct AmqpLedger {
    /// What was called.
    pub calls: Vec<Rpc>,
    /// Calls that found no room.
    pub left_out: u64,
    by_unique: HashMap<String, usize>,
    by_msg: HashMap<String, usize>,
}

impl AmqpLedger {
    /// Takes a message of a conversation.
    pub fn message(&mut self, key: FlowKey, message: Message) {
        let leg = (key, message.completed.unwrap_or(message.begun));
        if message.method.is_none() {
            self.reply(leg, message);
            return;
        }
        let known = message.unique_id.as_ref().and_then(|id| self.by_unique.get(id)).copied();
        let index = match known {
            Some(index) => index,
            None => {
                let matters = message.method.as_deref().is_some_and(|m| OF_MIGRATION.contains(&m));
                let room = if matters { AMQP_CALLS + AMQP_CALLS_OF_MIGRATION } else { AMQP_CALLS };
                if self.calls.len() >= room {
                    self.left_out += 1;
                    return;
                }
                let index = self.calls.len();
                if let Some(id) = &message.unique_id {
                    self.by_unique.insert(id.clone(), index);
                }
                if let Some(id) = &message.msg_id {
                    self.by_msg.insert(id.clone(), index);
                }
                self.calls.push(Rpc { message: message.clone(), sent: None, taken: None, takers: 0, reply_sent: None, reply_taken: None });
                index
            }
        };
        let call = &mut self.calls[index];
        if message.published {
            call.sent.get_or_insert(leg);
        } else {
            call.takers += 1;
            call.taken.get_or_insert(leg);
        }
    }

    fn reply(&mut self, leg: Leg, message: Message) {
        // What was asked before the capture began has no name here.
        let index = message.msg_id.as_ref().and_then(|id| self.by_msg.get(id)).copied();
        let Some(call) = index.and_then(|i| self.calls.get_mut(i)) else { return };
        if message.failure.is_some() {
            call.message.failure = message.failure;
        }
        // A call may have several replies: the last one ends it.
        if message.published { call.reply_sent = Some(leg) } else { call.reply_taken = Some(leg) }
    }
}
