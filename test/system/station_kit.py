"""A whole station from its parts: tokens and keys by kiln hsm, a CA, devices on ttys, and the hands that
plug them. What the tests of `kiln batch` share."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

BIN = os.environ["KILN_BIN"]
SOURCE = os.environ["KILN_SOURCE"]
KILN = os.path.join(BIN, "kiln")
MODULES = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
           "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so"]
PATIENCE_S = 120
PASSED, UNITS, USAGE, INPUT, STATION, LOCKED, ABORTED, PENDING = 0, 1, 2, 3, 4, 5, 6, 75
# An outage parks units after its third failure, as a test that wants no outage expects.
IMPATIENT = "min_s: 1, max_s: 1, default_s: 1, patience_s: 1"
PINS = {"tls": "canary-tls-4711", "attestation": "canary-att-4712"}


def module():
    return next(path for path in MODULES if os.path.exists(path))


def build_shim(folder):
    """The PKCS#11 module that fails, hangs and dies as it is told (test/hsm/shim.c); its path."""
    flags = subprocess.run(["pkg-config", "--cflags", "p11-kit-1"], check=True, capture_output=True, text=True).stdout
    path = os.path.join(folder, "shim.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", path, os.path.join(SOURCE, "test/hsm/shim.c"), *flags.split()],
                   check=True)
    return path


class Program:
    """kiln-devca or kiln-twin, spoken to on its standard input and output."""

    def __init__(self, name, *arguments, env=None):
        self.process = subprocess.Popen([os.path.join(BIN, name), *map(str, arguments)], env=env,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"{name} {arguments} did not start")
        self.hello = json.loads(line)
        self.lock = threading.Lock()
        self.id = 0

    def ask(self, do, **members):
        with self.lock:
            self.id += 1
            self.process.stdin.write(json.dumps({"id": self.id, "do": do, **members}) + "\n")
            self.process.stdin.flush()
            answer = json.loads(self.process.stdout.readline())
        if "ok" not in answer:
            raise AssertionError(f"{do} {members}: {answer}")
        return answer["ok"]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)
        self.process.stdin.close()
        self.process.stdout.close()


class Batch:
    """kiln batch --json (or run) with somebody at the fixture: a unit that has ended is taken out."""

    before = () # a command that runs it

    def __init__(self, world, *arguments, swap=True, config=None, command="batch"):
        self.world, self.swap = world, swap
        world.batches.append(self)
        self.events, self.units = [], []
        self.seen = threading.Condition()
        self.process = subprocess.Popen(
            [*self.before, KILN, command, "--config", config or world.config, "--json", *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=world.environment)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        self.errors = threading.Thread(target=self.read_errors, daemon=True)
        self.stderr = ""
        self.errors.start()

    def read_errors(self):
        self.stderr = self.process.stderr.read()

    def read(self):
        for line in self.process.stdout:
            event = json.loads(line)
            with self.seen:
                self.events.append(event)
                if event["event"] == "unit":
                    self.units.append(event)
                self.seen.notify_all()
            if event["event"] == "unit" and self.swap:
                self.world.twins.ask("swap", slot=int(event["slot"]))

    def wait_for(self, wanted, patience=PATIENCE_S):
        """Until an event satisfies wanted; that event."""
        end = time.monotonic() + patience
        with self.seen:
            while True:
                for event in self.events:
                    if wanted(event):
                        return event
                left = end - time.monotonic()
                if left <= 0 or not self.seen.wait(left):
                    raise AssertionError(f"no such event in {self.events[-5:]}")

    def kill(self):
        self.process.kill()
        self.wait()

    def wait(self, patience=PATIENCE_S):
        code = self.process.wait(timeout=patience)
        self.thread.join(timeout=10)
        self.errors.join(timeout=10)
        self.process.stdout.close()
        self.process.stderr.close()
        return code

    def summary(self):
        return self.events[-1]


def kiln(*arguments, env=None, stdin=None):
    return subprocess.run([KILN, *map(str, arguments)], capture_output=True, text=True, env=env, input=stdin)


def replace_map(text, key, value):
    """The text of a profile with `key:`'s two indented lines replaced by one flow map."""
    lines, out, skip = text.splitlines(), [], False
    for line in lines:
        if skip and line.startswith("    "):
            continue
        skip = line.strip().split(" ")[0] == key + ":" and line.startswith("  ") and not line.startswith("   ")
        out.append(f"  {key}: {value}" if skip else line)
    return "\n".join(out) + "\n"


class World:
    """One station in a folder of its own."""

    def __init__(self, devices=4, slots=2, label=None, family="spdm", profile="spdm/infusion-pump.yaml",
                 variant=None, faults=(), keygen_ms=10, order=None, hours=24, station="line-1", first=None,
                 production=False, edit_profile=None, retry=IMPATIENT, shim=False):
        self.folder = tempfile.mkdtemp(prefix="kiln-station-")
        self.environment = dict(os.environ)
        self.programs, self.batches = [], []
        self.retry = retry
        self.options = dict(devices=devices, slots=slots, family=family, variant=variant, faults=faults,
                            keygen_ms=keygen_ms)
        self.module, self.module_environment = module(), ""
        try:
            if shim:
                self.module = build_shim(self.folder)
                self.module_environment = "".join(f", SHIM_{name.upper()}: {self.path('shim.' + name)}"
                                                  for name in ("control", "log", "trace"))
            self.make(label, profile, order, hours, station, first, production, edit_profile)
        except BaseException:
            self.close()
            raise

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), mode)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def make(self, label, profile, order, hours, station, first, production, edit_profile):
        os.mkdir(self.path("tokens"), 0o700)
        os.mkdir(self.path("ca"))
        os.mkdir(self.path("devices"))
        self.write("softhsm2.conf", f"directories.tokendir = {self.path('tokens')}\nlog.level = ERROR\n")
        for name, pin in PINS.items():
            self.write(f"{name}.pin", pin + "\n", 0o600)
        self.write("so.pin", "canary-so-4713\n", 0o600)
        self.text = ("station: { id: %s, site: Testville }\nrecords: records.db\nprofile: profile.yaml\n"
                     "ca:\n  url: URL\n  anchors: ca/tls-anchor.pem\n  accept_test_ca: %s\n  retry: { %s }\n"
                     "hsm:\n  module: %s\n  environment: { SOFTHSM2_CONF: %s%s }\n"
                     "  tls: { token: tls, key: k-tls, certificate: tls.pem, pin: tls.pin }\n"
                     "  attestation: { token: attestation, key: k-att, certificate: attestation.pem,\n"
                     "    pin: attestation.pin, anchors: ca/root.pem }\nslots:\n" %
                     (station, "false" if production else "true", self.retry, self.module,
                      self.path("softhsm2.conf"), self.module_environment))
        self.text += "".join(f'  - {{ name: "{i}", {self.where(i)} }}\n' for i in range(1, self.options["slots"] + 1))
        if order:
            self.text += f"order: {{ id: {order[0]}, quantity: {order[1]} }}\n"
        self.config = self.path("station.yaml")
        self.write("station.yaml", self.text.replace("URL", "https://127.0.0.1:1/x"))
        self.make_keys()
        self.start_ca(hours)
        self.set_label(label)
        self.make_profile(profile, edit_profile)
        self.start_twins(first)

    def where(self, slot):
        """What station.yaml says of a slot's whereabouts."""
        return f'address: "serial:{self.path("devices/port", str(slot))}"'

    def control(self, program="*", function="*", action="none", value=0, n=1):
        """What the shim does from now on (shim.c); nothing without arguments."""
        self.write("shim.control.new", f"{program} {function} {action} {value} {n}\n")
        os.rename(self.path("shim.control.new"), self.path("shim.control"))

    def calls(self, program, function):
        """How often a program called a function of the module."""
        return self.read("shim.trace").splitlines().count(f"{program} {function}")

    def hsm(self, verb, token, *more):
        done = kiln("hsm", verb, "--config", self.config, "--token", token, *more)
        if done.returncode != 0:
            raise AssertionError(f"kiln hsm {verb}: {done.stderr}")
        return done.stdout

    def make_keys(self):
        for token in PINS:
            self.hsm("init", token, "--so-pin", self.path("so.pin"))
            self.hsm("keygen", token, "--alg", "EC:P-256")
            self.hsm("csr", token, "--subject", f"/O=Example/CN=station {token}", "--out", self.path(token + ".csr"),
                     *(["--ra"] if token == "tls" else []))

    def start_ca(self, hours=24):
        self.ca = Program("kiln-devca", "--dir", self.path("ca"), "--log", self.path("ca/posts.ndjson"),
                          "--hours", hours, "--no-expiry", "--ext-key-usage", "clientAuth",
                          "--sign-ra", f"{self.path('tls.csr')}:{self.path('tls.pem')}",
                          "--sign-attestation", f"{self.path('attestation.csr')}:{self.path('attestation.pem')}")
        self.programs.append(self.ca)

    def set_label(self, label):
        url = self.ca.hello["url"] + (f"/{label}" if label else "")
        self.write("station.yaml", self.text.replace("URL", url))

    def anchor(self, file):
        der = subprocess.run(["openssl", "x509", "-in", self.path(file), "-outform", "DER"], check=True,
                             capture_output=True).stdout
        return f"{{ file: {file}, sha256: {hashlib.sha256(der).hexdigest()} }}"

    def make_profile(self, profile, edit):
        with open(os.path.join(SOURCE, "profiles", profile), encoding="utf-8") as file:
            text = file.read()
        for key, file in [("issuer", "ca/root.pem"), ("intermediates", "ca/issuing.pem"), ("device", "ca/root.pem")]:
            text = replace_map(text, key, self.anchor(file))
        self.write("profile.yaml", edit(text) if edit else text)
        self.serial = next(line.split("example:")[1].strip(" }") for line in text.splitlines()
                           if line.strip().startswith("serial: {") and "example" in line)
        self.model = next(line.split("example:")[1].strip(" }") for line in text.splitlines()
                          if line.strip().startswith("model: {") and "example" in line)

    def start_twins(self, first=None, env=None):
        o = self.options
        arguments = ["--family", o["family"], "--dir", self.path("devices"), "--devices", o["devices"], "--slots",
                     o["slots"], "--keygen-ms", o["keygen_ms"], "--seed", 7, "--model", self.model, "--serial",
                     first or self.serial]
        if o["variant"]:
            arguments += ["--variant", o["variant"]]
        for fault in o["faults"]:
            arguments += ["--fault", fault]
        self.twins = Program("kiln-twin", *arguments, env=env)
        self.programs.append(self.twins)

    def serials(self):
        return self.twins.hello["serials"]

    def batch(self, *arguments, **options):
        return Batch(self, *arguments, **options)

    def run(self, *arguments, **options):
        """A whole batch; its exit code and the batch."""
        batch = self.batch(*arguments, **options)
        return batch.wait(), batch

    def verify(self):
        done = kiln("verify", "--config", self.config, "--json")
        line = json.loads(done.stdout) if done.stdout else {"stderr": done.stderr}
        return done.returncode, line

    def log(self, serial=None):
        done = kiln("log", *([serial] if serial else []), "--config", self.config, "--json")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def orphans(self):
        done = kiln("orphans", "--config", self.config, "--json")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def posts(self):
        try:
            return [json.loads(line) for line in self.read("ca/posts.ndjson").splitlines()]
        except FileNotFoundError:
            return []

    def close(self):
        for batch in self.batches:
            if batch.process.poll() is None:
                batch.process.kill()
                batch.process.wait()
        for program in self.programs:
            program.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def check_promises(test, world):
    """What must hold of the records whatever happened: verify (I1 I3 I7 I9), and I2 against the CA's own
    account of what it issued."""
    code, line = world.verify()
    test.assertEqual(code, 0, line)
    delivered = {e["certificate"] for e in world.log() if e["event"] == "step" and e["step"] == "enrol"}
    orphans = world.orphans()
    known = delivered | {o.get("certificate") for o in orphans}
    unknown_csrs = {o["csr"] for o in orphans if not o.get("certificate")}
    for post in world.posts():
        if not post.get("certificate_sha256"):
            continue
        accounted = post["certificate_sha256"] in known or post["csr_sha256"] in unknown_csrs
        test.assertTrue(accounted, f"I2: the CA issued {post} and nothing accounts for it")
    return line
