"""The HSM's token vanishes, its program hangs or dies: units wait at the step that needs it and pass when it is
back, without a new start of the station (I2 I8 I10)."""

import contextlib
import os
import signal
import time
import unittest

from outage_kit import PATIENT, cpu_s, noted, station_events, wait_until_all_wait
from station_kit import PASSED, PENDING, World, check_promises
from test_crash import children_of


class Hsm(unittest.TestCase):
    def run_without(self, world, break_it, mend_it, step, outage_s=4):
        """Units that meet a broken token wait, and pass once it is mended."""
        slots = world.options["slots"]
        batch = world.batch("--count", slots, swap=False)
        batch.wait_for(lambda e: e["event"] == "step" and e["step"] == "keygen")
        break_it(batch)
        wait_until_all_wait(batch, step, slots)
        cpu, began = cpu_s(batch.process.pid), time.monotonic()
        time.sleep(outage_s)
        used, wall = cpu_s(batch.process.pid) - cpu, time.monotonic() - began
        self.assertFalse(batch.units, "a unit was given up")
        mend_it()
        self.assertEqual(batch.wait(), PASSED, (batch.stderr, batch.units))
        self.assertLess(used / wall, 0.1, "the station is busy while it waits")
        self.assertEqual([u["outcome"] for u in batch.units], ["passed"] * slots)
        check_promises(self, world)
        return batch

    def hide_tokens(self, world):
        os.rename(world.path("tokens"), world.path("hidden"))

    def kill(self, batch, name):
        for pid in children_of(batch.process.pid, name):
            with contextlib.suppress(ProcessLookupError):  # its token is gone already: so may it be
                os.kill(pid, signal.SIGKILL)

    def test_I10_units_wait_for_a_token_that_is_gone_and_pass_when_it_is_back(self):
        with World(devices=8, slots=8, keygen_ms=700, retry=PATIENT) as world:
            def break_it(batch):
                self.hide_tokens(world)
                self.kill(batch, "kiln-signer")

            batch = self.run_without(world, break_it, lambda: os.rename(world.path("hidden"), world.path("tokens")),
                                     "attest")
            down, up = noted(world, "hsm-down"), noted(world, "hsm-up")
            self.assertEqual(len(down), len(up))
            self.assertTrue(station_events(batch, "hsm-probe"))
            # Starts are further and further apart, and after some that failed they are no longer told.
            told = [e for e in station_events(batch, "child-died") if e["program"] == "kiln-signer"]
            self.assertLess(len(told), 12)

    def test_a_token_that_vanishes_under_a_running_signer(self):
        with World(devices=4, slots=4, keygen_ms=700, retry=PATIENT) as world:
            batch = world.batch("--count", 4, swap=False)
            batch.wait_for(lambda e: e["event"] == "step" and e["step"] == "keygen")
            self.hide_tokens(world)
            time.sleep(4)
            self.assertFalse(batch.units, "nobody passes without it, and nobody is given up")
            os.rename(world.path("hidden"), world.path("tokens"))
            self.assertEqual(batch.wait(), PASSED, (batch.stderr, batch.units))
            self.assertIn("hsm.rebuild", [e["code"] for e in station_events(batch, "hsm-down")])
            check_promises(self, world)

    def test_units_wait_for_the_tls_token_too(self):
        with World(devices=4, slots=4, keygen_ms=700, retry=PATIENT) as world:
            def break_it(batch):
                self.hide_tokens(world)
                self.kill(batch, "kiln-enroller")

            batch = self.run_without(world, break_it, lambda: os.rename(world.path("hidden"), world.path("tokens")),
                                     "enrol")
            self.assertTrue(station_events(batch, "ca-up"))
            self.assertEqual(len({p["csr_sha256"] for p in world.posts()}), 4)
            self.assertFalse(world.orphans())

    def test_a_hanging_signer_is_replaced_and_nobody_is_lost(self):
        edit = lambda text: text + "deadline_ms: { attest: 1500 }\n"
        with World(devices=6, slots=6, keygen_ms=500, retry=PATIENT, edit_profile=edit) as world:
            batch = world.batch("--count", 6, swap=False)
            batch.wait_for(lambda e: e["event"] == "step" and e["step"] == "keygen")
            for pid in children_of(batch.process.pid, "kiln-signer"):
                os.kill(pid, signal.SIGSTOP)
            self.assertEqual(batch.wait(), PASSED, (batch.stderr, batch.units))
            self.assertTrue(station_events(batch, "hsm-down"))
            self.assertTrue(station_events(batch, "hsm-up"))
            check_promises(self, world)

    def test_after_patience_units_are_parked_and_pass_when_they_come_back(self):
        with World(devices=2, slots=2, keygen_ms=500) as world:
            batch = world.batch("--count", 2, swap=False)
            batch.wait_for(lambda e: e["event"] == "step" and e["step"] == "keygen")
            self.hide_tokens(world)
            self.kill(batch, "kiln-signer")
            self.assertEqual(batch.wait(), PENDING, (batch.stderr, batch.units))
            self.assertEqual({u["outcome"] for u in batch.units}, {"parked"})
            self.assertEqual({u["domain"] for u in batch.units}, {"hsm"})
            os.rename(world.path("hidden"), world.path("tokens"))
            for slot, serial in enumerate(world.serials(), 1):
                world.twins.ask("unplug", slot=slot)
                world.twins.ask("plug", slot=slot, serial=serial)
            code, batch = world.run("--count", 2, swap=False)
            self.assertEqual(code, PASSED, (batch.stderr, batch.units))
            self.assertEqual(len([p for p in world.posts() if p.get("certificate_sha256")]), 2)
            check_promises(self, world)

    def test_I8_a_pin_that_became_wrong_is_used_once_and_parks_who_waits(self):
        with World(devices=3, slots=3, keygen_ms=700, retry=PATIENT) as world:
            batch = world.batch("--count", 3, swap=False)
            batch.wait_for(lambda e: e["event"] == "step" and e["step"] == "keygen")
            # The station keeps its PIN: the guard that a failed login leaves stands for one.
            world.write("state/attestation.pin-failed", '{"state":"failed","token":"attestation"}\n', 0o600)
            self.kill(batch, "kiln-signer")
            self.assertEqual(batch.wait(), PENDING, (batch.stderr, batch.units))
            self.assertEqual({(u["outcome"], u["code"]) for u in batch.units}, {("parked", "hsm.operator.guard")})
            self.assertLessEqual(len(station_events(batch, "child-died")), 2)
            check_promises(self, world)


if __name__ == "__main__":
    unittest.main(verbosity=2)
