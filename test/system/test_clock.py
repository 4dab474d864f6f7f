"""A station whose clock is wrong: nothing is made at a wrong time, what waits goes on when the clock is right
again, small jumps never matter, and no deadline ever depends on it."""

import glob
import json
import os
import sys
import unittest

from station_kit import PASSED, PENDING, STATION, World, check_promises, kiln

FAKETIME = (glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1") or [""])[0]


class FakeTime:
    """The station's wall clock, which can be moved while it runs. The monotonic one is left alone, and so are
    the processes that the station starts."""

    def __init__(self, world):
        self.path = world.path("clock")
        self.world = world
        self.move("+0")
        world.environment.update(LD_PRELOAD=FAKETIME, FAKETIME_TIMESTAMP_FILE=self.path, FAKETIME_NO_CACHE="1",
                                 FAKETIME_DONT_FAKE_MONOTONIC="1", FAKETIME_ONLY_CMDS="kiln",
                                 NO_FAKE_STAT="1")  # a file does not change with the clock
        if os.environ.get("KILN_SANITIZE"):
            world.environment["ASAN_OPTIONS"] += ":verify_asan_link_order=0"

    def move(self, by):
        with open(self.path + ".new", "w", encoding="ascii") as file:
            file.write(by + "\n")
        os.rename(self.path + ".new", self.path)


def claims(world):
    return [e for e in world.log() if e["event"] in ("claim", "intent")]


@unittest.skipUnless(FAKETIME, "libfaketime")
class Clock(unittest.TestCase):
    def passes(self, world, plug=True):
        if plug:
            world.twins.ask("swap", slot=1)
        code, batch = world.run("--count", 1, swap=False)
        self.assertEqual(code, PASSED, (batch.stderr, batch.units))

    def waits(self, world, code):
        before = len(claims(world))
        exit_code, batch = world.run("--count", 1, swap=False)
        self.assertEqual(exit_code, PENDING, (batch.stderr, batch.units))
        unit = batch.units[0]
        self.assertEqual((unit["outcome"], unit["code"]), ("parked", code), unit)
        self.assertIn("(NTP)", unit["advice"])
        self.assertIn("goes on when it is plugged in again", unit["advice"])
        self.assertRegex(unit["message"], r"clock says \d{4}-.* \d{4}-.*set the clock right")
        told = [e["code"] for e in batch.events if e["event"] == "station" and e["what"] == "clock"]
        self.assertEqual(told, [code])  # at the start, before a unit meets it
        self.assertEqual(len(claims(world)), before)

    def test_a_start_at_another_time(self):
        with World(devices=5, slots=1) as world:
            clock = FakeTime(world)
            self.passes(world, plug=False)
            for by in ["+1", "-1"]:
                clock.move(by)
                self.passes(world)
            world.twins.ask("swap", slot=1)
            for by, code in [("-1h", "clock.backwards"), ("+1h", "clock.ca"), ("-10y", "clock.backwards"),
                             ("+10y", "clock.ca")]:
                clock.move(by)
                self.waits(world, code)
            clock.move("+0")
            self.passes(world, plug=False)  # it healed: starts at a wrong time leave no trace
            check_promises(self, world)

    def starts_not(self, world, code, clock):
        """The whole machine is at another time: the CA is not believed either. Said once, a fault of the station."""
        del world.environment["FAKETIME_ONLY_CMDS"]
        clock.move("-10y")
        exit_code, batch = world.run("--count", 1, swap=False)
        self.assertEqual(exit_code, STATION, batch.stderr)
        self.assertIn(f"[{code}]", batch.stderr)
        said = batch.stderr + json.dumps(batch.events)
        self.assertEqual(said.count("this machine's clock says"), 1, said)
        return batch.stderr

    def test_a_ca_that_is_not_valid_yet_is_told_with_this_machines_time(self):
        with World(devices=1, slots=1) as world:
            said = self.starts_not(world, "est.server-certificate", FakeTime(world))
            self.assertRegex(said, r"not yet valid.*clock says \d{4}-\d\d-\d\dT.*if that is wrong")

    def test_a_start_of_a_whole_machine_at_another_time(self):
        with World(devices=1, slots=1) as world:
            clock = FakeTime(world)
            self.passes(world, plug=False)
            said = self.starts_not(world, "clock.backwards", clock)
            self.assertIn("the last unit was made at", said)

    def test_a_jump_between_two_units_heals_with_the_clock(self):
        with World(devices=3, slots=1) as world:
            clock = FakeTime(world)
            batch = world.batch("--count", 3, swap=False)
            batch.wait_for(lambda e: e["event"] == "unit" and e["outcome"] == "passed")
            for place, (by, code) in enumerate([("-2h", "clock.backwards"), ("+2h", "clock.ca")]):
                clock.move(by)
                self.replug(world, batch, world.serials()[1], 2 + place)
                self.assertEqual((batch.units[-1]["outcome"], batch.units[-1]["code"]), ("parked", code))
            clock.move("+0")
            self.replug(world, batch, world.serials()[1], 4)  # in the same run
            self.assertEqual(batch.units[-1]["outcome"], "passed", batch.units[-1])
            self.replug(world, batch, world.serials()[2], 5)
            self.assertEqual(batch.wait(), PASSED, batch.stderr)
            check_promises(self, world)

    @staticmethod
    def replug(world, batch, serial, units):
        """Puts this device into the slot; until it has ended there."""
        world.twins.ask("unplug", slot=1)
        world.twins.ask("plug", slot=1, serial=serial)
        batch.wait_for(lambda e: len(batch.units) == units)

    def test_a_jump_between_claim_and_enrolment_sends_nothing(self):
        with World(devices=1, slots=1, keygen_ms=1500) as world:
            clock = FakeTime(world)
            batch = world.batch("--count", 1, swap=False)
            batch.wait_for(lambda e: e["event"] == "step" and e["step"] == "keygen" and e["outcome"] == "start")
            clock.move("-1h")
            self.assertEqual(batch.wait(), PENDING, batch.stderr)
            self.assertEqual(batch.units[0]["code"], "clock.backwards")
            self.assertEqual(world.posts(), [])
            clock.move("+0")
            code, batch = world.run("--count", 1, swap=False)
            self.assertEqual(code, PASSED, batch.stderr)
            self.assertEqual(len([p for p in world.posts() if p.get("certificate_sha256")]), 1)
            check_promises(self, world)

    def test_deadlines_do_not_move_with_the_clock(self):
        with World(devices=1, slots=1, keygen_ms=1500) as world:
            clock = FakeTime(world)
            batch = world.batch("--count", 1, swap=False)
            batch.wait_for(lambda e: e["event"] == "step" and e["step"] == "keygen" and e["outcome"] == "start")
            clock.move("+10y")  # every deadline by the wall would be over
            done = batch.wait_for(lambda e: e["event"] == "step" and e["step"] == "keygen" and e["outcome"] != "start")
            self.assertEqual(done["outcome"], "ok")
            clock.move("+0")
            self.assertIn(batch.wait(), (PASSED, PENDING))

    def test_an_engineer_accepts_a_clock_that_was_wrong(self):
        """The CA and the station were wrong together; only a person can know."""
        with World(devices=2, slots=1) as world:
            clock = FakeTime(world)
            self.passes(world, plug=False)
            world.twins.ask("swap", slot=1)
            clock.move("-20m")
            self.waits(world, "clock.backwards")
            done = kiln("records", "accept-clock", "--config", world.config, "--by", "eve", "--reason", "the RTC was ahead",
                        env=world.environment)
            self.assertEqual(done.returncode, PASSED, done.stderr)
            self.waits(world, "clock.ca")  # the CA is still of another opinion
            event = [e for e in world.log() if e.get("what") == "clock-accepted"][0]
            self.assertEqual((event["by"], event["reason"]), ("eve", "the RTC was ahead"))
            clock.move("+0")
            self.passes(world, plug=False)


class Skips(unittest.TextTestResult):
    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        print("SKIP:", reason)


if __name__ == "__main__":
    result = unittest.main(exit=False, testRunner=unittest.TextTestRunner(resultclass=Skips, verbosity=2)).result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.testsRun == len(result.skipped) else 0)
