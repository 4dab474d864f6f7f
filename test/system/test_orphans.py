"""What the CA may have issued and no device has is listed for its owner, with all that is known of it (I2)."""

import contextlib
import hashlib
import sqlite3
import unittest

from station_kit import PASSED, PENDING, UNITS, World, check_promises, kiln
from test_hostile import Folder


def listed(world):
    return kiln("orphans", "--config", world.config)


def split(ders):
    """Certificates one behind the other, each of 256 to 65535 bytes."""
    while ders:
        size = 4 + int.from_bytes(ders[2:4], "big")
        yield ders[:size]
        ders = ders[size:]


class Unusable(unittest.TestCase):
    """A whole answer that is of no use: each certificate in it is accounted for."""

    def unit(self, world):
        code, batch = world.run("--count", 1, swap=False)
        self.assertEqual((code, batch.units[0]["outcome"]), (UNITS, "failed"), batch.units)
        check_promises(self, world)
        self.assertEqual(len(world.posts()), 1, "it is not asked for again")
        return batch.units[0], world.posts()[0], world.orphans()

    def test_I2_two_certificates_for_the_key_are_two_orphans(self):
        with World(devices=1, slots=1, label="two-certs") as world:
            unit, post, orphans = self.unit(world)
            self.assertEqual((unit["domain"], unit["code"]), ("cert", "cert.unusable"))
            issued = [post, *post["others"]]
            self.assertEqual({(o["certificate"], o["number"].lower()) for o in orphans},
                             {(c["certificate_sha256"], c["serial"].lower()) for c in issued})
            self.assertEqual({o["csr"] for o in orphans}, {post["csr_sha256"]})
            self.assertEqual({o["revocation"] for o in orphans}, {"unrevoked"})
            # With the answer itself: what a crash leaves before the orphans are recorded.
            answer = [e for e in world.log() if e["event"] == "answer"][0]
            with contextlib.closing(sqlite3.connect(world.path("records.db"))) as records:
                (kept,), = records.execute("SELECT bytes FROM blob WHERE sha256 = ?", (answer["evidence"],))
            self.assertEqual(sorted(hashlib.sha256(der).hexdigest() for der in split(kept)),
                             sorted(c["certificate_sha256"] for c in issued))

    def test_I2_a_certificate_for_another_key_is_evidence_and_not_ours(self):
        with World(devices=1, slots=1, label="wrong-key") as world:
            unit, post, orphans = self.unit(world)
            self.assertEqual(unit["code"], "cert.unusable")
            self.assertEqual([(o["csr"], "certificate" in o) for o in orphans], [(post["csr_sha256"], False)])
            answer = [e for e in world.log() if e["event"] == "answer"][0]
            self.assertEqual((answer["state"], answer["evidence"]), ("possibly-issued", post["certificate_sha256"]))

    def test_I2_a_certificate_that_the_lint_refuses(self):
        with World(devices=1, slots=1, label="wrong-eku") as world:
            unit, post, orphans = self.unit(world)
            self.assertEqual(unit["code"], "cert.eku")
            self.assertEqual([o["certificate"] for o in orphans], [post["certificate_sha256"]])
            text = listed(world)
            self.assertIn("of which 0 revoked, 0 undecided", text.stderr)
            for said in (orphans[0]["id"], "unrevoked", world.serials()[0], post["csr_sha256"], orphans[0]["spki"],
                         orphans[0]["number"], orphans[0]["issuer"], orphans[0]["at"], orphans[0]["reason"]):
                self.assertIn(said, text.stdout)
            self.assertIn("CN=", orphans[0]["issuer"])


class Waiting(unittest.TestCase):
    def test_I2_a_certificate_that_comes_with_not_yet_is_listed_and_the_unit_goes_on(self):
        body = ('if request["do"] == "enrol" and first("once"):\n'
                '    answer = forward(request)\n'
                '    answer["ok"].update(outcome="pending", status=202, retry_after_s=1, possibly_issued=True,\n'
                '                        unusable=[answer["ok"].pop("leaf")])')
        with Folder(enroller=body), World(devices=1, slots=1) as world:
            code, batch = world.run("--count", 1, swap=False)
            self.assertEqual(code, PASSED, (batch.stderr, batch.units))
            first, second = world.posts()
            self.assertEqual(first["csr_sha256"], second["csr_sha256"])
            self.assertEqual([o["certificate"] for o in world.orphans()], [first["certificate_sha256"]])
            answer = [e for e in world.log() if e["event"] == "answer"][0]
            self.assertEqual((answer["state"], answer["evidence"]), ("possibly-issued", first["certificate_sha256"]))
            self.assertGreater(answer["retry_at"], 0)
            check_promises(self, world)


class Warnings(unittest.TestCase):
    def test_what_was_tolerated_is_recorded(self):
        with World(devices=1, slots=1, label="pem") as world:
            code, batch = world.run("--count", 1, swap=False)
            self.assertEqual(code, PASSED, batch.units)
            enrol = [e for e in world.log() if e["event"] == "step" and e["step"] == "enrol"][0]
            self.assertIn("pem-armour", enrol["detail"]["warnings"])
            self.assertIsInstance(enrol["detail"]["lint"], list)


class Undecided(unittest.TestCase):
    def test_I2_revoked_while_its_unit_waits_and_the_unit_goes_on(self):
        with World(devices=1, slots=1, label="drop-after-issue") as world:
            code, batch = world.run("--count", 1, swap=False)
            self.assertEqual(code, PENDING, batch.units)
            orphans = world.orphans()
            self.assertEqual({o["revocation"] for o in orphans}, {"undecided"})
            self.assertTrue(all(o["at"] and o["serial"] == world.serials()[0] for o in orphans))
            done = kiln("orphans", "--config", world.config, "--revoked", orphans[0]["id"], "--by", "ca desk")
            self.assertEqual(done.returncode, 0, done.stderr)
            revoked = world.orphans()
            self.assertEqual([o["revocation"] for o in revoked], ["revoked"] * len(orphans))
            self.assertEqual({o["revoked_by"] for o in revoked}, {"ca desk"})
            self.assertEqual([o["at"] for o in revoked], [o["at"] for o in orphans])
            told = [e for e in world.log() if e["event"] == "revoked"][0]
            self.assertEqual({o["revoked_at"] for o in revoked}, {told["at"]})
            self.assertGreater(len(orphans), 1)
            text = listed(world).stdout  # the identical CSR: one entry, listed since the first time
            self.assertEqual(text.count(orphans[0]["id"] + "  revoked"), 1, text)
            for label, said in (("attempts", str(len(orphans))), ("listed", orphans[0]["at"]), ("revoked at", told["at"])):
                self.assertIn(f"    {label:12} {said}\n", text)
            check_promises(self, world)
            again = kiln("orphans", "--config", world.config, "--revoked", orphans[0]["id"], "--by", "ca desk")
            self.assertNotEqual(again.returncode, 0)
            self.assertIn("revoked already", again.stderr)
            world.set_label(None)
            world.twins.ask("unplug", slot=1)
            world.twins.ask("plug", slot=1, serial=world.serials()[0])
            code, batch = world.run("--count", 1, swap=False)
            self.assertEqual(code, PASSED, batch.units)
            self.assertEqual(len({p["csr_sha256"] for p in world.posts()}), 1)
            self.assertEqual(len(world.orphans()), len(orphans))
            check_promises(self, world)


if __name__ == "__main__":
    unittest.main(verbosity=2)
