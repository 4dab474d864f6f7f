"""What the tests of devices share: kiln-slot as the station starts it, and kiln-twin with its ports."""

import base64
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time

BIN = os.environ["KILN_BIN"]
SOURCE = os.environ["KILN_SOURCE"]
PATIENCE_S = 60


def b64(data):
    return base64.b64encode(data).decode()


def unb64(text):
    return base64.b64decode(text, validate=True)


def openssl(*arguments, stdin=None):
    done = subprocess.run(["openssl", *arguments], input=stdin, capture_output=True)
    if done.returncode != 0:
        raise AssertionError(f"openssl {arguments}: {done.stderr.decode()}")
    return done.stdout


class Refused(Exception):
    """An answer that is an error; error is {domain, scope, code, message, retry}."""

    def __init__(self, error):
        super().__init__(f"{error['domain']} {error['code']}: {error['message']}")
        self.error = error
        self.code = error["code"]


class Gone(Exception):
    """The program has closed its channel."""


class Channel:
    """A program of kiln with the station's end of its channel."""

    def __init__(self, name, *arguments, stderr=None):
        ours, theirs = socket.socketpair()
        number = theirs.fileno()
        redirect = "" if number == 3 else f"3<&{number} {number}<&-"
        self.process = subprocess.Popen(
            ["sh", "-c", f'exec "$@" {redirect}', "sh", os.path.join(BIN, name), *arguments],
            pass_fds=(number,), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr)
        theirs.close()
        ours.settimeout(PATIENCE_S)
        self.socket = ours
        self.file = ours.makefile("rw", encoding="utf-8", newline="\n")
        self.hello = self.read()
        self.id = 0

    def read(self):
        try:
            line = self.file.readline()
        except ConnectionResetError:
            line = ""
        if not line:
            raise Gone()
        return json.loads(line)

    def ask(self, do, **members):
        self.id += 1
        self.file.write(json.dumps({"id": self.id, "do": do, **members}) + "\n")
        self.file.flush()
        answer = self.read()
        assert answer["id"] == self.id, answer
        if "err" in answer:
            raise Refused(answer["err"])
        return answer["ok"]

    def close(self):
        """Hangs up; returns the exit status."""
        self.file.close()
        self.socket.close()
        return self.process.wait(PATIENCE_S)


class Slot(Channel):
    def __init__(self, **options):
        super().__init__("kiln-slot", **options)

    def open(self, port, profile, **members):
        with open(profile, encoding="utf-8") as text:
            return self.ask("open", address=f"serial:{port}", profile={"name": profile, "text": text.read()},
                            **members)

    def op(self, do, seconds=30, **members):
        deadline = int((time.clock_gettime(time.CLOCK_MONOTONIC) + seconds) * 1000)
        return self.ask(do, deadline=deadline, **members)


class Twin:
    """kiln-twin in a folder of its own; ports[i] is slot i + 1."""

    def __init__(self, family, model, serial, *arguments, devices=1, slots=1):
        self.dir = tempfile.mkdtemp(prefix="kiln-twin-")
        self.channel = Channel("kiln-twin", "--family", family, "--dir", self.dir, "--slots", str(slots),
                               "--devices", str(devices), "--model", model, "--serial", serial, *arguments)
        self.ports = [os.path.join(self.dir, "port", str(i + 1)) for i in range(slots)]

    def folder(self, serial):
        return os.path.join(self.dir, "device", serial)

    def close(self):
        self.channel.close()
        shutil.rmtree(self.dir)


class Authority:
    """A root that certifies any request, in memory of the test's folder."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="kiln-ca-")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", "/CN=test root", "-keyout", self / "root.key", "-out", self / "root.pem")
        self.root = openssl("x509", "-in", self / "root.pem", "-outform", "DER")

    def __truediv__(self, name):
        return os.path.join(self.dir, name)

    def certify(self, csr):
        """DER of the certificate over a DER request."""
        return openssl("x509", "-req", "-inform", "DER", "-CA", self / "root.pem", "-CAkey", self / "root.key",
                       "-set_serial", str(int.from_bytes(os.urandom(8), "big") | 1), "-copy_extensions", "copyall",
                       "-days", "1", "-outform", "DER", stdin=csr)

    def close(self):
        shutil.rmtree(self.dir)
