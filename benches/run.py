#!/usr/bin/env python3
"""Measures lmpcap against tcpdump, tcptrace, argus, capinfos and tshark on the same captures, in turn, and writes RESULTS.md.

usage: run.py LMPCAP CORPUS_DIR RESULTS.md [--rounds 5] [--only full,headers,...]

Each round runs every program once on a file, so that a machine whose speed drifts is unfair to none; ratios are taken pair by pair
within a round and their median is printed. Programs that are not installed are left out and named. Instruction counts (valgrind) do not
depend on what else the machine does.
"""
import argparse, datetime, json, os, platform, re, shutil, statistics, subprocess, tempfile, time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("lmpcap")
parser.add_argument("corpus")
parser.add_argument("results")
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--only", default="")
args = parser.parse_args()
scratch = tempfile.mkdtemp(prefix="lmpcap-bench-")


def run(command):
    """Wall seconds, user+system seconds, user seconds and peak KiB of one command; None if it failed."""
    null = open(os.devnull, "wb")
    before = time.monotonic()
    child = subprocess.Popen(command, stdout=null, stderr=subprocess.PIPE)
    error = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - before
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, 1, 3):
        return None, f"exit {code}: {error[-200:].decode(errors='replace').strip()}"
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "user": usage.ru_utime, "kib": usage.ru_maxrss}, ""


def version(command):
    try:
        out = subprocess.run(command, capture_output=True, text=True)
        lines = [l for l in (out.stdout + out.stderr).splitlines() if any(c.isdigit() for c in l)]
        return lines[0].strip() if lines else "?"
    except OSError:
        return None


def packets(path):
    out = subprocess.run(["capinfos", "-T", "-r", "-c", "-M", path], capture_output=True, text=True).stdout
    return int(out.split("\t")[1]) if "\t" in out else 0


def lmpcap(*inputs):
    return [args.lmpcap, "analyze", *inputs, "-o", os.path.join(scratch, "out"), "--format", "json,html", "-q"]


def corpus(name):
    return os.path.join(args.corpus, name)


def programs(path, slice_path):
    return {
        "lmpcap": lmpcap(path),
        "tcpdump -w /dev/null": ["tcpdump", "-r", path, "-w", "/dev/null"],
        "tcptrace": ["tcptrace", "-n", "-l", path],
        "argus": ["argus", "-r", path, "-w", "/dev/null"],
        "capinfos": ["capinfos", path],
        "tshark (slice)": ["tshark", "-n", "-q", "-r", slice_path, "-z", "conv,tcp", "-z", "io,stat,1"],
    }


lines = []
say = lambda text="": (print(text, flush=True), lines.append(text))
median = statistics.median
say("# Results")
say()
processor = next((l.split(":", 1)[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.machine())
say(f"Measured {datetime.date.today().isoformat()} with `make bench`, {args.rounds} rounds: {platform.system()} {platform.release()}, {processor}, "
    f"{os.cpu_count()} cores, {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') >> 30} GiB of memory; all files in the page cache. "
    f"Load average when it began: {os.getloadavg()[0]:.1f}; what else runs makes wall times longer, and ratios to programs with one thread worse.")
say()
for name, command in {"lmpcap": [args.lmpcap, "--version"], "rustc": ["rustc", "--version"], "tcpdump": ["tcpdump", "--version"], "tcptrace": ["tcptrace", "-v"],
                      "argus": ["argus", "-h"], "tshark": ["tshark", "--version"]}.items():
    say(f"- {name}: {version(command) or 'not installed'}")
say()
for name in ("full", "headers", "flows"):
    if args.only and name not in args.only.split(","):
        continue
    path = corpus(f"{name}.pcap")
    size, count = os.path.getsize(path), packets(path)
    part = os.path.join(scratch, f"{name}-slice.pcap")
    share = min(count, 50_000)
    subprocess.run(["editcap", "-r", path, part, f"1-{share}"], check=True)
    say(f"## {name}: {count:,} packets, {size / 1e6:,.0f} MB")
    say()
    figures, missing = {}, {}
    for round_ in range(args.rounds + 1):
        for program, command in programs(path, part).items():
            if program in missing or (program.startswith("tshark") and round_ > 1):
                continue
            if not shutil.which(command[0]):
                missing[program] = "not installed"
                continue
            figure, why = run(command)
            if figure is None:
                missing[program] = why
            elif round_ > 0:
                figures.setdefault(program, []).append(figure)
    say("| program | wall s | CPU s | packets/s | peak MiB | lmpcap / it, median of pairs |")
    say("|---|---|---|---|---|---|")
    own = figures["lmpcap"]
    for program, list_ in figures.items():
        scale = count / share if program.startswith("tshark") else 1
        wall = median(f["wall"] for f in list_) * scale
        pairs = [a["wall"] / (b["wall"] * scale) for a, b in zip(own, list_)]
        note = " (scaled up from 50,000 packets)" if scale > 1 else ""
        say(f"| {program}{note} | {wall:.3f} | {median(f['cpu'] for f in list_) * scale:.3f} | {count / wall:,.0f} | "
            f"{max(f['kib'] for f in list_) / 1024:.0f} | {'' if program == 'lmpcap' else f'{median(pairs):.3f}'} |")
    say()
    bounds = [a for a in json.load(open(os.path.join(scratch, "out", "report.json")))["anomalies"] if a["kind"] in ("flows_evicted", "flows_folded")]
    for bound in bounds:
        say(f"- the report says: {bound['kind']} {bound['count']:,}{': ' + bound['detail'] if bound['detail'] else ''}")
    if bounds:
        say()
    for program, why in missing.items():
        say(f"- {program}: {why}")
    if missing:
        say()

points = corpus("points")
if not args.only or "points" in args.only.split(","):
    say("## points: three points of one run")
    say()
    # One core each: a point alone uses the second core too, and would leave nothing to gain from reading three at once.
    one_core = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
    alone, single, together = {}, {}, []
    for round_ in range(args.rounds + 1):
        for point in ("client", "source", "destination"):
            command = lmpcap(os.path.join(points, f"{point}.pcap"))
            for prefix, figures in (([], alone), (one_core, single)):
                figure, _ = run(prefix + command)
                if round_:
                    figures.setdefault(point, []).append(figure)
        figure, _ = run(lmpcap(points))
        if round_:
            together.append(figure)
    wall = median(f["wall"] for f in together)
    for figures, how in ((alone, "all cores"), (single, "one core")):
        walls = {p: median(f["wall"] for f in l) for p, l in figures.items()}
        say(f"- alone, {how}: {', '.join(f'{p} {w:.3f} s' for p, w in walls.items())}; together {wall:.3f} s: "
            f"{wall / max(walls.values()):.2f} of the longest, {wall / sum(walls.values()):.2f} of the sum")
    say(f"- peak of the three together: {max(f['kib'] for f in together) / 1024:.0f} MiB")
    say()

if not args.only or "scaling" in args.only.split(","):
    say("## growth: the same packets eight times over, with times that go on")
    say()
    base = corpus("headers.pcap")
    eighth = os.path.join(scratch, "eighth.pcap")
    total = packets(base)
    subprocess.run(["editcap", "-r", base, eighth, f"1-{total // 8}"], check=True)
    small, large = [], []
    for round_ in range(args.rounds + 1):
        a, _ = run(lmpcap(eighth))
        b, _ = run(lmpcap(base))
        if round_:
            small.append(a)
            large.append(b)
    say(f"user time {median(f['user'] for f in small):.3f} s and {median(f['user'] for f in large):.3f} s: "
        f"{median(b['user'] / a['user'] for a, b in zip(small, large)):.2f} times; "
        f"peak {max(f['kib'] for f in small) / 1024:.1f} and {max(f['kib'] for f in large) / 1024:.1f} MiB")
    say()

if not args.only or "compressed" in args.only.split(","):
    say("## compressed input")
    say()
    for tool, ending in (("zstd", "zst"), ("gzip", "gz")):
        packed = corpus(f"full.pcap.{ending}")
        if not os.path.exists(packed):
            subprocess.run(f"{tool} -{'3' if tool == 'zstd' else '1'} -c {corpus('full.pcap')} > {packed}", shell=True, check=True)
        ratios, walls = [], []
        for round_ in range(min(args.rounds, 3) + 1):
            plain, _ = run(lmpcap(corpus("full.pcap")))
            decode, _ = run([tool, "-dc", packed])
            both, _ = run(lmpcap(packed))
            if round_:
                ratios.append(both["wall"] / max(plain["wall"], decode["wall"]))
                walls.append((plain["wall"], decode["wall"], both["wall"]))
        say(f"- {tool}: analysis alone {median(w[0] for w in walls):.3f} s, `{tool} -dc` alone {median(w[1] for w in walls):.3f} s, "
            f"together {median(w[2] for w in walls):.3f} s: {median(ratios):.2f} of the slower")
    say()

if not args.only or "start" in args.only.split(","):
    empty = os.path.join(scratch, "empty.pcap")
    with open(corpus("headers.pcap"), "rb") as f, open(empty, "wb") as out:
        out.write(f.read(24))
    starts = [run([args.lmpcap, "analyze", empty, "-o", "-", "--format", "json"])[0]["wall"] * 1000 for _ in range(args.rounds + 1)][1:]
    say(f"Start-up to the report of an empty capture: {median(starts):.1f} ms; the release binary has {os.path.getsize(args.lmpcap) / 1e6:.1f} MB.")
    say()

if (not args.only or "instructions" in args.only.split(",")) and shutil.which("valgrind"):
    say("## instructions per packet")
    say()
    say("Counted by callgrind on one core, from the difference of two lengths of the same capture: what start and report take is not in it.")
    say()
    for name, counts in (("headers", (100_000, 300_000)), ("full", (20_000, 60_000))):
        total = packets(corpus(f"{name}.pcap"))
        counts = [min(total // 4, counts[0]), min(total, counts[1])]
        cost = []
        for count in counts:
            part = os.path.join(scratch, f"{name}-{count}.pcap")
            subprocess.run(["editcap", "-r", corpus(f"{name}.pcap"), part, f"1-{count}"], check=True)
            command = ["taskset", "-c", str(min(os.sched_getaffinity(0))), "valgrind", "--tool=callgrind", f"--callgrind-out-file={scratch}/callgrind"]
            done = subprocess.run(command + lmpcap(part), capture_output=True, text=True)
            cost.append(int(re.search(r"Collected : (\d+)", done.stderr).group(1)))
        say(f"- {name}: {(cost[1] - cost[0]) / (counts[1] - counts[0]):,.0f} per packet (from {counts[0]:,} and {counts[1]:,} packets)")
    say()

shutil.rmtree(scratch, ignore_errors=True)
kept = ""
if os.path.exists(args.results):
    text = open(args.results).read()
    mark = "<!-- what follows is written by hand -->"
    kept = mark + text.split(mark, 1)[1] if mark in text else ""
with open(args.results, "w") as out:
    out.write("\n".join(lines) + "\n" + kept)
