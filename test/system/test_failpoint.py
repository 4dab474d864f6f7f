"""Failpoints are in builds for development and in no other: each source that has one is compiled once more
without the option, and nothing of it is left."""

import json
import os
import re
import shlex
import subprocess
import tempfile
import unittest

BIN = os.environ["KILN_BIN"]
SOURCE = os.environ["KILN_SOURCE"]
PROGRAMS = ["kiln", "kiln-slot", "kiln-enroller", "kiln-signer", "kiln-twin", "kiln-devca"]
DEFINE = "-DKILN_FAILPOINTS"


def commands():
    """The compiler's command line of every source with a failpoint, and the points' names."""
    with open(os.path.join(os.path.dirname(BIN), "compile_commands.json"), encoding="utf-8") as file:
        for row in json.load(file):
            if os.path.relpath(row["file"], SOURCE).split("/")[0] in ("test", ".."):
                continue
            with open(row["file"], encoding="utf-8") as source:
                text = source.read()
            points = re.findall(r'FAILPOINT\("([^"]+)"\)', text)
            if points or row["file"].endswith("/failpoint.c"):
                yield shlex.split(row["command"]), row["directory"], row["file"], points


def strings(path):
    return subprocess.run(["strings", "-n", "4", path], capture_output=True, text=True, check=True).stdout


class Failpoints(unittest.TestCase):
    def test_no_trace_without_the_option(self):
        found = list(commands())
        self.assertGreater(len(found), 8)
        with tempfile.TemporaryDirectory() as folder:
            for command, directory, source, points in found:
                out = os.path.join(folder, "out.o")
                plain = [word for word in command if word != DEFINE]
                plain[plain.index("-o") + 1] = out
                subprocess.run(plain, cwd=directory, check=True)
                text = strings(out)
                self.assertNotIn("KILN_FAILPOINT", text, source)
                self.assertNotIn("failpoint_hit", text, source)
                for point in points:
                    self.assertNotIn(point, text, source)

    def test_the_programs_are_what_the_build_says(self):
        wanted = any(DEFINE in command for command, *_ in commands())
        for program in PROGRAMS:
            has = "KILN_FAILPOINT" in strings(os.path.join(BIN, program))
            self.assertEqual(has, wanted, program)


if __name__ == "__main__":
    unittest.main(verbosity=2)
