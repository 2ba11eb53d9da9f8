//! From a judged segment to the [`Sink`]: which bytes of a conversation are told, and when its end is.

use super::record::{FlowRecord, More};
use super::shared::Shared;
use super::streams::{Acked, Arrival, Out, Streams};
use super::tcp::Tcp;
use super::{EndOfStream, Moment, Sink};
use crate::base::net::Side;
use crate::decode::{Packet, Tcp as Header, Transport};

/// Hands on the payload of a segment of `from` that begins at offset `start`, and what its acknowledgment settles.
#[inline]
pub(super) fn segment<S: Sink>(
    record: &mut FlowRecord,
    from: Side,
    start: Option<i64>,
    packet: &Packet<'_>,
    when: Moment,
    sink: &mut S,
    shared: &mut Shared,
) {
    let (More::Tcp(tcp), Transport::Tcp(header)) = (&mut record.more, &packet.transport) else { return };
    let reset = header.has(Header::RST);
    if tcp.streams.is_none() {
        if packet.payload_wire == 0 || start.is_none() || reset {
            if tcp.closed.is_some() {
                end(record, None, when, sink, shared);
            }
            return;
        }
        let whole = [Side::Client, Side::Server].into_iter().any(|side| tcp.side(side).syn);
        tcp.streams = Some(Box::new(Streams::new([Side::Client, Side::Server].map(|side| first_byte(tcp, side, from, start)))));
        record.told = true;
        sink.begin(record.id, &record.key, when, whole);
    }
    let acked = [Side::Client, Side::Server].map(|side| acked(tcp, side));
    let Some(streams) = &mut tcp.streams else { return };
    let mut out = Out { sink, flow: record.id, key: &record.key };
    if let Some(start) = start.filter(|_| !reset) {
        let syn = header.has(Header::SYN);
        let arrival = Arrival {
            start: start + i64::from(syn),
            wire: packet.payload_wire,
            payload: packet.payload,
            fin: header.has(Header::FIN),
            when,
        };
        streams.anchor(from, arrival.start);
        if packet.payload_wire > 0 || arrival.fin {
            streams.segment(&mut out, from, &arrival, acked[from.index()], shared);
        }
    }
    streams.acknowledged(&mut out, from.other(), acked[from.other().index()], when, shared);
    if tcp.closed.is_some() {
        end(record, None, when, sink, shared);
    } else if streams.is_quiet() {
        tcp.streams = None;
        tcp.deaf = true;
    }
}

/// Tells the end of a conversation, if anything was told of it, and gives back what it held.
pub(super) fn end<S: Sink>(record: &mut FlowRecord, how: Option<EndOfStream>, when: Moment, sink: &mut S, shared: &mut Shared) {
    let mut seen = None;
    match &mut record.more {
        More::Tcp(tcp) => {
            seen = tcp.closed;
            let acked = [Side::Client, Side::Server].map(|side| acked(tcp, side));
            if let Some(mut streams) = tcp.streams.take() {
                let mut out = Out { sink, flow: record.id, key: &record.key };
                for side in [Side::Client, Side::Server] {
                    streams.flush(&mut out, side, acked[side.index()], when, shared);
                }
                streams.drop_waiting(shared);
            }
            tcp.deaf = true;
            if how == Some(EndOfStream::Limit) {
                tcp.release(shared);
            }
        }
        More::Echo(echo) if how == Some(EndOfStream::Limit) => echo.release(shared),
        _ => {}
    }
    record.quiet = [true; 2];
    if std::mem::take(&mut record.told) {
        sink.end(record.id, &record.key, when, how.or(seen).unwrap_or(EndOfStream::CaptureEnded));
    }
}

/// Offset of the first byte of `side` that can be told: that after its SYN, else the first number that was seen of it. The segment of
/// `from` that begins at `start` is the first with payload.
fn first_byte(tcp: &Tcp, side: Side, from: Side, start: Option<i64>) -> Option<i64> {
    let half = tcp.side(side);
    match start.filter(|_| side == from) {
        _ if half.syn => Some(1),
        _ if !half.seen => None,
        Some(start) => Some(start.min(0)),
        None => Some(0),
    }
}

fn acked(tcp: &Tcp, side: Side) -> Acked {
    match tcp.side(side).una_offset() {
        Some(una) => Acked::UpTo(una),
        None => Acked::Never,
    }
}
