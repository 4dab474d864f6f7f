"""Intents before acts, nothing told before it is durable, nothing uncertain done twice, and what may exist is listed."""

import sqlite3
import time
import unittest

from hostile_kit import NOTE, asked
from station_kit import PASSED, PENDING, STATION, UNITS, World, check_promises
from test_hostile import Folder, err

SEALED = "spdm/infusion-pump-p384.yaml"
# Which intents of the unit are in the records at this moment, by kind.
INTENTS = '''
def intents():
    import sqlite3
    records = sqlite3.connect("file:" + os.environ["HOSTILE_RECORDS"] + "?mode=ro", uri=True)
    bodies = [json.loads(body) for (body,) in records.execute("SELECT body FROM event ORDER BY number")]
    records.close()
    return [e["kind"] for e in bodies if e["event"] == "intent"]
if request["do"] in ("keygen", "enrol", "seal") and "HOSTILE_RECORDS" in os.environ:
    with open(os.path.join(os.environ["HOSTILE_DIR"], "asked"), "a") as file:
        file.write(json.dumps({"do": request["do"], "intents": intents()}) + "\\n")
'''


class Intents(unittest.TestCase):
    def test_I2_I10_an_intent_is_durable_before_its_act(self):
        """Looked up by whoever is asked, at the moment it is asked."""
        with Folder(slot=INTENTS, enroller=INTENTS) as folder:
            with World(devices=1, slots=1, profile=SEALED) as world:
                world.environment["HOSTILE_RECORDS"] = world.path("records.db")
                code, batch = world.run("--count", 1, swap=False)
                self.assertEqual(code, PASSED, (batch.stderr, batch.units))
                acts = asked(folder)
                self.assertEqual({act["do"] for act in acts}, {"keygen", "enrol", "seal"})
                for act in acts:
                    self.assertIn(act["do"], act["intents"])
                check_promises(self, world)

    def test_I10_keygen_and_seal_are_never_retried(self):
        """Whatever the device's process says of them."""
        for what in ("keygen", "seal"):
            refusal = err("link.timeout")[:-2] + ', "retry": True}}'
            body = NOTE + f'if request["do"] == "{what}":\n    answer = {refusal}'
            with Folder(slot=body) as folder, World(devices=1, slots=1, profile=SEALED) as world:
                code, batch = world.run("--count", 1, swap=False)
                self.assertNotEqual(code, PASSED, batch.stderr)
                self.assertEqual([a["do"] for a in asked(folder)].count(what), 1)
                self.assertEqual(len([e for e in world.log() if e["event"] == "intent" and e["kind"] == what]), 1)
                check_promises(self, world)

    def test_I2_an_enroller_that_dies_with_the_answer_may_have_brought_a_certificate(self):
        body = ('if request["do"] == "enrol" and first("once"):\n'
                '    forward(request)\n'
                '    real.kill()\n'
                '    os._exit(1)')
        with Folder(enroller=body), World(devices=1, slots=1) as world:
            code, batch = world.run("--count", 1, swap=False)
            self.assertEqual(code, PASSED, (batch.stderr, batch.units))
            answers = [e["state"] for e in world.log() if e["event"] == "answer"]
            self.assertEqual(answers, ["possibly-issued"])
            self.assertEqual(len({post["csr_sha256"] for post in world.posts()}), 1)
            self.assertEqual(len(world.orphans()), 1)
            check_promises(self, world)

    def test_I2_whoever_was_asked_may_have_sent_whatever_it_says(self):
        """Only what nobody was asked is known not to have reached the CA."""
        for said in ('up.write(b"nonsense\\n")', 'up.write(b"{}\\n")', 'up.write(b"x" * 9000000)',
                     'answer = {"err": {"domain": "config", "code": "json", "message": "no"}}'):
            body = ('if request["do"] == "enrol" and first("once"):\n'
                    '    forward(request)\n'
                    f'    {said}\n'
                    '    if answer is None:\n'
                    '        up.flush()\n'
                    '        time.sleep(5)')
            with self.subTest(said), Folder(enroller=body), World(devices=1, slots=1) as world:
                code, batch = world.run("--count", 1, swap=False)
                self.assertEqual(code, PASSED, (batch.stderr, batch.units))
                answers = [e["state"] for e in world.log() if e["event"] == "answer"]
                self.assertEqual(answers, ["possibly-issued"])
                self.assertEqual(len(world.posts()), 2)
                self.assertEqual(len(world.orphans()), 1)
                check_promises(self, world)


class Told(unittest.TestCase):
    def test_I5_no_pass_is_told_that_the_records_do_not_take(self):
        with World(devices=1, slots=1, keygen_ms=1000) as world:
            batch = world.batch("--count", 1, swap=False)
            batch.wait_for(lambda e: e["event"] == "step" and e["step"] == "keygen")
            self.change(world, "CREATE TRIGGER no_end BEFORE INSERT ON event WHEN NEW.body LIKE '%\"event\":\"end\"%'"
                               " BEGIN SELECT RAISE(ABORT, 'not now'); END")
            code = batch.wait()
            steps = [e["step"] for e in batch.events if e["event"] == "step" and e["outcome"] == "ok"]
            self.assertEqual(steps[-1], "attest", batch.events)
            self.assertNotIn("passed", [u["outcome"] for u in batch.units], batch.events)
            self.assertEqual(code, STATION, batch.stderr)
            self.change(world, "DROP TRIGGER no_end")
            check_promises(self, world)

    def change(self, world, statement):
        records = sqlite3.connect(world.path("records.db"), isolation_level=None, timeout=30)
        records.execute(statement)
        records.close()

    def test_a_signer_in_trouble_fails_no_unit(self):
        """An error of the station parks the units that it meets; it is not counted as theirs."""
        refusal = err("hsm.broken", "hsm").replace('"unit"', '"station"')
        with Folder(signer=f'if request["do"] == "attest":\n    answer = {refusal}'):
            with World(devices=1, slots=1) as world:
                code, batch = world.run("--count", 1, swap=False)
                self.assertEqual((code, batch.units[0]["outcome"]), (PENDING, "parked"), batch.units)
                self.assertFalse([e for e in world.log() if e["event"] == "end"])
                check_promises(self, world)


class Orphans(unittest.TestCase):
    def test_I2_a_refused_certificate_is_listed_by_its_number(self):
        """What the CA's owner needs to revoke it, and not only that it may exist."""
        with World(devices=1, slots=1, production=True) as world:
            code, batch = world.run("--count", 1, swap=False)
            self.assertEqual((code, batch.units[0]["code"]), (UNITS, "cert.test-ca"))
            issued = [post["certificate_sha256"] for post in world.posts()]
            self.assertEqual([o.get("certificate") for o in world.orphans()], issued)
            self.assertTrue(world.orphans()[0]["number"])
            check_promises(self, world)


class Waiting(unittest.TestCase):
    def test_a_ca_can_not_send_a_unit_to_sleep_for_ever(self):
        """F10: the station clamps, whatever its enroller says."""
        body = ('if request["do"] == "enrol":\n'
                '    answer = {"ok": {"outcome": "pending", "retry_after_s": 40000000, "message": "later"}}')
        with Folder(enroller=body), World(devices=1, slots=1) as world:
            batch = world.batch("--count", 1, swap=False)
            batch.wait_for(lambda e: e["event"] == "step" and e["step"] == "enrol" and e["outcome"] != "start")
            batch.kill()
            answers = [e for e in world.log() if e["event"] == "answer"]
            self.assertLessEqual(answers[0]["retry_at"], (time.time() + 2 * 3600) * 1000)
            check_promises(self, world)


if __name__ == "__main__":
    unittest.main(verbosity=2)
