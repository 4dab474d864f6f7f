"""How a cell of the fault matrix is run: one fault at one moment of a job, on a prepared world; then the fault is
mended, the devices come back, and the promises are checked. What happened is put into a class."""

import glob
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import time

from station_kit import BIN, LOCKED, PASSED, PENDING, STATION, UNITS, Batch
from sweep_kit import KILLED, Site, Violation, check, counted, need, passed_serials, passed_serials_told
from test_crash import children_of
from outage_kit import Road

HOLD_MS = 400  # how long a program stands at a moment while the fault is made
PATIENCE_S = 30
FAKETIME = (glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1") or [""])[0]
RECORDS = ["records.db", "records.db-wal", "records.db-shm"]
SANITIZED = bool(os.environ.get("KILN_SANITIZE"))


class Skip(Exception):
    """What this run needs and this build or machine has not."""


class Rig(Site):
    """A Site of which one passage has a fault."""

    def __init__(self, devices):
        retry = "min_s: 1, max_s: 1, default_s: 1, patience_s: 40"
        super().__init__(devices=devices, slots=1, retry=retry)
        self.road, self.mends, self.told = None, [], []

    # What a passage begins with.

    def begin(self, fault=None, label=None, road=False):
        w = self.world
        w.options["faults"] = (fault + "@1",) if fault else ()
        w.set_label(label)
        self.renew()
        self.mends, self.told = [], []
        if road:
            self.road = Road(w.ca.hello["url"])
            self.mends.append(self.road.stop)
            w.write("station.yaml", w.text.replace("URL", self.road.url))

    def end(self):
        for mend in reversed(self.mends):
            mend()
        self.mends = []

    def plugged(self):
        return {s["slot"]: s.get("serial") for s in self.world.twins.ask("list")["slots"]}

    def replug(self, slot, serial):
        """A device whose power was cut may be seen to leave at this very moment."""
        self.world.twins.ask("unplug", slot=slot)
        self.world.twins.ask("plug", slot=slot, serial=serial)

    def light(self):
        """Devices without power are a runner's own doing."""

    # The operator, who also brings back what somebody took out.

    def hand(self, unit):
        slot, serial = int(unit["slot"]), unit["serial"]
        self.told.append(unit)
        plugged = self.plugged()[slot]
        if unit["outcome"] == "passed" or unit.get("code") == "claim.passed":
            self.ended[serial] = "passed"
        elif unit["outcome"] == "failed" and unit["domain"] == "link":
            pass
        elif unit["outcome"] != "parked" and serial:
            self.ended[serial] = unit.get("code", "?")
        if plugged is not None and plugged not in self.ended:
            if plugged == serial or not serial:
                self.replug(slot, plugged)
            return
        if plugged is not None:
            self.world.twins.ask("unplug", slot=slot)
        left = [s for s in self.world.serials() if s not in self.ended]
        if left:
            self.world.twins.ask("plug", slot=slot, serial=left[0])

    def return_devices(self, turn):
        left = [s for s in self.world.serials() if s not in self.ended]
        plugged = self.plugged()[1]
        if plugged is not None and left and plugged not in left:
            self.world.twins.ask("unplug", slot=1)
            plugged = None
        if plugged is None:
            self.world.twins.ask("plug", slot=1, serial=(left or self.world.serials())[0])
        if not left:
            self.ended.pop(self.world.serials()[0])

    # A station with a fault.

    def wait(self, holds, what, batch=None):
        end = time.monotonic() + PATIENCE_S
        while not holds():
            if batch is not None and batch.process.poll() is not None:
                return False
            need(time.monotonic() < end, "it never came to " + what)
            time.sleep(0.005)
        return True

    def faulty_start(self, rule=None, **more):
        environment = dict(more)
        if rule:
            environment.update(KILN_FAILPOINT=rule, KILN_FAILPOINT_COUNT=self.world.path("count"))
        return self.start(environment)

    def held_at(self, moment, **more):
        """A station that stands at the moment; the fault is made before it goes on."""
        batch = self.faulty_start(f"{moment}:sleep={HOLD_MS}", **more)
        n = int(moment.rsplit(":", 1)[1])
        need(self.wait(lambda: counted(self.world.path("count")) >= n, moment, batch), "it ended before " + moment,
             batch.stderr)
        return batch

    def drain(self, code, turn=0):
        """After a fault that is over: every device ends. The promises hold."""
        before = self.world.log() if os.path.exists(self.world.path("records.db")) else []
        if len(self.ended) < self.devices or code not in (PASSED, UNITS, PENDING):
            self.finish(turn)
        check(self, before)

    def waited(self):
        return [e for e in self.events if e["event"] == "step" and e["outcome"] == "wait"]


def unplug(rig, batch):
    rig.world.twins.ask("unplug", slot=1)
    time.sleep(HOLD_MS / 1000 * 1.5)
    if not rig.told and batch.process.poll() is None:
        rig.world.twins.ask("plug", slot=1, serial=rig.world.serials()[0])


def swap(rig, _):
    rig.world.twins.ask("swap", slot=1)


def ca_away(rig, batch):
    rig.road.close()
    rig.wait(lambda: any(e["event"] == "step" and e["outcome"] in ("wait", "failed") or e["event"] == "unit"
                         for e in list(batch.events)), "waiting", batch)
    rig.road.open()


def token_gone(rig, batch):
    w = rig.world
    os.rename(w.path("tokens"), w.path("hidden"))
    for pid in children_of(batch.process.pid, "kiln-signer"):
        os.kill(pid, signal.SIGKILL)
    rig.wait(lambda: any(e["event"] == "step" and e["outcome"] == "wait" or e["event"] == "unit"
                         for e in list(batch.events)), "waiting", batch)
    os.rename(w.path("hidden"), w.path("tokens"))


def lock(rig, batch):
    """Longer than the station waits for its database."""
    stranger = sqlite3.connect(rig.world.path("records.db"), isolation_level=None)
    stranger.execute("BEGIN IMMEDIATE")
    try:
        batch.process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired as why:
        raise Violation("the station goes on without its records") from why
    finally:
        stranger.close()


def second(rig, _):
    other = Batch(rig.world, swap=False)
    code = other.wait()
    need(code == LOCKED, "a second station on the same records was not refused", code, other.stderr)


def status_kib(pid, name):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(next(line for line in file if line.startswith(name + ":")).split()[1])


def limit(kind, value):
    def do(rig, batch):
        if kind == resource.RLIMIT_AS and SANITIZED:
            raise Skip("a limit of memory under a sanitizer")
        pid = batch.process.pid
        hard = resource.prlimit(pid, kind)[1]
        resource.prlimit(pid, kind, (value(rig, pid), hard))
    return do


LIMITS = {
    "limit-memory": limit(resource.RLIMIT_AS, lambda _, pid: status_kib(pid, "VmSize") * 1024),
    "limit-files": limit(resource.RLIMIT_NOFILE, lambda _, pid: len(os.listdir(f"/proc/{pid}/fd"))),
    "limit-fsize": limit(resource.RLIMIT_FSIZE, lambda rig, _: os.path.getsize(rig.world.path("records.db-wal"))),
}


# The runners. Each takes a rig, the run's row and the moment; returns the class of what it saw.

def run_kill(rig, row, moment):
    rig.begin()
    mode = "kill" if moment.startswith("kiln:") or row.get("who") == "child" else "parent"
    code = rig.drive(rig.faulty_start(f"{moment}:{mode}"))
    n = int(moment.rsplit(":", 1)[1])
    need(counted(rig.world.path("count")) >= n, "the moment was never reached")
    if row.get("who") == "child":
        seen = classify(rig, code)
        rig.drain(code)
        return seen
    need(code == KILLED, "the station was not killed", code)
    rig.drain(code)
    return "continue" if set(rig.ended.values()) == {"passed"} else "lost"


def classify(rig, code):
    """From what the first unit was told, whether it waited, and how all ended."""
    claimed = {e["serial"] for e in rig.world.log() if e["event"] == "claim"}
    first = rig.told[0] if rig.told else None
    if code == STATION:
        return "stop"
    if first is None:
        return "silent"
    if first["outcome"] == "passed":
        return "wait" if rig.waited() else "retry"
    if first["outcome"] == "parked":
        return "park"
    if first["domain"] == "link" or first["serial"] not in claimed:
        return "abort"
    return "fail"


def run_held(act, **options):
    def run(rig, row, moment):
        rig.begin(**options)
        batch = rig.held_at(moment)
        act(rig, batch)
        code = rig.drive(batch)
        seen = classify(rig, code)
        rig.drain(code)
        if seen in ("park", "retry", "wait", "stop", "abort"):
            need(set(rig.ended.values()) == {"passed"}, "a good unit did not pass in the end", rig.ended)
        return seen
    return run


def run_limit(kind):
    def run(rig, row, moment):
        rig.begin()
        batch = rig.held_at(moment)
        LIMITS[kind](rig, batch)
        deadline = time.monotonic() + 5  # what lives on in its bounds is ended then
        while batch.process.poll() is None and time.monotonic() < deadline and not batch.units:
            time.sleep(0.02)
        batch.process.kill()
        code = rig.drive(batch)
        need(passed_serials_told(rig.events) <= passed_serials(rig.world.log()),
             "I5: a PASS was told and is not in the records")
        rig.drain(code)
        need(set(rig.ended.values()) == {"passed"}, "a good unit did not pass in the end", rig.ended)
        return "bounded"
    return run


def run_twin(rig, row, _):
    rig.begin(fault=row["fault"])
    code = rig.drive(rig.faulty_start())
    seen = classify(rig, code)
    need(code in (PASSED, UNITS, PENDING), "a device stopped the station", code, rig.printed[-1])
    rig.drain(code)
    if seen in ("retry", "park", "wait"):
        need(set(rig.ended.values()) == {"passed"}, "a good unit did not pass in the end", rig.ended)
    return seen


def run_label(rig, row, _):
    """A CA with a fault; a unit that waits for it comes back when it has none."""
    rig.begin(label=row["label"])
    batch = rig.faulty_start()
    unit = batch.wait_for(lambda e: e["event"] == "unit", PATIENCE_S)
    batch.process.send_signal(signal.SIGINT)
    code = batch.wait()
    for u in batch.units:
        rig.hand(u)
    rig.events += batch.events
    rig.printed += [str(batch.events), batch.stderr]
    seen = classify(rig, code)
    posts = rig.world.posts()[rig.posts_before:]
    need(len({p["csr_sha256"] for p in posts}) == 1, "a retry sent another CSR")
    rig.world.set_label(None)
    rig.drain(code)
    if seen in ("park", "wait", "retry"):
        need(set(rig.ended.values()) == {"passed"}, "a good unit did not pass in the end", rig.ended, unit)
    else:
        issued = [p for p in posts if p.get("certificate_sha256")]
        need(len(rig.world.orphans()) >= len(issued), "I2: a certificate that failed is not listed")
    return seen


def run_clock(rig, row, moment):
    if not FAKETIME:
        raise Skip("libfaketime")
    rig.begin()
    clock = rig.world.path("clock")

    def move(by):
        with open(clock + ".new", "w", encoding="ascii") as file:
            file.write(by + "\n")
        os.rename(clock + ".new", clock)

    move("+0")
    more = dict(LD_PRELOAD=FAKETIME, FAKETIME_TIMESTAMP_FILE=clock, FAKETIME_NO_CACHE="1",
                FAKETIME_DONT_FAKE_MONOTONIC="1", FAKETIME_ONLY_CMDS="kiln")
    if SANITIZED:
        more["ASAN_OPTIONS"] = os.environ["ASAN_OPTIONS"] + ":verify_asan_link_order=0"
    batch = rig.held_at(moment, **more)
    move(row["by"])
    code = rig.drive(batch)
    seen = classify(rig, code)
    rig.drain(code)
    return seen


def copy_records(source, to):
    os.makedirs(to, exist_ok=True)
    for name in RECORDS:
        if os.path.exists(os.path.join(to, name)):
            os.remove(os.path.join(to, name))
        if os.path.exists(os.path.join(source, name)):
            shutil.copy(os.path.join(source, name), to)


def run_restore(rig, row, moment):
    """Killed at the moment; the records are replaced by a copy from before the unit's first step."""
    rig.begin()
    w = rig.world
    code = rig.drive(rig.faulty_start("kiln:job.walk:1:kill"))
    need(code == KILLED, "the station was not killed", code)
    copy_records(w.folder, w.path("old"))
    os.remove(w.path("count"))
    code = rig.drive(rig.faulty_start(f"{moment}:kill" if moment.startswith("kiln:") else f"{moment}:parent"))
    need(code == KILLED, "the station was not killed", code)
    copy_records(w.folder, w.path("new"))
    copy_records(w.path("old"), w.folder)
    batch = rig.start()
    code = batch.wait()
    need(code == STATION and "records.restored" in batch.stderr and not batch.units,
         "a station started on an old copy", code, batch.stderr)
    copy_records(w.path("new"), w.folder)
    rig.drain(KILLED)
    need(set(rig.ended.values()) == {"passed"}, "a good unit did not pass in the end", rig.ended)
    return "refuse-start"


programs = {}


def run_program(_, row, __):
    """Another test of this build, which makes the fault at every point that there is; run once."""
    name = row["test"].split("/")[1]
    if name not in programs:
        path = os.path.join(os.path.dirname(BIN), "test", name)
        environment = {k: v for k, v in os.environ.items() if k != "KILN_SWEEP"}
        done = subprocess.run([path], capture_output=True, text=True, cwd=os.path.dirname(path), env=environment)
        programs[name] = (done.returncode, done.stdout[-500:] + done.stderr[-1500:])
    code, output = programs[name]
    need(code == 0, row["test"] + " failed", output)
    return None


RUNNERS = {
    "kill": run_kill, "twin": run_twin, "label": run_label, "clock": run_clock, "restore": run_restore,
    "unplug": run_held(unplug), "swap": run_held(swap), "lock": run_held(lock), "second": run_held(second),
    "ca-away": run_held(ca_away, road=True), "token-gone": run_held(token_gone),
    **{kind: run_limit(kind) for kind in LIMITS},
}
