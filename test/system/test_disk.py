"""Real stations on a disk that fills up, breaks, or fails to sync, in the middle of a unit."""

import errno
import os
import shutil
import signal
import subprocess
import unittest

from station_kit import ABORTED, PASSED, PENDING, SOURCE, STATION, UNITS, World, check_promises


class FaultyDisk:
    def __init__(self, world):
        self.control = world.path("disk")
        library = world.path("fault_disk.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, os.path.join(SOURCE, "test/system/fault_disk.c"),
                        "-ldl"], check=True)
        world.environment.update(LD_PRELOAD=library, FAULT_DISK=self.control)
        if os.environ.get("KILN_SANITIZE"):
            world.environment["ASAN_OPTIONS"] += ":verify_asan_link_order=0"

    def fail(self, call, part, number=errno.EIO, n=1):
        with open(self.control + ".new", "w", encoding="ascii") as file:
            file.write(f"{call} {number} {part} {n}\n")
        os.rename(self.control + ".new", self.control)

    def mend(self):
        if os.path.exists(self.control):
            os.remove(self.control)


@unittest.skipUnless(shutil.which("cc"), "a C compiler at run time")
class Disk(unittest.TestCase):
    def assert_told_is_durable(self, world):
        told = {u["serial"] for batch in world.batches for u in batch.units if u["outcome"] == "passed"}
        log = world.log()
        serials = {e["record"]: e["serial"] for e in log if e["event"] == "claim"}
        durable = {serials[e["job"]] for e in log if e["event"] == "end" and e["outcome"] == "passed"}
        self.assertLessEqual(told, durable)

    def passes(self, world):
        code, batch = world.run("--count", 1, swap=False)
        self.assertEqual(code, PASSED, (batch.stderr, batch.units))

    def goes_on(self, world):
        """The next start makes that very unit; or its PASS, whose sync failed, was whole on the disk and only
        never told."""
        code, batch = world.run("--count", 1, swap=False)
        if code == UNITS:
            self.assertEqual([u["code"] for u in batch.units], ["claim.passed"], (batch.stderr, batch.units))
        else:
            self.assertEqual(code, PASSED, (batch.stderr, batch.units))

    def sweep(self, call, number, points, says):
        """One unit after another with the fault ever later, until it comes too late for a unit."""
        with World(devices=12, slots=1) as world:
            disk = FaultyDisk(world)
            for passed, n in enumerate(points):
                disk.fail(call, "records.db", number, n)
                code, batch = world.run("--count", 1, swap=False)
                if code == PASSED:
                    break
                self.assertEqual(code, STATION, (call, n, batch.stderr, batch.units))
                self.assertRegex(batch.stderr, r"\[records\.(broken|io)\]")  # the latter while it opens them
                self.assertRegex(batch.stderr, says)
                self.assertIn("then start again", batch.stderr)
                self.assertLessEqual({e["domain"] for e in batch.events if e.get("what") == "broken"}, {"records"})
                self.assertFalse([u for u in batch.units if u["outcome"] != "parked"], (call, n))
                disk.mend()
                self.assert_told_is_durable(world)
                self.goes_on(world)
                world.twins.ask("swap", slot=1)
            disk.mend()
            self.assertGreater(passed, 2)
            self.assertEqual(code, PASSED)
            self.assert_told_is_durable(world)
            check_promises(self, world)
            self.assertEqual(world.verify()[1]["counts"]["passed"], passed + 1)

    def test_I5_a_sync_that_fails_ends_the_station(self):
        self.sweep("sync", errno.EIO, range(2, 30, 3), "disk of the records fails")

    def test_I5_a_disk_that_is_full_ends_the_station(self):
        self.sweep("write", errno.ENOSPC, range(5, 800, 70), "disk of the records (is full|fails .*No space left)")

    def test_I5_a_write_that_is_cut_ends_the_station(self):
        self.sweep("short", errno.EIO, range(30, 800, 60), "disk of the records fails")

    def test_no_attestation_leaves_without_its_position(self):
        with World(devices=1, slots=1) as world:
            disk = FaultyDisk(world)
            for call, number in [("write", errno.ENOSPC), ("sync", errno.EIO)]:
                disk.fail(call, "signer-position", number)
                code, batch = world.run("--count", 1, swap=False)
                self.assertEqual((code, batch.units[0]["outcome"]), (PENDING, "parked"), batch.units)
                self.assertIn("chain position", batch.units[0]["message"])
                self.assertFalse([e for e in world.log() if e.get("step") == "attest"])
            disk.mend()
            self.passes(world)
            check_promises(self, world)

    def test_no_login_without_its_guard(self):
        with World(devices=1, slots=1, shim=True) as world:
            world.control()
            disk = FaultyDisk(world)
            disk.fail("write", "attestation.pin-failed", errno.ENOSPC)
            before = world.calls("kiln-signer", "C_Login")
            code, batch = world.run("--count", 1, swap=False)
            self.assertEqual(code, STATION, batch.stderr)
            self.assertIn("no login without its guard file", batch.stderr)
            self.assertEqual(world.calls("kiln-signer", "C_Login"), before)
            disk.mend()
            self.passes(world)

    def test_a_checkpoint_that_can_not_be_written_ends_the_station(self):
        with World(devices=1, slots=1) as world:
            disk = FaultyDisk(world)
            disk.fail("sync", "records.db.checkpoint")
            code, batch = world.run("--count", 1, swap=False)
            self.assertEqual(code, STATION, batch.stderr)
            self.assertIn("checkpoint", batch.stderr)
            disk.mend()
            self.passes(world)
            check_promises(self, world)

    def test_without_room_nothing_begins_and_what_is_begun_ends(self):
        with World(devices=2, slots=1, keygen_ms=1000) as world:
            disk = FaultyDisk(world)
            batch = world.batch("--count", 1, swap=False)
            batch.wait_for(lambda e: e["event"] == "step" and e["step"] == "keygen")
            disk.fail("space", "records.db")
            self.assertEqual(batch.wait(), PASSED, batch.stderr)
            world.twins.ask("swap", slot=1)
            code, batch = world.run("--count", 1, swap=False)
            self.assertEqual((code, batch.units[0]["outcome"], batch.units[0]["code"]), (PENDING, "parked", "records.space"))
            self.assertIn("make room", batch.units[0]["message"])
            self.assertFalse([e for e in world.log(batch.units[0]["serial"]) if e["event"] == "claim"])
            disk.mend()
            batch = world.batch("--count", 1, swap=False)
            batch.wait_for(lambda e: e["event"] == "step" and e["step"] == "keygen")
            for _ in range(2):
                batch.process.send_signal(signal.SIGINT)
                batch.wait_for(lambda e: e["event"] == "station" and e["what"] == "draining")
            self.assertEqual(batch.wait(), ABORTED)
            disk.fail("space", "records.db")
            self.passes(world)  # it was begun
            check_promises(self, world)


if __name__ == "__main__":
    unittest.main(verbosity=2)
