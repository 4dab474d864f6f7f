"""The fault matrix (test/matrix/faults.json): each step of a job against each fault. Every cell says which class
of outcome is expected and how it is run, or why there is nothing to run; every run that can be is made against
the real programs, and the promises are checked after each. By default a spread sample with every kind of run in
it; all of them with KILN_SWEEP=1.

    test_matrix.py                     prints the table, also to build/<preset>/matrix.txt
    test_matrix.py F3/S12 F9 ...       only these
"""

import collections
import json
import os
import random
import sys
import time

from matrix_kit import RUNNERS, Rig, Skip, run_program
from station_kit import BIN, SOURCE
from sweep_kit import Violation, skip_without_failpoints

DATA = os.path.join(SOURCE, "test", "matrix", "faults.json")
REPORT = os.path.join(os.path.dirname(BIN), "matrix.txt")
SEED = int(os.environ.get("KILN_SEED", "1"))
WHOLE = os.environ.get("KILN_SWEEP") == "1"
BUDGET_S = 150  # of a sample
FAULTS = [f"F{n}" for n in range(1, 23)]
STEPS = ["S1-S3", "S4-S6", "S7", "S8-S9", "S10", "S11", "S12", "S13", "S14"]
# What can be seen of a unit with a fault, and what it means. The promises hold in each.
CLASSES = {
    "retry": "passes in the same passage, nobody touches it",
    "wait": "waits in its slot and passes when the fault is over",
    "continue": "the station dies; started again, it finishes the unit",
    "park": "waits outside and passes when it is plugged in again",
    "abort": "ends before it had a job, and passes when it is plugged in again",
    "fail": "the unit fails; what was issued to it is listed",
    "stop": "the station ends with a fault (4) and no PASS; it finishes the unit later",
    "refuse-start": "the station does not start until the records are put right",
    "bounded": "the station or the unit may go on, wait or end",
}


class Run:
    """One line of a cell."""

    def __init__(self, fault, step, row, expected):
        self.fault, self.step, self.row = fault, step, row
        self.expected = row.get("class", expected)
        self.seen, self.why, self.seconds = None, None, 0.0

    def kind(self):
        return self.row.get("do") or self.row["test"]

    def name(self):
        detail = [str(v) for k, v in self.row.items() if k not in ("do", "class")]
        return f"{self.fault}/{self.step} {self.row.get('do', 'test')} {' '.join(detail)}"


def check_data(data):
    """Every cell there is, and nothing else: a class and runs that exist, or a reason."""
    wrong = []
    if list(data["faults"]) != FAULTS or list(data["steps"]) != STEPS:
        wrong.append("the faults are not F1..F22, or the steps not those of the matrix")
    for fault, row in data["faults"].items():
        if list(row["cells"]) != STEPS:
            wrong.append(f"{fault}: not every step has a cell")
        for step, cell in row["cells"].items():
            wrong += [f"{fault}/{step}: {text}" for text in check_cell(data, cell)]
    return wrong


def check_cell(data, cell):
    if "none" in cell:
        if set(cell) != {"none"} or len(cell["none"]) < 20:
            yield "a cell without runs has a reason and nothing else"
        return
    if cell.get("class") not in CLASSES or not cell.get("runs"):
        yield "neither runs of a known class nor a reason"
        return
    for row in cell["runs"]:
        if "test" in row:
            path = os.path.join(SOURCE, "test", row["test"] + ".c")
            if not os.path.exists(path):
                yield f"there is no test {row['test']}"
        elif row.get("do") not in RUNNERS:
            yield f"there is no runner {row.get('do')}"
        elif "at" in row and row["at"] not in data["moments"]:
            yield f"there is no moment {row['at']}"
        if row.get("class", cell["class"]) not in CLASSES:
            yield f"there is no class {row['class']}"


def all_runs(data):
    return [Run(fault, step, row, cell["class"]) for fault, cells in data["faults"].items()
            for step, cell in cells["cells"].items() for row in cell.get("runs", [])]


def sample(runs):
    """One of every kind of run first, then one of every fault and step, then the rest: as far as time goes."""
    random.shuffle(runs)
    order, seen = [], collections.Counter()
    for key in (lambda r: r.kind(), lambda r: r.fault, lambda r: r.step, str):
        for run in runs:
            if run not in order and not seen[key(run)]:
                seen[key(run)] += 1
                order.append(run)
        seen.clear()
    return [r for r in order if "test" not in r.row]  # they are tests of this build in their own right


def perform(rigs, data, run):
    began = time.monotonic()
    rig = None
    try:
        if "test" in run.row:
            run_program(None, run.row, None)
            run.seen = run.expected
        else:
            devices = 2 if run.row["do"] == "swap" else 1
            if devices not in rigs:
                rigs[devices] = Rig(devices)
            rig = rigs[devices]
            run.seen = RUNNERS[run.row["do"]](rig, run.row, data["moments"].get(run.row.get("at")))
            if run.expected not in (run.seen, "bounded"):
                run.why = f"expected {run.expected}: {rig.told} {rig.printed[-1:]}"
    except Skip as what:
        run.seen = f"skipped: {what}"
    except Violation as why:
        run.why = str(why)
    except Exception as why:  # pylint: disable=broad-except
        run.why = f"{type(why).__name__}: {why}"
    if rig is not None:
        rig.end()
    run.seconds = time.monotonic() - began


def check_moments(rigs):
    """The moments are counted in a job of a known shape."""
    rigs[1] = Rig(1)
    rigs[1].begin()
    names = [name for name, program in rigs[1].count() if program == "kiln"]
    if (names.count("job.walk"), names.count("records.commit")) != (14, 10):
        raise Violation(f"a job has other moments now ({names.count('job.walk')} rows, "
                        f"{names.count('records.commit')} commits): correct the moments in {DATA}")


def mark_of(data, runs, fault, step):
    cell = data["faults"][fault]["cells"][step]
    mine = [r for r in runs if (r.fault, r.step) == (fault, step)]
    if "none" in cell:
        return "."
    if any(r.why for r in mine):
        return "FAILED"
    return cell["class"] if any(r.seen for r in mine) else f"({cell['class']})"


def report(data, runs):
    lines = ["The fault matrix. A class: run and as expected; (class): not in this sample; .: nothing to run.", ""]
    lines.append("      " + "".join(f"{s:>13}" for s in STEPS))
    for fault in FAULTS:
        lines.append(f"{fault:<6}" + "".join(f"{mark_of(data, runs, fault, s):>13}" for s in STEPS))
    lines += ["", *[f"{name:<13} {what}" for name, what in CLASSES.items()], ""]
    lines += [f"{f:<6}{data['faults'][f]['what']}" for f in FAULTS] + [""]
    for fault in FAULTS:
        reasons = collections.defaultdict(list)
        for step, cell in data["faults"][fault]["cells"].items():
            if "none" in cell:
                reasons[cell["none"]].append(step)
        lines += [f"{fault} {', '.join(steps)}: {why}" for why, steps in reasons.items()]
    lines.append("")
    for run in runs:
        if run.why:
            lines.append(f"FAILED {run.name()}: saw {run.seen}; {run.why}")
        elif run.seen and run.seen.startswith("skipped"):
            lines.append(f"SKIP: {run.name()}: {run.seen}")
    cells = [(f, s) for f in FAULTS for s in STEPS]
    explained = [c for c in cells if "none" in data["faults"][c[0]]["cells"][c[1]]]
    made = [r for r in runs if r.seen or r.why]
    ran = {(r.fault, r.step) for r in made}
    failed = {(r.fault, r.step) for r in runs if r.why}
    slowest = max(made, key=lambda r: r.seconds, default=None)
    lines.append(f"matrix: {len(cells)} cells, {len(explained)} explained, {len(ran)} ran, {len(ran - failed)} passed; "
                 f"{len(made)} of {len(runs)} runs, {sum(1 for r in made if r.why)} failed"
                 + (f"; the longest {slowest.seconds:.1f} s ({slowest.name()})" if slowest else ""))
    return lines, not failed


def main():
    with open(DATA, encoding="utf-8") as file:
        data = json.load(file)
    wrong = check_data(data)
    for text in wrong:
        print(text)
    if wrong:
        return 1
    random.seed(SEED)
    runs = all_runs(data)
    wanted = sys.argv[1:]
    chosen = [r for r in runs if r.name().startswith(tuple(wanted))] if wanted else runs if WHOLE else sample(list(runs))
    rigs = {}
    try:
        check_moments(rigs)
        end = time.monotonic() + BUDGET_S
        for run in chosen:
            if not wanted and not WHOLE and time.monotonic() > end:
                break
            perform(rigs, data, run)
            print(f"{'FAILED' if run.why else run.seen:<14} {run.seconds:5.1f} s  {run.name()}", flush=True)
    finally:
        for rig in rigs.values():
            rig.close()
    lines, good = report(data, runs)
    print("\n".join(lines))
    with open(REPORT, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    skip_without_failpoints()
    sys.exit(main())
