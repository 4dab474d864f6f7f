"""Evidence of a key's origin that a device brings of its own accord: it is kept, and nothing is said of it. (What a
profile asks for is judged in station/test_origin and station/test_verify_origin.)"""

import hashlib
import json
import os
import subprocess
import unittest

from hostile_kit import plug_again
from station_kit import PASSED, World, check_promises, kiln
from test_hostile import Folder


def brings(expression):
    """A kiln-slot whose device brings that beside its CSR."""
    return ('if request["do"] == "request":\n'
            '    answer = forward(request)\n'
            f'    answer["ok"]["origin"] = base64.b64encode({expression}).decode()')


class Unasked(unittest.TestCase):
    def passes(self, world):
        code, batch = world.run("--count", 1, swap=False)
        self.assertEqual(code, PASSED, (batch.stderr, batch.units))
        self.assertEqual(check_promises(self, world)["counts"]["checked_origins"], 0)

    def kept(self, world, name):
        """What `kiln evidence` writes of it, after the statement was looked at."""
        out = world.path("evidence")
        done = kiln("evidence", world.serials()[0], "--dir", out, "--config", world.config)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([f for f in os.listdir(out) if f.startswith("origin")], [name])
        with open(os.path.join(out, "statement.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file)["key"]["origin_evidence"], "tool-asserted")
        with open(os.path.join(out, name), "rb") as file:
            return file.read()

    def test_what_is_no_certificate_is_kept_as_it_came(self):
        with Folder(slot=brings('b"a chip\'s word"')), World(devices=1, slots=1) as world:
            self.passes(world)
            self.assertEqual(self.kept(world, "origin.bin"), b"a chip's word")
            event = next(e for e in world.log() if e["event"] == "step" and e["step"] == "request")
            self.assertEqual(event["origin"], hashlib.sha256(b"a chip's word").hexdigest())
            self.assertNotIn("origin_evidence", event)

    def test_certificates_are_kept_for_stock_tools(self):
        pem = f'open({os.path.join(os.environ["KILN_SOURCE"], "profiles/spdm/example-root.pem")!r}).read()'
        with Folder(slot=brings(f"base64.b64decode({pem}.split('-----')[2])")), World(devices=1, slots=1) as world:
            self.passes(world)
            done = subprocess.run(["openssl", "x509", "-noout", "-subject"], input=self.kept(world, "origin.pem"),
                                  capture_output=True)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_unit_that_is_continued_keeps_it(self):
        with Folder(slot=brings('os.urandom(40)')), World(devices=1, slots=1) as world:
            batch = world.batch(swap=False)
            batch.wait_for(lambda e: e["event"] == "step" and e["step"] == "install")
            batch.kill()
            plug_again(world)
            self.passes(world)
            digests = [e["origin"] for e in world.log() if e.get("step") == "request"]
            self.assertEqual(len(digests), 1)
            self.assertEqual(hashlib.sha256(self.kept(world, "origin.bin")).hexdigest(), digests[0])

    def test_nothing_is_kept_where_nothing_came(self):
        with World(devices=1, slots=1) as world:
            self.passes(world)
            out = world.path("evidence")
            self.assertEqual(kiln("evidence", world.serials()[0], "--dir", out, "--config", world.config).returncode, 0)
            self.assertEqual([f for f in os.listdir(out) if f.startswith("origin")], [])

    def test_too_much_and_what_is_no_text_is_dropped(self):
        for body in (brings("bytes(16385)"), brings('b""') + '\n    answer["ok"]["origin"] = 7'):
            with self.subTest(body), Folder(slot=body), World(devices=1, slots=1) as world:
                self.passes(world)
                self.assertEqual([e for e in world.log() if e.get("step") == "request" and "origin" in e], [])
                check_promises(self, world)


if __name__ == "__main__":
    unittest.main(verbosity=2)
