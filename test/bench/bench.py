"""scripts/bench: groups of measurements in interleaved rounds, one table of ratios with their bars."""

import argparse
import importlib
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time

import report
from figures import Board
from rig import build_shim

GROUPS = ("floor", "scaling", "cost", "script", "outage", "records")
ROUNDS, QUICK = 7, 3


class Context:
    """How much is measured, and where groups keep what they make once."""

    def __init__(self, arguments, folder):
        self.quick, self.tiny, self.full = arguments.quick, arguments.tiny, arguments.full
        self.folder, self.shim, self.kept, self.open = folder, folder, {}, []
        build_shim(folder)

    def slots(self, wanted):
        if self.tiny:
            return sorted({min(s, 2) for s in wanted})
        return [s for s in wanted if not self.quick or s <= 64]

    def count(self, whole, quick):
        return 1 if self.tiny else quick if self.quick else whole

    def once(self, key, make):
        """What a group makes once for all its rounds."""
        if key not in self.kept:
            self.kept[key] = make()
        return self.kept[key]

    def close_later(self, station):
        self.open.append(station)

    def close(self):
        for station in self.open:
            station.close()


def read_arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} rounds instead of {ROUNDS}, and less in each")
    parser.add_argument("--full", action="store_true", help="10 million units too (group records)")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--tiny", action="store_true", help="two slots: to see that it works, not how fast")
    parser.add_argument("--out", default=os.path.join(os.environ["KILN_SOURCE"], "build"), help="where bench.json, "
                        "bench.md and bench.svg go")
    parser.add_argument("group", nargs="*", help=" ".join(GROUPS) + "; all without one")
    arguments = parser.parse_args()
    for name in arguments.group:
        if name not in GROUPS:
            parser.error(f"there is no group {name!r}: {' '.join(GROUPS)}")
    arguments.rounds = arguments.rounds or (QUICK if arguments.quick else ROUNDS)
    return arguments


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "")
    return {"cpu": model or platform.machine(), "cores": os.cpu_count(), "kernel": platform.release(),
            "load": os.getloadavg()}


def yardstick(board, count=20):
    """How fast this machine is just now: what starting a small program that uses libcrypto costs it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(count):
        subprocess.run(["openssl", "dgst", "-sha256", "/dev/null"], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    board.tell("yardstick", 1000 * used / count, "yardstick: CPU of `openssl dgst` of nothing", unit="ms", digits=1)


def measure(arguments, board):
    """Yields after each round how many there have been."""
    names = arguments.group or GROUPS
    with tempfile.TemporaryDirectory(prefix="kiln-bench-") as folder:
        context = Context(arguments, folder)
        try:
            for n in range(arguments.rounds):
                yardstick(board)
                for name in names:
                    begun = time.monotonic()
                    importlib.import_module("group_" + name).round(context, board)
                    print(f"round {n + 1} of {arguments.rounds}: {name}, {time.monotonic() - begun:.0f} s",
                          file=sys.stderr)
                yield n + 1
        finally:
            context.close()


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def save(folder, board, whole):
    os.makedirs(folder, exist_ok=True)
    write(os.path.join(folder, "bench.json"), json.dumps(whole, indent=1) + "\n")
    write(os.path.join(folder, "bench.md"), report.markdown(board, whole))
    if board.series:
        write(os.path.join(folder, "bench.svg"), report.plot(whole["plot"]))


def main():
    arguments = read_arguments()
    board = Board()
    before = machine()
    for rounds in measure(arguments, board):  # one that is broken off leaves the rounds that were whole
        save(arguments.out, board, {"machine": before, "load_after": os.getloadavg(), "rounds": rounds,
                                    "quick": arguments.quick, **board.describe()})
    print(report.table(board) + f"\n\n{arguments.out}: bench.json, bench.md" + (", bench.svg" if board.series else ""))


if __name__ == "__main__":
    main()
