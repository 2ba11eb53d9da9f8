#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| lmpcap::testkit::fuzz::stream(&lmpcap::app::libvirt::LIBVIRT, data));
