#!/usr/bin/env python3
"""Analyze a study on a Dask cluster: each task does some runs, the parts are joined into the same bytes as one `lmpcap batch`.

    lmpcap_dask.py /data/study -o /data/out --scheduler tcp://head:8786     # a running cluster
    lmpcap_dask.py /data/study -o /data/out --workers 4                     # processes on this machine

Needs `pip install distributed`. lmpcap, PATH and the output folder must have the same names on all workers (a shared file system).
A task whose worker dies is done again by another one. A study that was stopped goes on where it was: parts that are done are kept.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile


def call(command):
    done = subprocess.run(command, capture_output=True, text=True)
    # 3: the runs were done, but none could be analyzed. That is a result.
    if done.returncode not in (0, 3):
        raise RuntimeError(f"{' '.join(command[:3])} … ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def part(command, ids, parts, name):
    """Does the runs `ids` in a folder of this attempt and gives it its name only when it is whole."""
    final = os.path.join(parts, name)
    if os.path.isfile(os.path.join(final, "study.json")):
        return final
    folder = tempfile.mkdtemp(prefix=f".{name}-", dir=parts)
    try:
        call(command + ["--threads", "1", "--quiet", "-o", folder, "--only", *ids])
        try:
            os.rename(folder, final)
        except OSError:
            # Another attempt at the same runs was faster.
            if not os.path.isfile(os.path.join(final, "study.json")):
                raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return final


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", metavar="PATH", help="folders of runs, or archives (tar, zip)")
    parser.add_argument("-o", "--output", required=True, metavar="DIR")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="scheduler of a running cluster")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="without --scheduler: processes on this machine")
    parser.add_argument("--runs-per-task", type=int, default=1, metavar="N", help="more for small runs (default: 1)")
    parser.add_argument("--lmpcap", default="lmpcap", metavar="PROGRAM")
    parser.add_argument("--option", action="append", default=[], metavar="OPTION", help="for lmpcap batch, such as --option=--method=thesis")
    return parser.parse_args()


def main():
    args = arguments()
    from distributed import Client, LocalCluster, as_completed

    output = os.path.abspath(args.output)
    command = [args.lmpcap, "batch", *[os.path.abspath(path) for path in args.paths], *args.option]
    lines = call(command + ["--list"]).splitlines()[1:]
    ids = [line.split("\t")[0] for line in lines]
    tasks = [ids[at : at + args.runs_per_task] for at in range(0, len(ids), args.runs_per_task)]
    # Parts belong to this command: another one in the same folder must not take them for its own.
    name = hashlib.sha256("\0".join(command).encode()).hexdigest()[:12]
    parts = os.path.join(output, f".parts-{name}")
    os.makedirs(parts, exist_ok=True)
    cluster = None if args.scheduler else LocalCluster(n_workers=args.workers, threads_per_worker=1, dashboard_address=None)
    with Client(args.scheduler or cluster) as client:
        futures = []
        for task in tasks:
            of_task = hashlib.sha256("\0".join(task).encode()).hexdigest()[:16]
            futures.append(client.submit(part, command, task, parts, of_task, retries=3, pure=False))
        done = []
        for future in as_completed(futures):
            done.append(future.result())
            print(f"lmpcap_dask: {len(done)} of {len(tasks)} tasks", file=sys.stderr)
    if cluster:
        cluster.close()
    print(call([args.lmpcap, "batch", "--merge", *sorted(done), "-o", output]), end="")
    shutil.rmtree(parts)


if __name__ == "__main__":
    main()
