//! Names of programs and procedures of libvirt's RPC (`src/remote/remote_protocol.x`, `qemu_protocol.x`, `src/rpc/virkeepaliveprotocol.x`).

/// The calls that clients and daemons make of the hypervisor's driver.
pub const REMOTE: u32 = 0x2000_8086;
/// Calls of QEMU's driver.
pub const QEMU: u32 = 0x2000_8087;
/// Pings, "keep" in ASCII.
pub const KEEPALIVE: u32 = 0x6b65_6570;

/// Calls that begin a tunnelled migration: a stream with their serial follows.
pub const PREPARE_TUNNEL: [u32; 3] = [148, 215, 304];
/// Calls whose reply may name the port of the destination's QEMU.
pub const PREPARE: [u32; 4] = [61, 108, 214, 303];
/// Calls that say whether the migration was given up, in their last word.
pub const FINISH: [u32; 2] = [217, 306];

/// Name of a procedure without its prefix; `None` for one that is not listed.
pub fn name(program: u32, procedure: u32) -> Option<&'static str> {
    if program == KEEPALIVE {
        return match procedure {
            1 => Some("KEEPALIVE_PING"),
            2 => Some("KEEPALIVE_PONG"),
            _ => None,
        };
    }
    if program != REMOTE {
        return None;
    }
    Some(match procedure {
        1 => "CONNECT_OPEN",
        2 => "CONNECT_CLOSE",
        3 => "CONNECT_GET_TYPE",
        4 => "CONNECT_GET_VERSION",
        7 => "CONNECT_GET_CAPABILITIES",
        9 => "DOMAIN_CREATE",
        10 => "DOMAIN_CREATE_XML",
        12 => "DOMAIN_DESTROY",
        14 => "DOMAIN_GET_XML_DESC",
        16 => "DOMAIN_GET_INFO",
        22 => "DOMAIN_LOOKUP_BY_ID",
        23 => "DOMAIN_LOOKUP_BY_NAME",
        24 => "DOMAIN_LOOKUP_BY_UUID",
        28 => "DOMAIN_RESUME",
        34 => "DOMAIN_SUSPEND",
        35 => "DOMAIN_UNDEFINE",
        60 => "CONNECT_SUPPORTS_FEATURE",
        61 => "DOMAIN_MIGRATE_PREPARE",
        62 => "DOMAIN_MIGRATE_PERFORM",
        63 => "DOMAIN_MIGRATE_FINISH",
        66 => "AUTH_LIST",
        67 => "AUTH_SASL_INIT",
        68 => "AUTH_SASL_START",
        69 => "AUTH_SASL_STEP",
        70 => "AUTH_POLKIT",
        107 => "DOMAIN_EVENT_LIFECYCLE",
        108 => "DOMAIN_MIGRATE_PREPARE2",
        109 => "DOMAIN_MIGRATE_FINISH2",
        148 => "DOMAIN_MIGRATE_PREPARE_TUNNEL",
        163 => "DOMAIN_GET_JOB_INFO",
        164 => "DOMAIN_ABORT_JOB",
        166 => "DOMAIN_MIGRATE_SET_MAX_DOWNTIME",
        207 => "DOMAIN_MIGRATE_SET_MAX_SPEED",
        212 => "DOMAIN_GET_STATE",
        213 => "DOMAIN_MIGRATE_BEGIN3",
        214 => "DOMAIN_MIGRATE_PREPARE3",
        215 => "DOMAIN_MIGRATE_PREPARE_TUNNEL3",
        216 => "DOMAIN_MIGRATE_PERFORM3",
        217 => "DOMAIN_MIGRATE_FINISH3",
        218 => "DOMAIN_MIGRATE_CONFIRM3",
        298 => "DOMAIN_GET_JOB_STATS",
        302 => "DOMAIN_MIGRATE_BEGIN3_PARAMS",
        303 => "DOMAIN_MIGRATE_PREPARE3_PARAMS",
        304 => "DOMAIN_MIGRATE_PREPARE_TUNNEL3_PARAMS",
        305 => "DOMAIN_MIGRATE_PERFORM3_PARAMS",
        306 => "DOMAIN_MIGRATE_FINISH3_PARAMS",
        307 => "DOMAIN_MIGRATE_CONFIRM3_PARAMS",
        318 => "DOMAIN_EVENT_CALLBACK_LIFECYCLE",
        359 => "DOMAIN_EVENT_CALLBACK_MIGRATION_ITERATION",
        360 => "CONNECT_REGISTER_CLOSE_CALLBACK",
        361 => "CONNECT_UNREGISTER_CLOSE_CALLBACK",
        363 => "DOMAIN_EVENT_CALLBACK_JOB_COMPLETED",
        364 => "DOMAIN_MIGRATE_START_POST_COPY",
        _ => return None,
    })
}
