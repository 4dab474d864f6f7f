"""A unit that comes back goes on where the records and the device say (I1 I2 I9 I10): its own interrupted
keygen strands nothing, its certificate is finished and never asked for twice, and a lost key begins anew."""

import unittest

from recovery_kit import Fixture, existing
from station_kit import PASSED, PENDING, UNITS, check_promises


class Keygen(unittest.TestCase):
    def test_I10_killed_before_and_after_the_device_made_its_key_and_before_that_was_recorded(self):
        """The request is lost, or its answer: the seeds of four devices bring both. Then the station dies."""
        for policy in ("refuse", "reuse", "replace"):
            with Fixture(devices=4, slots=1, faults=["drop:keygen"], edit_profile=existing(policy)) as world:
                world.unplug()
                made = {serial: self.interrupt(world, serial) for serial in world.serials()}
                self.assertEqual({bool(key) for key in made.values()}, {True, False}, "both, or it shows nothing")
                for serial in world.serials():
                    code, batch = world.again(serial)
                    self.assertEqual(code, PASSED, (policy, batch.units, batch.stderr))
                    self.assertEqual(made[serial] == world.key(serial), policy == "reuse" and bool(made[serial]))
                    self.assertEqual(world.jobs(serial), ["passed"])
                check_promises(self, world)

    def interrupt(self, world, serial):
        """Its key, where there is one by then."""
        world.plug(serial)
        batch = world.batch(swap=False)
        world.wait_until(lambda: world.flash(serial).get("faults"))
        batch.kill()
        world.unplug()
        self.assertFalse([e for e in world.log(serial) if e["event"] == "step" and e["step"] == "keygen"])
        return world.key(serial)

    def test_I2_a_key_whose_csr_is_recorded_is_never_made_again(self):
        for kill in (Fixture.kill_asked, lambda world: world.kill_at("install")):
            with Fixture(devices=1, slots=1, edit_profile=existing("replace")) as world:
                serial = world.serials()[0]
                kill(world)
                made = world.key(serial)
                code, batch = world.again(serial)
                self.assertEqual(code, PASSED, batch.units)
                self.assertEqual(made, world.key(serial))
                self.assertEqual(len({p["csr_sha256"] for p in world.posts()}), 1)
                self.assertEqual(world.intents("keygen"), 1)
                check_promises(self, world)


class Failed(unittest.TestCase):
    def test_a_unit_whose_job_failed_is_made_again_with_a_new_key(self):
        """Under refuse too: the key that the device holds is our own, of a job that has ended."""
        with Fixture(devices=1, slots=1) as world:
            serial = world.serials()[0]
            good = world.text
            world.text = good.replace("accept_test_ca: true", "accept_test_ca: false")
            world.set_label(None)
            code, batch = world.run("--count", 1, swap=False)
            self.assertEqual((code, batch.units[0]["code"]), (UNITS, "cert.test-ca"))
            world.unplug()
            made = world.key(serial)
            world.text = good
            world.set_label(None)
            code, batch = world.again(serial)
            self.assertEqual(code, PASSED, batch.units)
            self.assertNotEqual(made, world.key(serial))
            self.assertEqual(world.jobs(serial), ["cert.test-ca", "passed"])
            self.assertEqual(len(world.orphans()), 1)
            check_promises(self, world)

    def test_a_unit_whose_request_was_refused_is_made_again(self):
        """Its key was never seen: it can only be the one that we made."""
        with Fixture(devices=1, slots=1, faults=["bad-csr-signature"]) as world:
            serial = world.serials()[0]
            world.unplug()
            first = world.again(serial)
            made = world.key(serial)
            second = world.again(serial)
            for code, batch in (first, second):
                self.assertEqual((code, batch.units[0]["outcome"]), (UNITS, "failed"), batch.units)
                self.assertNotEqual(batch.units[0]["code"], "key.present")
            self.assertNotEqual(made, world.key(serial))
            check_promises(self, world)


class LostKey(unittest.TestCase):
    def lose(self, world, step, foreign=False, number=0):
        """A unit is killed at a step, or while the CA is asked, and loses its key, or has that of the world's last
        unit."""
        serial, donor = world.serials()[number], world.serials()[-1]
        if number:
            world.plug(serial)
        if step == "asked":
            world.kill_asked()
        else:
            world.kill_at(step)
        pair = None
        if foreign:
            code, batch = world.again(donor)
            self.assertEqual(code, PASSED, batch.units)
            pair = world.flash(donor)["pairs"][0]
        world.set_key(serial, pair)
        return serial

    def check_anew(self, world, serial, issued):
        code, batch = world.again(serial)
        self.assertEqual(code, PASSED, batch.units)
        self.assertEqual([u["outcome"] for u in batch.units], ["passed"])
        anew = [e for e in batch.events if e["event"] == "step" and e["outcome"] == "anew"]
        self.assertEqual([e["code"] for e in anew], ["key.lost"])
        self.assertEqual(world.jobs(serial), ["key.lost", "passed"])
        self.assertEqual(len([o for o in world.orphans() if o["serial"] == serial]), issued)
        check_promises(self, world)

    def test_I2_I9_erased_before_and_after_the_certificate_came(self):
        for policy, steps in (("refuse", ["asked", "install", "prove"]), ("reuse", ["install"])):
            with Fixture(devices=len(steps), slots=1, edit_profile=existing(policy)) as world:
                for number, step in enumerate(steps):
                    serial = self.lose(world, step, number=number)
                    self.check_anew(world, serial, 1)

    def test_another_key_begins_anew_where_the_profile_replaces(self):
        with Fixture(devices=2, slots=1, edit_profile=existing("replace")) as world:
            serial = self.lose(world, "install", foreign=True)
            other = world.key(serial)
            self.check_anew(world, serial, 1)
            self.assertNotEqual(world.key(serial), other)

    def test_another_key_is_refused_where_the_profile_refuses(self):
        with Fixture(devices=2, slots=1) as world:
            serial = self.lose(world, "install", foreign=True)
            other = world.key(serial)
            for jobs in (["key.lost", "key.present"], ["key.lost", "key.present", "key.present"]):
                code, batch = world.again(serial)
                self.assertEqual((code, batch.units[0]["outcome"], batch.units[0]["code"]),
                                 (UNITS, "refused", "key.present"))
                self.assertEqual(world.jobs(serial), jobs)
                self.assertEqual(world.key(serial), other)
            self.assertEqual(len(world.orphans()), 1)
            check_promises(self, world)

    def test_I9_a_key_of_another_unit_is_never_certified(self):
        with Fixture(devices=2, slots=1, edit_profile=existing("reuse")) as world:
            serial = self.lose(world, "install", foreign=True)
            code, batch = world.again(serial)
            self.assertEqual((code, batch.units[0]["code"]), (UNITS, "key.duplicate"), batch.units)
            self.assertEqual(world.jobs(serial), ["key.lost", "key.duplicate"])
            self.assertEqual(len([p for p in world.posts() if p.get("certificate_sha256")]), 2)
            check_promises(self, world)

    def test_I6_an_order_that_has_no_place_for_a_second_certificate_says_so(self):
        with Fixture(devices=2, slots=1, order=("WO-1", 1)) as world:
            serial = self.lose(world, "install")
            code, batch = world.again(serial)
            unit = batch.units[0]
            self.assertEqual((code, unit["outcome"], unit["code"]), (UNITS, "refused", "claim.quota"))
            self.assertIn("WO-1", unit["message"])
            self.assertEqual(len(world.orphans()), 1)
            check_promises(self, world)

    def test_I2_what_may_have_been_issued_is_listed_when_the_key_is_lost(self):
        with Fixture(devices=1, slots=1, label="drop-after-issue") as world:
            serial = world.serials()[0]
            code, batch = world.run("--count", 1, swap=False)
            self.assertEqual(code, PENDING, batch.units)
            world.unplug()
            world.set_key(serial)
            world.set_label(None)
            code, batch = world.again(serial)
            self.assertEqual(code, PASSED, batch.units)
            orphans = world.orphans()
            self.assertEqual(len(orphans), len([p for p in world.posts() if p.get("certificate_sha256")]) - 1)
            self.assertEqual(len({p["csr_sha256"] for p in world.posts()}), 2)
            check_promises(self, world)


if __name__ == "__main__":
    unittest.main(verbosity=2)
