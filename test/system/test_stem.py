"""The processes of the slots are forked from one stem: whatever becomes of it, no unit suffers."""

import os
import signal
import time
import unittest

from station_kit import PASSED, STATION, UNITS, World, check_promises
from test_crash import children_of


class Stem(unittest.TestCase):
    def stem_of(self, batch):
        end = time.monotonic() + 30
        while not (found := children_of(batch.process.pid, "kiln-slot-stem")) and time.monotonic() < end:
            time.sleep(0.02)
        return found[0]

    def hurt_at_keygen(self, number, keygen_ms):
        """Four units in two slots; the stem gets the signal while the first two work. The deaths that are recorded."""
        with World(devices=4, slots=2, keygen_ms=keygen_ms) as world:
            batch = world.batch("--count", 4)
            for slot in ("1", "2"):
                batch.wait_for(lambda e, s=slot: e["event"] == "step" and e["step"] == "keygen" and e["slot"] == s)
            os.kill(self.stem_of(batch), number)
            self.assertEqual(batch.wait(), PASSED, (batch.stderr, batch.units))
            self.assertEqual({u["outcome"] for u in batch.units}, {"passed"})
            check_promises(self, world)
            return self.deaths(world)

    def test_units_at_work_do_not_notice_its_death(self):
        deaths = self.hurt_at_keygen(signal.SIGKILL, 600)
        self.assertEqual([(d["program"], d["error"]["code"]) for d in deaths], [("kiln-slot", "child.died")])

    def test_one_that_is_stopped_is_replaced(self):
        deaths = self.hurt_at_keygen(signal.SIGSTOP, 300)
        self.assertEqual([(d["program"], d["error"]["code"]) for d in deaths], [("kiln-slot", "child.timeout")])

    def test_one_that_dies_over_a_device_is_asked_again(self):
        for point in ("stem.ask", "stem.made"):
            with self.subTest(point), World(devices=1, slots=1) as world:
                world.environment.update(KILN_FAILPOINT=f"kiln-slot:{point}:1:kill", KILN_FAILPOINT_COUNT=world.path("count"))
                code, batch = world.run("--count", 1, swap=False)
                self.assertEqual((code, len(batch.units)), (PASSED, 1), (batch.stderr, batch.units))
                check_promises(self, world)

    def test_one_that_always_dies_is_the_stations_fault_and_no_units(self):
        with World(devices=1, slots=1) as world:
            world.environment["KILN_FAILPOINT"] = "kiln-slot:stem.ask:1:kill"
            code, batch = world.run("--count", 1, swap=False)
            self.assertEqual((code, batch.units), (STATION, []), batch.stderr)
            self.assertEqual([e["code"] for e in batch.events if e.get("what") == "broken"], ["pool.down"])
            check_promises(self, world)

    def begin_with_one_idle(self, world):
        """The second slot is empty while the first unit works; (batch, the process that waits for the next device)."""
        world.twins.ask("unplug", slot=2)
        batch = world.batch("--count", 2, swap=False)
        batch.wait_for(lambda e: e["event"] == "step" and e["step"] == "keygen")
        self.slots_of(batch, 2)
        return batch, *self.idle(batch)

    def test_a_process_waits_for_the_next_device_and_is_no_fault_where_it_died(self):
        for how in (None, signal.SIGKILL):
            with self.subTest(how), World(devices=2, slots=2, keygen_ms=600) as world:
                batch, spare = self.begin_with_one_idle(world)
                if how:
                    os.kill(spare, how)
                    self.slots_of(batch, 1)
                world.twins.ask("plug", slot=2, serial=world.serials()[1])
                batch.wait_for(lambda e: e["event"] == "step" and e["step"] == "keygen" and e["slot"] == "2")
                self.assertEqual(spare in self.slots_of(batch, 2), how is None)
                self.assertEqual(batch.wait(), PASSED, (batch.stderr, batch.units))
                self.assertFalse(self.deaths(world))
                check_promises(self, world)

    def test_one_that_dies_as_it_is_given_a_device_is_no_fault_of_the_unit(self):
        with World(devices=2, slots=2, keygen_ms=600) as world:
            batch, spare = self.begin_with_one_idle(world)
            os.kill(spare, signal.SIGSTOP)
            world.twins.ask("plug", slot=2, serial=world.serials()[1])
            batch.wait_for(lambda e: e["event"] == "arrived" and e["slot"] == "2")
            os.kill(spare, signal.SIGKILL)
            self.assertEqual(batch.wait(), PASSED, (batch.stderr, batch.units))
            self.assertEqual(len(self.deaths(world)), 1)
            check_promises(self, world)

    def test_a_device_over_which_each_dies_fails(self):
        with World(devices=1, slots=1, keygen_ms=600) as world:
            world.environment["KILN_FAILPOINT"] = "kiln-slot:stem.born:1:kill"
            code, batch = world.run("--count", 1, swap=False)
            self.assertEqual((code, [u["code"] for u in batch.units]), (UNITS, ["child.died"]), batch.stderr)
            self.assertEqual(len(self.deaths(world)), 2)
            check_promises(self, world)

    def deaths(self, world):
        return [e["detail"] for e in world.log() if e["event"] == "station" and e["what"] == "child-died"]

    def idle(self, batch, yes=True):
        """The processes of slots that have no device open; or that have one."""
        def has_port(pid):
            return any("/pts/" in os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))
        return [pid for pid in children_of(batch.process.pid, "kiln-slot") if has_port(pid) != yes]

    def slots_of(self, batch, count):
        end = time.monotonic() + 30
        while len(found := children_of(batch.process.pid, "kiln-slot")) < count and time.monotonic() < end:
            time.sleep(0.02)
        self.assertEqual(len(found), count)
        return found

    def test_a_process_that_a_device_broke_has_no_brother_of_its_layout(self):
        with World(devices=2, slots=2, keygen_ms=600) as world:
            batch = world.batch("--count", 2, swap=False)
            batch.wait_for(lambda e: e["event"] == "step" and e["step"] == "keygen")
            first = self.stem_of(batch)
            os.kill(self.idle(batch, False)[0], signal.SIGSEGV)
            batch.wait_for(lambda e: e["event"] == "unit")
            end = time.monotonic() + 30
            while first in children_of(batch.process.pid, "kiln-slot-stem") and time.monotonic() < end:
                time.sleep(0.02)
            self.assertNotEqual(self.stem_of(batch), first)
            batch.wait_for(lambda e: e["event"] == "unit" and e["outcome"] == "passed")
            batch.process.send_signal(signal.SIGINT)
            batch.wait()
            self.assertEqual(len(self.deaths(world)), 1)
            check_promises(self, world)

    def test_it_ends_with_its_station(self):
        for how in (lambda batch: batch.wait(), lambda batch: batch.kill()):
            with World(devices=1, slots=1) as world:
                batch = world.batch("--count", 1, swap=False)
                batch.wait_for(lambda e: e["event"] == "step")
                pids = [self.stem_of(batch), *children_of(batch.process.pid, "kiln-slot")]
                self.assertEqual(len(pids), 2)
                how(batch)
                end = time.monotonic() + 10
                while any(os.path.exists(f"/proc/{pid}/exe") for pid in pids) and time.monotonic() < end:
                    time.sleep(0.05)
                self.assertFalse([pid for pid in pids if os.path.exists(f"/proc/{pid}/exe")])


if __name__ == "__main__":
    unittest.main(verbosity=2)
