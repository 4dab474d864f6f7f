"""kiln-console: what a browser hears and may do, beside a real station; and who is turned away."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
import unittest

from console_kit import Console, Listener, run
from station_kit import BIN, PATIENCE_S, World, check_promises


def shows_pass(event, _, data):
    """Told, or shown to one who came too late to be told; a unit that passed unseen is refused the next time."""
    if event == "told":
        return data["event"] == "unit" and data["outcome"] == "passed"
    return event == "snapshot" and any(s["state"] == "passed" or s.get("code") == "claim.passed" for s in data["slots"])


def outcome(name):
    return lambda event, _, data: event == "told" and data["event"] == "unit" and data["outcome"] == name


def station(what):
    return lambda event, _, data: event == "told" and data["event"] == "station" and data["what"] == what


def status_of(peer):
    """The number in the answer; None where the connection ended without one."""
    head = b""
    while b"\r\n" not in head:
        try:
            part = peer.recv(4096)
        except ConnectionResetError:
            part = b""
        if not part:
            return None
        head += part
    return int(head.split(b" ")[1])


def eventually(condition, what):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(what)
        time.sleep(0.05)


class Hearing(unittest.TestCase):
    def test_from_plug_to_pass(self):
        with World(devices=2, slots=2) as world:
            service = run(world, swap=False)
            listener = Listener(Console(world))
            for _ in range(2):
                listener.wait_for(lambda e, _, d: e == "snapshot" and d["counters"]["passed"] == 2)
            listener.close()
            name, id, first = listener.messages[0]
            self.assertEqual(name, "snapshot")
            told = [(id, data) for name, id, data in listener.messages if name == "told"]
            begin = int(id.split("-")[1])
            self.assertEqual([i for i, _ in told], [f"{id.split('-')[0]}-{begin + 1 + k}" for k in range(len(told))])
            heard = [{k: v for k, v in data.items() if k != "n"} for _, data in told]
            self.assertEqual(heard, service.events[begin:begin + len(heard)])
            self.assertEqual([s["name"] for s in first["slots"]], ["1", "2"])
            last = [d for n, _, d in listener.messages if n == "snapshot"][-1]
            self.assertEqual({s["state"] for s in last["slots"]}, {"passed"})
            self.assertEqual(last["rates"]["yield_ppm"], 1000000)

    def test_who_was_cut_off_goes_on_without_gap_or_double(self):
        with World(devices=8, slots=2) as world:
            service = run(world)
            console = Console(world)
            events, last = [], None
            while len([e for e in events if e["event"] == "unit"]) < 8:
                listener = Listener(console, last)
                listener.wait_for(lambda e, *_: e == "told")
                listener.close()
                events += listener.told()
                if last:
                    first = listener.messages[0]
                    self.assertNotEqual((first[0], bool(first[1])), ("snapshot", True), "it has not begun anew")
                last = listener.last_id()
            numbers = [e["n"] for e in events]
            self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
            self.assertEqual(len({e["serial"] for e in events if e["event"] == "unit"}), 8)
            for stranger in ("0123456789abcdef-3", "garbage", last.split("-")[0] + "-99999"):
                listener = Listener(console, stranger)
                self.assertTrue(listener.wait_for(lambda e, *_: e == "snapshot")[1], "it begins with a snapshot")
                listener.close()
            self.assertIsNone(service.process.poll())

    def test_a_station_that_is_killed_and_comes_back(self):
        with World(devices=1, slots=1, keygen_ms=1500) as world:
            listener = Listener(Console(world))
            listener.wait_for(lambda e, *_: e == "silent")
            service = run(world, swap=False)
            id = listener.wait_for(lambda e, *_: e == "snapshot")[1]
            listener.wait_for(lambda e, _, d: e == "told" and d["event"] == "step" and d["step"] == "keygen")
            listener.wait_for(lambda e, *_: e == "heartbeat")
            service.kill()
            before = len(listener.messages)
            listener.wait_for(lambda e, *_: e == "silent", after=before)
            run(world, swap=False)
            back = listener.wait_for(lambda e, i, _: e == "snapshot" and i, after=before)
            self.assertNotEqual(back[1].split("-")[0], id.split("-")[0], "another run")
            listener.wait_for(shows_pass)
            listener.close()
            check_promises(self, world)


class Doing(unittest.TestCase):
    def test_stop_and_start_are_events_of_the_records(self):
        with World(devices=2, slots=1) as world:
            service = run(world, swap=False)
            console = Console(world)
            listener = Listener(console)
            service.wait_for(lambda e: e["event"] == "unit")
            status, answer = console.do("stop")
            self.assertEqual((status, answer["err"]["code"]), (409, "station.reason"))
            self.assertEqual(console.do("stop", "no \u00fcnits \u2026"), (200, {"ok": {}}))
            listener.wait_for(station("stopped"))
            stop = listener.wait_for(lambda e, _, d: e == "snapshot" and d["state"] == "stopped")[2]["stop"]
            self.assertEqual(stop["reason"], "no \u00fcnits \u2026")
            status, answer = console.do("stop", "again")
            self.assertEqual((status, answer["err"]["code"]), (409, "station.state"))
            world.twins.ask("swap", slot=1)
            listener.wait_for(lambda e, _, d: e == "told" and d["event"] == "held")
            self.assertEqual(console.do("start")[0], 200)
            service.wait_for(lambda e: len(service.units) == 2)
            listener.close()
            service.process.send_signal(signal.SIGTERM)
            service.wait()
            status, answer = console.do("stop", "nobody is there")
            self.assertEqual((status, answer["err"]["code"]), (503, "station.absent"))
            actions = [e for e in world.log() if e["event"] == "station" and e["what"] in ("stopped", "started")]
            self.assertEqual([a["what"] for a in actions], ["stopped", "started"])
            self.assertEqual(actions[0]["detail"]["reason"], "no \u00fcnits \u2026")
            check_promises(self, world)


class Hostile(unittest.TestCase):
    """Nothing of it reaches the station; no station is needed to be refused."""

    @classmethod
    def setUpClass(cls):
        cls.world = World(devices=1, slots=1)
        cls.service = run(cls.world, swap=False)
        cls.console = Console(cls.world)

    @classmethod
    def tearDownClass(cls):
        stopped = [e for e in cls.service.events if e.get("what") == "stopped"]
        cls.world.close()
        if stopped:
            raise AssertionError(f"a hostile request has stopped the station: {stopped}")

    def refused(self, headers, code, status=403):
        got, answer = self.console.do("stop", "hostile", headers)
        self.assertEqual((got, answer["err"]["code"]), (status, code), headers)

    def test_a_deed_needs_its_page(self):
        page = self.console.session()
        for name, value, code in [
                ("Host", "evil.example", "console.host"), ("Host", "localhost:%d" % self.console.address[1], "console.host"),
                ("Origin", "http://evil.example", "console.origin"), ("Origin", "null", "console.origin"),
                ("Origin", "http://127.0.0.1:1", "console.origin"), ("Sec-Fetch-Site", "cross-site", "console.site"),
                ("Sec-Fetch-Site", "same-site", "console.site"), ("Content-Type", "text/plain", "console.type"),
                ("X-Kiln-Token", "0" * 64, "console.token"), ("X-Kiln-Token", "", "console.token"),
                ("Cookie", "kiln_1=" + "0" * 32, "console.token")]:
            self.refused(page | {name: value}, code)
        for name, code in [("Origin", "console.origin"), ("Content-Type", "console.type"),
                           ("X-Kiln-Token", "console.token"), ("Cookie", "console.token")]:
            self.refused({k: v for k, v in page.items() if k != name}, code)
        self.refused({k: v for k, v in page.items() if k != "X-Kiln-Token"} |
                     {"X-Kiln-Token": self.console.session()["X-Kiln-Token"]}, "console.token")

    def test_a_body_that_is_no_deed(self):
        for body in (b"", b"[]", b"{", b'{"do":"status"}', b'{"do":"stop","reason":7}', b"\xff\xfe", b'{"do":"stop"}\0'):
            status, _, text = self.console.request("POST", "/do", self.console.session(), body)
            self.assertEqual(status, 400, body)
            self.assertIn("err", json.loads(text))

    def test_reading_needs_the_right_name_too(self):
        for path in ("/", "/session", "/events", "/main.js"):
            self.assertEqual(self.console.request("GET", path, {"Host": "rebound.example"})[0], 403, path)
            self.assertEqual(self.console.request("GET", path, {"Sec-Fetch-Site": "cross-site"})[0], 403, path)

    def test_addresses_and_methods(self):
        for path in ("/x", "/main.js/", "/../etc/passwd", "/lang/fr.json", "//"):
            self.assertEqual(self.console.request("GET", path)[0], 404, path)
        for method, path, allowed in [("POST", "/", "GET"), ("GET", "/do", "POST"), ("DELETE", "/do", "POST"),
                                      ("HEAD", "/", "GET"), ("POST", "/events", "GET"), ("OPTIONS", "/do", "POST")]:
            status, headers, _ = self.console.request(method, path)
            self.assertEqual((status, headers["Allow"]), (405, allowed), method + path)
        peer = self.console.raw(f"BREW / HTTP/1.1\r\nHost: {self.console.host}\r\n\r\n".encode())
        self.assertIn(status_of(peer), (405, 501))
        peer.close()

    def test_every_answer_keeps_the_page_to_itself(self):
        for method, path, headers in [("GET", "/", {}), ("GET", "/main.js", {}), ("GET", "/session", {}), ("GET", "/x", {}),
                                      ("GET", "/", {"Host": "x"}), ("PUT", "/do", {}), ("POST", "/do", {})]:
            got = self.console.request(method, path, headers)[1]
            policy = got["Content-Security-Policy"]
            for part in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'",
                         "frame-ancestors 'none'"):
                self.assertIn(part, policy)
            self.assertNotIn("unsafe", policy)
            self.assertEqual(got["X-Content-Type-Options"], "nosniff")
            self.assertEqual(got["Referrer-Policy"], "no-referrer")
            self.assertEqual(got["Cache-Control"], "no-store")
            self.assertNotIn("Access-Control-Allow-Origin", got)
        cookie = self.console.request("GET", "/session")[1]["Set-Cookie"]
        self.assertIn("HttpOnly", cookie)
        self.assertIn("SameSite=Strict", cookie)

    def test_giants(self):
        head = f"POST /do HTTP/1.1\r\nHost: {self.console.host}\r\n"
        for said in (f"{head}Content-Length: 8193\r\n\r\n", f"{head}Content-Length: 99999999999\r\n\r\n",
                     f"{head}X: {'x' * 9000}\r\n\r\n", f"GET /{'x' * 9000} HTTP/1.1\r\n\r\n",
                     head + "".join(f"H{i}: x\r\n" for i in range(3000))):
            peer = self.console.raw(said.encode())
            self.assertIn(status_of(peer), (400, 413, None), said[:60])
            peer.close()
        peer = self.console.raw(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        try:
            for _ in range(64):
                peer.sendall(b"400\r\n" + b"x" * 1024 + b"\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        self.assertIn(status_of(peer), (400, 413, None))
        peer.close()
        if "KILN_SANITIZE" not in os.environ:
            self.assertLess(self.console.memory_kib(), 64 * 1024)

    def test_one_who_takes_for_ever_is_put_out(self):
        """A byte now and then is a sign of life, and no reason to wait."""
        begin = time.monotonic()
        for said in (b"G", f"POST /do HTTP/1.1\r\nHost: {self.console.host}\r\nContent-Length: 100\r\n\r\n".encode()):
            peer = self.console.raw(said)
            peer.settimeout(0.5)
            ended = False
            while not ended and time.monotonic() - begin < PATIENCE_S:
                try:
                    ended = not peer.recv(1)
                    if not ended:
                        continue
                except socket.timeout:
                    try:
                        peer.sendall(b"x")
                    except (BrokenPipeError, ConnectionResetError):
                        ended = True
                except ConnectionResetError:
                    ended = True
            self.assertTrue(ended, said)
            peer.close()

    def test_only_loopback_can_connect(self):
        with open(f"/proc/{self.console.process.pid}/net/tcp", encoding="ascii") as file:
            port = f"{self.console.address[1]:04X}"
            addresses = {line.split()[1] for line in file if line.split()[3] == "0A" and line.split()[1].endswith(":" + port)}
        self.assertEqual(addresses, {f"0100007F:{port}"})


class Crowd(unittest.TestCase):
    def test_listeners_that_never_read_cost_little_and_slow_nobody(self):
        with World(devices=24, slots=4) as world:
            console = Console(world)
            request = f"GET /events HTTP/1.1\r\nHost: {console.host}\r\n\r\n".encode()
            before = console.memory_kib()
            crowd = [console.raw(request, receive_buffer=4096) for _ in range(50)]
            service = run(world)
            listener = Listener(console)
            service.wait_for(lambda e: len(service.units) == 24)
            listener.wait_for(lambda e, _, d: e == "snapshot" and d["counters"]["passed"] == 24)
            if "KILN_SANITIZE" not in os.environ:  # a sanitizer keeps what was freed
                self.assertLess(console.memory_kib() - before, 32 * 1024)
            numbers = [e["n"] for e in listener.told()]
            self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
            eventually(lambda: console.sockets() < 20, "those who do not read are closed")
            self.assertIsNone(service.process.poll())
            for peer in crowd:
                peer.close()
            listener.close()

    def test_there_is_room_for_so_many_browsers_and_again_when_they_leave(self):
        with World(devices=1, slots=1) as world:
            console = Console(world)
            request = f"GET /events HTTP/1.1\r\nHost: {console.host}\r\n\r\n".encode()
            crowd = [console.raw(request) for _ in range(64)]
            self.assertEqual({status_of(peer) for peer in crowd}, {200})
            status, _, body = console.request("GET", "/events")
            self.assertEqual((status, json.loads(body)["err"]["code"]), (503, "console.full"))
            self.assertEqual(console.request("GET", "/")[0], 200)
            silent = [console.raw(b"") for _ in range(60)]
            for peer in crowd + silent:
                peer.close()
            eventually(lambda: console.request("GET", "/session")[0] == 200, "the page is served again")
            listener = Listener(console)
            listener.close()
            eventually(lambda: console.sockets() < 8, "no connection is left over")

    def test_many_come_and_go_while_units_are_made(self):
        with World(devices=8, slots=4) as world:
            console = Console(world)
            service = run(world)
            failures = []

            def visit():
                try:
                    for _ in range(20):
                        listener = Listener(console)
                        listener.wait_for(lambda e, *_: e == "snapshot")
                        listener.close()
                except BaseException as failure:
                    failures.append(failure)

            visitors = [threading.Thread(target=visit) for _ in range(6)]
            for visitor in visitors:
                visitor.start()
            service.wait_for(lambda e: len(service.units) == 8)
            for visitor in visitors:
                visitor.join()
            self.assertEqual(failures, [])
            console.process.send_signal(signal.SIGTERM)
            self.assertEqual(console.process.wait(30), 0)


class Starting(unittest.TestCase):
    def test_usage_and_configuration(self):
        for arguments, code in [([], 2), (["--port", "x"], 2), (["--config", "a", "--socket", "b"], 2),
                                (["--config", "/nowhere.yaml"], 1), (["--help"], 0), (["--version"], 0)]:
            done = subprocess.run([os.path.join(BIN, "kiln-console"), *arguments], capture_output=True, text=True)
            self.assertEqual(done.returncode, code, (arguments, done.stderr))


if __name__ == "__main__":
    unittest.main(verbosity=2)
