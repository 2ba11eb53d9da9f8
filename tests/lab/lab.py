#!/usr/bin/env python3
"""Makes one real live migration on this machine and captures it at the client, the source and the destination.

usage: lab.py OUT [options]. Writes OUT/{client,source,destination,…}.pcap and OUT/truth.json: what QEMU itself says of the migration
(query-migrate, STOP, RESUME and every other event with its time), and what the network dropped.

Needs root, network namespaces and: qemu-system-x86 linux-image-amd64 busybox-static cpio ffmpeg tcpdump wireshark-common iproute2
nftables ethtool iputils-ping curl (nginx-light for the scenario online; chromium chromium-driver for watch and watch-dash, in which a
browser plays the film as a file or in segments and viewer.json holds what it said). No KVM is needed. One run takes about half a minute.

Exit code 4: the migration completed and the guest did not live through it, which happens under TCG; truth.json says so too.
"""
import argparse
import atexit
import fcntl
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import guest
from net import BEHIND_NAT, CLIENT, FAR, FLOATING, NODES, Network
from qemu import MAC, Qemu

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
say = parser.add_argument
say("out")
say("--cache", default=os.environ.get("LMPCAP_LAB", "/var/cache/lmpcap-lab"), help="where the guest is kept")
say("--scenario", choices=["none", "offline", "hls", "dash", "online", "watch", "watch-dash"], default="none", help="what the client does")
say("--client-command", help="run this in the client's namespace instead; {vm} is the VM's address, {out} the folder")
say("--no-probe", action="store_true", help="no ping each 20 ms")
say("--memory", type=int, default=96, help="MiB; a guest needs 80")
say("--dirty", type=int, default=0, help="KiB a second that the guest writes anew")
say("--touch", type=int, default=0, help="pages a second in which the guest changes a few bytes")
say("--bandwidth", type=int, default=12, help="MiB/s that the migration may use")
say("--downtime-limit", type=int, default=300, help="ms")
say("--multifd", action="store_true")
say("--postcopy", action="store_true")
say("--preempt", action="store_true", help="with --postcopy: requested pages on a channel of their own")
say("--xbzrle", action="store_true")
say("--compress", action="store_true")
say("--tls", action="store_true")
say("--return-path", action="store_true")
say("--cancel", action="store_true", help="after 2 s")
say("--kill", action="store_true", help="kill the destination after 2 s")
say("--back", action="store_true", help="migrate home afterwards")
say("--hold", type=float, default=0, help="seconds from the end of the stream to the resume, as a manager would take")
say("--vxlan", action="store_true")
say("--nat", action="store_true", help="the client behind a router that gives the VM a floating address")
say("--offloads", action="store_true", help="leave segmentation and receive offload on")
say("--any", action="store_true", help="capture all interfaces of the nodes")
say("--pcapng", action="store_true", help="several interfaces in one file")
say("--snaplen", type=int, default=262144, help="of the nodes' captures")
say("--loss", type=float, default=0, help="percent that the network drops to and from the client; truth.json has the counts")
say("--rate", type=float, default=0, help="Mbit/s of the link to the client")
say("--before", type=float, default=3, help="seconds of traffic before")
say("--after", type=float, default=3, help="and after")
args = parser.parse_args()

out = pathlib.Path(args.out).absolute()
out.mkdir(parents=True, exist_ok=True)
if os.geteuid() != 0:
    raise SystemExit("the lab needs root")
# One at a time: two would take each other's processor.
lock = open("/run/lmpcap-lab.lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)

image, initrd, media = guest.make(args.cache)
net = Network(args.vxlan, args.offloads, args.nat)
atexit.register(net.close)
if args.loss:
    net.lose(args.loss)
if args.rate:
    net.limit(args.rate)


def capture(role, devices, name, snaplen):
    if args.pcapng:
        command = ["dumpcap", "-q", *(word for device in devices for word in ("-i", device)), "-s", str(snaplen), "-B", "64"]
        suffix = "pcapng"
    else:
        command = ["tcpdump", "-Z", "root", "-i", devices[0], "-s", str(snaplen), "-B", "65536", "-U"]
        suffix = "pcap"
    return net.spawn(role, [*command, "-w", f"{out}/{name}.{suffix}"], f"{out}/{name}.log")


captures = [capture("client", ["eth1"], "client", 262144)]
for node in NODES:
    if args.any:
        captures.append(capture(node, ["any"], node, args.snaplen))
    elif args.pcapng:
        captures.append(capture(node, ["eth0", "tap0"], node, args.snaplen))
    else:
        captures += [capture(node, ["eth0"], node, args.snaplen), capture(node, ["tap0"], f"{node}-tap", args.snaplen)]

machine = {"memory": args.memory, "image": image, "initrd": initrd, "append": f"console=ttyS0 quiet init_on_free=1 init_on_alloc=1 "
           f"dirty={args.dirty} touch={args.touch}", "tls": args.tls}
source = Qemu(net, "source", "source-qemu", out, **machine)
for _ in range(720):
    if "guest is up" in pathlib.Path(f"{out}/source-qemu.serial").read_text(errors="replace"):
        break
    time.sleep(0.25)
else:
    raise SystemExit("the guest did not start")
time.sleep(1)

vm = FLOATING if args.nat else guest.ADDRESS
# The network may be one that loses packets.
answers = net.sh("client", f"ping -c 3 -i 0.2 -W 10 {vm}", check=False)
if not any(f" {n} received" in answers for n in (1, 2, 3)):
    raise SystemExit(f"the guest does not answer, see {out}/source-qemu.serial")
load = []
if not args.no_probe:
    load.append(net.spawn("client", ["ping", "-i", "0.02", vm], f"{out}/ping.txt"))
watch = f"exec python3 {pathlib.Path(__file__).parent.absolute()}/viewer.py http://{vm}/watch.html"
asks = {
    "none": f"while true; do curl -s -m 10 http://{vm}/index.html -o /dev/null http://{vm}/logo.png -o /dev/null; sleep 0.3; done",
    "offline": f"curl -s --limit-rate 60k http://{vm}/video.mp4 -o /dev/null",
    "hls": f"ffmpeg -v error -re -i http://{vm}/hls/index.m3u8 -f null -",
    "dash": f"ffmpeg -v error -re -i http://{vm}/dash/manifest.mpd -f null -",
    "watch": f"{watch} {out}/viewer.json",
    "watch-dash": f"{watch}#dash {out}/viewer.json",
    "online": f"curl -sk --resolve video.example.net:443:{FAR} --limit-rate 60k https://video.example.net/video.mp4 -o /dev/null & "
              f"while true; do curl -s -m 10 http://{vm}/index.html -o /dev/null; sleep 0.5; done",
}
if args.scenario == "online":
    pair = ["-keyout", f"{out}/key.pem", "-out", f"{out}/cert.pem"]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *pair, "-days", "30", "-subj", "/CN=video.example.net"],
                   check=True, capture_output=True)
    (out / "nginx.conf").write_text(
        f"daemon off; pid {out}/nginx.pid; error_log {out}/nginx.log; events {{}} http {{ access_log off; server {{ listen 443 ssl; "
        f"ssl_certificate {out}/cert.pem; ssl_certificate_key {out}/key.pem; root {media}; }} }}")
    net.spawn("far", ["nginx", "-c", f"{out}/nginx.conf"])
    time.sleep(0.5)
command = args.client_command.format(vm=vm, out=out) if args.client_command else asks[args.scenario]
load.append(net.spawn("client", ["sh", "-c", command], f"{out}/client-command.log"))
time.sleep(args.before)

capabilities = ["events"]
capabilities += [name for name, wanted in {"multifd": args.multifd, "postcopy-ram": args.postcopy, "postcopy-preempt": args.preempt,
                                           "xbzrle": args.xbzrle, "compress": args.compress, "return-path": args.return_path}.items() if wanted]


def prepare(here, there):
    """Capabilities and parameters of both ends."""
    common = ({"multifd-channels": 2} if args.multifd else {}) | ({"tls-creds": "tls0"} if args.tls else {})
    for end in (here, there):
        end.capabilities(capabilities)
    if common:
        there("migrate-set-parameters", **common)
    here("migrate-set-parameters", **common, **{"max-bandwidth": args.bandwidth << 20, "downtime-limit": args.downtime_limit})


def migrate(here, there, uri):
    """Migrates; answers the time of the command and what QEMU says at the end."""
    there("migrate-incoming", uri=uri)
    began = time.time()
    here("migrate", uri=uri)
    switched = False
    while True:
        time.sleep(0.05)
        state = here("query-migrate")
        passed = time.time() - began
        if state["status"] in ("completed", "failed", "cancelled"):
            return began, state
        if args.postcopy and not switched and passed > 2.5:
            here("migrate-start-postcopy")
            switched = True
        if args.cancel and passed > 2 or passed > 150:
            here("migrate_cancel")
        if args.kill and passed > 2 and there.process.poll() is None:
            there.process.kill()


destination = Qemu(net, "destination", "destination-qemu", out, **machine, incoming=True, paused=args.hold > 0)
prepare(source, destination)
began, state = migrate(source, destination, f"tcp:{NODES['destination']}:49152")
completed = state["status"] == "completed"
if completed and args.hold:
    time.sleep(args.hold)
    destination("cont")
if completed:
    destination.running_within(5)
time.sleep(args.after)
truth = {"source_events": source.collect(), "destination_events": destination.collect() if not args.kill else destination.events}
back = None
if args.back and completed:
    source("quit")
    source.process.wait()
    home = Qemu(net, "source", "home-qemu", out, **machine, incoming=True)
    prepare(destination, home)
    returned, second = migrate(destination, home, f"tcp:{NODES['source']}:49153")
    home.running_within(5)
    time.sleep(args.after)
    back = {"command_at": returned, "query_migrate": second, "source_events": destination.collect(), "destination_events": home.collect()}

alive = None
if completed:
    answers = net.sh("client", f"ping -c 10 -i 0.1 -W 1 {vm}", check=False)
    alive = any(f" {n} received" in answers for n in range(6, 11))
for child in load:
    child.send_signal(signal.SIGINT)
# What is on its way arrives, then the network's counters are read, then the captures end: all three speak of the same packets.
net.sh("client", "pkill -INT ffmpeg", check=False)
for child in load:
    # A shell goes on with its loop after an interrupt.
    child.terminate()
net.sh("client", "pkill -INT curl", check=False)
# tcpdump gets its packets a second late, and those that wait when it ends are in no file.
time.sleep(2.5)
truth |= {
    "command_at": began, "query_migrate": state, "back": back, "guest_alive_at_end": alive,
    "dropped": net.dropped() if args.loss else None,
    "vm": {"ip": guest.ADDRESS, "mac": MAC}, "client": BEHIND_NAT if args.nat else CLIENT, "arguments": vars(args),
    "qemu": subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True).stdout.splitlines()[0],
}
for child in captures:
    child.send_signal(signal.SIGINT)
for child in captures:
    child.wait(10)
(out / "truth.json").write_text(json.dumps(truth, indent=1, default=str))
print(json.dumps({key: state.get(key) for key in ("status", "total-time", "downtime", "setup-time")}), json.dumps(state.get("ram")))
if alive is False:
    print("the guest did not live through it", file=sys.stderr)
    sys.exit(4)
