"""The whole station on the kernel's own USB, in a guest without hardware: units to PASS over each link, and each of
them pulled, put back and reseated at every step. usb.txt says what was done and how long it took.

With KILN_USB=1 (scripts/test --usb) nothing is skipped, and each request to a device and a sample of what is written to
it is a place to pull at too, held there by a failpoint."""

import os
import sys
import threading
import unittest

SOURCE = os.environ["KILN_SOURCE"]
sys.path.insert(0, os.path.join(SOURCE, "test/guest"))
sys.path.insert(0, os.path.join(SOURCE, "test/system"))

import capture  # noqa: E402
import hands  # noqa: E402
import image  # noqa: E402
import links  # noqa: E402
import machine  # noqa: E402
import report  # noqa: E402
import world  # noqa: E402
from station_kit import check_promises  # noqa: E402

WHOLE = os.environ.get("KILN_USB") == "1"
WRITES_APART = 10  # of a job's writes to its device, how many lie between two places to pull at
HOLD_MS = 2000
MANY = 24
DRY_RUNS = {
    "MCTP over USB": [],
    "a PIV token": ["--profile", "/profiles/piv/usb-token.yaml"],
    "a PIV token with the chip's word": ["--profile", "/profiles/piv/usb-token-attested.yaml", "--twin-variant",
                                         "yubico"],
}


def count(names):
    return " ".join(f"{name} {names.count(name)}" for name in dict.fromkeys(names)) or "none"


class Scenario:
    """A guest with a station and one kind of cable; what was done, for the report."""

    def __init__(self, name, kind, slots, devices, *more, label=None):
        self.name, self.log = name, report.Log(name)
        self.machine = self.link = None
        self.facts = []
        try:
            self.machine = machine.Machine(self.log.path, *kind.qemu)
            kernel = os.path.basename(self.machine.kernel)
            self.log.say("host", f"Debian {kernel}, up after {self.machine.boot_s:.1f} s")
            for module in kind.modules:
                self.machine.run("modprobe", *module.split())
            self.world = world.World(self.machine, kind.profile, kind.edit, lambda line: self.log.say("station", line), label)
            self.link = kind(self.machine, self.world, slots, devices, *more)
            self.link.say = lambda text: self.log.say("hands", text)
            self.world.slots(self.link.addresses())
            self.capture = capture.Capture(self.machine)
        except BaseException:
            self.close()
            raise

    def walk(self, *walks):
        """Each (slot, serials, reseat), all at the same time in one batch."""
        batch = self.world.batch()
        done = [hands.Walk(self.link, batch, slot, serials, reseat) for slot, serials, reseat in walks]
        failures = []

        def run(one):
            try:
                one.run()
            except BaseException as why:  # told by the main thread
                failures.append(why)
        threads = [threading.Thread(target=run, args=(one,)) for one in done]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        batch.interrupt()
        batch.wait()
        for one in done:
            self.facts.append(f"  {'reseated' if one.reseat else 'pulled, put back'} during: {count(one.caught)}")
        return [serial for one in done for serial in one.passed]

    def is_hit(self, point, n, batch):
        """Waits until kiln-slot stands there, or the unit has passed."""
        while not any(hands.is_pass(e) for e in batch.events):
            if int(self.machine.shell('grep -c "^$1 kiln-slot " /tmp/hits || true', point)) >= n:
                return not any(hands.is_pass(e) for e in batch.events)
            with batch.seen:
                batch.seen.wait(0.05)
        return False

    def hold(self, point, n, serial, reseat):
        """One unit to PASS, its device pulled while kiln-slot stands at its n-th hit of a failpoint. False where the
        unit passed without so many."""
        self.machine.shell("rm -f /tmp/hits /tmp/hit-count; : >/tmp/hits")
        batch = self.world.batch(environment=[
            "KILN_FAILPOINT_LOG=/tmp/hits", "KILN_FAILPOINT_COUNT=/tmp/hit-count",
            f"KILN_FAILPOINT=kiln-slot:{point}:{n}:sleep={HOLD_MS}"])
        watch = hands.Watch(batch, 1)
        self.link.plug(1, serial)
        reached = self.is_hit(point, n, batch)
        if reached:
            self.link.unplug(1)
            if reseat:
                self.link.plug(1, serial)
            _, before = watch.next(lambda e: e["event"] == "left")
            if not reseat and not any(hands.is_pass(e) for e in before):
                self.link.plug(1, serial)
        batch.wait_for(hands.is_pass)
        batch.interrupt()
        batch.wait()
        self.link.unplug(1)
        return reached

    def hold_everywhere(self, serials):
        """The serials that passed."""
        passed, serials = [], iter(serials)
        for point, apart in (("line.received", 1), ("link.write", WRITES_APART)):
            for reseat, did in ((False, "pulled, put back"), (True, "reseated")):
                n, reached = 1, 0
                while self.hold(point, n, serial := next(serials), reseat):
                    passed.append(serial)
                    n, reached = n + apart, reached + 1
                passed.append(serial)
                self.facts.append(f"  {did} at kiln-slot's {point}: {reached} times")
        return passed

    def check(self, test, passed):
        """The promises, and that nothing but these passed."""
        line = check_promises(test, self.world)
        records = self.world.log()
        serials = {e["seq"]: e["serial"] for e in records if e["event"] == "claim"}
        known = sorted(serials[e["job"]] for e in records if e["event"] == "end" and e["outcome"] == "passed")
        test.assertEqual(known, sorted(passed))
        test.assertEqual(line["counts"]["passed"], len(passed))
        self.facts.append(f"  units passed: {len(passed)}; plugged {self.link.plugs} times; "
                          f"verify ok, {line['counts']['orphans']} orphans")

    def check_traffic(self, test, wanted):
        """wanted: what tshark's dissectors must find, by name."""
        path = report.path(f"guest-{self.name}.pcap")
        self.capture.stop(path)
        if not capture.tshark():
            self.facts.append("  tshark is missing: the recording was not read")
            return False
        test.assertEqual(capture.malformed(path), [], path)
        found = {name: capture.frames(path, text) for name, text in wanted.items()}
        for name, number in found.items():
            test.assertGreater(number, 0, f"{name} in {path}")
        self.facts.append(f"  usbmon: {capture.frames(path, 'usb')} frames, none malformed; "
                          + ", ".join(f"{name} {number}" for name, number in found.items()))
        return True

    def tell(self, what):
        lines = [f"{self.name}: {what}", f"  up after {self.machine.boot_s:.0f} s, all in {self.log.seconds():.0f} s",
                 *self.facts]
        report.write(self.name, lines)
        print("\n".join(lines), flush=True)

    def close(self):
        if self.link:
            self.link.close()
        if self.machine:
            self.machine.close()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


class Usb(unittest.TestCase):
    def whole(self, name, kind, what, traffic):
        with Scenario(name, kind, kind.slots, 120, "--keygen-ms", 600, *kind.unhurried, label="slow") as s:
            serials = s.link.serials
            passed = s.walk((1, serials[:4], False), (2, serials[4:8], True))
            if WHOLE:
                passed += s.hold_everywhere(serials[8:])
            s.check(self, passed)
            read = s.check_traffic(self, traffic)
            s.tell(what)
        if not read and not WHOLE:
            self.skipTest("tshark")
        self.assertTrue(read, "tshark is missing")

    def test_acm(self):
        self.whole("acm", links.Acm, "SPDM over MCTP serial; the kernel's CDC-ACM gadget, dummy_hcd, cdc-acm", {
            "SET_LINE_CODING": "usbcom.control.request_code == 0x20", "SERIAL_STATE": "usbcom.interrupt.request_type",
            "bulk with data": "usb.transfer_type == 3 && usb.capdata"})

    def test_ftdi(self):
        self.whole("ftdi", links.Ftdi, "SPDM over MCTP serial; QEMU's FTDI, ftdi_sio", {
            "SetLatTimer": "ftdi-ft.bRequest == 9", "SetBaudRate": "ftdi-ft.bRequest == 3",
            "sent": "ftdi-ft.if_a_tx_payload", "received": "ftdi-ft.if_a_rx_payload"})

    def test_usbip(self):
        self.whole("usbip", links.Usbip, "SPDM over MCTP over USB; kiln-twin on the kernel's vhci", {
            "MCTP out": "usb.endpoint_address == 0x01 && usb.capdata[0:2] == 1a:b4",
            "MCTP in": "usb.endpoint_address == 0x81 && usb.capdata[0:2] == 1a:b4"})

    def test_ccid(self):
        self.whole("ccid", links.Ccid, "PIV over CCID; QEMU's usb-ccid, a card by kiln-vpcd", {
            "IccPowerOn": "usbccid.bMessageType == 0x62", "XfrBlock": "usbccid.bMessageType == 0x6f",
            "DataBlock": "usbccid.bMessageType == 0x80"})

    def test_many_at_once(self):
        with Scenario("many", links.Usbip, MANY, MANY, "--keygen-ms", 200) as s:
            batch = s.world.batch()
            began = s.log.seconds()
            for slot, serial in enumerate(s.link.serials, 1):
                s.link.plug(slot, serial)
            plugged = s.log.seconds() - began
            passed = hands.serve_all(s.link, batch, dict(enumerate(s.link.serials, 1)))
            s.facts.append(f"  plugged within {plugged:.0f} s, all passed after {s.log.seconds() - began:.0f} s; "
                           f"{s.link.plugs - MANY} reseated where a process was not open in time")
            batch.interrupt()
            batch.wait()
            s.check(self, passed)
            s.tell(f"{MANY} devices at once: SPDM over MCTP over USB on vhci")

    def test_dry_run(self):
        """kiln dry-run --usb as a newcomer runs it: each kind of USB device, plugged into vhci."""
        log = report.Log("dry-run")
        guest = machine.Machine(log.path)
        try:
            guest.run("modprobe", "vhci_hcd")
            for name, words in DRY_RUNS.items():
                status, told = guest.run("kiln", "dry-run", "--usb", "--devices", "3", "--slots", "2", *words,
                                         check=False)
                log.say("dry-run", f"{name}:\n{told.decode()}")
                self.assertEqual(status, 0, (name, told.decode()))
                self.assertIn(b"3 passed, 0 failed, 0 refused, 0 pending", told)
            slots = guest.shell("kiln slots")
            log.say("slots", "\n" + slots)
            report.write("dry-run", [f"dry-run: kiln dry-run --usb on vhci: {', '.join(DRY_RUNS)}",
                                     f"  up after {guest.boot_s:.0f} s, all in {log.seconds():.0f} s"])
        finally:
            guest.close()
            log.close()


def main():
    try:
        image.make()
        image.tool("qemu-system-x86_64")
    except image.Missing as why:
        print(("missing: " if WHOLE else "SKIP: ") + str(why))
        sys.exit(1 if WHOLE else 77)
    unittest.main(verbosity=2)


if __name__ == "__main__":
    main()
