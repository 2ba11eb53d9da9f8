#!/usr/bin/env python3
"""Runs `lmpcap analyze` over every capture and run below some folders and over mutated copies of them.

usage: sweep.py LMPCAP [--copies N] [--seed N] [--seconds S] [--mib M] FOLDER...

A run may end with a report (exit code 0, 1, 3) or be refused with a message (2). Anything else is a finding: a panic, a signal, more
than S seconds, more than M MiB of memory at once, a report that is not JSON or does not add up. A finding's input is kept in
target/sweep and named; the exit code is then 1. The same seed makes the same copies.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

FIRST = 400_000  # bytes of a larger capture that copies are made of
ENDINGS = (".pcap", ".pcapng", ".cap")
PACKED = {".zst": ["zstd", "-dcq"], ".gz": ["gzip", "-dcq"], ".xz": ["xz", "-dcq"]}
ALL_FORMATS = "json,html,csv,parquet,markdown,latex,docx,svg,p1203,text"


def plain_name(path):
    return path.with_suffix("") if path.suffix in PACKED else path


def captures(folders):
    for folder in folders:
        for path in sorted(pathlib.Path(folder).rglob("*")):
            if path.is_file() and plain_name(path).suffix in ENDINGS:
                yield path


def beginning(path):
    """The first bytes of a capture, unpacked."""
    if path.suffix not in PACKED:
        with open(path, "rb") as file:
            return file.read(FIRST)
    child = subprocess.Popen(PACKED[path.suffix] + [str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        return child.stdout.read(FIRST)
    finally:
        child.kill()
        child.wait()


def mutated(data, rng):
    """A copy with one to eight faults of the kinds that disks, transfers and strangers make."""
    data = bytearray(data)
    extremes = [0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFF0, 65535, 65536]
    for _ in range(rng.randint(1, 8)):
        if len(data) < 8:
            break
        # Faults near the start hit headers of files; anywhere else, those of records and packets.
        at = rng.randrange(min(len(data), 200)) if rng.random() < 0.25 else rng.randrange(len(data))
        kind = rng.randrange(8)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at] = rng.randrange(256)
        elif kind == 2:
            width = rng.choice([1, 2, 4])
            value = rng.choice(extremes) & ((1 << 8 * width) - 1)
            data[at : at + width] = value.to_bytes(width, rng.choice(["little", "big"]))
        elif kind == 3:
            del data[at : at + rng.randint(1, 64)]
        elif kind == 4:
            data[at:at] = data[at : at + rng.randint(1, 2000)]
        elif kind == 5:
            length = rng.randint(1, 200)
            data[at : at + length] = rng.randbytes(length)
        elif kind == 6:
            to = rng.randrange(len(data))
            length = rng.randint(1, 500)
            data[to : to + length] = data[at : at + length]
        elif rng.random() < 0.3:
            del data[max(at, 24) :]
    return bytes(data)


class Sweep:
    def __init__(self, args):
        self.args = args
        self.codes = collections.Counter()
        self.findings = []
        self.slowest = (0.0, "")
        self.largest = (0, "")
        self.runs = 0

    def run(self, name, target, formats, keep=None):
        with tempfile.TemporaryDirectory() as out:
            command = [self.args.lmpcap, "analyze", str(target), "--quiet", "-o", out, "--format", formats]
            with tempfile.TemporaryFile() as errors:
                child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
                late = threading.Timer(self.args.seconds * 6, child.kill)
                late.start()
                _, status, usage = os.wait4(child.pid, 0)
                late.cancel()
                child.returncode = os.waitstatus_to_exitcode(status)
                errors.seek(0)
                said = errors.read().decode("utf-8", "replace")
            # Processor time, not time by the clock: another program on this machine is no fault of ours.
            seconds, mib = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
            self.runs += 1
            self.codes[child.returncode] += 1
            self.slowest = max(self.slowest, (seconds, name))
            self.largest = max(self.largest, (mib, name))
            wrong = self.judge(child.returncode, said, seconds, mib, pathlib.Path(out))
        if wrong:
            self.findings.append(f"{name}: {wrong}")
            print(f"FINDING {name}: {wrong}", flush=True)
            if keep:
                keep()

    def judge(self, code, said, seconds, mib, out):
        if "panicked" in said or "failed inside" in said:
            return said.strip()[:500]
        if code not in (0, 1, 2, 3):
            return f"exit code {code}: {said.strip()[:300]}"
        if seconds > self.args.seconds:
            return f"{seconds:.1f} s"
        if mib > self.args.mib:
            return f"{mib:.0f} MiB"
        if code == 2:
            return None if said.strip() and not any(out.iterdir()) else "refused without a word, or with half a report"
        report = json.loads((out / "report.json").read_text())
        return adds_up(report)


def adds_up(report):
    """What is true of every report, whatever the capture."""
    coverage = report["coverage"]
    if coverage["packets"] != sum(p["packets"] for p in report["points"]):
        return "packets of the points are not those of the coverage"
    passed_over = sum(a["count"] for a in report["anomalies"] if a["kind"] == "time_out_of_range")
    if coverage["packets"] + passed_over != sum(f["packets"] for p in report["points"] for f in p["files"]):
        return "packets of the files are not those of their points"
    for service in report["services"]:
        if service["bytes"] != service["bytes_before"] + service["bytes_during"] + service["bytes_after"]:
            return f"bytes of service {service['name']} are not those of its phases"
    for migration in report["migrations"]:
        for span in (migration["downtime"]["vm"]["ms"], migration["total_ms"]):
            if span and not span["lower"] <= span["estimate"] <= span["upper"]:
                return f"an interval does not hold its estimate: {span}"
    for row in report["qos"]:
        percent = row["loss"]["percent"]
        if percent is not None and not 0 <= percent <= 100:
            return f"a loss of {percent} %"
        for grade in (row["grades"] or {}).values():
            if isinstance(grade, dict) and not 0 <= grade.get("index", 0) <= 4:
                return f"a grade of {grade['index']}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lmpcap")
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--copies", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--mib", type=float, default=500)
    args = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sweep = Sweep(args)
    files = list(captures(args.folders))
    if not files:
        sys.exit("no capture below " + " ".join(args.folders))
    runs = sorted({f.parent for f in files if any(f.parent.glob("client*")) or (f.parent / "run.toml").exists()})
    for path in files + runs:
        sweep.run(str(path), path, ALL_FORMATS)
    whole = sweep.runs
    print(f"{len(files)} captures and {len(runs)} runs as they are: exit codes {dict(sweep.codes)}", flush=True)

    kept = pathlib.Path("target/sweep")
    starts = {path: beginning(path) for path in files}
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(args.copies):
            rng = random.Random(f"{args.seed} {number}")
            formats = ALL_FORMATS if number % 20 == 0 else "json"
            name = f"copy {number} of seed {args.seed}"
            if runs and number % 10 == 0:
                # A whole run of which every file is damaged.
                folder = pathlib.Path(scratch) / f"run-{number}"
                folder.mkdir()
                for path in starts:
                    if path.parent == (run := runs[number // 10 % len(runs)]):
                        (folder / plain_name(path).name).write_bytes(mutated(starts[path], rng))
                target, name = folder, f"{name} ({run.name})"
            else:
                path = files[number % len(files)]
                packed = path.suffix in PACKED and number % 7 == 0
                data = path.read_bytes()[:FIRST] if packed else starts[path]
                target = pathlib.Path(scratch) / f"{number}-{(path if packed else plain_name(path)).name}"
                target.write_bytes(mutated(data, rng))
                name = f"{name} ({path.parent.name}/{path.name})"

            def keep():
                kept.mkdir(parents=True, exist_ok=True)
                (shutil.copytree if target.is_dir() else shutil.copy)(target, kept / target.name)

            sweep.run(name, target, formats, keep)
            shutil.rmtree(target) if target.is_dir() else target.unlink()
    print(f"{whole} inputs as they are, {sweep.runs - whole} mutated copies: exit codes {dict(sorted(sweep.codes.items()))}")
    print(f"slowest: {sweep.slowest[0]:.2f} s of processor time, {sweep.slowest[1]}")
    print(f"largest: {sweep.largest[0]:.0f} MiB, {sweep.largest[1]}")
    print(f"{len(sweep.findings)} findings")
    sys.exit(1 if sweep.findings else 0)


if __name__ == "__main__":
    main()
