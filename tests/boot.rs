//! The proof that nothing is missing: QEMU resumes the VM from the stream that was extracted from packets, and it answers a ping.

mod common;
#[path = "common/lab.rs"]
mod lab;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

/// How long QEMU may take to load the stream and the guest to answer.
const PATIENCE_S: u32 = 60;

/// A network namespace of its own, gone when dropped.
struct Namespace(String);

impl Namespace {
    fn new() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("lmpcap-boot-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        if !Command::new("ip").args(["netns", "add", &name]).status().is_ok_and(|s| s.success()) {
            common::skip("network namespaces cannot be made here");
            return None;
        }
        let space = Self(name);
        for line in [
            "ip tuntap add tap0 mode tap",
            "ip link set tap0 address 52:54:00:00:00:10",
            "ip addr add 192.0.2.10/24 dev tap0",
            "ip link set tap0 up",
        ] {
            let words: Vec<&str> = line.split(' ').collect();
            common::stdout(&mut space.run(&words));
        }
        Some(space)
    }

    fn run(&self, words: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0]).args(words);
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

/// A process that is killed when dropped.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn kernel() -> Option<PathBuf> {
    let found = fs::read_dir("/boot").ok()?.flatten().map(|e| e.path()).find(|p| p.to_string_lossy().contains("/vmlinuz"));
    if found.is_none() {
        common::skip("no kernel in /boot (Debian: apt install linux-image-amd64)");
    }
    found
}

/// QEMU's status over QMP.
fn status(socket: &Path) -> Option<String> {
    let stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut stream = stream;
    stream.write_all(b"{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"query-status\"}\n").ok()?;
    for _ in 0..10 {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let value: serde_json::Value = serde_json::from_str(&line).ok()?;
        if let Some(status) = value["return"]["status"].as_str() {
            return Some(status.to_owned());
        }
    }
    None
}

#[test]
fn a_vm_resumes_from_the_extracted_stream_and_answers() {
    let Some(run) = common::capture("offline-full") else { return };
    resumes(&run);
}

#[test]
fn a_vm_resumes_from_a_stream_that_was_captured_now() {
    // Only a guest that lived through its own migration can be asked to live through it again.
    let options = ["--dirty", "1500", "--return-path", "--scenario", "offline"];
    let Some(made) = lab::migration(&options, true) else { return };
    resumes(made.path());
}

/// Extracts the stream of the run's only migration, gives it to a QEMU, and waits for the guest to answer.
fn resumes(run: &Path) {
    if !common::has("qemu-system-x86_64", "qemu-system-x86")
        || !common::has("ip", "iproute2")
        || !common::has("ping", "iputils-ping")
        || !common::root()
    {
        return;
    }
    let Some(kernel) = kernel() else { return };
    let dir = tempfile::tempdir().unwrap();
    let stream = dir.path().join("vm.mig");
    let out =
        Command::new(env!("CARGO_BIN_EXE_lmpcap")).arg("extract").arg(run).args(["--migration", "1", "-o"]).arg(&stream).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(!dir.path().join("vm.mig.gaps.json").exists());
    assert_eq!(fs::read(&stream).unwrap()[..8], *b"QEVM\0\0\0\x03");

    let Some(space) = Namespace::new() else { return };
    // The guest's memory holds its kernel and its files: what -kernel and -initrd name is never run. They are given because the
    // machine had them when it was started, and QEMU wants the same devices and ROMs.
    let initrd = dir.path().join("initrd");
    fs::write(&initrd, vec![0; 1 << 20]).unwrap();
    let socket = dir.path().join("qmp");
    let incoming = format!("exec:cat {}", stream.display());
    let machine = [
        "qemu-system-x86_64",
        "-M",
        "pc",
        "-vga",
        "none",
        "-m",
        "96",
        "-accel",
        "tcg",
        "-kernel",
        kernel.to_str().unwrap(),
        "-initrd",
        initrd.to_str().unwrap(),
        "-append",
        "x",
        "-display",
        "none",
        "-serial",
        "null",
        "-no-reboot",
        "-netdev",
        "tap,id=n0,ifname=tap0,script=no,downscript=no,vhost=off",
        "-device",
        "virtio-net-pci,netdev=n0,mac=52:54:00:aa:00:50",
        "-qmp",
        &format!("unix:{},server,nowait", socket.display()),
        "-incoming",
        &incoming,
    ];
    let mut qemu = Guard(space.run(&machine).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let mut running = false;
    for _ in 0..PATIENCE_S {
        sleep(Duration::from_secs(1));
        if let Some(code) = qemu.0.try_wait().unwrap() {
            let mut why = String::new();
            let _ = std::io::Read::read_to_string(&mut qemu.0.stderr.take().unwrap(), &mut why);
            panic!("QEMU ended: {code}: {why}");
        }
        running = running || status(&socket).as_deref() == Some("running");
        if running && space.run(&["ping", "-c", "3", "-i", "0.2", "-W", "1", "192.0.2.50"]).output().unwrap().status.success() {
            return;
        }
    }
    panic!("the guest is {}, but does not answer", if running { "running" } else { "not running" });
}

#[test]
fn a_cut_capture_gives_a_map_of_holes_and_exit_code_1() {
    let Some(run) = common::capture("none") else { return };
    let dir = tempfile::tempdir().unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_lmpcap"))
        .arg("extract")
        .arg(&run)
        .args(["-o", "vm.mig"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(1), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(!dir.path().join("vm.mig").exists(), "nothing pretends to be whole");
    let map: serde_json::Value = serde_json::from_slice(&fs::read(dir.path().join("vm.mig.gaps.json")).unwrap()).unwrap();
    assert!(map["missing"].as_u64().unwrap() > 0);
    assert_eq!(fs::metadata(dir.path().join("vm.mig.incomplete")).unwrap().len(), map["bytes"].as_u64().unwrap());
}
