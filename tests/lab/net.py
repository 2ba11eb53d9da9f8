"""The lab's network: a client, two compute nodes, a host on the other side of a router, and the switches between them.

Each is a network namespace whose name holds the number of this process, so that two labs do not meet.

    client 192.0.2.10 ──┐
    router 192.0.2.1 ───┤ br0 (the VM's network) ── eth1 of either node ── brvm ── tap0 ── the VM
    far    198.51.100.80 (behind the router)
    source 10.0.0.11, destination 10.0.0.12: eth0 on br1 (migration, and VXLAN where it is asked for)

With `nat` the client is 203.0.113.10 behind the router, which gives the VM the floating address 203.0.113.50.
"""
import json
import os
import shlex
import subprocess

CLIENT, FAR, ROUTER = "192.0.2.10", "198.51.100.80", "192.0.2.1"
NODES = {"source": "10.0.0.11", "destination": "10.0.0.12"}
FLOATING, BEHIND_NAT = "203.0.113.50", "203.0.113.10"
NETWORK_NODE = "10.0.0.20"


class Network:
    def __init__(self, vxlan=False, offloads=False, nat=False):
        self.offloads = offloads
        self.procs = []
        self.names = {role: f"lmp{os.getpid()}{role[:3]}" for role in ("client", "source", "destination", "far", "switch")}
        for name in self.names.values():
            self._run(f"ip netns add {name}")
        for role in self.names:
            self.sh(role, "ip link set lo up")
            self.sh(role, "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1", check=False)
        for bridge in ("br0", "br1"):
            self.sh("switch", f"ip link add {bridge} type bridge mcast_snooping 0")
            self.sh("switch", f"ip link set {bridge} up")
        self.sh("switch", "sysctl -qw net.bridge.bridge-nf-call-iptables=0", check=False)
        self.sh("switch", "sysctl -qw net.ipv4.ip_forward=1")
        self.sh("switch", f"ip addr add {ROUTER}/24 dev br0")
        if nat:
            self._wire("client", "eth1", None, f"{BEHIND_NAT}/24", "52:54:00:00:00:10")
            self.sh("switch", "ip addr add 203.0.113.1/24 dev cli-eth1")
            self.sh("client", "ip route add default via 203.0.113.1")
            self.sh("switch", f"ip addr add {FLOATING}/32 dev cli-eth1")
            self.nft("switch", "add table ip nat", "add chain ip nat pre { type nat hook prerouting priority -100 ; }",
                     f"add rule ip nat pre ip daddr {FLOATING} dnat to 192.0.2.50")
        else:
            self._wire("client", "eth1", "br0", f"{CLIENT}/24", "52:54:00:00:00:10")
            self.sh("client", f"ip route add default via {ROUTER}")
        self._wire("far", "eth1", None, f"{FAR}/24", "52:54:00:00:00:80")
        self.sh("switch", "ip addr add 198.51.100.1/24 dev far-eth1")
        self.sh("far", "ip route add default via 198.51.100.1")
        for role, address in NODES.items():
            self._wire(role, "eth0", "br1", f"{address}/24", f"52:54:00:00:01:{address[-2:]}")
            self.sh(role, "ip link add brvm type bridge mcast_snooping 0")
            self.sh(role, "ip link set brvm up")
            if vxlan:
                self.sh(role, "ip link add vx0 type vxlan id 77 dev eth0 dstport 4789 nolearning")
                self.sh(role, "ip link set vx0 master brvm up")
                self.sh(role, f"bridge fdb append 00:00:00:00:00:00 dev vx0 dst {NETWORK_NODE}")
            else:
                self._wire(role, "eth1", "br0")
                self.sh(role, "ip link set eth1 master brvm")
            self.sh(role, "ip tuntap add tap0 mode tap")
            self.sh(role, "ip link set tap0 master brvm up")
        if vxlan:
            self.sh("switch", f"ip addr add {NETWORK_NODE}/24 dev br1")
            self.sh("switch", "ip link add vx0 type vxlan id 77 dev br1 dstport 4789")
            self.sh("switch", "ip link set vx0 master br0 up")
            for address in NODES.values():
                self.sh("switch", f"bridge fdb append 00:00:00:00:00:00 dev vx0 dst {address}")

    def _run(self, command, check=True):
        out = subprocess.run(shlex.split(command), capture_output=True, text=True)
        if check and out.returncode != 0:
            raise SystemExit(f"{command}: {out.stderr.strip()}")
        return out.stdout

    def sh(self, role, command, check=True):
        """Runs a command in the namespace of `role` to its end."""
        return self._run(f"ip netns exec {self.names[role]} {command}", check)

    def nft(self, role, *lines):
        for line in lines:
            subprocess.run(["ip", "netns", "exec", self.names[role], "nft", line], check=True)

    def spawn(self, role, command, log=None):
        """Starts a command (a list) in the namespace of `role`; it is ended with the lab."""
        out = open(log, "wb") if log else subprocess.DEVNULL
        child = subprocess.Popen(["ip", "netns", "exec", self.names[role], *command], stdin=subprocess.DEVNULL, stdout=out,
                                 stderr=subprocess.STDOUT if log else subprocess.DEVNULL)
        self.procs.append(child)
        return child

    def _wire(self, role, device, bridge, address=None, mac=None):
        peer = f"{role[:3]}-{device}"
        self.sh(role, f"ip link add {device} type veth peer name {peer} netns {self.names['switch']}")
        if mac:
            self.sh(role, f"ip link set {device} address {mac}")
        if bridge:
            self.sh("switch", f"ip link set {peer} master {bridge}")
        self.sh("switch", f"ip link set {peer} up")
        self.sh(role, f"ip link set {device} up")
        if address:
            self.sh(role, f"ip addr add {address} dev {device}")
        if not self.offloads:
            self.sh(role, f"ethtool -K {device} tso off gso off gro off tx off", check=False)
            self.sh("switch", f"ethtool -K {peer} tso off gso off gro off tx off", check=False)

    def lose(self, percent):
        """Drops packets to and from the client in the network, at random and counted.

        Those from the client are dropped before the bridge copies them: while it does not know where the VM is, it sends to both nodes.
        """
        share = f"numgen random mod 100000 < {round(percent * 1000)}"
        self.nft("switch", "add table bridge lossy", "add chain bridge lossy forward { type filter hook forward priority 0 ; }",
                 "add chain bridge lossy prerouting { type filter hook prerouting priority 0 ; }",
                 f'add rule bridge lossy forward oifname "cli-eth1" ip daddr {CLIENT} {share} counter drop comment "to-client"',
                 f'add rule bridge lossy prerouting iifname "cli-eth1" ip saddr {CLIENT} {share} counter drop comment "from-client"')

    def dropped(self):
        """Packets that the network dropped, by direction."""
        rules = json.loads(self.sh("switch", "nft -j list table bridge lossy"))["nftables"]
        found = {}
        for rule in (r["rule"] for r in rules if "rule" in r):
            found[rule["comment"]] = next(e["counter"]["packets"] for e in rule["expr"] if "counter" in e)
        return found

    def limit(self, mbit):
        """A slow link to the client: packets wait in its queue."""
        self.sh("switch", f"tc qdisc add dev cli-eth1 root tbf rate {mbit}mbit burst 16k latency 400ms")

    def close(self):
        for child in self.procs:
            if child.poll() is None:
                child.terminate()
        for child in self.procs:
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
        for name in self.names.values():
            self._run(f"ip netns del {name}", check=False)
