"""A whole station inside the guest: tokens, CA, records and `kiln batch`, as test/system/station_kit.py makes them on
the host. The devices are a link's (links.py)."""

import hashlib
import json
import os
import ssl
import sys
import threading
import time

SOURCE = os.environ["KILN_SOURCE"]
sys.path.insert(0, os.path.join(SOURCE, "test/system"))

from station_kit import IMPATIENT, PINS, module, replace_map  # noqa: E402

FOLDER = "/tmp/w"
PATIENCE_S = 240


class Program:
    """kiln-devca or kiln-twin in the guest, spoken to on its standard input and output."""

    def __init__(self, machine, *words):
        self.channel = machine.start(*words)
        self.hello = json.loads(self.channel.line() or "{}")
        self.id = 0

    def ask(self, do, **members):
        self.id += 1
        self.channel.send((json.dumps({"id": self.id, "do": do, **members}) + "\n").encode())
        answer = json.loads(self.channel.line())
        if "ok" not in answer:
            raise AssertionError(f"{do} {members}: {answer}")
        return answer["ok"]


class Batch:
    """kiln batch --json in the guest. The hands that plug act on its events."""

    def __init__(self, world, *words, environment=()):
        self.events, self.units, self.code = [], [], None
        self.seen = threading.Condition()
        self.log = world.log_file
        self.channel = world.machine.start("env", *environment, "sh", "-c", 'exec "$@" 2>/tmp/batch.err', "sh", "kiln",
                                           "batch", "--config", world.config, "--json", *words)
        self.machine = world.machine
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        while (line := self.channel.line()) is not None:
            event = json.loads(line)
            self.log(line)
            with self.seen:
                self.events.append(event)
                if event["event"] == "unit":
                    self.units.append(event)
                self.seen.notify_all()
        with self.seen:
            self.code = self.channel.exit
            self.seen.notify_all()

    def wait_for(self, wanted, since=0, patience=PATIENCE_S):
        """The first event from the since-th that satisfies wanted."""
        end = time.monotonic() + patience
        with self.seen:
            while True:
                for event in self.events[since:]:
                    if wanted(event):
                        return event
                left = end - time.monotonic()
                if self.code is not None or left <= 0 or not self.seen.wait(left):
                    raise AssertionError(f"no such event; the batch's exit: {self.code}; {self.events[-6:]}; "
                                         + self.errors())

    def errors(self):
        return self.machine.run("cat", "/tmp/batch.err")[1].decode(errors="replace")

    def interrupt(self):
        self.machine.shell("kill -INT $(pidof kiln)")

    def wait(self):
        self.thread.join(PATIENCE_S)
        return self.code


class World:
    def __init__(self, machine, profile, edit=None, log=lambda line: None, label=None):
        """label: the CA's way to answer, as kiln-devca names it."""
        self.machine, self.log_file, self.label = machine, log, label
        self.config = self.path("station.yaml")
        with open(os.path.join(SOURCE, "profiles", profile), encoding="utf-8") as file:
            self.profile = file.read()
        self.serial, self.model = self.example("serial"), self.example("model")
        machine.shell('mkdir -p "$1/tokens" "$1/ca" && chmod 700 "$1/tokens"', FOLDER)
        self.write("softhsm2.conf", f"directories.tokendir = {self.path('tokens')}\nlog.level = ERROR\n")
        for name, pin in [*PINS.items(), ("so", "canary-so-4713")]:
            self.write(f"{name}.pin", pin + "\n", 0o600)
        self.configure("https://127.0.0.1:1/x", '[{ name: "1", address: "serial:/dev/none" }]')
        self.make_keys()
        self.start_ca()
        text = self.profile
        for key, file in [("issuer", "ca/root.pem"), ("intermediates", "ca/issuing.pem"), ("device", "ca/root.pem")]:
            text = replace_map(text, key, self.anchor(file))
        self.write("profile.yaml", edit(text) if edit else text)

    def example(self, key):
        return next(line.split("example:")[1].strip(' }"') for line in self.profile.splitlines()
                    if line.strip().startswith(key + ": {") and "example" in line)

    def path(self, name):
        return f"{FOLDER}/{name}"

    def write(self, name, text, mode=0o644):
        self.machine.write(self.path(name), text.encode(), mode)

    def configure(self, url, slots):
        self.write("station.yaml", (
            "station: { id: guest-1, site: Testville }\nrecords: records.db\nprofile: profile.yaml\n"
            f"ca:\n  url: {url}\n  anchors: ca/tls-anchor.pem\n  accept_test_ca: true\n  retry: {{ {IMPATIENT} }}\n"
            f"hsm:\n  module: {module()}\n  environment: {{ SOFTHSM2_CONF: {self.path('softhsm2.conf')} }}\n"
            "  tls: { token: tls, key: k-tls, certificate: tls.pem, pin: tls.pin }\n"
            "  attestation: { token: attestation, key: k-att, certificate: attestation.pem,\n"
            f"    pin: attestation.pin, anchors: ca/root.pem }}\nslots: {slots}\n"))

    def kiln(self, *words):
        return self.machine.run("kiln", *words, check=False)

    def make_keys(self):
        for token in PINS:
            for verb, *more in [("init", "--so-pin", self.path("so.pin")), ("keygen", "--alg", "EC:P-256"),
                                ("csr", "--subject", f"/O=Example/CN=station {token}", "--out",
                                 self.path(token + ".csr"), *(["--ra"] if token == "tls" else []))]:
                self.machine.run("kiln", "hsm", verb, "--config", self.config, "--token", token, *more)

    def start_ca(self):
        self.ca = Program(self.machine, "kiln-devca", "--dir", self.path("ca"), "--log", self.path("ca/posts.ndjson"),
                          "--no-expiry", "--ext-key-usage", "clientAuth",
                          "--sign-ra", f"{self.path('tls.csr')}:{self.path('tls.pem')}",
                          "--sign-attestation", f"{self.path('attestation.csr')}:{self.path('attestation.pem')}")

    def slots(self, addresses):
        """addresses: by slot, as flow maps without the name."""
        lines = "".join(f'\n  - {{ name: "{name}", {text} }}' for name, text in addresses.items())
        self.configure(f"{self.ca.hello['url']}/{self.label}" if self.label else self.ca.hello["url"], lines)

    def anchor(self, file):
        der = ssl.PEM_cert_to_DER_cert(self.machine.read(self.path(file)).decode())
        return f"{{ file: {file}, sha256: {hashlib.sha256(der).hexdigest()} }}"

    def batch(self, *words, **options):
        return Batch(self, *words, **options)

    def verify(self):
        code, output = self.kiln("verify", "--config", self.config, "--json")
        return code, json.loads(output) if output else {}

    def lines(self, *words):
        return [json.loads(line) for line in self.kiln(*words, "--config", self.config, "--json")[1].splitlines()]

    def log(self):
        return self.lines("log")

    def orphans(self):
        return self.lines("orphans")

    def posts(self):
        code, output = self.machine.run("cat", self.path("ca/posts.ndjson"), check=False)
        return [json.loads(line) for line in output.splitlines()] if code == 0 else []
