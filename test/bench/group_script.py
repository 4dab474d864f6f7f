"""Against a script: the same devices, CA and token by line_script.sh, one after the other and under xargs -P."""

import base64
import json
import os
import subprocess
import time

from rig import Program, Station, run
from station_kit import PINS, SOURCE

SLOTS = 64
SCRIPT = os.path.join(SOURCE, "test", "bench", "line_script.sh")
TABLE = ("CREATE TABLE unit (serial TEXT PRIMARY KEY, model TEXT, state TEXT, spki TEXT UNIQUE, csr TEXT, "
         "certificate TEXT, proof TEXT, statement TEXT, attestation TEXT)")


class ScriptStation(Station):
    """The same, with a key of the script's own for TLS, in a file: what costs it least."""

    def make(self, *arguments):
        super().make(*arguments)
        for name in ("issuing", "root"):
            self.openssl("x509", "-in", self.path(f"ca/{name}.pem"), "-outform", "DER", "-out", self.path(name + ".der"))
        public = self.openssl("x509", "-in", self.path("attestation.pem"), "-noout", "-pubkey")
        self.write("attestation.pub", public.decode())
        # the combined prefix of DSP0274: the version four times, zeros, the context; 100 bytes
        context = b"responder-challenge_auth signing"
        with open(self.path("prefix.bin"), "wb") as file:
            file.write((b"dmtf-spdm-v1.3.*" * 4).ljust(100 - len(context), b"\0") + context)
        with open(self.path("root.der"), "rb") as file:
            anchors = base64.b64encode(file.read()).decode()
        subprocess.run(["sqlite3", self.path("line.db"), "PRAGMA journal_mode=WAL", TABLE], check=True,
                       capture_output=True)
        values = {"KILN_BIN": os.environ["KILN_BIN"], "URL": self.ca.hello["url"], "MODULE": self.module,
                  "PIN": PINS["attestation"], "O": "Example Medical", "ANCHORS": anchors,
                  "PROFILE": json.dumps(self.read("profile.yaml")), "SOFTHSM2_CONF": self.path("softhsm2.conf")}
        self.write("line.env", "".join(f"export {k}={quote(v)}\n" for k, v in values.items()))

    @staticmethod
    def openssl(*arguments):
        return subprocess.run(["openssl", *arguments], check=True, capture_output=True).stdout

    def start_ca(self, hours=24):
        self.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                     "/O=Example/CN=script RA", "-keyout", self.path("ra.key"), "-out", self.path("ra.csr"))
        sign = [f"{self.path(name + '.csr')}:{self.path(name + '.pem')}" for name in ("ra", "tls", "attestation")]
        self.ca = Program("kiln-devca", "--dir", self.path("ca"), "--log", self.path("ca/posts.ndjson"), "--hours",
                          hours, "--no-expiry", "--ext-key-usage", "clientAuth", "--sign-ra", sign[0], "--sign-ra",
                          sign[1], "--sign-attestation", sign[2])
        self.programs.append(self.ca)


def quote(text):
    return "'" + text.replace("'", "'\\''") + "'"


def run_script(slots, at_once, device_s):
    """Units a second, and CPU seconds of a unit."""
    with ScriptStation(slots, 1, device_s) as station:
        numbers = "\n".join(str(i + 1) for i in range(slots)).encode()
        begun = time.monotonic()
        process = subprocess.Popen(["xargs", "-P", str(at_once), "-n", "1", SCRIPT, station.folder],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process.stdin.write(numbers)
        process.stdin.close()
        lines = process.stdout.read().decode().splitlines()
        _, status, usage = os.wait4(process.pid, 0)
        took = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stdout.close()
    if process.returncode != 0 or sum(line.startswith("PASS") for line in lines) != slots:
        raise AssertionError(f"the script passed {lines}")
    return slots / took, (usage.ru_utime + usage.ru_stime) / slots


def run_kiln(slots, each, device_s):
    with Station(slots, each, device_s) as station:
        hands = run(station)
    return hands.rate(), hands.cpu_s() / len(hands.units)


def round(context, board):
    slots, device_s = context.slots((SLOTS,))[0], 0.5
    kiln, kiln_cpu = run_kiln(slots, context.count(8, 4), device_s)
    alone, alone_cpu = run_script(context.count(8, 4), 1, device_s)
    board.point("script", 1, 3600 * alone)
    board.point("script", slots, 3600 * alone)
    for at_once in sorted({1 if context.tiny else 8, slots}):
        many, many_cpu = run_script(at_once, at_once, device_s)
        board.point("script, parallel", at_once, 3600 * many)
    board.point("script, parallel", 1, 3600 * alone)
    board.tell("script.sequential", kiln / alone, f"{slots} slots to the script, one after the other", unit="x",
               bar=(">=", 40), digits=1)
    board.tell("script.parallel", kiln / many, f"{slots} slots to the script under xargs -P{slots}", unit="x",
               bar=(">=", 3), digits=1)
    board.tell("script.cpu", kiln_cpu / min(alone_cpu, many_cpu), "  CPU of a unit to the script's", bar=("<=", 0.1),
               digits=3)
    board.tell("script.rate", 3600 * kiln, f"units per hour, {slots} slots, 0.5 s devices: kiln", rate=True, digits=0)
    board.tell("script.rate.parallel", 3600 * many, "  the script in parallel", rate=True, digits=0)
    board.tell("script.rate.alone", 3600 * alone, "  the script alone", rate=True, digits=0)
    board.tell("script.cpu.kiln", 1000 * kiln_cpu, "  CPU of a unit: kiln", unit="ms", digits=1)
    board.tell("script.cpu.script", 1000 * min(alone_cpu, many_cpu), "  the script", unit="ms", digits=1)
