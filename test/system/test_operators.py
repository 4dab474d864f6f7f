"""People at a station: what they pause, who they are, and what they may do."""

import unittest

from station_kit import INPUT, PASSED, World, check_promises
from test_service import ask, end, passed, run, snapshot
from test_slots import quick


def held(service, slot, why):
    return service.wait_for(lambda e: e["event"] == "held" and e["slot"] == slot and e["why"] == why)


class Pause(unittest.TestCase):
    def test_one_place_or_all_begins_nothing_until_it_is_resumed_through_restarts(self):
        with World(devices=2, slots=2) as world:
            service = run(world, swap=False)
            passed(service, 2)
            self.assertEqual(ask(world, "resume").returncode, INPUT, "nothing is paused")
            self.assertIn("slot.unknown", ask(world, "pause", "--slot", "9").stderr)
            done = ask(world, "pause", "--slot", "2")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("station.state", ask(world, "pause", "--slot", "2").stderr)
            world.twins.ask("unplug", slot=2)
            world.twins.ask("plug", slot=2, serial=world.serials()[1])
            held(service, "2", "pause")
            state = snapshot(world)
            self.assertEqual([s["paused"] for s in state["slots"]], [False, True])
            self.assertEqual((state["paused"], state["state"], state["slots"][1]["state"]), (False, "running", "held"))
            self.assertEqual(ask(world, "pause").returncode, 0)
            end(self, service)
            service = run(world, swap=False)
            held(service, "2", "pause")
            held(service, "1", "pause")
            state = snapshot(world)
            self.assertTrue(state["paused"] and state["slots"][1]["paused"])
            self.assertEqual(ask(world, "resume").returncode, 0)
            service.wait_for(lambda e: e["event"] == "unit" and e["slot"] == "1")
            self.assertFalse(snapshot(world)["paused"])
            self.assertEqual(ask(world, "resume", "--slot", "2").returncode, 0)
            service.wait_for(lambda e: e["event"] == "unit" and e["slot"] == "2")
            end(self, service)
            words = [(e["what"], e["detail"].get("slot")) for e in world.log()
                     if e["event"] == "station" and e["what"] in ("paused", "resumed")]
            self.assertEqual(words, [("paused", "2"), ("paused", None), ("resumed", None), ("resumed", "2")])
            check_promises(self, world)

    def test_a_slot_that_its_failures_closed_is_opened_by_resume(self):
        with World(devices=4, slots=1, faults=[f"stall:identify@{n}" for n in (1, 2, 3)], edit_profile=quick) as world:
            service = run(world, swap=False)
            for count, serial in enumerate(world.serials()[1:3], 1):
                service.wait_for(lambda e, n=count: len(service.units) >= n)
                world.twins.ask("unplug", slot=1)
                world.twins.ask("plug", slot=1, serial=serial)
            service.wait_for(lambda e: e["event"] == "slot-closed")
            self.assertEqual(snapshot(world)["slots"][0]["state"], "closed")
            world.twins.ask("unplug", slot=1)
            world.twins.ask("plug", slot=1, serial=world.serials()[3])
            self.assertEqual(ask(world, "resume", "--slot", "1").returncode, 0)
            passed(service, 1)
            end(self, service)


if __name__ == "__main__":
    unittest.main()
