"""A slot whose cable is bad closes itself; the others work on, and a new start opens it again."""

import os
import signal
import time
import unittest

from station_kit import PASSED, PENDING, UNITS, World, check_promises
from test_crash import children_of


def quick(text):
    return text + "deadline_ms: { identify: 1500, prove: 1500 }\n"


class Closing(unittest.TestCase):
    def work(self, world, batch, slot, serial):
        """Another unit in the slot, until it has ended."""
        before = len([u for u in batch.units if u["slot"] == str(slot)])
        world.twins.ask("unplug", slot=slot)
        world.twins.ask("plug", slot=slot, serial=serial)
        return batch.wait_for(lambda e: e["event"] == "unit" and e["slot"] == str(slot) and
                              [u for u in batch.units if u["slot"] == str(slot)].index(e) == before)

    def end(self, batch, codes):
        batch.process.send_signal(signal.SIGINT)
        self.assertIn(batch.wait(), codes, batch.stderr)

    def test_three_units_that_are_never_identified_close_it_and_only_it(self):
        faults = [f"stall:identify@{n}" for n in (1, 3, 4)]
        with World(devices=6, slots=2, faults=faults, edit_profile=quick) as world:
            _, _, third, fourth, fifth, sixth = world.serials()
            batch = world.batch(swap=False)
            first = batch.wait_for(lambda e: e["event"] == "unit" and e["slot"] == "1")
            self.assertEqual(first["domain"], "link", first)
            for serial in (third, fourth):
                self.assertFalse([e for e in batch.events if e["event"] == "slot-closed"])
                self.assertEqual(self.work(world, batch, 1, serial)["domain"], "link")
            closed = batch.wait_for(lambda e: e["event"] == "slot-closed")
            self.assertEqual((closed["slot"], closed["code"]), ("1", "slot.closed"))
            self.assertIn("the last one: ", closed["message"])
            self.assertIn("start it again", closed["advice"])
            arrived = len([e for e in batch.events if e["event"] == "arrived" and e["slot"] == "1"])
            world.twins.ask("unplug", slot=1)
            world.twins.ask("plug", slot=1, serial=sixth)
            batch.wait_for(lambda e: e["event"] == "slot-closed" and e is not closed)
            self.assertEqual(self.work(world, batch, 2, fifth)["outcome"], "passed")
            self.assertEqual(len([e for e in batch.events if e["event"] == "arrived" and e["slot"] == "1"]), arrived)
            self.end(batch, (UNITS,))
            notes = [e for e in world.log() if e["event"] == "station" and e["what"] == "slot-closed"]
            self.assertEqual([(n["detail"]["slot"], n["detail"]["error"]["code"]) for n in notes], [("1", "slot.closed")])
            world.twins.ask("unplug", slot=2)
            code, batch = world.run("--count", 1, swap=False)
            self.assertEqual((code, batch.units[0]["slot"], batch.units[0]["serial"]), (PASSED, "1", sixth), batch.units)
            check_promises(self, world)

    def test_a_process_that_dies_with_the_device_counts_too(self):
        steps = ["identify", "keygen", "install"]
        with World(devices=4, slots=1, faults=[f"stall:{s}@{n}" for n, s in enumerate(steps, 1)]) as world:
            batch = world.batch(swap=False)
            for number, step in enumerate(steps):
                if number > 0:
                    self.assertFalse([e for e in batch.events if e["event"] == "slot-closed"])
                    world.twins.ask("unplug", slot=1)
                    world.twins.ask("plug", slot=1, serial=world.serials()[number])
                batch.wait_for(lambda e, s=step: e["event"] == "step" and e["step"] == s and e["outcome"] == "start" and
                               len(batch.units) == number)
                time.sleep(0.5)  # its intent is durable and the device, which stalls, is asked
                for pid in children_of(batch.process.pid, "kiln-slot"):
                    os.kill(pid, signal.SIGKILL)
                batch.wait_for(lambda e, n=number: e["event"] == "unit" and len(batch.units) == n + 1)
                self.assertEqual((batch.units[-1]["domain"], batch.units[-1]["code"]), ("link", "child.died"), step)
            batch.wait_for(lambda e: e["event"] == "slot-closed")
            self.assertIn(batch.wait(), (UNITS, PENDING), batch.stderr)
            check_promises(self, world)

    def test_a_cable_that_is_pulled_before_the_next_try_counts_too(self):
        with World(devices=3, slots=1, faults=[f"stall:identify@{n}" for n in (1, 2, 3)], edit_profile=quick) as world:
            batch = world.batch(swap=False)
            for number, serial in enumerate(world.serials()[1:] + [None]):
                batch.wait_for(lambda e, n=number: e["event"] == "step" and
                               len([r for r in batch.events if r.get("outcome") == "retry"]) == n + 1)
                world.twins.ask("unplug", slot=1)
                batch.wait_for(lambda e, n=number: e["event"] == "unit" and len(batch.units) == n + 1)
                if serial is not None:
                    self.assertFalse([e for e in batch.events if e["event"] == "slot-closed"])
                    world.twins.ask("plug", slot=1, serial=serial)
            batch.wait_for(lambda e: e["event"] == "slot-closed")
            self.assertIn(batch.wait(), (UNITS, PENDING), batch.stderr)
            check_promises(self, world)

    def test_one_bad_unit_does_not_close_it_and_a_pass_begins_the_count_again(self):
        with World(devices=5, slots=1, faults=[f"stall:{s}@{n}" for s, n in (("prove", 1), ("identify", 2), ("identify", 4))],
                   edit_profile=quick) as world:
            bad, deaf, good, other, _ = world.serials()
            batch = world.batch(swap=False)
            batch.wait_for(lambda e: e["event"] == "unit" and e["serial"] == bad)
            for serial in (bad, bad, deaf):
                self.assertEqual(self.work(world, batch, 1, serial)["domain"], "link")
            self.assertEqual(self.work(world, batch, 1, good)["outcome"], "passed")
            for serial in (deaf, other):
                self.assertEqual(self.work(world, batch, 1, serial)["domain"], "link")
            self.assertFalse([e for e in batch.events if e["event"] == "slot-closed"])
            self.assertEqual(self.work(world, batch, 1, bad)["domain"], "link")
            batch.wait_for(lambda e: e["event"] == "slot-closed")
            self.assertIn(batch.wait(), (UNITS, PENDING), batch.stderr)  # it was the only slot: the batch ends
            check_promises(self, world)


if __name__ == "__main__":
    unittest.main(verbosity=2)
