"""A station to be measured: devices that keep account, a CA and an HSM that write down their time, and what the
kernel says of its programs."""

import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.environ["KILN_SOURCE"], "test", "system"))

from figures import Unit  # noqa: E402
from station_kit import KILN, Batch, Program, World, build_shim  # noqa: E402

OURS = ("kiln", "kiln-slot", "kiln-enroller", "kiln-signer")
TICKS = os.sysconf("SC_CLK_TCK")
SMALL_LINE = 460800
LINE = 115200
# What the spdm device of the bench spends beside its key, by the line's speed: bytes on it, and its own signatures.
BESIDE_KEY_MS = {SMALL_LINE: 200, LINE: 740}


def keygen_ms(device_s, baud):
    """So that a device takes about so long in all. What it really took is in its account."""
    return max(0, int(device_s * 1000) - BESIDE_KEY_MS[baud])


class Station(World):
    def __init__(self, slots, units_each=1, device_s=2.0, baud=None, processes=None, label=None, shim_folder=None,
                 **options):
        self.baud = baud or (SMALL_LINE if device_s < 1.5 else LINE)
        self.each, self.processes, self.shim_folder = units_each, processes, shim_folder
        super().__init__(devices=slots * units_each, slots=slots, keygen_ms=keygen_ms(device_s, self.baud),
                         label=label, **options)

    def make(self, *arguments):
        if self.shim_folder:
            self.module = os.path.join(self.shim_folder, "shim.so")
            self.module_environment = f", SHIM_TIMES: {self.path('hsm.times')}"
        super().make(*arguments)
        self.write("units.csv", "serial\n" + "\n".join(self.serials()) + "\n")

    def set_label(self, label):
        if self.processes:
            self.text = self.text.replace("  url: URL\n", f"  url: URL\n  processes: {self.processes}\n")
        super().set_label(label)

    def start_twins(self, first=None, env=None):
        o = self.options
        self.twins = Program("kiln-twin", "--family", o["family"], "--dir", self.path("devices"), "--devices",
                             o["devices"], "--slots", o["slots"], "--keygen-ms", o["keygen_ms"], "--seed", 7,
                             "--model", self.model, "--serial", first or self.serial, "--baud", self.baud, "--log",
                             self.path("twins.ndjson"), env=env)
        self.programs.append(self.twins)

    def accounts(self):
        """Of the devices that were taken out, by serial."""
        try:
            lines = [json.loads(line) for line in self.read("twins.ndjson").splitlines()]
        except FileNotFoundError:
            lines = []
        return {line["serial"]: line for line in lines}

    def emulators_used(self):
        """Processor time so far of what is no part of a station: devices, CA, and this program, the hands."""
        return {"kiln-twin": sum(map(cpu_with_children_s, family_of(self.twins.process.pid))),
                "kiln-devca": cpu_with_children_s(self.ca.process.pid), "hands": time.process_time()}

    def ca_times(self):
        return [p["service_ms"] / 1000 for p in self.posts() if p["answer"] == "issued"]

    def hsm_times(self, program="kiln-signer"):
        try:
            lines = [line.split() for line in self.read("hsm.times").splitlines()]
        except FileNotFoundError:
            lines = []
        return [int(us) / 1e6 for name, us in lines if name == program]


class Hands(Batch):
    """kiln batch, and for each slot the devices that come into it one after the other. Which device comes where is
    fixed, so that every slot gets its share."""

    keeps_steps = False # they are many, and reading them costs the machine that is measured

    def __init__(self, station, wrap=(), **options):
        self.before = tuple(wrap)
        self.queues = {}
        slots = station.options["slots"]
        for i, serial in enumerate(station.serials()):
            self.queues.setdefault(i % slots + 1, []).append(serial)
        self.begun = self.begun_wall = self.ended = None
        self.usage = None
        self.cpu_before, self.programs_before, self.programs_after = 0.0, {}, {}
        self.emulators_before = self.emulators_after = self.cores_before = self.cores_after = None
        super().__init__(station, "--list", station.path("units.csv"), **options)

    def read(self):
        for line in self.process.stdout:
            now = time.monotonic()
            if not self.keeps_steps and '"event": "step"' in line:
                continue
            event = {**json.loads(line), "_at": now}
            if event["event"] == "arrived" and self.begun is None:
                self.begun, self.begun_wall = now, time.time()
                self.note_begun()
            with self.seen:
                self.events.append(event)
                if event["event"] == "unit":
                    self.units.append(event)
                self.seen.notify_all()
            if event["event"] == "unit":
                self.ended = now
                self.next(int(event["slot"]), event)
                self.note_ended()

    def note_begun(self):
        self.programs_before = programs_s(family_of(self.process.pid))
        self.cpu_before = sum(self.programs_before.values())
        self.emulators_before, self.cores_before = self.world.emulators_used(), cores()

    def note_ended(self):
        """Of the last unit only: to look costs the machine that is measured."""
        if len(self.units) == self.world.options["devices"]:
            self.programs_after = programs_s(family_of(self.process.pid))
            self.emulators_after, self.cores_after = self.world.emulators_used(), cores()

    def next(self, slot, event):
        self.world.twins.ask("unplug", slot=slot)
        queue = self.queues[slot]
        queue.pop(0)
        if queue:
            self.world.twins.ask("plug", slot=slot, serial=queue[0])

    def wait(self, patience=600):
        """Its exit code; usage is that of all its programs."""
        end = time.monotonic() + patience
        while True:
            pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > end:
                raise AssertionError("kiln batch does not end")
            time.sleep(0.02)
        self.usage = usage
        self.process.returncode = os.waitstatus_to_exitcode(status)
        return super().wait()

    def cpu_s(self):
        """Of all its programs from the first arrival to the end, theirs included."""
        return self.usage.ru_utime + self.usage.ru_stime - self.cpu_before

    def programs_cpu_s(self):
        """The same by program: those that live through the run by what they had used at its last unit. kiln-slot
        lives for a unit, so the rest is its."""
        used = {name: self.programs_after.get(name, 0) - self.programs_before.get(name, 0) for name in OURS}
        return {**used, "kiln-slot": self.cpu_s() - sum(s for name, s in used.items() if name != "kiln-slot")}

    def emulators_cpu_s(self):
        return {name: s - self.emulators_before[name] for name, s in self.emulators_after.items()}

    def emulators_s(self):
        return sum(self.emulators_cpu_s().values())

    def cores_used(self):
        """How much of all cores was in use, by whomever, from the first arrival to the last unit: 1 is all."""
        busy, whole = (after - before for before, after in zip(self.cores_before, self.cores_after))
        return busy / whole

    def passages(self):
        """What is to be held against the floor. CA and HSM are the run's means: who asked is not in their logs."""
        accounts = self.world.accounts()
        count = max(1, len(self.units))
        ca, hsm = sum(self.world.ca_times()) / count, sum(self.world.hsm_times()) / count
        return [Unit(int(u["slot"]), max(self.begun, accounts[u["serial"]]["plugged_us"] / 1e6), u["_at"],
                     accounts[u["serial"]]["busy_us"] / 1e6, ca, hsm) for u in self.units]

    def rate(self):
        return len(self.units) / (self.ended - self.begun)


def run(station, **options):
    """A whole batch in which every unit passes."""
    hands = Hands(station, **options)
    code = hands.wait()
    passed = sum(u["outcome"] == "passed" for u in hands.units)
    if code != 0 or passed != station.options["devices"]:
        raise AssertionError(f"{passed} of {station.options['devices']} passed, exit {code}: {hands.stderr}")
    return hands


def children_of():
    parents = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8") as file:
                parents.setdefault(int(file.read().rsplit(")", 1)[1].split()[1]), []).append(int(name))
        except OSError:
            continue
    return parents


def family_of(pid):
    """A process and all beneath it."""
    parents, found, todo = children_of(), [], [pid]
    while todo:
        found.append(todo.pop())
        todo += parents.get(found[-1], [])
    return found


def programs_s(pids):
    """By program, what processes that live have used, to the nanosecond; theirs that ended before are not in it."""
    used = {}
    for pid in pids:
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                name = file.read().strip()
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="utf-8") as file:
                    used[name] = used.get(name, 0) + int(file.read().split()[0]) / 1e9
        except OSError:
            continue
    return used


def cpu_s(pids):
    return sum(programs_s(pids).values())


def cpu_with_children_s(pid):
    """A process, and its children that have ended."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return sum(map(int, file.read().rsplit(")", 1)[1].split()[11:15])) / TICKS


def cores():
    """(seconds in which a core was in use, seconds in all), of all cores since boot."""
    with open("/proc/stat", encoding="utf-8") as file:
        times = [int(word) / TICKS for word in file.readline().split()[1:9]]
    return sum(times) - times[3] - times[4], sum(times) # idle, iowait


def pss_kib(pids):
    """Memory, each shared page in equal parts. None where this user may not look."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
                total += next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        except PermissionError:
            return None
        except (OSError, StopIteration):
            continue
    return total


def sync_times(folder, count=100, pause_s=0.0):
    """How long the disk takes to make 4 KiB durable, in seconds, where there is a pause before each: a machine that
    has had nothing to do is slower to answer."""
    path, times = os.path.join(folder, "sync"), []
    with open(path, "wb", buffering=0) as file:
        for _ in range(count):
            time.sleep(pause_s)
            file.write(os.urandom(4096))
            begun = time.monotonic()
            os.fdatasync(file.fileno())
            times.append(time.monotonic() - begun)
    os.unlink(path)
    return times
