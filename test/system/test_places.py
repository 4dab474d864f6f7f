"""Slots that are places in USB: units come and go in an artificial sysfs, re-enumerate when they reset, and
what kiln-slot is told to open is the place where the device is. A stand-in for kiln-slot notes that, and opens
the emulated device's pseudo terminal in its stead."""

import os
import time
import unittest

from station_kit import INPUT, PASSED, UNITS, World, check_promises
from sysfs_kit import ACM, USB2, USB3, Machine, need_umockdev
from test_hostile import Folder, err

PATIENCE_S = 60
OPEN = '''
def is_there(name):
    return os.path.exists(os.path.join(os.environ["HOSTILE_DIR"], name))
if request["do"] == "open":
    asked = request["address"]
    with open(os.path.join(os.environ["HOSTILE_DIR"], "opened"), "a") as file:
        file.write(asked + "\\n")
    request["address"] = "serial:" + os.environ["PLACES_PORT"] + "?baud=115200"
'''
RESET = 'if request["do"] == "request" and first("reset"):\n    answer = {"ok": {"reset": ""}}\n'
ADDRESS = "serial:{}?baud=115200".format


class Fixture(World):
    """One slot with two places; in its device is the emulated device of port 1."""

    def __init__(self, folder, **options):
        self.machine, self.hostile = Machine(), folder.path
        super().__init__(slots=1, **options)
        self.text = self.text.split("slots:\n")[0] + f"slots:\n  - {{ name: \"1\", place: [{USB2}3, {USB3}3] }}\n"
        self.set_label(None)
        self.environment.update(self.machine.environment(), PLACES_PORT=self.path("devices/port/1"))
        self.spare_the_sandbox(os.path.join(folder.path, "kiln-slot"))

    def spare_the_sandbox(self, path):
        """The real kiln-slot opens a real port: what is preloaded would only do what its sandbox forbids."""
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("name = ", 'os.environ.pop("LD_PRELOAD")\nname = ', 1))

    def plug(self, name="1-3"):
        self.machine.plug(name, [ACM], tty="ttyACM0")

    def move(self, name="1-3", to="1-3"):
        self.machine.unplug(name)
        self.plug(to)

    def opened(self):
        with open(os.path.join(self.hostile, "opened"), encoding="utf-8") as file:
            return file.read().split()

    def await_note(self, name):
        end = time.monotonic() + PATIENCE_S
        while not os.path.exists(os.path.join(self.hostile, name)):
            if time.monotonic() > end:
                raise AssertionError(f"{name} never came")
            time.sleep(0.02)

    def note(self, name):
        with open(os.path.join(self.hostile, name), "w", encoding="utf-8"):
            pass

    def claims(self):
        return [e for e in self.log() if e["event"] == "claim"]

    def close(self):
        super().close()
        self.machine.close()


class Places(unittest.TestCase):
    def test_a_unit_is_opened_by_its_place_and_the_claim_names_it(self):
        with Folder(slot=OPEN) as folder, Fixture(folder, devices=1) as world:
            batch = world.batch("--count", 1, swap=False)
            world.plug()
            self.assertEqual(batch.wait(), PASSED, (batch.stderr, batch.units))
            self.assertEqual(world.opened(), [ADDRESS(USB2 + "3")])
            self.assertEqual([e["place"] for e in batch.events if e["event"] == "arrived"], [USB2 + "3"])
            self.assertEqual([c["place"] for c in world.claims()], [USB2 + "3"])
            check_promises(self, world)

    def reset(self, body, during, devices=1):
        """A batch of one that is reset in its request; what happened meanwhile, its code and the batch."""
        with Folder(slot=OPEN + RESET + body) as folder, Fixture(folder, devices=devices) as world:
            batch = world.batch("--count", 1, swap=False)
            world.plug()
            world.await_note("reset")
            during(world)
            code = batch.wait()
            check_promises(self, world)
            return code, batch, world.opened(), world.claims()

    # Until the test says so, what was opened is gone already.
    GONE = f'elif request["do"] == "open" and "resume" in request and not is_there("back"):\n    answer = {err("link.absent", "link")}'

    def test_a_device_that_resets_may_come_back_by_the_connectors_other_half(self):
        gone = ('elif request["do"] == "open" and "resume" in request and "usb2/3" in asked:\n'
                f'    answer = {err("link.absent", "link")}')
        code, batch, opened, claims = self.reset(gone, lambda world: world.move(to="2-3"))
        self.assertEqual(code, PASSED, (batch.stderr, batch.units))
        self.assertEqual((opened[0], opened[-1]), (ADDRESS(USB2 + "3"), ADDRESS(USB3 + "3")))
        self.assertEqual(len(claims), 1)

    def test_another_device_that_comes_back_is_not_the_unit(self):
        def during(world):
            world.twins.ask("unplug", slot=1)
            world.twins.ask("plug", slot=1, serial=world.serials()[1])
            world.move()
            world.note("back")

        code, batch, _, _ = self.reset(self.GONE, during, devices=2)
        self.assertEqual((code, batch.units[0]["code"]), (UNITS, "identity.changed"), batch.stderr)

    def test_a_device_that_takes_its_time_to_leave_is_waited_for(self):
        """It is opened and asked who it is before it has left at all."""
        late = ('elif request["do"] == "identify" and is_there("reset") and first("late"):\n    time.sleep(60)')

        def during(world):
            world.await_note("late")
            world.move()

        code, batch, opened, claims = self.reset(late, during)
        self.assertEqual(code, PASSED, (batch.stderr, batch.units))
        self.assertEqual((len(opened), len(claims)), (3, 1))

    def test_a_device_that_leaves_under_the_question_is_waited_for(self):
        late = ('elif request["do"] == "identify" and is_there("reset") and first("late"):\n'
                f'    answer = {err("link.gone", "link")}')

        def during(world):
            world.await_note("late")
            world.move()

        code, batch, _, claims = self.reset(late, during)
        self.assertEqual(code, PASSED, (batch.stderr, batch.units))
        self.assertEqual(len(claims), 1)

    def test_without_a_reset_another_place_is_another_attachment(self):
        slow = 'if request["do"] == "request" and first("slow"):\n    time.sleep(60)'
        with Folder(slot=OPEN + slow) as folder, Fixture(folder, devices=1) as world:
            batch = world.batch(swap=False)
            world.plug()
            world.await_note("slow")
            world.move(to="2-3")
            parked = batch.wait_for(lambda e: e["event"] == "unit")
            self.assertEqual((parked["outcome"], parked["code"]), ("parked", "link.gone"), parked)
            batch.wait_for(lambda e: e["event"] == "unit" and e["outcome"] == "passed")
            batch.process.terminate()
            self.assertEqual(batch.wait(), PASSED, batch.stderr)
            self.assertEqual([c["place"] for c in world.claims()], [USB2 + "3", USB3 + "3"])
            check_promises(self, world)

    def test_two_devices_in_one_slot_are_refused(self):
        with Folder(slot=OPEN) as folder, Fixture(folder, devices=1) as world:
            world.plug()
            world.plug("2-3")
            batch = world.batch(swap=False)
            unit = batch.wait_for(lambda e: e["event"] == "unit")
            self.assertEqual((unit["outcome"], unit["code"]), ("failed", "slot.two-devices"), unit)
            self.assertIn("take one of them out", unit["advice"])
            world.machine.unplug("2-3")
            batch.wait_for(lambda e: e["event"] == "unit" and e["outcome"] == "passed")
            batch.process.terminate()
            self.assertEqual(batch.wait(), UNITS, batch.stderr)
            self.assertEqual(world.opened(), [ADDRESS(USB2 + "3")])

    def test_a_serial_ports_address_under_a_usb_profile_is_refused(self):
        def edit(text):
            return text.replace("link: { baud: 115200 }", "link: { usb: mctp }")

        with World(devices=1, slots=1, edit_profile=edit) as world:
            code, batch = world.run("--count", 1, swap=False)
            self.assertEqual(code, INPUT, batch.stderr)
            self.assertRegex(batch.stderr, r"station\.yaml:\d+:\d+: slot 1 has a serial port's address.*write place: KEY")


if __name__ == "__main__":
    need_umockdev()
    unittest.main()
