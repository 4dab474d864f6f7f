"""The kill sweep. Which points there are is found by counting the hits of an undisturbed job; then the job is
run once for each, with kill -9 there: of the station, of the child itself, of the station while its child
stands there, of the emulated device. By default a spread sample that has every kind of point; all of them with KILN_SWEEP=1.

    sweep.py                               prints the table, also to build/<preset>/sweep.txt
    sweep.py PROGRAM:POINT:N:MODE[:AGAIN] ...   only these, of the one-device job (what a violation names)
"""

import collections
import os
import random
import shutil
import sys
import threading
import time

from station_kit import BIN
from sweep_kit import Point, Site, skip_without_failpoints

SEED = int(os.environ.get("KILN_SEED", "1"))
WHOLE = os.environ.get("KILN_SWEEP") == "1"
SLOW = bool(os.environ.get("KILN_SANITIZE"))
REPORT = os.path.join(os.path.dirname(BIN), "sweep.txt")
KEPT = os.path.join(os.path.dirname(BIN), "sweep-violations")


def points_of(hits):
    """Every point of a job: a hit of the station's child is two of them."""
    seen = collections.Counter()
    points = []
    for name, program in hits:
        seen[program, name] += 1
        for mode in ["kill"] if program in ("kiln", "kiln-twin") else ["kill", "parent"]:
            points.append(Point(program, name, seen[program, name], mode))
    return points


def spread(points, count):
    """That many, evenly over the job."""
    return [points[int((i + 0.5) * len(points) / count)] for i in range(min(count, len(points)))]


def of_each_kind(points):
    kinds = collections.defaultdict(list)
    for point in points:
        kinds[point.kind()].append(point)
    return [random.choice(same) for same in kinds.values()]


def sample(points, kinds_max, more):
    """One of every kind, so many kinds at most, and some more."""
    kinds = of_each_kind(points)
    chosen = random.sample(kinds, min(kinds_max, len(kinds))) + spread(points, more)
    return list({str(p): p for p in chosen}.values())


def twice(points, count):
    """Kills of the station, each followed by one while it starts again or works on."""
    stations = [p for p in points if p.kills_station()]
    return [Point(p.program, p.name, p.n, p.mode, random.randint(1, 120)) for p in spread(stations, count)]


class Crew:
    """Walks points at as many sites at once as there are processors."""

    def __init__(self, devices, slots, points):
        self.devices, self.slots = devices, slots
        self.todo = collections.deque(enumerate(points))
        self.done = []
        self.failure = None

    def work(self):
        try:
            site = Site(self.devices, self.slots)
            try:
                while self.failure is None:
                    turn, point = self.todo.popleft()
                    passage = site.walk(point, turn)
                    self.done.append(passage)
                    if passage.violation:
                        print(f"VIOLATION {self.devices} device(s) {point}: {passage.violation}", flush=True)
                        self.keep(site, point)
            finally:
                site.close()
        except IndexError:
            pass  # nothing left to do
        except BaseException as why:  # pylint: disable=broad-except
            self.failure = why

    def keep(self, site, point):
        folder = os.path.join(KEPT, f"{self.devices}-{str(point).replace(':', '-')}")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(site.world.folder, folder, symlinks=True, ignore=shutil.ignore_patterns("devices", "*.pin"))

    def run(self):
        threads = [threading.Thread(target=self.work) for _ in range(min(os.cpu_count() or 1, 8))]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except BaseException as why:  # of a person who has seen enough: each finishes its passage
            self.failure = why
            raise
        if self.failure is not None:
            raise self.failure
        return self.done


def count_hits(devices, slots):
    site = Site(devices, slots)
    try:
        return site.count()
    finally:
        site.close()


def table(title, points, done):
    """Lines of the report: per program, the points found and run, and how the passages ended."""
    lines = [f"{title}: {len(points)} points found, {len(done)} run"]
    lines.append(f"  {'program':<15}{'kill of':<9}{'names':>6}{'found':>7}{'run':>6}  outcomes")
    rows = collections.defaultdict(list)
    for point in points:
        rows[point.program, point.mode].append(point)
    for (program, mode), same in sorted(rows.items()):
        mine = [p for p in done if (p.point.program, p.point.mode) == (program, mode)]
        outcomes = collections.Counter(p.outcome for p in mine if not p.violation)
        outcomes["VIOLATION"] = sum(1 for p in mine if p.violation)
        text = ", ".join(f"{n} {name}" for name, n in sorted(outcomes.items()) if n)
        whom = "station" if mode == "parent" else "itself"
        lines.append(f"  {program:<15}{whom:<9}{len({p.name for p in same}):>6}{len(same):>7}{len(mine):>6}  {text}")
    listed = [p for p in done if p.orphans]
    lines.append(f"  orphans: {sum(p.orphans for p in listed)} listed after {len(listed)} of the kills; violations: "
                 f"{sum(1 for p in done if p.violation)}")
    for p in done:
        if p.outcome.startswith("operator"):
            lines.append(f"  waits for the operator: {p.point} {p.outcome}")
    return lines


def sweep(title, devices, slots, choose):
    """The report's lines, and whether the sweep is as it should be."""
    began = time.monotonic()
    points = points_of(count_hits(devices, slots))
    chosen = choose(points)
    done = Crew(devices, slots, chosen).run()
    lines = table(title, points, done)
    missed = [p for p in done if not p.reached and not p.violation]
    lines.append(f"  seed {SEED}, {time.monotonic() - began:.0f} s, {len(missed)} not reached")
    for kind in {p.kind() for p in chosen} - {p.point.kind() for p in done if p.reached or p.violation}:
        lines.append(f"  never reached: {kind}")
    good = not any(p.violation for p in done) and len(done) == len(chosen) and len(missed) <= len(done) // 10
    return lines, good


def walk_named(texts):
    done = Crew(1, 1, [Point.parse(text) for text in texts]).run()
    for p in done:
        print(p.point, "reached" if p.reached else "not reached", p.outcome, p.violation or "", f"{p.seconds:.2f} s")
    return not any(p.violation for p in done)


def main():
    random.seed(SEED)
    if len(sys.argv) > 1:
        return walk_named(sys.argv[1:])
    shutil.rmtree(KEPT, ignore_errors=True)
    seen = set()

    def unseen(points):
        return [p for p in of_each_kind(points) if p.kind() not in seen]

    def pick(whole, usual, slow):
        return whole if WHOLE else slow if SLOW else usual

    def one(points):
        seen.update(p.kind() for p in points)
        return pick(points, sample(points, 1000, 150), sample(points, 1000, 0))

    def eight(points):
        seen.update(p.kind() for p in points)
        return pick(sample(points, 1000, 240), sample(points, 15, 15), sample(points, 3, 3))

    results = [
        sweep("one device", 1, 1, one),
        sweep("one device, and the station once more while it recovers", 1, 1,
              lambda points: twice(points, pick(200, 20, 4))),
        sweep("eight devices in four slots", 8, 4, eight),
        # Long enough for the records' log to be folded in while units are made.
        sweep("twenty devices in four slots: the points that no shorter job has", 20, 4, unseen),
    ]
    report = "\n".join(["kill sweep" + (", whole" if WHOLE else ", sample")] +
                       [line for lines, _ in results for line in lines]) + "\n"
    with open(REPORT, "w", encoding="utf-8") as file:
        file.write(report)
    print(report)
    return all(good for _, good in results)


if __name__ == "__main__":
    skip_without_failpoints()
    sys.exit(0 if main() else 1)
