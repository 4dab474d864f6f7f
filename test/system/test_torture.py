"""Each allocation and each call into the system that can fail fails once in a one-device job: the station ends
cleanly and says why, nothing crashes or is left, what was told is durable, and a station without fault finishes
the unit (I2 I5 I7 I10). A seeded sample; all of it with KILN_SWEEP=1 (hours)."""

import collections
import errno
import os
import random
import sys
import unittest

from torture_kit import BIN, INTERRUPTIBLE, PROGRAMS, SHIM, Plan, count_sites

SEED = int(os.environ.get("KILN_SEED", "1"))
WHOLE = os.environ.get("KILN_SWEEP") == "1"
SECONDS = None if WHOLE else int(os.environ.get("KILN_TORTURE_SECONDS", "60"))
REPORT = os.path.join(BIN, "..", "torture.txt")
ALWAYS = {("kiln", function) for function in ("malloc", "calloc", "realloc", "open", "read", "write", "fsync", "lock",
                                              "pipe", "socket", "spawn", "thread", "mmap", "watch", "poll", "stat")}
ALWAYS |= {(program, function) for program in PROGRAMS[1:] for function in ("malloc", "read", "write", "poll")}
ALWAYS |= {("kiln-enroller", function) for function in ("socket", "connect", "send", "recv")}


def plan(sites, random_source):
    """(what must run, what may): one site of each (program, function) first, then the others as they come."""
    sites = list(sites)
    random_source.shuffle(sites)
    must, more, seen = [], [], set()
    for site in sites:
        (more if site.pair() in seen else must).append((site, None, False))
        seen.add(site.pair())
    interrupted = [(s, errno.EINTR, False) for s in sites if s.function in INTERRUPTIBLE]
    for_ever = [(s, None, True) for s in random_source.sample(sites, len(sites) // 10)]
    if WHOLE:
        return must, more + interrupted + for_ever
    must += interrupted[:2] + for_ever[:3]
    return must, more


def report(sites, results):
    found = collections.Counter(s.pair() for s in sites)
    run = collections.Counter(r.site.pair() for r in results)
    outcomes = collections.Counter((r.site.program, r.outcome) for r in results)
    crashes = collections.Counter(r.crash for r in results if r.crash)
    lines = [f"torture, seed {SEED}: {len(sites)} sites found, {len(results)} runs, "
             f"{sum(not r.fired for r in results)} not reached, "
             f"{sum(bool(r.violations) for r in results)} with violations", ""]
    lines += [f"{program:14} {function:9} {found[program, function]:5} found {run[program, function]:5} run"
              for program, function in sorted(found)]
    lines += ["", "outcomes:"] + [f"{program:14} {count:5} {outcome}"
                                  for (program, outcome), count in sorted(outcomes.items())]
    lines += ["", "crashes inside of foreign libraries, which end only their own process:"] if crashes else []
    lines += [f"{count:5} {crash}" for crash, count in sorted(crashes.items())]
    slow = sorted(results, key=lambda r: -r.seconds)[:3]
    lines += ["", "slowest: " + ", ".join(f"{r.name()} {r.seconds:.1f} s" for r in slow)]
    for r in results:
        if r.violations:
            lines += ["", "VIOLATION " + r.name(), *("  " + v for v in r.violations), r.detail]
    return "\n".join(lines) + "\n"


class Torture(unittest.TestCase):
    def test_I2_I5_I7_I10_one_call_fails_in_a_job(self):
        self.assertTrue(os.path.exists(SHIM), f"{SHIM} is not built")
        sites = count_sites()
        pairs = {s.pair() for s in sites}
        self.assertFalse(ALWAYS - pairs, "these calls of a job were not seen")
        must, more = plan(sites, random.Random(SEED))
        results = Plan(must, more, SECONDS).run()
        text = report(sites, results)
        with open(REPORT, "w", encoding="utf-8") as file:
            file.write(text)
        sys.stderr.write(text)
        self.assertEqual({r.site.pair() for r in results}, pairs)
        reached = sum(r.fired for r in results)
        self.assertGreater(reached, len(results) * 3 // 4, "most of the sites were not reached again")
        self.assertFalse([r.name() for r in results if r.violations])


if __name__ == "__main__":
    unittest.main(verbosity=2)
