"""kiln slots and kiln slots learn on an artificial sysfs: what is plugged in, where, and which slot that is."""

import json
import os
import subprocess
import tempfile
import threading
import unittest

from station_kit import INPUT, KILN, PASSED, USAGE
from sysfs_kit import ACM, CCID, MCTP, USB2, USB3, Machine, need_umockdev

PATIENCE_S = 60
PUMP = {"manufacturer": "Example Medical", "product": "IP3", "serial": "IP30000001"}


class Table(unittest.TestCase):
    def setUp(self):
        self.machine = Machine()
        self.addCleanup(self.machine.close)
        self.config = self.machine.path("station.yaml")

    def run_it(self, *arguments, **options):
        return subprocess.run([KILN, "slots", *arguments], capture_output=True, text=True,
                              env=self.machine.environment(), **options)

    def rows(self, *arguments, **options):
        done = self.run_it("--json", *arguments, **options)
        self.assertEqual((done.returncode, done.stderr), (PASSED, ""))
        return [json.loads(line) for line in done.stdout.splitlines()]

    def station(self, *slots):
        self.machine.write("station.yaml", "slots:\n" + "".join(f"  - {{ {slot} }}\n" for slot in slots))

    def test_nothing_is_plugged_in(self):
        done = self.run_it()
        self.assertEqual((done.returncode, done.stdout), (PASSED, "no USB device is plugged in\n"))

    def test_without_a_configuration(self):
        self.machine.plug("1-3", hub=True)
        self.machine.plug("1-3.10", [ACM, MCTP], tty="ttyACM0", **PUMP)
        self.machine.plug("1-3.2", [CCID], speed="12")
        done = self.run_it()
        self.assertEqual(done.returncode, PASSED, done.stderr)
        lines = [line.split() for line in done.stdout.splitlines()]
        self.assertEqual(lines[0], ["slot", "place", "id", "speed", "use", "device"])
        self.assertEqual(lines[1], ["-", USB2 + "3", "1209:0001", "480M", "hub"])
        self.assertEqual(lines[2], ["-", USB2 + "3.2", "1209:0001", "12M", "ccid"])
        self.assertEqual(lines[3], ["-", USB2 + "3.10", "1209:0001", "480M", "ttyACM0", "mctp", "Example", "Medical",
                                    "IP3", "SN", "IP30000001"])
        self.assertEqual(len(lines), 4, done.stdout)

    def test_slots_have_their_names(self):
        self.machine.plug("2-3", peer="usb1-port3", speed="5000", **PUMP)
        self.machine.plug("1-4", [ACM], tty="ttyACM7", serial="B")
        os.makedirs(self.machine.path("by-path"))
        self.station(f"name: left, place: [{USB2}3, {USB3}3]", f"name: right, place: {USB2}9",
                     "name: port, address: serial:/nowhere/tty")
        rows = self.rows("--config", self.config)
        self.assertEqual([(r["slot"], r.get("place"), r["serial"]) for r in rows],
                         [(None, USB2 + "4", "B"), ("left", USB3 + "3", "IP30000001"), ("right", None, ""),
                          ("port", None, "")])
        self.assertEqual([r["findings"] for r in rows[:2]], [[], []])
        self.assertEqual((rows[1]["peer"], rows[1]["speed_kbit"]), (USB2 + "3", 5000000))
        self.assertEqual([i["use"] for i in rows[0]["interfaces"]], ["ttyACM7"])
        self.assertEqual([(r["empty"], r["places"]) for r in rows[2:]], [(True, [USB2 + "9"]), (True, [])])
        text = self.run_it("--config", self.config).stdout
        self.assertIn(f"right  {USB2}9  nothing plugged in", text)

    def codes(self, *slots):
        self.station(*slots)
        return {(r.get("place"), f["code"]) for r in self.rows("--config", self.config) for f in r.get("findings", [])}

    def test_what_is_wrong_is_said(self):
        self.machine.plug("1-1", hub=True)
        self.machine.plug("1-2", peer="usb2-port2")
        self.machine.plug("2-5", peer="usb1-port5")
        self.machine.plug("1-6")
        self.machine.plug("2-6")
        self.machine.plug("1-7", [0xff])
        self.machine.plug("1-8", driver="usbfs")
        self.machine.plug("1-9", driver="mctp-usb")
        self.assertEqual(
            self.codes(f"name: a, place: {USB2}1", f"name: b, place: {USB2}2", f"name: c, place: {USB2}5",
                       f"name: d, place: [{USB2}6, {USB3}6]", f"name: e, place: {USB2}7"),
            {(USB2 + "1", "slot.hub"), (USB2 + "2", "slot.alias"), (USB3 + "5", "slot.alias"),
             (USB2 + "6", "slot.two-devices"), (USB3 + "6", "slot.two-devices"), (USB2 + "7", "link.absent"),
             (USB2 + "8", "link.locked"), (USB2 + "9", "slot.driver")})

    def test_no_permission_names_the_rules(self):
        if os.geteuid() == 0 and subprocess.run([KILN, "--version"], user=65534, group=65534, extra_groups=[],
                                                capture_output=True, check=False).returncode != 0:
            self.skipTest("another user can not run kiln here")
        self.machine.plug("1-2", mode=0o600 if os.geteuid() == 0 else 0)
        other = dict(user=65534, group=65534, extra_groups=[]) if os.geteuid() == 0 else {}
        finding, = self.rows(**other)[0]["findings"]
        self.assertEqual(finding["code"], "link.permission")
        self.assertIn("70-kiln.rules", finding["advice"])

    def test_mistakes(self):
        self.machine.write("station.yaml", "slots:\n  - { name: a, place: usb2/1 }\n")
        done = self.run_it("--config", self.config)
        self.assertEqual(done.returncode, INPUT)
        self.assertIn("station.yaml:2:23: 'usb2/1' is no place", done.stderr)
        self.assertEqual(self.run_it("what").returncode, USAGE)
        self.assertEqual(self.run_it("learn").returncode, USAGE)


class Learn(unittest.TestCase):
    """An operator at the fixture: reads what is asked, plugs, and answers."""

    def setUp(self):
        self.machine = Machine()
        self.addCleanup(self.machine.close)
        self.machine.write("station.yaml", "slots: slots.yaml\n")
        self.config, self.file = self.machine.path("station.yaml"), self.machine.path("slots.yaml")

    def start(self, *arguments):
        self.process = subprocess.Popen([KILN, "slots", "learn", "--config", self.config, "--json", *arguments],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, env=self.machine.environment())
        self.watchdog = threading.Timer(PATIENCE_S, self.process.kill)
        self.watchdog.start()
        self.addCleanup(self.watchdog.cancel)
        self.addCleanup(self.stop, self.process)

    def stop(self, process):
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()

    def expect(self, event, **members):
        line = self.process.stdout.readline()
        self.assertTrue(line, "it has ended")
        seen = json.loads(line)
        self.assertEqual({"event": event, **members}, {k: seen.get(k) for k in ("event", *members)}, seen)
        return seen

    def answer(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def end(self):
        self.assertEqual(self.process.wait(timeout=PATIENCE_S), PASSED)

    def learn(self, name, device, **options):
        """One position, by the default name or another."""
        default = self.expect("ask", what="name")["default"]
        self.answer("" if name == default else name)
        self.expect("plug", slot=name)
        self.machine.plug(device, **options)
        self.expect("arrived", slot=name)
        self.expect("ask", what="confirm")
        self.answer("y")
        return self.expect("learned", slot=name)

    def slots(self):
        done = subprocess.run([KILN, "slots", "--config", self.config, "--json"], capture_output=True, text=True,
                              env=self.machine.environment())
        self.assertEqual(done.returncode, PASSED, done.stderr)
        return {r["slot"]: r.get("places") or r["place"] for r in map(json.loads, done.stdout.splitlines()) if r["slot"]}

    def test_position_by_position(self):
        self.machine.plug("1-9", **PUMP)  # was there before: nobody's position
        self.machine.plug("1-3", hub=True)
        self.start()
        self.learn("1", "1-3.1", **PUMP)
        self.machine.unplug("1-3.1")
        self.assertEqual(self.learn("top", "2-3", peer="usb1-port4")["peer"], USB2 + "4")
        self.expect("ask", what="name", default="2")
        self.answer("q")
        self.expect("summary", learned=2, slots=2, named=True)
        self.end()
        with open(self.file, encoding="utf-8") as file:
            text = file.read()
        self.assertIn(f'name: "1", place: ["{USB2}3.1"]', text)
        self.assertIn(f'name: "top", place: ["{USB3}3", "{USB2}4"]', text)
        self.machine.unplug("2-3")
        self.assertEqual(self.slots(), {"1": [USB2 + "3.1"], "top": [USB3 + "3", USB2 + "4"]})

    def test_what_is_known_and_what_is_two_is_refused(self):
        self.start()
        self.learn("1", "1-1", peer="usb2-port1")
        self.expect("ask", what="name", default="2")
        self.answer("1")
        self.expect("refused", code="slot.name")
        self.expect("ask", what="name", default="2")
        self.answer("")
        self.expect("plug", slot="2")
        self.machine.unplug("1-1")
        self.machine.plug("1-1", peer="usb2-port1")
        self.assertIn("this is slot 1 already", self.expect("refused", code="slot.known")["message"])
        self.expect("plug", slot="2")
        self.machine.unplug("1-1")
        self.machine.plug("2-1")  # the same connector, by the alias
        self.expect("refused", code="slot.known")
        self.expect("plug", slot="2")
        self.machine.plug("1-5")
        self.machine.plug("1-6")
        self.expect("refused", code="slot.two-devices")
        self.machine.unplug("1-5")
        self.machine.unplug("1-6")
        self.machine.plug("1-7")
        self.expect("arrived", slot="2", place=USB2 + "7")
        self.expect("ask", what="confirm")
        self.answer("n")
        self.expect("plug", slot="2")
        self.machine.unplug("1-7")
        self.machine.plug("1-6")
        self.expect("arrived", slot="2", place=USB2 + "6")
        self.expect("ask", what="confirm")
        self.answer("")
        self.expect("learned", slot="2", place=USB2 + "6")
        self.process.stdin.close()  # the input's end is q
        self.expect("ask", what="name", default="3")
        self.expect("summary", learned=2, slots=2)
        self.end()

    def test_a_second_session_goes_on_and_keeps_the_old_file(self):
        self.machine.write("slots.yaml", f'slots:\n  - {{ name: "1", place: {USB2}1 }}\n'
                                         '  - { name: x, address: "serial:/dev/x" }\n')
        self.start()
        self.learn("2", "1-2")
        self.expect("ask", what="name", default="3")
        self.answer("q")
        self.expect("summary", learned=1, slots=3, kept=self.file + ".bak")
        self.end()
        with open(self.file + ".bak", encoding="utf-8") as file:
            self.assertNotIn(USB2 + "2", file.read())
        with open(self.file, encoding="utf-8") as file:
            self.assertIn('name: "x", address: "serial:/dev/x"', file.read())
        self.start("--anew")
        self.learn("1", "1-3")
        self.expect("ask", what="name", default="2")
        self.answer("q")
        self.expect("summary", learned=1, slots=1, kept=self.file + ".bak.1")
        self.end()
        with open(self.file + ".bak", encoding="utf-8") as file:
            self.assertNotIn(USB2 + "2", file.read(), "the oldest stays")
        with open(self.file + ".bak.1", encoding="utf-8") as file:
            self.assertIn(USB2 + "2", file.read())
        self.machine.unplug("1-2")
        self.machine.unplug("1-3")
        self.assertEqual(self.slots(), {"1": [USB2 + "3"]})

    def refuse(self, path, *arguments):
        """It ends before it asks, and the file stays as it is; what it says."""
        with open(path, encoding="utf-8") as file:
            before = file.read()
        self.start("--out", path, *arguments)
        self.assertEqual(self.process.wait(timeout=PATIENCE_S), INPUT)
        with open(path, encoding="utf-8") as file:
            self.assertEqual(file.read(), before)
        self.assertFalse(os.path.exists(path + ".bak"))
        return self.process.stderr.read()

    def test_what_it_could_not_write_again_is_refused(self):
        for text, where in ((r'{ name: "a\"b", place: ' + USB2 + "1 }", "name"),
                            (r'{ name: "a\\b", place: ' + USB2 + "1 }", "name"),
                            ('{ name: "\u00e4", place: ' + USB2 + "1 }", "name"),
                            (r'{ name: a, address: "serial:/dev/x\" }, { name: b" }', "address")):
            with self.subTest(text):
                self.machine.write("slots.yaml", f"slots:\n  - {text}\n")
                said = self.refuse(self.file)
                self.assertRegex(said, r"slots\.yaml:2:\d+: the " + where)
                self.assertIn("--anew", said)

    def test_anew_replaces_nothing_but_a_file_of_slots(self):
        self.assertIn("station.yaml:1:", self.refuse(self.config, "--anew"))
        self.machine.write("notes", "the fixture was delivered on Monday\n")
        self.refuse(self.machine.path("notes"), "--anew")

    def test_a_station_that_does_not_name_the_file_is_told_how(self):
        self.machine.write("station.yaml", f"slots:\n  - {{ name: old, place: {USB2}1 }}\n")
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "fixture.yaml")
            self.start("--out", out)
            self.learn("1", "1-1")
            self.expect("ask", what="name")
            self.answer("q")
            self.expect("summary", named=False)
            self.end()
            self.assertIn(f"slots: {out}", self.process.stderr.read())


if __name__ == "__main__":
    need_umockdev()
    unittest.main()
