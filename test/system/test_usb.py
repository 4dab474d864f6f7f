"""Unmodified kiln and kiln-slot on a mocked USB: units over MCTP-USB to PASS, what goes wrong on the bus and
with the cable, who may not open a device, and forty at once."""

import os
import subprocess
import unittest

from station_kit import KILN, PASSED, UNITS, check_promises
from usb_kit import UsbWorld, place_of, skip_unless_there

STEPS = ["identify", "keygen", "request", "install", "readback", "prove"]


def on_usb(text):
    assert "link: { baud: 115200 }" in text
    return text.replace("link: { baud: 115200 }", "link: { usb: mctp }")


def quick(text):
    return text + "deadline_ms: { " + ", ".join(f"{step}: 4000" for step in STEPS) + " }\n"


class Units(unittest.TestCase):
    def test_to_pass(self):
        with UsbWorld(devices=4, slots=2) as world:
            code, batch = world.run("--count", 4)
            self.assertEqual(code, PASSED, (batch.units, batch.stderr))
            self.assertEqual(sorted(u["serial"] for u in batch.units), world.serials())
            self.assertEqual(world.touched(), [])  # no reset, no configuration chosen
            check_promises(self, world)

    def test_at_full_speed_and_with_larger_messages(self):
        larger = dict(variant="p384", profile="spdm/infusion-pump-p384.yaml", edit_profile=on_usb)
        for options in (dict(speed="full"), dict(speed="full", faults=["usb-no-zlp:1"]), larger):
            with self.subTest(options), UsbWorld(devices=1, slots=1, **options) as world:
                code, batch = world.run("--count", 1, swap=False)
                self.assertEqual(code, PASSED, (batch.units, batch.stderr))
                check_promises(self, world)

    def test_a_unit_may_come_back_to_another_place(self):
        with UsbWorld(devices=1, slots=2) as world:
            serial = world.serials()[0]
            world.kill_at("install")
            code, batch = world.again(serial, slot=2)
            self.assertEqual((code, batch.units[0]["slot"]), (PASSED, "2"), batch.units)
            self.assertEqual(len({p["csr_sha256"] for p in world.posts()}), 1)
            check_promises(self, world)


class Nursed(unittest.TestCase):
    """With a hand that puts the unit back whenever it has left or has ended without a pass."""

    def nurse(self, world, batch):
        """Until the unit has passed; how often the hand was needed."""
        serial, seen = world.serials()[0], 0
        while seen == 0 or batch.units[seen - 1]["outcome"] != "passed":
            batch.wait_for(lambda e, n=seen: len(batch.units) > n)
            seen += 1
            if batch.units[seen - 1]["outcome"] != "passed":
                self.assertLess(seen, 4, batch.units)
                world.unplug()  # where it has not left by itself
                world.plug(serial)
        # No signal that can be blocked: umockdev's preload (0.17) saves the mask of whoever opens a path in one
        # variable for all threads, and may leave kiln's loop with the records thread's, which takes none.
        batch.kill()
        self.assertEqual(batch.units[-1]["serial"], serial)
        self.assertEqual({u["domain"] for u in batch.units[:-1]} - {"link"}, set(), batch.units)
        self.assertNotIn("link.absent", {u.get("code") for u in batch.units}, "a plug that bounces is no unit")
        self.assertEqual(len({p["csr_sha256"] for p in world.posts()}), 1, "a network error never makes a new key")
        self.assertEqual(world.touched(), [])
        check_promises(self, world)
        return seen - 1


class Faults(Nursed):
    def passes(self, fault, **options):
        with UsbWorld(devices=1, slots=1, faults=[fault], edit_profile=quick, **options) as world:
            times = self.nurse(world, world.batch(swap=False))
            struck = world.path("devices", "device", world.serials()[0], "usb-struck")
            self.assertEqual(os.path.exists(struck), fault.startswith("usb-"), fault)
            return times

    def test_on_the_bus(self):
        for fault in ("usb-stall:request", "usb-short:readback", "usb-babble:prove", "usb-stall:1", "usb-short:2"):
            with self.subTest(fault):
                self.passes(fault)

    def test_unplugged_in_a_transfer(self):
        for step in STEPS:
            with self.subTest(step):
                self.assertEqual(self.passes("usb-unplug:" + step), 1)

    def test_of_the_device(self):
        for fault in ("drop:install", "corrupt:readback", "garbage", "reset:install"):
            with self.subTest(fault):
                self.passes(fault)


class Cable(Nursed):
    def test_pulled_in_each_step_and_plugged_again(self):
        for step in STEPS:
            # a proof is over in no time otherwise
            with self.subTest(step), UsbWorld(devices=1, slots=1, keygen_ms=300, faults=["busy:prove"]) as world:
                batch = world.batch(swap=False)
                batch.wait_for(lambda e, s=step: e["event"] == "step" and e["step"] == s and e["outcome"] == "start")
                world.unplug()
                self.assertEqual(self.nurse(world, batch), 1)

    def test_a_device_that_resets_itself_is_the_same_unit(self):
        with UsbWorld(devices=1, slots=1, variant="1.3-reset") as world:
            code, batch = world.run("--count", 1, swap=False)
            self.assertEqual(code, PASSED, (batch.units, batch.stderr))
            plugs = [entry for entry in world.twins.log() if entry[0] == "plug"]
            self.assertGreater(len(plugs), 1, "nothing was reset")
            self.assertEqual(len({entry[2] for entry in plugs}), len(plugs))  # each time another address
            self.assertEqual(len(batch.units), 1)
            check_promises(self, world)


class Refusals(unittest.TestCase):
    @unittest.skipUnless(os.geteuid() == 0, "SKIP: root, to be somebody else")
    def test_who_may_not_open_it_is_told_the_rule(self):
        with UsbWorld(devices=1, slots=1) as world:
            os.chmod(world.twins.node(), 0)
            for folder, folders, files in os.walk(world.folder):
                if not folder.startswith(world.path("devices")):
                    for name in [folder] + [os.path.join(folder, name) for name in folders + files]:
                        os.chown(name, 65534, 65534, follow_symlinks=False)
            done = subprocess.run([KILN, "batch", "--config", world.config, "--json", "--count", "1"],
                                  capture_output=True, text=True, env=world.environment, user=65534, group=65534,
                                  extra_groups=[], timeout=120)
            self.assertIn("link.permission", done.stdout, done.stderr)
            self.assertIn("kiln.rules", done.stdout)

    def test_two_devices_of_one_serial(self):
        with UsbWorld(devices=2, slots=2, faults=["duplicate-serial"]) as world:
            code, batch = world.run("--count", 2, swap=False)
            self.assertEqual(code, UNITS, (batch.units, batch.stderr))
            self.assertIn("claim.two-slots", {u.get("code") for u in batch.units}, batch.units)
            check_promises(self, world)


class Many(unittest.TestCase):
    def test_forty(self):
        with UsbWorld(devices=40, slots=40) as world:
            code, batch = world.run("--count", 40, swap=False)
            self.assertEqual(code, PASSED, ([u for u in batch.units if u["outcome"] != "passed"], batch.stderr))
            self.assertEqual(len(batch.units), 40)
            self.assertEqual({world.twins.places[i] for i in range(40)}, {place_of(i + 1) for i in range(40)})
            check_promises(self, world)


if __name__ == "__main__":
    skip_unless_there()
    unittest.main(verbosity=2)
