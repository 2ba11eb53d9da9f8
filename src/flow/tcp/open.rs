//! Whether a SYN belongs to the conversation that has its ports, or opens another one.

use super::{STRAYS, Tcp};
use crate::base::net::Side;
use crate::decode;

/// What a segment means for the conversation under its ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::flow) enum Opening {
    /// It belongs to it.
    Same,
    /// It belongs to it and shows that client and server were taken for each other.
    Swapped,
    /// Another conversation uses the ports from here on.
    Another,
}

impl Tcp {
    /// To be asked before [`Tcp::segment`].
    #[inline]
    pub fn opening(&self, from: Side, tcp: &decode::Tcp) -> Opening {
        if tcp.has(decode::Tcp::SYN) && !tcp.has(decode::Tcp::RST) {
            self.syn(from, tcp)
        } else if self.side(from).strays >= STRAYS {
            Opening::Another
        } else {
            Opening::Same
        }
    }

    #[cold]
    fn syn(&self, from: Side, tcp: &decode::Tcp) -> Opening {
        let (me, peer) = (self.side(from), self.side(from.other()));
        let answer = tcp.has(decode::Tcp::ACK);
        let data_at = tcp.seq.wrapping_add(1);
        let same = if me.seen {
            // The same SYN again, or a SYN that was captured after what followed it.
            me.first() == if me.syn { tcp.seq } else { data_at }
        } else if me.acked {
            me.una == data_at
        } else if answer && peer.seen {
            // To a SYN, rightly or not; or to data that was captured before its handshake.
            peer.syn || peer.first() == tcp.ack
        } else {
            // A simultaneous open (RFC 9293 figure 7).
            peer.syn && peer.data_segments == 0
        };
        let opener = if answer { from.other() } else { from };
        match same {
            false => Opening::Another,
            true if opener == Side::Server && !me.syn && !peer.syn => Opening::Swapped,
            true => Opening::Same,
        }
    }

    /// Exchanges the sides. Only while nothing was told of them.
    pub fn swap(&mut self) {
        self.sides.swap(0, 1);
        self.rare.swap(0, 1);
        if let Some(rtt) = &mut self.rtt {
            rtt.swap(0, 1);
        }
    }
}
