#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    lmpcap::testkit::fuzz::stream(&lmpcap::app::ceph::CEPH_V2, data);
    lmpcap::testkit::fuzz::stream(&lmpcap::app::ceph::CEPH_V1, data);
});
