"""One device's job in which one call fails: what test_torture.py and a whole sweep share. The calls are
counted and failed by test/torture/torture_shim.c."""

import errno
import json
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from station_kit import BIN, KILN, SOURCE, World, check_promises

SHIM = os.path.join(BIN, "..", "test", "torture_shim.so")
FRAMES, SITES, MODULES = 32, 32768, 64
MODULES_AT = 32 + 8 * FRAMES
SITES_AT = MODULES_AT + 128 * MODULES
SITE_SIZE = 40 + 8 * FRAMES
PROGRAMS = ["kiln", "kiln-slot", "kiln-enroller", "kiln-signer"]
DEVICES = 250
PATIENCE_S = 150
EXIT_CODES = {0, 1, 3, 4, 5, 6, 75}
INTERRUPTIBLE = {"read", "write", "recv", "send", "poll"}

# A process of its own is the answer to a library that does not survive a failed allocation: a crash in one
# of these ends the child, which the station starts again. Nothing else may crash.
FOREIGN = {
    "kiln-slot": ("libseccomp",),  # while it builds the filter: no device has been touched
    "kiln-signer": ("libsofthsm2", "libstdc++", "libcrypto", "libp11", "libp11-kit"),
    "kiln-enroller": ("libsofthsm2", "libstdc++", "libcrypto", "libp11", "libp11-kit", "libssl", "libcurl"),
}


def functions():
    with open(os.path.join(SOURCE, "test/torture/torture_shim.h"), encoding="utf-8") as file:
        return [line.split("(")[1].split(",")[0] for line in file if line.startswith("\tX(")]


FUNCTIONS = functions()


class Site:
    def __init__(self, number, program, function, hits, frames):
        self.number, self.program, self.function = number, program, function
        self.hits, self.frames = hits, frames

    def pair(self):
        return self.program, self.function

    def where(self):
        return " < ".join(symbols(self.frames))


def symbols(frames):
    """Names of the functions, nearest first; of a stripped library only its name."""
    named = []
    for module, offset in frames:
        name = os.path.basename(module)
        path = module if os.path.isabs(module) else os.path.join(BIN, module)
        done = subprocess.run(["addr2line", "-f", "-s", "-e", path, hex(offset - 1)], capture_output=True, text=True)
        lines = done.stdout.split()
        named.append(f"{lines[0]} {lines[1]}" if len(lines) > 1 and lines[0] != "??" else f"{name}+{offset:#x}")
    return named


class Map:
    """The file that the observed programs share."""

    def __init__(self, path):
        self.path = path
        with open(path, "wb") as file:
            file.truncate(SITES_AT + SITES * SITE_SIZE)

    def head(self):
        with open(self.path, "rb") as file:
            return file.read(SITES_AT)

    def text(self, data):
        return data.split(b"\0")[0].decode()

    def modules(self, head, program):
        found = {}
        for at in range(MODULES_AT, SITES_AT, 128):
            number = struct.unpack_from("I", head, at)[0]
            if number:
                path = self.text(head[at + 8:at + 128])
                found[number] = program if path == "program" else path
        return found

    def frames(self, data, at, count, modules):
        pairs = [struct.unpack_from("II", data, at + 8 * i) for i in range(count)]
        return [(modules.get(module, "?"), offset) for module, offset in pairs]

    def fired(self):
        return struct.unpack_from("I", self.head(), 0)[0]

    def crash(self):
        """(program, signal, frames) of the last crash, or None."""
        head = self.head()
        number, count = struct.unpack_from("II", head, 8)
        program = self.text(head[16:32])
        return (program, number, self.frames(head, 32, count, self.modules(head, program))) if number else None

    def sites(self):
        head, found = self.head(), []
        with open(self.path, "rb") as file:
            file.seek(SITES_AT)
            data = file.read()
        for at in range(0, len(data), SITE_SIZE):
            number, function, count, hits, _ = struct.unpack_from("QIIII", data, at)
            if number:
                program = self.text(data[at + 24:at + 40])
                frames = self.frames(data, at + 40, count, self.modules(head, program))
                found.append(Site(number, program, FUNCTIONS[function], hits, frames))
        return sorted(found, key=lambda s: (s.program, s.function, s.frames))


class Passage:
    """kiln batch of one unit, in a session of its own; the operator reseats what has a bad link."""

    def __init__(self, world, environment):
        self.world, self.events, self.units = world, [], []
        self.torn = None
        self.errors = tempfile.TemporaryFile(mode="w+", errors="replace")
        self.begun = time.monotonic()
        self.process = subprocess.Popen([KILN, "batch", "--config", world.config, "--json", "--count", "1"],
                                        stdout=subprocess.PIPE, stderr=self.errors, text=True, env=environment,
                                        start_new_session=True)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        try:
            self.code = self.process.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.code = None
            self.process.kill()
            self.process.wait()
        self.seconds = time.monotonic() - self.begun
        self.left = self.survivors()
        self.thread.join(timeout=10)
        self.process.stdout.close()
        self.errors.seek(0)
        self.stderr = self.errors.read()
        self.errors.close()

    def read(self):
        for line in self.process.stdout:
            try:
                event = json.loads(line)
            except json.JSONDecodeError:
                self.torn = line
                continue
            self.events.append(event)
            if event["event"] == "unit":
                self.units.append(event)
                if event["outcome"] == "parked" and event["domain"] == "link":
                    self.world.reseat()

    def survivors(self, patience=5):
        """Processes of the session that do not end."""
        end = time.monotonic() + patience
        while True:
            found = []
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                        fields = file.read().rsplit(")", 1)
                except OSError:
                    continue
                state, session = fields[1].split()[0], int(fields[1].split()[3])
                if session == self.process.pid and state != "Z":
                    found.append((int(pid), fields[0].split("(", 1)[1]))
            if not found or time.monotonic() > end:
                break
            time.sleep(0.02)
        for pid, _ in found:
            os.kill(pid, signal.SIGKILL)
        return found

    def told_passed(self):
        return any(u["outcome"] == "passed" for u in self.units)

    def outcome(self):
        """In one word, for the report."""
        if self.code == 0:
            return "passed"
        last = self.units[-1] if self.units else None
        return f"exit {self.code}" + (f" {last['outcome']} {last.get('code', '')}" if last else "")


class TortureWorld(World):
    """A station whose records, state and tokens are fresh for each run; its CA and its devices go on."""

    def __init__(self):
        super().__init__(devices=DEVICES, slots=1, keygen_ms=0)
        self.next, self.serial, self.first_post = 0, None, 0
        shutil.copytree(self.path("tokens"), self.path("tokens.keep"))

    def posts(self):
        return super().posts()[self.first_post:]

    def is_used_up(self):
        return self.next == DEVICES

    def reset(self):
        for name in os.listdir(self.folder):
            if name.startswith("records.db"):
                os.unlink(self.path(name))
        shutil.rmtree(self.path("state"), ignore_errors=True)
        self.restore_tokens()
        self.first_post += len(self.posts())
        self.serial = self.serials()[self.next]
        self.next += 1
        self.reseat()

    def restore_tokens(self):
        """SoftHSM writes its tokens at each login, and loses one where that write is cut short; an HSM does not."""
        shutil.rmtree(self.path("tokens"))
        shutil.copytree(self.path("tokens.keep"), self.path("tokens"))

    def reseat(self):
        self.twins.ask("unplug", slot=1)
        self.twins.ask("plug", slot=1, serial=self.serial)

    def observed(self, site=None, number=None, sticky=False):
        """The environment of a run that counts, or in which one site fails."""
        shared = Map(self.path("torture.map"))
        environment = dict(os.environ, LD_PRELOAD=SHIM, TORTURE_MAP=shared.path)
        if "ASAN_OPTIONS" in environment:  # the shim stands before the sanitizer's own malloc, and calls it
            environment["ASAN_OPTIONS"] += ":verify_asan_link_order=0"
        if site:
            environment.update(TORTURE_PROGRAM=site.program, TORTURE_SITE=f"{site.number:x}")
        if number:
            environment["TORTURE_ERRNO"] = str(number)
        if sticky:
            environment["TORTURE_STICKY"] = "1"
        return shared, environment


class Result:
    def __init__(self, site, number, sticky):
        self.site, self.number, self.sticky = site, number, sticky
        self.fired, self.outcome, self.seconds = False, "", 0.0
        self.crash, self.violations, self.detail = "", [], ""

    def name(self):
        extra = (" " + errno.errorcode[self.number] if self.number else "") + (" sticky" if self.sticky else "")
        return f"{self.site.program} {self.site.function}{extra} {self.site.number:x}"


def judge_crash(result, passage, shared):
    crash = shared.crash()
    reports = passage.stderr.replace("AddressSanitizer: SEGV", "") if crash else passage.stderr  # judged by its place
    if "ERROR: AddressSanitizer" in reports or "LeakSanitizer" in reports or "runtime error:" in reports:
        result.violations.append("sanitizer")
    signals = [e for e in passage.events if e.get("what") == "child-died" and "was ended by signal" in e["message"]
               and "signal 9 " not in e["message"]]
    if crash is None:
        if signals:
            result.violations.append("a child was " + signals[-1]["message"])
        return
    program, number, frames = crash
    modules = [os.path.basename(module) for module, _ in frames]
    nearest = next((m for m in modules if not m.startswith(("libc.so", "libasan.so"))), "?")
    result.crash = f"{program} signal {number} in {nearest}"
    if not nearest.startswith(FOREIGN.get(program, ())) or program == "kiln":
        result.violations.append("crash: " + result.crash + ": " + " < ".join(symbols(frames)))


def judge_end(result, passage):
    if passage.code is None:
        result.violations.append("it did not end by itself")
    elif passage.code not in EXIT_CODES:
        result.violations.append(f"exit code {passage.code}")
    elif passage.code != 0 and not passage.stderr and not any(u.get("message") for u in passage.units):
        result.violations.append("it says nothing")
    if passage.torn:
        result.violations.append(f"a torn line on standard output: {passage.torn[:100]!r}")
    if passage.left:
        result.violations.append(f"processes are left: {passage.left}")


def judge_records(result, world, passage):
    if passage.told_passed() or passage.code == 0:
        ends = [e for e in world.log(world.serial) if e["event"] == "end"]
        if [e["outcome"] for e in ends] != ["passed"]:
            result.violations.append("I5: a PASS that was told is not in the records")
        return
    world.restore_tokens()
    world.reseat()
    again = Passage(world, dict(os.environ))
    last = again.units[-1] if again.units else {}
    if not again.told_passed() and last.get("code") != "claim.passed":
        result.violations.append(f"the unit can not be finished: exit {again.code} {last.get('code')} "
                                 f"{last.get('message')} {again.stderr[-300:]}")


def run_site(world, site, number=None, sticky=False):
    """One job in which that site fails; then a station without fault finishes the unit."""
    result = Result(site, number, sticky)
    world.reset()
    shared, environment = world.observed(site, number, sticky)
    passage = Passage(world, environment)
    result.fired, result.outcome, result.seconds = shared.fired() > 0, passage.outcome(), passage.seconds
    judge_crash(result, passage, shared)
    judge_end(result, passage)
    judge_records(result, world, passage)
    try:
        check_promises(unittest.TestCase(), world)
    except AssertionError as wrong:
        result.violations.append(str(wrong))
    if result.violations:
        result.detail = f"{site.where()}\n{passage.stderr[-3000:]}\n" + "\n".join(map(str, passage.events[-4:]))
    return result


def count_sites():
    with TortureWorld() as world:
        world.reset()
        shared, environment = world.observed()
        passage = Passage(world, environment)
        if passage.code != 0:
            raise AssertionError(f"a job that is only observed fails: {passage.stderr}")
        return shared.sites()


class Worker(threading.Thread):
    """Runs what it takes from the common list, in worlds of its own."""

    def __init__(self, plan):
        super().__init__()
        self.plan, self.world, self.failure = plan, None, None

    def run(self):
        try:
            for site, number, sticky in iter(self.plan.take, None):
                if self.world is None or self.world.is_used_up():
                    self.close()
                    self.world = TortureWorld()
                self.plan.add(run_site(self.world, site, number, sticky))
        except BaseException as failure:  # told by Plan.run, in the main thread
            self.failure = failure
        finally:
            self.close()

    def close(self):
        if self.world is not None:
            self.world.close()


class Plan:
    """What is to be run: all of `must`, and of `more` as much as there is time for (all: seconds None)."""

    def __init__(self, must, more, seconds, progress=None):
        self.must, self.more = list(reversed(must)), list(reversed(more))
        self.end = None if seconds is None else time.monotonic() + seconds
        self.lock, self.results, self.progress = threading.Lock(), [], progress

    def take(self):
        with self.lock:
            if self.must:
                return self.must.pop()
            late = self.end is not None and time.monotonic() > self.end
            return self.more.pop() if self.more and not late else None

    def add(self, result):
        with self.lock:
            self.results.append(result)
            if self.progress:
                self.progress(result, len(self.must) + len(self.more))

    def run(self, workers=2):
        threads = [Worker(self) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for thread in threads:
            if thread.failure:
                raise thread.failure
        return self.results
