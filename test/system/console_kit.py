"""kiln-console beside a station that runs, and a browser's end of it without a browser."""

import http.client
import json
import os
import socket
import threading
import time
from urllib.parse import urlsplit

from station_kit import PATIENCE_S, Program


def ready(service):
    service.wait_for(lambda e: e["event"] == "station" and e["what"] == "ready")


def run(world, **options):
    service = world.batch(command="run", **options)
    ready(service)
    return service


class Console(Program):
    def __init__(self, world, *arguments):
        super().__init__("kiln-console", "--config", world.config, *arguments)
        world.programs.append(self)
        self.url = self.hello["url"]
        self.address = urlsplit(self.url).hostname, urlsplit(self.url).port
        self.host = f"{self.address[0]}:{self.address[1]}"
        self.origin = f"http://{self.host}"

    def request(self, method, path, headers=None, body=None):
        """Status, headers and body of one request."""
        connection = http.client.HTTPConnection(*self.address, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def session(self, cookie=None):
        """What a page that was loaded may send."""
        status, headers, body = self.request("GET", "/session", {"Cookie": cookie} if cookie else {})
        if status != 200:
            raise AssertionError((status, body))
        return {"Cookie": headers["Set-Cookie"].split(";")[0], "X-Kiln-Token": json.loads(body)["token"],
                "Content-Type": "application/json", "Origin": self.origin}

    def do(self, what, reason=None, headers=None):
        body = {"do": what} | ({"reason": reason} if reason is not None else {})
        status, _, text = self.request("POST", "/do", self.session() if headers is None else headers, json.dumps(body))
        return status, json.loads(text)

    def raw(self, data, receive_buffer=None):
        """A socket on which data was said."""
        peer = socket.socket()
        if receive_buffer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        peer.settimeout(PATIENCE_S)
        peer.connect(self.address)
        peer.sendall(data)
        return peer

    def memory_kib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))

    def sockets(self):
        names = []
        for fd in os.listdir(f"/proc/{self.process.pid}/fd"):
            try:
                names.append(os.readlink(f"/proc/{self.process.pid}/fd/{fd}"))
            except FileNotFoundError:
                continue
        return sum(name.startswith("socket:") for name in names)


class Listener:
    """An EventSource: the messages that came, as (event, id, data)."""

    def __init__(self, console, last=None):
        self.messages = []
        self.seen = threading.Condition()
        self.connection = http.client.HTTPConnection(*console.address, timeout=PATIENCE_S)
        self.connection.connect()
        self.socket = self.connection.sock  # the connection forgets it
        self.connection.request("GET", "/events", headers={"Last-Event-ID": last} if last else {})
        self.answer = self.connection.getresponse()
        if self.answer.status != 200:
            raise AssertionError((self.answer.status, self.answer.read()))
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        fields = {}
        try:
            for line in iter(self.answer.readline, b""):
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name:
                    fields[name] = value
                elif fields.get("event"):
                    with self.seen:
                        self.messages.append((fields["event"], fields.get("id"), json.loads(fields["data"])))
                        self.seen.notify_all()
                    fields = {}
                else:
                    fields = {}
        except (OSError, ValueError, AttributeError, http.client.HTTPException):  # closed while it read
            pass

    def wait_for(self, wanted, patience=PATIENCE_S, after=0):
        """Until a message satisfies wanted, behind so many others; that message."""
        end = time.monotonic() + patience
        with self.seen:
            while True:
                for message in self.messages[after:]:
                    if wanted(*message):
                        return message
                left = end - time.monotonic()
                if left <= 0 or not self.seen.wait(left):
                    raise AssertionError(f"no such message in {[m[:2] for m in self.messages[-8:]]}")

    def told(self):
        return [data for name, _, data in self.messages if name == "told"]

    def last_id(self):
        return [id for _, id, _ in self.messages if id][-1]

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.thread.join(timeout=10)
        self.answer.close()
        self.connection.close()
        self.socket.close()
