"""The same rules wherever and whenever a unit comes back, and one winner where two want the same (I1 I9 I10)."""

import glob
import os
import signal
import unittest

from recovery_kit import Fixture, existing
from station_kit import PASSED, UNITS, check_promises

FAKETIME = next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")), None)


class Later(Fixture):
    """A world whose CA and station can be moved on in time together."""

    def start_ca(self, hours=24):
        self.write("days", "+0d")
        before = dict(os.environ)
        os.environ.update(LD_PRELOAD=FAKETIME, FAKETIME_TIMESTAMP_FILE=self.path("days"), FAKETIME_NO_CACHE="1",
                          FAKETIME_DONT_FAKE_MONOTONIC="1")
        try:
            super().start_ca(hours)
        finally:
            os.environ.clear()
            os.environ.update(before)

    def days_later(self, days):
        self.write("days", f"+{days}d")
        self.environment.update(LD_PRELOAD=FAKETIME, FAKETIME=f"+{days}d", FAKETIME_DONT_FAKE_MONOTONIC="1")


class Sealed(unittest.TestCase):
    def test_I10_killed_before_and_after_the_seal_was_recorded(self):
        with Fixture(devices=2, slots=1, edit_profile=existing("refuse", seal=True)) as world:
            first, second = world.serials()
            world.kill_at("attest")
            self.finish(world, first)
            world.plug(second)
            world.kill_at("seal", "ok")
            self.finish(world, second)

    def test_I10_the_answer_to_the_seal_is_lost(self):
        """Or the request was: the seeds of four devices bring both, and only the lifecycle tells."""
        edit = lambda text: existing("refuse", seal=True)(text) + "deadline_ms: { seal: 1500 }\n"
        with Fixture(devices=4, slots=1, faults=["drop:seal"], edit_profile=edit) as world:
            world.unplug()
            sealed = []
            for serial in world.serials():
                batch = self.park(world, serial)
                self.assertEqual(batch.units[0]["outcome"], "parked", batch.units)
                self.assertFalse([e for e in world.log(serial) if e["event"] == "step" and e["step"] == "seal"])
                sealed.append(world.flash(serial)["sealed"])
                self.finish(world, serial)
            self.assertEqual(set(sealed), {True, False})

    def test_a_sealed_unit_that_passed_is_refused_and_not_called_broken(self):
        with Fixture(devices=1, slots=1, edit_profile=existing("refuse", seal=True)) as world:
            serial = world.serials()[0]
            self.assertEqual(world.run("--count", 1, swap=False)[0], PASSED)
            world.unplug()
            code, batch = world.again(serial)
            self.assertEqual((code, batch.units[0]["outcome"], batch.units[0]["code"]),
                             (UNITS, "refused", "claim.passed"), batch.units)
            check_promises(self, world)

    def park(self, world, serial):
        world.plug(serial)
        batch = world.batch(swap=False)
        batch.wait_for(lambda e: e["event"] == "unit")
        batch.process.send_signal(signal.SIGINT)
        batch.wait()
        world.unplug()
        return batch

    def finish(self, world, serial):
        code, batch = world.again(serial)
        self.assertEqual(code, PASSED, batch.units)
        self.assertTrue(world.flash(serial)["sealed"])
        self.assertEqual(world.jobs(serial), ["passed"])
        self.assertEqual(world.orphans(), [])
        check_promises(self, world)


class Anywhere(unittest.TestCase):
    @unittest.skipUnless(FAKETIME, "libfaketime is not installed")
    @unittest.skipIf(os.environ.get("KILN_SANITIZE"), "libfaketime and the sanitizers' runtime exclude each other")
    def test_I1_another_slot_another_start_and_days_later(self):
        with Later(devices=2, slots=2, hours=24 * 30) as world:
            serial = world.serials()[0]
            world.unplug(2)
            world.kill_at("install")
            environment = dict(world.environment)
            world.days_later(6)
            code, batch = world.again(serial, slot=2)
            world.environment = environment
            self.assertEqual(code, PASSED, (batch.units, batch.stderr))
            self.assertEqual(batch.units[0]["slot"], "2")
            claims = [e for e in world.log(serial) if e["event"] == "claim"]
            self.assertEqual([c["slot"] for c in claims], ["1", "2"])
            self.assertGreater(claims[1]["at"][:10], claims[0]["at"][:10])
            self.assertEqual(len([p for p in world.posts() if p.get("certificate_sha256")]), 1)
            self.assertEqual(world.orphans(), [])
            check_promises(self, world)

    def test_two_slots_one_serial_one_wins(self):
        with Fixture(devices=2, slots=2, faults=["duplicate-serial"], keygen_ms=1500) as world:
            batch = world.batch(swap=False)
            lost = batch.wait_for(lambda e: e["event"] == "unit" and e["outcome"] != "passed")
            won = batch.wait_for(lambda e: e["event"] == "unit" and e["outcome"] == "passed")
            batch.process.send_signal(signal.SIGINT)
            self.assertEqual(batch.wait(), UNITS, batch.units)
            self.assertEqual((lost["outcome"], lost["code"]), ("refused", "claim.two-slots"))
            self.assertEqual(lost["serial"], won["serial"])
            self.assertEqual(len([e for e in world.log() if e["event"] == "claim"]), 1)
            check_promises(self, world)

    def test_I9_one_key_under_two_serials_one_wins(self):
        with Fixture(devices=2, slots=1, edit_profile=existing("reuse")) as world:
            first, second = world.serials()
            code, batch = world.run("--count", 1, swap=False)
            self.assertEqual(code, PASSED, batch.units)
            world.unplug()
            world.set_flash(second, world.flash(first))
            code, batch = world.again(second)
            self.assertEqual((code, batch.units[0]["outcome"], batch.units[0]["code"]),
                             (UNITS, "failed", "key.duplicate"), batch.units)
            self.assertEqual(len([p for p in world.posts() if p.get("certificate_sha256")]), 1)
            self.assertEqual(check_promises(self, world)["counts"]["passed"], 1)

    def test_a_job_open_at_another_station_is_busy_and_its_own_finishes_it(self):
        with Fixture(devices=1, slots=1) as world:
            serial = world.serials()[0]
            world.kill_at("install")
            here = world.text
            world.text = here.replace("id: line-1", "id: line-2")
            world.set_label(None)
            code, batch = world.again(serial)
            unit = batch.units[0]
            self.assertEqual((code, unit["outcome"], unit["code"]), (UNITS, "refused", "claim.busy"))
            self.assertIn("line-1", unit["message"])
            world.text = here
            world.set_label(None)
            code, batch = world.again(serial)
            self.assertEqual(code, PASSED, batch.units)
            check_promises(self, world)


if __name__ == "__main__":
    unittest.main(verbosity=2)
