"""The bench on two slots: that a table, JSON and a plot come out, never how fast."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest


class Smoke(unittest.TestCase):
    def test_a_tiny_round(self):
        with tempfile.TemporaryDirectory(prefix="kiln-bench-") as out:
            done = subprocess.run([sys.executable, "-B", os.path.join(os.path.dirname(__file__), "bench.py"), "--tiny",
                                   "--rounds", "1", "--out", out, "floor"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stdout, r"(?m)^efficiency, 0\.5 s devices, 1 slot.*>= 0\.9")
            with open(os.path.join(out, "bench.json"), encoding="utf-8") as file:
                whole = json.load(file)
            with open(os.path.join(out, "bench.svg"), encoding="utf-8") as file:
                self.assertTrue(file.read().startswith("<svg"))
        figures = {f["id"]: f for f in whole["figures"]}
        self.assertEqual(whole["rounds"], 1)
        self.assertTrue(0 < figures["floor.efficiency.0.5s.1"]["median"] <= 1, figures)
        # two thirds of it are made by sleeping: the account is right where it is at least that
        self.assertGreater(figures["floor.device.1"]["median"], 0.3)

    def test_what_is_no_group_is_said(self):
        done = subprocess.run([sys.executable, "-B", os.path.join(os.path.dirname(__file__), "bench.py"), "speed"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("there is no group 'speed'", done.stderr)


if __name__ == "__main__":
    if os.environ.get("KILN_SANITIZE"):
        print("SKIP: a sanitized build is not measured")
        sys.exit(77)
    if shutil.which("cc") is None:
        print("SKIP: cc is missing")
        sys.exit(77)
    unittest.main()
