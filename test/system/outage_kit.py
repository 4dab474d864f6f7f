"""What the tests of outages share: a road to the CA that can be closed, and how busy a station is."""

import os
import selectors
import socket
import threading

PATIENT = "min_s: 1, max_s: 2, default_s: 1, patience_s: 600"
TICKS = os.sysconf("SC_CLK_TCK")


class Road:
    """Between station and CA: counts who comes, and can be closed (connections are cut and refused)."""

    def __init__(self, url):
        self.target = ("127.0.0.1", int(url.split(":")[2].split("/")[0]))
        self.lock = threading.Lock()
        self.pairs, self.tries, self.is_open = [], 0, True
        self.door = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.door.getsockname()[1]
        self.url = url.replace(str(self.target[1]), str(self.port))
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                near, _ = self.door.accept()
            except OSError:
                return
            with self.lock:
                self.tries += 1
                if not self.is_open:
                    near.close()
                    continue
                far = socket.create_connection(self.target)
                self.pairs.append((near, far))
            threading.Thread(target=self.carry, args=(near, far), daemon=True).start()

    @staticmethod
    def carry(near, far):
        other = {near: far, far: near}
        with selectors.DefaultSelector() as selector:
            for end in other:
                selector.register(end, selectors.EVENT_READ)
            try:
                while True:
                    for key, _ in selector.select():
                        data = key.fileobj.recv(65536)
                        if not data:
                            return
                        other[key.fileobj].sendall(data)
            except (OSError, ValueError):
                return
            finally:
                for end in other:
                    end.close()

    def close(self):
        with self.lock:
            self.is_open = False
            for pair in self.pairs:
                for end in pair:
                    try:
                        end.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass
            self.pairs = []

    def open(self):
        with self.lock:
            self.is_open = True

    def stop(self):
        self.close()
        self.door.close()


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def station_events(batch, what):
    return [e for e in batch.events if e["event"] == "station" and e["what"] == what]


def noted(world, what):
    return [e for e in world.log() if e["event"] == "station" and e["what"] == what]


def waits(step):
    return lambda e: e["event"] == "step" and e["step"] == step and e["outcome"] == "wait"


def wait_until_all_wait(batch, step, count):
    """Every one of so many slots waits at the step."""
    for slot in range(1, count + 1):
        batch.wait_for(lambda e, s=str(slot): waits(step)(e) and e["slot"] == s)
