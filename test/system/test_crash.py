"""Programs are killed at any moment; the records account for every certificate and every device, and the
unit is finished when it is plugged in again (I1 I2 I5 I7 I10)."""

import os
import random
import signal
import subprocess
import time
import unittest

from station_kit import PASSED, PENDING, UNITS, World, check_promises, kiln

SEED = int(os.environ.get("KILN_SEED", "1"))


def children_of(pid, name):
    """Those that live."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8") as file:
                fields = file.read().rsplit(")", 1)
            comm, (state, parent) = fields[0].split("(", 1)[1], fields[1].split()[:2]
        except (OSError, IndexError):
            continue
        if int(parent) == pid and comm == name and state != "Z":
            found.append(int(entry))
    return found


class Station(unittest.TestCase):
    def test_I10_killed_at_each_step_and_continued(self):
        steps = ["identify", "claim", "keygen", "request", "enrol", "install", "readback", "prove", "attest", "finish"]
        with World(devices=len(steps), slots=1, keygen_ms=30) as world:
            for number, step in enumerate(steps):
                serial = world.serials()[number]
                batch = world.batch(swap=False)
                batch.wait_for(lambda e, s=step: e["event"] == "step" and e["step"] == s)
                batch.kill()
                world.twins.ask("unplug", slot=1)
                world.twins.ask("plug", slot=1, serial=serial)
                code, batch = world.run("--count", 1, swap=False)
                self.assertTrue(batch.units, (step, code, batch.stderr))
                unit = batch.units[-1]
                done = unit["outcome"] == "passed" or unit.get("code") == "claim.passed"
                self.assertTrue(done, (step, batch.units, batch.stderr))
                check_promises(self, world)
                world.twins.ask("swap", slot=1)
            line = check_promises(self, world)
            self.assertEqual(line["counts"]["passed"], len(steps))

    def test_I2_I7_killed_at_any_moment_with_many_units(self):
        random.seed(SEED)
        with World(devices=8, slots=4, keygen_ms=20) as world:
            for _ in range(6):
                batch = world.batch(swap=False)
                batch.wait_for(lambda e: e["event"] == "arrived")
                time.sleep(random.uniform(0.0, 0.25))
                batch.kill()
                before = world.log()
                check_promises(self, world)
                self.assertEqual(world.log()[:len(before)], before)
            code, batch = world.run("--count", 8)
            self.assertIn(code, (PASSED, UNITS), batch.stderr)
            self.assertFalse([u for u in batch.units
                              if u["outcome"] != "passed" and u.get("code") != "claim.passed"], batch.units)
            line = check_promises(self, world)
            self.assertGreaterEqual(line["counts"]["passed"], 4)

    def test_I5_a_pass_that_was_told_is_durable(self):
        with World(devices=3, slots=1) as world:
            batch = world.batch()
            unit = batch.wait_for(lambda e: e["event"] == "unit")
            batch.kill()
            self.assertEqual(unit["outcome"], "passed")
            ends = [e for e in world.log(unit["serial"]) if e["event"] == "end"]
            self.assertEqual([e["outcome"] for e in ends], ["passed"])


class Children(unittest.TestCase):
    def kill_child(self, world, batch, name):
        for pid in children_of(batch.process.pid, name):
            os.kill(pid, signal.SIGKILL)

    def test_a_killed_signer_is_started_again_and_units_wait_for_it(self):
        with World(devices=4, slots=2, keygen_ms=300) as world:
            batch = world.batch("--count", 4)
            batch.wait_for(lambda e: e["event"] == "step" and e["step"] == "keygen")
            self.kill_child(world, batch, "kiln-signer")
            self.assertEqual(batch.wait(), PASSED, (batch.stderr, batch.units))
            self.assertTrue([e for e in world.log() if e["event"] == "station" and e["what"] == "child-died"])
            check_promises(self, world)

    def test_killed_enrollers_are_started_again(self):
        with World(devices=4, slots=2, keygen_ms=300) as world:
            batch = world.batch("--count", 4)
            batch.wait_for(lambda e: e["event"] == "step" and e["step"] == "keygen")
            self.kill_child(world, batch, "kiln-enroller")
            self.assertEqual(batch.wait(), PASSED, (batch.stderr, batch.units))
            check_promises(self, world)

    def test_a_killed_slot_hurts_only_its_own_unit(self):
        with World(devices=2, slots=2, keygen_ms=600) as world:
            batch = world.batch(swap=False)
            for slot in ("1", "2"):
                batch.wait_for(lambda e, s=slot: e["event"] == "step" and e["step"] == "keygen" and e["slot"] == s)
            os.kill(children_of(batch.process.pid, "kiln-slot")[0], signal.SIGKILL)
            hurt = batch.wait_for(lambda e: e["event"] == "unit" and e["outcome"] == "parked")
            batch.wait_for(lambda e: e["event"] == "unit" and e["outcome"] == "passed")
            slot = int(hurt["slot"])
            world.twins.ask("unplug", slot=slot)
            world.twins.ask("plug", slot=slot, serial=hurt["serial"])
            batch.wait_for(lambda e: e["event"] == "unit" and e["outcome"] == "passed" and e["serial"] == hurt["serial"])
            batch.process.send_signal(signal.SIGINT)
            self.assertEqual(batch.wait(), PASSED, batch.stderr)
            check_promises(self, world)

    def test_a_stopped_signer_is_ended_and_replaced_within_the_deadline(self):
        edit = lambda text: text + "deadline_ms: { attest: 1500 }\n"
        with World(devices=2, slots=1, keygen_ms=300, edit_profile=edit) as world:
            batch = world.batch("--count", 2)
            batch.wait_for(lambda e: e["event"] == "step" and e["step"] == "keygen")
            for pid in children_of(batch.process.pid, "kiln-signer"):
                os.kill(pid, signal.SIGSTOP)
            self.assertEqual(batch.wait(), PASSED, (batch.stderr, batch.units))
            check_promises(self, world)

    def test_nothing_is_left_running(self):
        with World(devices=2, slots=2, keygen_ms=2000) as world:
            batch = world.batch(swap=False)
            for slot in ("1", "2"):
                batch.wait_for(lambda e, s=slot: e["event"] == "step" and e["step"] == "keygen" and e["slot"] == s)
            pids = [pid for name in ("kiln-slot", "kiln-enroller", "kiln-signer")
                    for pid in children_of(batch.process.pid, name)]
            self.assertGreaterEqual(len(pids), 4)  # two slots, the signer, at least one enroller
            batch.kill()
            end = time.monotonic() + 10
            while any(os.path.exists(f"/proc/{pid}/exe") for pid in pids) and time.monotonic() < end:
                time.sleep(0.05)
            self.assertFalse([pid for pid in pids if os.path.exists(f"/proc/{pid}/exe")])


class Unplugged(unittest.TestCase):
    def test_unplugged_at_each_device_step_and_back(self):
        steps = ["identify", "keygen", "request", "install", "readback", "prove"]
        faults = [f"stall:{step}@{number + 1}" for number, step in enumerate(steps)]
        with World(devices=len(steps), slots=1, faults=faults) as world:
            for number, step in enumerate(steps):
                serial = world.serials()[number]
                batch = world.batch(swap=False)
                batch.wait_for(lambda e, s=step: e["event"] == "step" and e["step"] == s)
                time.sleep(0.3)
                world.twins.ask("unplug", slot=1)
                unit = batch.wait_for(lambda e: e["event"] == "unit")
                self.assertEqual(unit["code"], "link.gone", step)
                batch.process.send_signal(signal.SIGINT)
                self.assertIn(batch.wait(), (PENDING, UNITS), batch.stderr)
                check_promises(self, world)
                if number + 1 < len(steps):
                    world.twins.ask("plug", slot=1, serial=world.serials()[number + 1])


    def test_I4_another_device_in_the_slot_is_another_unit(self):
        with World(devices=2, slots=1, faults=["stall:prove@1"]) as world:
            first, second = world.serials()
            batch = world.batch(swap=False)
            batch.wait_for(lambda e: e["event"] == "step" and e["step"] == "prove")
            world.twins.ask("swap", slot=1)
            parked = batch.wait_for(lambda e: e["event"] == "unit")
            self.assertEqual((parked["serial"], parked["code"]), (first, "link.gone"))
            passed = batch.wait_for(lambda e: e["event"] == "unit" and e["outcome"] == "passed")
            self.assertEqual(passed["serial"], second)
            batch.process.send_signal(signal.SIGINT)
            self.assertEqual(batch.wait(), PENDING, batch.stderr)
            self.assertFalse([e for e in world.log(first) if e["event"] == "end"])
            check_promises(self, world)


class Liars(unittest.TestCase):
    """Devices that are not what they say: none of them passes, and what was issued to them is listed."""

    def check(self, fault, codes):
        with World(devices=1, slots=1, faults=[fault]) as world:
            code, batch = world.run("--count", 1, swap=False)
            self.assertEqual((code, batch.units[-1]["outcome"]), (UNITS, "failed"), batch.units)
            self.assertIn(batch.units[-1]["code"], codes)
            line = check_promises(self, world)
            self.assertEqual(line["counts"]["passed"], 0)
            issued = [p for p in world.posts() if p.get("certificate_sha256")]
            self.assertEqual(len(world.orphans()), len(issued))

    def test_I3_no_pass_without_a_proof_under_the_certificate_that_was_read_back(self):
        self.check("wrong-key", ["proof.signature"])
        self.check("wrong-nonce", ["proof.nonce", "proof.signature"])
        self.check("lying-readback", ["readback.differs"])

    def test_I4_a_serial_that_changes_under_way_is_refused(self):
        for step in ("install", "prove"):
            self.check(f"wrong-serial:{step}", ["identity.changed", "csr.serial", "cert.san"])


class Orphans(unittest.TestCase):
    def test_I2_every_lost_answer_is_listed_while_the_unit_waits_and_afterwards(self):
        with World(devices=2, slots=1, label="drop-after-issue") as world:
            code, batch = world.run("--count", 2)
            self.assertEqual(code, PENDING, batch.units)
            issued = [p for p in world.posts() if p.get("certificate_sha256")]
            self.assertTrue(issued)
            self.assertEqual(len(world.orphans()), len(issued))
            check_promises(self, world)
            csrs = {p["csr_sha256"] for p in world.posts()}
            self.assertEqual(len(csrs), 2, "a retry sends the identical CSR")
            world.set_label(None)
            for serial in world.serials():
                world.twins.ask("unplug", slot=1) if serial != world.serials()[0] else None
                world.twins.ask("plug", slot=1, serial=serial)
                code, batch = world.run("--count", 1, swap=False)
                self.assertEqual(code, PASSED, batch.units)
            self.assertEqual({p["csr_sha256"] for p in world.posts()}, csrs)
            line = check_promises(self, world)
            self.assertEqual(line["counts"]["passed"], 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
