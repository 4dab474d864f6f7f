"""A station that is none: it speaks on the control socket what it is told to, and keeps what it is asked."""

import copy
import json
import os
import shutil
import socket
import tempfile
import threading
import time
from urllib.parse import urlsplit

from station_kit import PATIENCE_S, Program

STEPS = ["identify", "claim", "keygen", "request", "enrol", "install", "readback", "prove", "seal", "attest", "finish"]


def slot(name, state="empty", **members):
    return {"name": str(name), "state": state, "present": state != "empty", "paused": False, "serial": "", "ms": 0} | members


def running(name, serial, index=4, **members):
    return slot(name, "running", serial=serial, step=STEPS[index], step_index=index, percent=index * 10,
                elapsed_ms=2300, left_ms=4100, **members)


def failed(name, serial, domain, code, message, advice="", state="failed", **members):
    return slot(name, state, serial=serial, domain=domain, code=code, message=message, advice=advice, **members)


def snapshot(slots=8, **members):
    return {
        "time": "2030-01-01T12:00:00Z", "build": "0", "station": {"id": "st-07", "site": "", "line": "Line 3"},
        "test": False, "profile": {"product": "Pump controller PC-200", "version": "3.2", "sha256": "0" * 64},
        "order": {"id": "WO-2291", "quantity": 5000, "made": 1274}, "state": "running", "stop": None, "fault": None, "paused": False,
        "operators": None, "line": None, "scan": None, "fixture": None,
        "health": {"ca": {"state": "up"}, "hsm": {"state": "up"}, "disk": {"state": "up", "free_bytes": 412 * 10 ** 9},
                   "printer": None},
        "counters": {"passed": 1240, "failed": 17, "refused": 3, "parked": 2},
        "rates": {"units_per_hour": 412, "cycle_ms": 61000, "yield_ppm": 986475, "first_pass_ppm": 971200},
        "steps": [{"name": name, "typical_ms": 900} for name in STEPS],
        "slots": [slot(i + 1) for i in range(slots)]} | members


class FakeStation:
    """answers: "do" -> what it says, a dict of "ok" or "err", or a function of the request."""

    def __init__(self, **members):
        self.folder = tempfile.mkdtemp(prefix="kiln-fake-")
        self.path = os.path.join(self.folder, "control.sock")
        self.state = snapshot(**members)
        self.answers, self.asked, self.clients = {}, [], []
        self.changed = threading.Condition()
        self.n, self.open, self.hangs = 0, True, False
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(self.path)
        self.socket.listen(64)
        for run in (self.accept, self.beat):
            threading.Thread(target=run, daemon=True).start()

    def accept(self):
        while self.open:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            with self.changed:
                self.clients.append(client)
            self.send(client, {"hello": "kiln-station", "build": "0", "protocol": 1, "run": "fake"})
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            for line in client.makefile("r"):
                request = json.loads(line)
                self.send(client, {"id": request["id"]} | self.answer(request))
        except (OSError, ValueError):
            pass

    def send(self, client, message):
        while self.hangs:
            time.sleep(0.05)
        try:
            client.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            pass

    def answer(self, request):
        if request["do"] == "status":
            return {"ok": {"snapshot": copy.deepcopy(self.state)}}
        if request["do"] == "subscribe":
            return {"ok": {"n": self.n, "reset": True, "snapshot": copy.deepcopy(self.state)}}
        with self.changed:
            self.asked.append(request)
            self.changed.notify_all()
        answer = self.answers.get(request["do"], {"ok": {}})
        return answer(request) if callable(answer) else answer

    def beat(self):
        while self.open:
            self.tell_all({"event": "heartbeat", "last": self.n})
            time.sleep(0.5)

    def tell_all(self, message):
        if self.hangs:
            return
        with self.changed:
            clients = list(self.clients)
        for client in clients:
            self.send(client, message)

    def tell(self, event, **members):
        self.n += 1
        self.tell_all({"n": self.n, "time": "2030-01-01T12:00:00Z", "event": event} | members)

    def change(self, *slots, **members):
        """What the next snapshot says; slots replace those of their names."""
        for new in slots:
            self.state["slots"] = [new if old["name"] == new["name"] else old for old in self.state["slots"]]
        self.state |= members
        self.tell_all({"event": "heartbeat", "last": self.n})

    def wait_asked(self, do, count=1):
        """The members of the newest request of that name, when it came so often."""
        end = time.monotonic() + PATIENCE_S
        with self.changed:
            while True:
                found = [r for r in self.asked if r["do"] == do]
                if len(found) >= count:
                    return {k: v for k, v in found[-1].items() if k not in ("id", "do", "via")}
                left = end - time.monotonic()
                if left <= 0 or not self.changed.wait(left):
                    raise AssertionError(f"{do} was not asked {count} times: {self.asked}")

    def close(self):
        self.open, self.hangs = False, False
        self.socket.close()
        for client in self.clients:
            client.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class FakeConsole(Program):
    def __init__(self, station):
        super().__init__("kiln-console", "--socket", station.path)
        self.url = self.hello["url"]
        self.host = urlsplit(self.url).netloc
