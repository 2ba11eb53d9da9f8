"""QEMU and its machine protocol."""
import json
import socket
import time

MAC = "52:54:00:aa:00:50"


class Qemu:
    """One QEMU process in the namespace of a node."""

    def __init__(self, net, role, name, out, *, memory, image, initrd, append, incoming=False, paused=False, tls=False, extra=()):
        self.socket = f"{out}/{name}.qmp"
        command = ["qemu-system-x86_64", "-M", "pc", "-vga", "none", "-m", str(memory), "-accel", "tcg", "-kernel", str(image), "-initrd",
                   str(initrd), "-append", append, "-display", "none", "-serial", f"file:{out}/{name}.serial", "-no-reboot", "-netdev",
                   "tap,id=n0,ifname=tap0,script=no,downscript=no,vhost=off", "-device", f"virtio-net-pci,netdev=n0,mac={MAC}", "-qmp",
                   f"unix:{self.socket},server=on,wait=off", *extra]
        if incoming:
            command += ["-incoming", "defer"] + (["-S"] if paused else [])
        if tls:
            command += ["-object", f"tls-creds-anon,id=tls0,endpoint={'server' if incoming else 'client'},verify-peer=off"]
        self.process = net.spawn(role, command, f"{out}/{name}.log")
        self.events = []
        for _ in range(200):
            try:
                self.connection = socket.socket(socket.AF_UNIX)
                self.connection.connect(self.socket)
                break
            except OSError:
                time.sleep(0.05)
        else:
            raise SystemExit(f"{name}: QEMU did not start, see {out}/{name}.log")
        self.file = self.connection.makefile("rw")
        json.loads(self.file.readline())
        self("qmp_capabilities")

    def __call__(self, command, **arguments):
        self.file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.file.flush()
        while line := self.file.readline():
            answer = json.loads(line)
            if "event" in answer:
                stamp = answer["timestamp"]
                self.events.append({"event": answer["event"], "t": stamp["seconds"] + stamp["microseconds"] / 1e6, "data": answer.get("data")})
            elif "error" in answer:
                raise SystemExit(f"{command}: {answer['error']['desc']}")
            else:
                return answer["return"]
        raise ConnectionError(f"{command}: QEMU is gone")

    def capabilities(self, names):
        self("migrate-set-capabilities", capabilities=[{"capability": name, "state": True} for name in names])

    def running_within(self, seconds):
        for _ in range(int(seconds * 10)):
            if self("query-status")["status"] == "running":
                return True
            time.sleep(0.1)
        return False

    def collect(self):
        """Events that have come in the meantime; nothing from a QEMU that is gone."""
        try:
            self("query-status")
        except (ConnectionError, OSError, ValueError):
            pass
        return self.events
