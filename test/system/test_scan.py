"""Labels that are scanned: before or after their units are plugged in, by request and by a serial scanner."""

import json
import os
import pty
import signal
import subprocess
import time
import tty
import unittest

from station_kit import INPUT, PASSED, PATIENCE_S, World, check_promises, kiln


class Scanner:
    """A serial scanner: a pty behind a path of the station's configuration."""

    def __init__(self, path):
        self.path = path
        self.plug()

    def plug(self):
        self.master, slave = pty.openpty()
        tty.setraw(self.master)
        os.symlink(os.ttyname(slave), self.path + ".new")
        os.rename(self.path + ".new", self.path)
        self.slave = slave

    def pull(self):
        os.unlink(self.path)
        os.close(self.slave)
        os.close(self.master)

    def send(self, data):
        os.write(self.master, data)


class Line:
    """kiln run with somebody who scans."""

    def __init__(self, world, scan):
        self.world = world
        text = world.read("station.yaml")
        if "\nscan:" not in text:
            world.write("station.yaml", text + f"scan: {{ {scan} }}\n")
        self.service = world.batch(command="run", swap=False)
        self.heard = 0
        self.hear(lambda e: e.get("what") == "ready")

    def hear(self, wanted, patience=PATIENCE_S):
        """The next event that is wanted, after the last one that was heard."""
        end = time.monotonic() + patience
        while True:
            with self.service.seen:
                events = self.service.events
                for i in range(self.heard, len(events)):
                    if wanted(events[i]):
                        self.heard = i + 1
                        return events[i]
                left = end - time.monotonic()
                if left <= 0 or not self.service.seen.wait(left):
                    raise AssertionError(f"no such event in {events[self.heard:]}\n{events[-5:]}")

    def asked(self, slot):
        return self.hear(lambda e: e["event"] == "step" and e["slot"] == slot and e.get("code") == "scan.needed")

    def unit(self, slot):
        return self.hear(lambda e: e["event"] == "unit" and e["slot"] == slot)

    def station(self, what):
        return self.hear(lambda e: e["event"] == "station" and e["what"] == what)

    def scan(self, text, *more):
        return kiln("scan", "--config", self.world.config, text, *more)

    def snapshot(self):
        done = kiln("status", "--config", self.world.config, "--json")
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return json.loads(done.stdout)

    def end(self, test):
        self.service.process.send_signal(signal.SIGTERM)
        test.assertEqual(self.service.wait(), PASSED, self.service.stderr)


class Scan(unittest.TestCase):
    def accept(self, done):
        self.assertEqual(done.returncode, 0, done.stderr)

    def refuse(self, done, code):
        self.assertEqual(done.returncode, INPUT, done.stdout)
        self.assertIn(f"[{code}]", done.stderr)

    def assert_nothing_made(self, world, serial):
        """Of a unit: only that it was turned away."""
        self.assertEqual({e["event"] for e in world.log(serial)}, {"refused"})

    def test_plugged_in_then_scanned_and_label_chip_and_certificate_say_the_same(self):
        with World(devices=2, slots=2, order=("W", 2)) as world:
            line = Line(world, "order: after, label: 'SN:([A-Z0-9]+)'")
            first = line.hear(lambda e: e.get("code") == "scan.needed")
            second = line.hear(lambda e: e.get("code") == "scan.needed")
            state = line.snapshot()
            self.assertEqual([(s["state"], s["scan"]) for s in state["slots"]],
                             [("waits", "next" if s["name"] == first["slot"] else "needed") for s in state["slots"]])
            self.assertEqual(state["scan"], {"order": "after", "prefix": "", "suffix": "", "pending": [],
                                             "device": None})
            self.refuse(line.scan(first["serial"]), "scan.label")
            self.refuse(line.scan("SN:" + "A" * 300), "scan.text")
            self.refuse(line.scan("SN:\x1b[2J\u00e4"), "scan.text")
            self.refuse(line.scan("SN:X1", "--slot", "9"), "slot.unknown")
            self.accept(line.scan("SN:" + second["serial"], "--slot", second["slot"]))
            self.refuse(line.scan("SN:" + second["serial"]), "scan.twice")
            self.accept(line.scan("SN:" + first["serial"]))
            for unit in (line.hear(lambda e: e["event"] == "unit"), line.hear(lambda e: e["event"] == "unit")):
                self.assertEqual(unit["outcome"], "passed", unit)
            self.refuse(line.scan("SN:X1"), "scan.nobody")
            line.end(self)
            for event in (first, second):
                claim = [e for e in world.log(event["serial"]) if e["event"] == "claim"]
                self.assertEqual([(c["label"], c["serial"]) for c in claim],
                                 [("SN:" + event["serial"], event["serial"])])
                self.assertTrue(claim[0]["scanned_by"])
                out = world.path("evidence-" + event["serial"])
                done = kiln("evidence", event["serial"], "--dir", out, "--config", world.config)
                self.assertEqual(done.returncode, 0, done.stderr)
                names = subprocess.run(["openssl", "x509", "-noout", "-subject", "-ext", "subjectAltName", "-in",
                                        os.path.join(out, "cert.pem")], capture_output=True, text=True,
                                       check=True).stdout
                self.assertIn(event["serial"], names)
            check_promises(self, world)

    def test_a_wrong_label_fails_the_unit_before_anything_is_made(self):
        with World(devices=2, slots=1, order=("W", 1)) as world:
            line = Line(world, "order: after")
            serial = line.asked("1")["serial"]
            self.accept(line.scan("IP39999999"))
            unit = line.unit("1")
            self.assertEqual((unit["outcome"], unit.get("domain"), unit.get("code"), unit["serial"]),
                             ("failed", "operator", "scan.mismatch", serial))
            self.assertIn("IP39999999", unit["message"])
            self.assertIn(serial, unit["message"])
            self.assertIn("wrong label or the wrong unit", unit["advice"])
            self.assert_nothing_made(world, serial)
            refused = world.log(serial)[0]
            self.assertEqual((refused["label"], refused["error"]["code"]), ("IP39999999", "scan.mismatch"))
            self.assertEqual(world.posts(), [])
            report = json.loads(kiln("report", "--config", world.config, "--json").stdout)
            self.assertIn("scan.mismatch", json.dumps(report))
            # The same unit again, with its own label: the order's one place is still there.
            world.twins.ask("unplug", slot=1)
            line.hear(lambda e: e["event"] == "left")
            world.twins.ask("plug", slot=1, serial=serial)
            line.asked("1")
            self.accept(line.scan(serial))
            self.assertEqual(line.unit("1")["outcome"], "passed")
            line.end(self)
            check_promises(self, world)

    def test_scanned_first_then_plugged_in(self):
        with World(devices=3, slots=1) as world:
            a, b, c = world.serials()
            line = Line(world, "order: first")
            self.assertEqual(line.asked("1")["serial"], a)  # it was there already: it takes the next scan
            self.accept(line.scan(a))
            self.assertEqual(line.unit("1")["outcome"], "passed")
            self.accept(line.scan(c))
            self.refuse(line.scan(c), "scan.twice")
            self.accept(line.scan(b))
            self.assertEqual([p["serial"] for p in line.snapshot()["scan"]["pending"]], [c, b])
            world.twins.ask("swap", slot=1)
            self.assertEqual(line.station("label-taken")["serial"], c)
            unit = line.unit("1")  # the labels came in the wrong order
            self.assertEqual((unit["code"], unit["serial"]), ("scan.mismatch", b))
            world.twins.ask("swap", slot=1)
            self.assertEqual(line.unit("1")["code"], "scan.mismatch")
            self.assertEqual(line.snapshot()["scan"]["pending"], [])
            line.end(self)
            check_promises(self, world)

    def test_taken_out_stopped_and_ended_while_it_waits(self):
        with World(devices=3, slots=1) as world:
            a, b = world.serials()[:2]
            line = Line(world, "order: after")
            line.asked("1")
            world.twins.ask("swap", slot=1)
            unit = line.unit("1")
            self.assertEqual((unit["outcome"], unit["code"], unit["device_ms"] < 60000),
                             ("parked", "scan.needed", True))
            self.assert_nothing_made(world, a)
            line.asked("1")
            status = kiln("status", "--config", world.config).stdout
            self.assertIn("-> scan the label of the unit in that slot", status)
            self.assertNotIn(" s left", status)
            self.accept(kiln("stop", "--reason", "lunch", "--config", world.config))
            self.refuse(line.scan(b), "scan.held")
            self.accept(kiln("start", "--config", world.config))
            self.accept(line.scan(b))
            self.assertEqual(line.unit("1")["outcome"], "passed")
            world.twins.ask("swap", slot=1)
            line.asked("1")
            line.end(self)  # it waits for nobody
            self.assertEqual((line.service.units[-1]["outcome"], line.service.units[-1]["code"]),
                             ("parked", "scan.needed"))
            check_promises(self, world)

    def test_a_restart_forgets_the_labels_that_wait_and_asks_for_the_unit_in_its_slot(self):
        with World(devices=2, slots=1, keygen_ms=1500) as world:
            a, b = world.serials()
            line = Line(world, "order: first")
            line.asked("1")
            self.accept(line.scan(a))
            self.accept(line.scan(b))
            line.hear(lambda e: e["event"] == "step" and e["step"] == "keygen")
            line.service.kill()
            line = Line(world, "")
            self.assertEqual(line.snapshot()["scan"]["pending"], [])
            line.asked("1")
            self.accept(line.scan(a))
            self.assertEqual(line.unit("1")["outcome"], "passed")
            line.end(self)
            check_promises(self, world)

    def test_a_serial_scanner_that_leaves_and_comes_back(self):
        with World(devices=2, slots=1) as world:
            a, b = world.serials()
            scanner = Scanner(world.path("scanner"))
            line = Line(world, f"order: after, label: '(IP[0-9]+)', device: {scanner.path}")
            line.asked("1")
            scanner.send(b"x\x1b[31m\xff\r\n")
            self.assertEqual(line.station("scan-refused")["message"].rsplit(": ", 1)[1], "x?[31m?")
            scanner.send(b"A" * 5000 + b"\r")
            self.assertEqual(line.station("scan-refused")["code"], "scan.text")
            scanner.send(b"4006381333931\r")
            self.assertEqual(line.station("scan-refused")["code"], "scan.label")
            scanner.send(b"IP3000")
            self.assertEqual(line.station("scan-refused")["code"], "scan.unended")
            scanner.pull()
            down = line.station("scanner-down")
            self.assertEqual((down["code"], down["advice"]), ("scanner.gone", "plug the scanner in again"))
            self.assertEqual(line.snapshot()["scan"]["device"]["state"], "down")
            scanner.plug()
            line.station("scanner-up")
            self.assertEqual(line.snapshot()["scan"]["device"], {"state": "up"})
            scanner.send(a.encode() + b"\r\n")
            self.assertEqual(line.station("scanned")["slot"], "1")
            self.assertEqual(line.unit("1")["outcome"], "passed")
            scanner.send(b"flood\n" * 200)
            line.hear(lambda e: e.get("code") == "scan.flood")
            self.assertLess(sum(e.get("what") == "scan-refused" for e in line.service.events), 100)
            line.end(self)
            scanner.pull()
            check_promises(self, world)

    def test_a_badge_on_the_serial_scanner_signs_on_and_who_is_on_scans(self):
        with World(devices=1, slots=1) as world:
            badge, serial = "BADGE-canary-1", world.serials()[0]
            world.write("station.yaml", world.read("station.yaml") +
                        "operators: { file: operators.yaml, required: false }\n")
            self.accept(kiln("operator", "add", "eva", "--role", "operator", "--badge", "--config", world.config,
                             stdin=badge + "\n"))
            scanner = Scanner(world.path("scanner"))
            line = Line(world, f"order: after, label: '(IP[0-9]+)', device: {scanner.path}")
            line.asked("1")
            scanner.send(serial.encode() + b"\n")
            self.assertEqual(line.station("scan-refused")["code"], "operator.needed")
            scanner.send(b"BADGE-canary-2\n")
            line.station("sign-on-refused")
            scanner.send(badge.encode() + b"\n")
            self.assertEqual(line.station("signed-on")["by"], "eva")
            scanner.send(serial.encode() + b"\n")
            self.assertEqual(line.station("scanned")["by"], "eva")
            self.assertEqual(line.unit("1")["outcome"], "passed")
            self.assertEqual(line.scan(badge).stderr.count("canary"), 0)
            line.end(self)
            self.assertNotIn("canary", json.dumps(line.service.events) + json.dumps(world.log()))
            self.assertEqual([e["scanned_by"] for e in world.log(serial) if e["event"] == "claim"], ["eva"])
            scanner.pull()
            check_promises(self, world)

    def test_a_scanner_that_is_no_serial_port_stops_no_station(self):
        with World(devices=1, slots=1) as world:
            world.write("scanner", "no port")
            line = Line(world, f"order: none, device: {world.path('scanner')}")
            self.assertEqual(line.service.wait_for(lambda e: e.get("what") == "scanner-down")["code"], "scanner.port")
            line.service.wait_for(lambda e: e["event"] == "unit" and e["outcome"] == "passed")
            self.refuse(line.scan("IP30000001"), "scan.none")
            line.end(self)
            check_promises(self, world)

    def test_nobody_scans_for_a_batch(self):
        with World(devices=1, slots=1) as world:
            world.write("station.yaml", world.read("station.yaml") + "scan: { order: first }\n")
            done = kiln("batch", "--count", 1, "--config", world.config)
            self.refuse(done, "scan.batch")


if __name__ == "__main__":
    unittest.main()
