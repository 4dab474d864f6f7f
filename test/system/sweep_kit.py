"""One passage of the kill sweep: a whole station on a prepared world, a program of it killed at one failpoint,
the station started again without failpoints, the devices back in their slots, and then the promises checked."""

import os
import shutil
import signal
import sqlite3
import struct
import sys
import time

from station_kit import KILN, PASSED, PENDING, PINS, UNITS, Batch, World, kiln

PATIENCE_S = 90
STARTS_MAX = 5  # of a station until its units have ended
KILLED = -signal.SIGKILL


def skip_without_failpoints():
    with open(KILN, "rb") as file:
        if b"KILN_FAILPOINT" not in file.read():
            print("SKIP: failpoints (configure with -DKILN_FAILPOINTS=ON, as the preset dev does)")
            sys.exit(77)


class Violation(Exception):
    """A promise was broken, or a unit got stuck."""


def need(holds, what, *details):
    if not holds:
        raise Violation(": ".join([what, *map(str, details)]))


class Point:
    """The n-th hit of a failpoint in a program, and what happens there: "kill" the program itself (of kiln-twin:
    one device, which has lost its power then), or its "parent", which is the station. again: the hit of its next
    start at which the station is killed once more."""

    def __init__(self, program, name, n, mode, again=0):
        self.program, self.name, self.n, self.mode, self.again = program, name, n, mode, again

    @classmethod
    def parse(cls, text):
        program, name, n, mode, *again = text.split(":")
        return cls(program, name, int(n), mode, int(again[0]) if again else 0)

    def rule(self):
        return f"{self.program}:{self.name}:{self.n}:{self.mode}"

    def environment(self, count):
        return {"KILN_FAILPOINT": self.rule(), "KILN_FAILPOINT_COUNT": count}

    def __str__(self):
        return self.rule() + (f":{self.again}" if self.again else "")

    def kills_station(self):
        return self.program == "kiln" or self.mode == "parent"

    def kind(self):
        return self.program, self.name, self.mode


class Passage:
    """What happened at one point."""

    def __init__(self, point):
        self.point = point
        self.reached = False
        self.outcome = ""
        self.orphans = 0
        self.violation = None
        self.seconds = 0.0


class Site:
    """A prepared world: tokens, keys, configuration and a CA are made once; each passage finds it as new,
    with fresh devices."""

    def __init__(self, devices, slots, **options):
        self.devices, self.slots = devices, slots
        self.world = World(devices=devices, slots=slots, keygen_ms=0, order=("lot-1", 5 * devices), **options)
        w = self.world
        w.text = w.text.replace("  url: URL\n", f"  url: URL\n  processes: {min(slots, 2)}\n")
        w.set_label(None)
        self.spare = w.path("spare")
        os.mkdir(self.spare)
        shutil.copytree(w.path("tokens"), os.path.join(self.spare, "tokens"))
        self.kept = set(os.listdir(w.folder)) - {"state"}

    def close(self):
        self.world.close()

    def renew(self, point=None):
        w = self.world
        self.count_file = w.path("count")
        w.twins.stop()
        w.programs.remove(w.twins)
        for batch in w.batches:
            if batch.process.poll() is None:
                batch.kill()
        w.batches.clear()
        for name in os.listdir(w.folder):
            if name in self.kept - {"tokens", "devices"}:
                continue
            path = w.path(name)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        shutil.copytree(os.path.join(self.spare, "tokens"), w.path("tokens"))
        os.mkdir(w.path("devices"))
        device = point.environment(self.count_file) if point and point.program == "kiln-twin" else {}
        w.start_twins(env={**os.environ, "KILN_FAILPOINT_LOG": w.path("device-hits"), **device})
        self.posts_before = len(w.posts())
        self.events, self.printed, self.ended, self.handled = [], [], {}, 0
        self.here = dict(enumerate(w.serials()[:self.slots], start=1))  # what the fixture holds, by slot
        self.dark = {}  # since when a device in the fixture has no power, by slot

    def start(self, failpoints=None):
        self.world.environment = {**os.environ, "KILN_FAILPOINT_LOG": self.world.path("hits"), **(failpoints or {})}
        self.handled = 0
        return Batch(self.world, swap=False)

    def hits(self):
        """(point, program) of every hit so far: the station's and its children's, then the devices'. What the
        holder of the devices hits is no point."""
        lines = [line.split() for line in self.world.read("hits").splitlines()]
        devices = [line.split() for line in self.world.read("device-hits").splitlines()]
        holder = {line[0] for line in devices if int(line[2]) == self.world.twins.process.pid}
        return [tuple(line[:2]) for line in lines + [line for line in devices if line[0] not in holder]]

    def powered(self):
        return {s["slot"] for s in self.world.twins.ask("list")["slots"] if s.get("serial")}

    def unplug(self, slot):
        if slot in self.powered():
            self.world.twins.ask("unplug", slot=slot)
        return self.here.pop(slot)

    def plug(self, slot, serial):
        self.world.twins.ask("plug", slot=slot, serial=serial)
        self.here[slot] = serial
        self.dark.pop(slot, None)

    def next_into(self, slot):
        serial = self.world.twins.ask("swap", slot=slot).get("serial")
        self.here.pop(slot, None)
        if serial:
            self.here[slot] = serial

    def light(self):
        """A device that has no power, and that no unit event asks to be plugged in again, is."""
        powered = self.powered()
        for slot in set(self.here) - powered:
            if time.monotonic() - self.dark.setdefault(slot, time.monotonic()) > 1:
                self.plug(slot, self.here[slot])

    def hand(self, unit):
        """The operator's: what has ended makes room for the next, what waits is plugged in again."""
        slot, serial = int(unit["slot"]), unit["serial"]
        if unit["outcome"] == "passed" or unit.get("code") == "claim.passed":
            self.ended[serial] = "passed"
        elif unit["outcome"] == "parked" or serial == "":
            if slot in self.here:
                self.plug(slot, self.unplug(slot))
            return
        else:
            self.ended[serial] = unit.get("code", "?")
        self.next_into(slot)

    def drive(self, batch):
        """Until every device has ended and the station with it, or the station has died; its exit code."""
        end = time.monotonic() + PATIENCE_S
        asked_to_end = False
        while True:
            dead = batch.process.poll() is not None
            with batch.seen:
                units = batch.units[self.handled:]
                self.handled = len(batch.units)
            for unit in units:
                self.hand(unit)
            if dead:
                break
            if len(self.ended) == self.devices and not asked_to_end:
                batch.process.send_signal(signal.SIGINT)
                asked_to_end = True
            if time.monotonic() > end:
                batch.kill()
                raise Violation(f"stuck: {batch.events[-3:]} {batch.stderr}")
            if not units:
                self.light()
                with batch.seen:
                    batch.seen.wait(0.02)
        code = batch.wait()
        for unit in batch.units[self.handled:]:  # told with the last breath
            self.hand(unit)
        self.events += batch.events
        self.printed += [str(batch.events), batch.stderr]
        return code

    def come_back(self, turn):
        """After a station has died: the devices stay, are plugged in again, or change their slots."""
        if not self.here:  # all have ended: one is looked at once more
            self.plug(1, self.world.serials()[0])
            return
        if turn % 3 == 0:
            return
        slots = list(self.here)
        serials = [self.unplug(slot) for slot in slots]
        if turn % 3 == 2:
            slots = slots[1:] + slots[:1]
        for slot, serial in zip(slots, serials):
            self.plug(slot, serial)

    def return_devices(self, turn):
        self.come_back(turn)
        if len(self.ended) == self.devices:
            self.ended.pop(self.world.serials()[0])

    def die_again(self, point, turn, before):
        """The station is killed while it recovers; what is durable then."""
        self.return_devices(turn)
        code = self.drive(self.start({"KILN_FAILPOINT": f"kiln:*:{point.again}:kill"}))
        need(code in (KILLED, PASSED, UNITS, PENDING), "the station did not start again", code, self.printed[-1])
        now = log_after(self, point)
        need(now[:len(before)] == before, "I7: what was durable before the kill has changed")
        return now

    def finish(self, turn):
        for _ in range(STARTS_MAX):
            self.return_devices(turn)
            code = self.drive(self.start())
            need(code in (PASSED, UNITS, PENDING), "the station did not start again", code, self.printed[-1])
            if len(self.ended) == self.devices:
                return
        raise Violation(f"units did not end: {self.ended}")

    def count(self):
        """The hits of an undisturbed job, in order."""
        self.renew()
        code = self.drive(self.start())
        need(code == PASSED, "the undisturbed job failed", code, self.printed)
        check(self, before=[])
        return self.hits()

    def walk(self, point, turn):
        """One passage; see Passage."""
        passage = Passage(point)
        began = time.monotonic()
        try:
            self.renew(point)
            self.run(passage, turn)
        except Violation as why:
            passage.violation = str(why)
        except Exception as why:  # pylint: disable=broad-except
            passage.violation = f"{type(why).__name__}: {why}"
        passage.seconds = time.monotonic() - began
        return passage

    def run(self, passage, turn):
        point = passage.point
        code = self.drive(self.start(point.environment(self.count_file) if point.program != "kiln-twin" else None))
        passage.reached = counted(self.count_file) >= point.n
        station_died = passage.reached and point.kills_station()
        need((code == KILLED) == station_died, "the station ended in another way", code, self.printed[-1])
        before = log_after(self, point) if station_died else []
        told = passed_serials_told(self.events)
        need(told <= passed_serials(before) or not station_died, "I5: a PASS was told and is not in the records", told)
        was_passed = len(passed_serials(before)) == self.devices
        if station_died and point.again:
            before = self.die_again(point, turn, before)
        if station_died:
            self.finish(turn)
        passage.orphans = check(self, before)
        waiting = {code for code in self.ended.values() if code != "passed"}
        if waiting:
            passage.outcome = "operator: " + ", ".join(sorted(waiting))
        elif not passage.reached:
            passage.outcome = "not reached"
        elif not station_died:
            passage.outcome = "went on"
        else:
            passage.outcome = "had passed" if was_passed else "continued"


def counted(path):
    try:
        with open(path, "rb") as file:
            return struct.unpack("@L", file.read(struct.calcsize("@L")))[0]
    except (FileNotFoundError, struct.error):  # not there yet, or without its number
        return 0


def log_after(site, point):
    """The events that were durable when the station died. There are no records yet while they are made."""
    done = kiln("verify", "--config", site.world.config, "--json")
    if point.name == "records.make" and done.returncode != 0:
        return []
    need(done.returncode == 0, "the records do not verify after the kill", done.stdout, done.stderr)
    return site.world.log()


def passed_serials(log):
    serials = {e["record"]: e["serial"] for e in log if e["event"] == "claim"}
    return {serials[e["job"]] for e in log if e["event"] == "end" and e["outcome"] == "passed"}


def passed_serials_told(events):
    return {e["serial"] for e in events if e["event"] == "unit" and e["outcome"] == "passed"}


def check(site, before, patient=True):
    """I1 to I10, as far as they can be seen from outside; returns the number of orphans."""
    world = site.world
    code, line = world.verify()
    need(code == 0, "the records do not verify", line)
    log = world.log()
    need(log[:len(before)] == before, "I7: what was durable before the kill has changed")
    passed = passed_serials(log)
    need(passed_serials_told(site.events) <= passed, "I5: a PASS was told and is not in the records")
    check_jobs(site, log, passed)
    orphans = world.orphans()
    check_certificates(world.posts()[site.posts_before:], log, orphans)
    check_order(world, passed, orphans)
    check_processes(world, patient)
    check_pins(site)
    return len(orphans)


def check_jobs(site, log, passed):
    for serial, outcome in site.ended.items():
        need((outcome == "passed") == (serial in passed), "I10: told and recorded differ", serial, outcome)
    jobs = {}
    for e in log:
        if e["event"] == "claim":
            jobs.setdefault(e["serial"], {"passes": 0})["over"] = False
        elif e["event"] in ("end", "park"):
            serial = next(c["serial"] for c in log if c["event"] == "claim" and c["record"] == e["job"])
            jobs[serial]["over"] = True
            jobs[serial]["passes"] += e.get("outcome") == "passed"
            need(e.get("outcome") == "passed" or e["error"].get("message"), "I10: no reason is given", e)
    for serial, job in jobs.items():
        need(job["over"], "I10: a job is open and nobody works on it", serial)
        need(job["passes"] <= 1, "I1: passed twice", serial)


def check_certificates(posts, log, orphans):
    ends = {e["job"] for e in log if e["event"] == "end" and e["outcome"] == "passed"}
    delivered = {}
    for e in log:
        if e["event"] == "step" and e["step"] == "enrol" and e["job"] in ends:
            need(delivered.get(e["job"]) is None, "I1: two certificates were delivered to job", e["job"])
            delivered[e["job"]] = e["certificate"]
    need(len(delivered) == len(ends), "I1: passed without a certificate", ends)
    listed = {o.get("certificate") for o in orphans}
    unknown = {}
    for o in orphans:
        if not o.get("certificate"):
            unknown[o["csr"]] = unknown.get(o["csr"], 0) + 1
    need(not listed & set(delivered.values()), "I2: a delivered certificate is listed as an orphan")
    for post in posts:
        certificate = post.get("certificate_sha256")
        if not certificate or certificate in listed or certificate in delivered.values():
            continue
        # One line of the list accounts for one certificate.
        need(unknown.get(post["csr_sha256"], 0) > 0, "I2: nothing accounts for what the CA issued", post)
        unknown[post["csr_sha256"]] -= 1


def check_order(world, passed, orphans):
    with sqlite3.connect(f"file:{world.path('records.db')}?mode=ro", uri=True) as db:
        quantity, reserved, issued, orphaned, unasked = db.execute(
            "SELECT quantity, reserved, issued, orphaned, unasked FROM work_order").fetchone()
        held = db.execute("SELECT coalesce(sum(held), 0) FROM job WHERE status IN ('open', 'parked')").fetchone()[0]
    db.close()
    need(issued == len(passed) and reserved == held and orphaned + unasked == len(orphans) and
         issued + reserved + orphaned <= quantity, "I6: the order's places",
         dict(quantity=quantity, reserved=reserved, held=held, issued=issued, orphaned=orphaned, unasked=unasked,
              passed=len(passed), orphans=len(orphans)))


def check_processes(world, patient):
    """Every process that hit a failpoint has ended; the signer of a station that was killed ends by itself."""
    pids = {(line.split()[2], line.split()[1]) for line in world.read("hits").splitlines()}
    end = time.monotonic() + (20 if patient else 1)
    left = pids
    while left and time.monotonic() < end:
        left = {(pid, name) for pid, name in left if name_of(pid) == name}
        if left:
            time.sleep(0.02)
    need(not left, "processes are left behind", left)


def name_of(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            text = file.read()
    except OSError:
        return None
    comm, rest = text.split("(", 1)[1].rsplit(")", 1)
    return None if rest.split()[0] == "Z" else comm


def check_pins(site):
    needles = [pin.encode() for pin in PINS.values()]
    for text in site.printed:
        need(not any(n in text.encode() for n in needles), "I8: a PIN was printed")
    for folder, folders, files in os.walk(site.world.folder):
        if "spare" in folders:
            folders.remove("spare")
        for name in files:
            path = os.path.join(folder, name)
            if name.endswith(".pin") or not os.path.isfile(path) or os.path.islink(path):
                continue
            with open(path, "rb") as file:
                data = file.read()
            need(not any(n in data for n in needles), "I8: a PIN is in a file", path)
