"""One key for a unit, one unit for a port, a fresh nonce for a proof: what the station alone holds against a
device and the process that talks to it."""

import json
import os
import unittest

from hostile_kit import NOTE, asked, plug_again
from station_kit import PASSED, UNITS, World, check_promises
from test_hostile import Folder


class Identity(unittest.TestCase):
    def test_I4_a_unit_is_the_one_in_its_slot(self):
        with World(devices=3, slots=3) as world:
            code, batch = world.run("--count", 3, swap=False)
            self.assertEqual(code, PASSED, (batch.stderr, batch.units))
            self.assertEqual({u["slot"]: u["serial"] for u in batch.units},
                             {str(i + 1): serial for i, serial in enumerate(world.serials())})
            check_promises(self, world)

    def changed_from(self, nth):
        """Another serial from the nth time on that it is asked for it."""
        body = ('if request["do"] == "identify":\n'
                '    answer = forward(request)\n'
                '    names = [str(i) for i in range(9) if not os.path.exists(os.environ["HOSTILE_DIR"] + f"/{i}")]\n'
                '    first(names[0])\n'
                f'    if int(names[0]) >= {nth}:\n'
                '        answer["ok"]["serial"] = "IP39999999"')
        with Folder(slot=NOTE + body) as folder, World(devices=1, slots=1) as world:
            code, batch = world.run("--count", 1, swap=False)
            self.assertEqual((code, batch.units[0]["code"]), (UNITS, "identity.changed"), batch.stderr)
            self.assertEqual(len(world.orphans()), 1)
            check_promises(self, world)
            return [a["do"] for a in asked(folder)]

    def test_I4_another_unit_before_install_gets_nothing(self):
        self.assertNotIn("install", self.changed_from(1))

    def test_I4_another_unit_before_prove_proves_nothing(self):
        self.assertNotIn("prove", self.changed_from(2))

    def test_I9_two_slots_never_work_on_one_serial(self):
        body = ('if request["do"] == "identify":\n'
                '    answer = forward(request)\n'
                '    answer["ok"]["serial"] = "IP39999999"')
        with Folder(slot=body), World(devices=2, slots=2, keygen_ms=1500) as world:
            _, batch = world.run("--count", 2, swap=False)
            self.assertIn("claim.two-slots", [u["code"] for u in batch.units], batch.units)
            check_promises(self, world)

    def test_a_devices_text_commands_no_terminal(self):
        """T6: the station does not lean on the slot's own check."""
        body = ('if request["do"] == "identify":\n'
                '    answer = forward(request)\n'
                '    answer["ok"]["firmware"] = "1.0\\u001b[2J"')
        with Folder(slot=body), World(devices=1, slots=1) as world:
            code, batch = world.run("--count", 1, swap=False)
            self.assertEqual((code, batch.units[0]["code"]), (UNITS, "identity.text"), batch.stderr)
            self.assertNotIn("\\u001b", json.dumps([batch.events, world.log()]))


class Keys(unittest.TestCase):
    def test_a_key_that_this_station_did_not_make_is_refused(self):
        """key.existing: refuse, the default; T3 T4."""
        body = NOTE + ('if request["do"] == "identify":\n'
                       '    answer = forward(request)\n'
                       '    answer["ok"]["key_present"] = True')
        with Folder(slot=body) as folder, World(devices=1, slots=1) as world:
            code, batch = world.run("--count", 1, swap=False)
            self.assertEqual((code, batch.units[0]["code"]), (UNITS, "key.present"), batch.stderr)
            self.assertFalse([a for a in asked(folder) if a["do"] in ("keygen", "request")])
            check_promises(self, world)

    def test_I10_a_continued_unit_keeps_its_key_and_its_certificate(self):
        with World(devices=1, slots=1) as world:
            batch = world.batch(swap=False)
            batch.wait_for(lambda e: e["event"] == "step" and e["step"] == "install")
            batch.kill()
            plug_again(world)
            code, batch = world.run("--count", 1, swap=False)
            self.assertEqual(code, PASSED, (batch.stderr, batch.units))
            self.assertEqual([e["kind"] for e in world.log() if e["event"] == "intent"], ["keygen", "enrol"])
            self.assertEqual(len(world.posts()), 1)
            check_promises(self, world)

    def test_I1_I9_a_certificate_is_not_finished_with_another_key(self):
        """The device lost its key while it was away: what was issued for it is listed."""
        body = ('if request["do"] == "request" and os.path.exists(os.environ["HOSTILE_DIR"] + "/away") '
                'and first("lost"):\n'
                '    forward({"id": request["id"], "deadline": request["deadline"], "do": "keygen",\n'
                '             "algorithm": "EC:P-256", "replace": True})')
        with Folder(slot=body) as folder, World(devices=1, slots=1) as world:
            batch = world.batch(swap=False)
            batch.wait_for(lambda e: e["event"] == "step" and e["step"] == "install")
            batch.kill()
            old = world.posts()[0]["certificate_sha256"]
            with open(os.path.join(folder.path, "away"), "w", encoding="utf-8"):
                pass
            plug_again(world)
            _, batch = world.run("--count", 1, swap=False)
            said = {e.get("code") for e in batch.events}
            self.assertIn("key.lost", said, batch.events)
            self.assertNotIn("proof.signature", said)
            self.assertIn(old, [o.get("certificate") for o in world.orphans()])
            check_promises(self, world)


class Proofs(unittest.TestCase):
    def test_I3_no_two_passages_see_the_same_nonce(self):
        """Also not where serial, slot, job and order of events are the same."""
        nonces = []
        for _ in range(2):
            with World(devices=1, slots=1) as world:
                code, batch = world.run("--count", 1, swap=False)
                self.assertEqual(code, PASSED, batch.stderr)
                nonces += [e["nonce"] for e in world.log() if e["event"] == "step" and e["step"] == "prove"]
        self.assertEqual(len(set(nonces)), 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
