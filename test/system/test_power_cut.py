"""A device loses its power in each write to its flash that a job makes. It comes back with its old content or the
new one; the station finishes the unit with one certificate, or ends it clearly, and every certificate that the CA
made is accounted for (I1 I2 I3 I10). KILN_SWEEP=1 tears each write of every variant, in several ways."""

import os
import random
import time
import unittest

from station_kit import BIN, PATIENCE_S, World, check_promises

SWEEP = bool(os.environ.get("KILN_SWEEP"))
REPORT = os.path.join(BIN, "..", "power-devices.txt")
SLOW = bool(os.environ.get("KILN_SANITIZE"))
SEED = int(os.environ.get("KILN_SEED", "1"))
NEVER = 9999
REPORTED = []


def report(line):
    print(line, flush=True)
    REPORTED.append(line)
    with open(REPORT, "w", encoding="utf-8") as file:
        file.write("\n".join(REPORTED) + "\n")


class PowerCut(unittest.TestCase):
    def writes(self, world, serial):
        return world.read(f"devices/device/{serial}/flash.log").splitlines()

    def ends(self, batch, serial):
        return [u for u in batch.units if u["serial"] == serial]

    def is_plugged(self, world):
        return any("serial" in slot for slot in world.twins.ask("list")["slots"])

    def provision(self, world, batch, serial):
        """Plugs it again and again until its unit has ended: how."""
        for _ in range(8):
            world.twins.ask("plug", slot=1, serial=serial)
            seen = len(batch.units)
            end = time.monotonic() + PATIENCE_S
            # it may go before the station knows who it is: then there is no unit yet
            while len(batch.units) == seen and self.is_plugged(world):
                self.assertLess(time.monotonic(), end, (serial, batch.events[-5:]))
                time.sleep(0.01)
            time.sleep(0.05)
            ended = [u for u in self.ends(batch, serial) if u["outcome"] != "parked"]
            world.twins.ask("unplug", slot=1)  # where a slow machine parked it for another reason
            if ended:
                return ended[-1]
        raise AssertionError(f"{serial} does not end: {batch.events[-5:]}")

    def count(self, world):
        """How often a job writes, of a device whose power stays."""
        world.twins.ask("unplug", slot=1)
        batch = world.batch(swap=False)
        unit = self.provision(world, batch, world.serials()[0])
        batch.kill()
        self.assertEqual(unit["outcome"], "passed", unit)
        return len(self.writes(world, world.serials()[0]))

    def cut_each(self, name, times, sample=NEVER, **options):
        with World(devices=1, slots=1, faults=[f"power-cut:{NEVER}"], **options) as world:
            writes = self.count(world)
            world.twins.stop()
            chosen = sorted(random.Random(SEED).sample(range(1, writes + 1), min(sample, writes)))
            cuts = [n for n in chosen for _ in range(times)]
            world.options["devices"] = len(cuts) + 1
            world.options["faults"] = [f"power-cut:{n}@{i + 2}" for i, n in enumerate(cuts)]
            world.start_twins()
            world.twins.ask("unplug", slot=1)
            batch = world.batch(swap=False)
            passed, complete = self.cut_all(world, batch, cuts)
            batch.kill()
            line = check_promises(self, world)
            self.assertEqual(line["counts"]["passed"], passed + 1)
            self.check_certificates(world)
        report(f"{len(cuts):6} power cuts of {name}, in {len(chosen)} of the {writes} writes of a job"
               f"{f' ({complete} of them complete)' if complete else ''}: {passed} units passed, {len(world.kept_orphans)} orphans, every certificate accounted for")

    def cut_all(self, world, batch, cuts):
        passed = complete = 0
        for number, serial in zip(cuts, world.serials()[1:]):
            unit = self.provision(world, batch, serial)
            torn = [w for w in self.writes(world, serial) if "torn" in w]
            self.assertEqual(len(torn), 1, (number, serial, torn))
            passed += unit["outcome"] == "passed"
            complete += "torn after 256" in torn[0]
            self.check_end(unit, (number, torn))
        return passed, complete

    def check_end(self, unit, where):
        """A device that is whole again has no reason to fail."""
        self.assertEqual(unit["outcome"], "passed", (where, unit))

    def check_certificates(self, world):
        """One for each unit; what the CA made beyond that is an orphan."""
        ends = {}
        for event in world.log():
            if event["event"] == "end" and event["outcome"] == "passed":
                ends[event["job"]] = ends.get(event["job"], 0) + 1
        self.assertTrue(all(n == 1 for n in ends.values()), ends)
        issued = [p for p in world.posts() if p.get("certificate_sha256")]
        world.kept_orphans = world.orphans()
        self.assertEqual(len(issued), len(ends) + len(world.kept_orphans))


class Spdm(PowerCut):
    def test_I1_I2_a_device_cut_in_each_write(self):
        self.cut_each("spdm 1.3", 6 if SWEEP else 3)

    def test_I1_I2_a_device_that_resets_cut_in_each_write(self):
        self.cut_each("spdm 1.3-reset", 4 if SWEEP else 1, variant="1.3-reset")

    def test_I1_I2_a_device_with_small_messages_cut_in_each_write(self):
        self.cut_each("spdm 1.3-chunk", 6 if SWEEP else 1, variant="1.3-chunk")


class LinuxShell(PowerCut):
    def cut_shell(self, variant, sample):
        self.cut_each(f"linux-shell {variant}", 3 if SWEEP else 1, NEVER if SWEEP else sample, family="linux-shell",
                      variant=variant, profile=f"linux-shell/{variant}.yaml")

    def test_I1_I2_a_device_with_files_cut_in_many_writes(self):
        self.cut_shell("openssl", 5 if SLOW else 12)

    def test_I1_I2_a_device_with_a_tpm_cut_in_some_writes(self):
        self.cut_shell("tpm2", 2)

    def test_I1_I2_a_device_with_a_token_cut_in_some_writes(self):
        self.cut_shell("pkcs11", 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
