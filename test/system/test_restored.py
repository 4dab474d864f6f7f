"""Records that come from an old copy: nothing works with them until the newest are back, or a person has
recorded that they are lost."""

import json
import os
import shutil
import unittest

from station_kit import INPUT, PASSED, STATION, UNITS, USAGE, World, check_promises, kiln

RECORDS = ["records.db", "records.db-wal", "records.db-shm"]


def take(world, to, extra=()):
    os.makedirs(world.path(to))
    for name in [*RECORDS, *extra]:
        if os.path.exists(world.path(name)):
            shutil.copy(world.path(name), world.path(to))


def bring(world, back, extra=()):
    for name in [*RECORDS, *extra]:
        if os.path.exists(world.path(name)):
            os.remove(world.path(name))
        if os.path.exists(world.path(back, name)):
            shutil.copy(world.path(back, name), world.path(name))


def pass_one(test, world):
    code, batch = world.run("--count", 1)
    test.assertEqual(code, PASSED, batch.stderr)
    return batch


class Restored(unittest.TestCase):
    def refused(self, world, said, code="records.restored"):
        """Before a child runs or a device is touched."""
        exit_code, batch = world.run("--count", 1)
        self.assertEqual(exit_code, STATION, batch.stderr)
        self.assertEqual(batch.events, [])
        for part in [f"[{code}]", *said]:
            self.assertIn(part, batch.stderr)

    def refused_by_all_that_write(self, world):
        serial = world.serials()[0]
        for command in [["rework", serial, "--reason", "r", "--by", "eve"], ["scrap", serial, "--reason", "r", "--by", "eve"],
                        ["orphans", "--revoked", "0" * 64, "--by", "eve"], ["doctor"]]:
            done = kiln(*command, "--config", world.config)
            self.assertEqual(done.returncode, STATION, command)
            self.assertIn("records.restored", done.stdout + done.stderr, command)

    def accept(self, world):
        done = kiln("records", "accept-restore", "--config", world.config, "--by", "eve", "--reason", "the disk died")
        self.assertEqual(done.returncode, PASSED, done.stderr)
        return done.stdout

    def test_an_old_copy_is_refused_until_the_newest_is_back(self):
        mark = ["records.db.checkpoint"]
        with World(devices=3, slots=1) as world:
            pass_one(self, world)
            take(world, "old", mark)
            pass_one(self, world)
            take(world, "new", mark)
            bring(world, "old")
            self.refused(world, ["end at event", "the checkpoint", "accept-restore", "Do not delete"])
            self.refused_by_all_that_write(world)
            self.assertEqual(world.verify()[0], UNITS)  # so says the auditor's tool
            bring(world, "old", mark)  # a copy of the whole folder: the signer alone notices
            self.refused(world, ["end at event", "the signer"])
            bring(world, "nowhere", mark)
            self.refused(world, ["no records", "the signer"])
            self.assertFalse(os.path.exists(world.path("records.db")))
            bring(world, "new", mark)
            done = kiln("scrap", world.serials()[0], "--reason", "dropped", "--by", "eve", "--config", world.config)
            self.assertEqual(done.returncode, PASSED, done.stderr)
            take(world, "newest", mark)
            bring(world, "new")  # the signer has seen nothing of the scrap: the checkpoint alone notices
            self.refused(world, ["the checkpoint"])
            bring(world, "newest", mark)
            pass_one(self, world)
            check_promises(self, world)

    def test_an_accepted_restore_is_recorded_and_the_line_goes_on(self):
        with World(devices=4, slots=1) as world:
            first = pass_one(self, world).units[0]["serial"]
            take(world, "old")
            second = pass_one(self, world).units[0]["serial"]
            bring(world, "old")
            self.refused(world, [])
            for missing, more in (("--by", []), ("--reason", ["--by", "eve"])):
                done = kiln("records", "accept-restore", "--config", world.config, *more)
                self.assertEqual(done.returncode, USAGE)
                self.assertIn(f"needs {missing}", done.stderr)
            said = self.accept(world)
            self.assertIn("recorded as lost", said)
            self.assertIn(f"issued to this station since {world.log()[-2]['at']}: ", said)
            event = world.log()[-1]
            self.assertEqual((event["event"], event["by"], event["seq"]), ("restored", "eve", event["to"] + 1))
            self.assertEqual(event["from"], world.log()[-2]["seq"] + 1)
            third = pass_one(self, world).units[0]["serial"]  # the signer's position holds: this one is attested
            self.assertEqual(len({first, second, third}), 3)
            code, line = world.verify()
            self.assertEqual((code, line["counts"]["lost_events"]), (PASSED, event["to"] - event["from"] + 1))
            self.assertFalse(world.log(second))
            done = kiln("records", "accept-restore", "--config", world.config, "--by", "eve", "--reason", "again")
            self.assertEqual(done.returncode, INPUT)
            self.assertIn("records.whole", done.stderr)
            bring(world, "old")  # and the same trick is not played twice
            self.refused(world, [])

    def test_a_restore_can_be_accepted_when_everything_is_gone(self):
        with World(devices=2, slots=1) as world:
            pass_one(self, world)
            bring(world, "nowhere")
            self.refused(world, [])
            self.accept(world)
            pass_one(self, world)
            self.assertEqual(world.verify()[0], PASSED)


class Checkpoint(unittest.TestCase):
    def test_a_torn_checkpoint_does_not_stop_the_line(self):
        with World(devices=4, slots=1) as world:
            pass_one(self, world)
            noted = []
            for damage in ["", '{"seq":', None]:
                os.remove(world.path("records.db.checkpoint"))
                if damage is not None:
                    world.write("records.db.checkpoint", damage)
                done = kiln("doctor", "--config", world.config)
                self.assertEqual(done.returncode, PASSED, done.stdout)
                pass_one(self, world)
                noted.append("missing" if damage is None else "damaged")
                self.assertEqual([e["detail"]["checkpoint"] for e in world.log() if "checkpoint" in e.get("detail", {})],
                                 noted)
                self.assertEqual(json.loads(world.read("records.db.checkpoint").splitlines()[0])["seq"],
                                 world.log()[-1]["seq"])
            check_promises(self, world)

    def test_both_witnesses_gone_is_for_a_person(self):
        with World(devices=2, slots=1) as world:
            pass_one(self, world)
            os.remove(world.path("records.db.checkpoint"))
            os.remove(world.path("state/signer-position.json"))
            code, batch = world.run("--count", 1)
            self.assertEqual(code, STATION)
            self.assertIn("[records.unwitnessed]", batch.stderr)
            done = kiln("records", "accept-restore", "--config", world.config, "--by", "eve", "--reason", "looked at it")
            self.assertEqual(done.returncode, PASSED, done.stderr)
            self.assertIn("nothing is known to be lost", done.stdout)
            pass_one(self, world)
            check_promises(self, world)

    def test_a_killed_station_never_leaves_a_checkpoint_that_is_ahead(self):
        with World(devices=1, slots=1) as world:
            for step in ["keygen", "install", "prove"]:
                batch = world.batch("--count", 1)
                batch.wait_for(lambda e, step=step: e["event"] == "step" and e["step"] == step)
                batch.kill()
                self.assertTrue(os.path.exists(world.path("records.db.checkpoint")))
            code, batch = world.run("--count", 1)
            self.assertEqual(code, PASSED, batch.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
