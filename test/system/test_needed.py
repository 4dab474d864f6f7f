"""Each program is linked with what its place allows, and with nothing else."""

import os
import re
import subprocess
import unittest

BIN = os.environ["KILN_BIN"]
FORBIDDEN = {
    "kiln": ["curl", "p11", "usb", "ssl", "seccomp", "softhsm"],
    "kiln-slot": ["curl", "p11", "ssl", "sqlite3", "event"],
    "kiln-enroller": ["sqlite3", "usb", "event", "seccomp"],
    "kiln-signer": ["curl", "ssl", "sqlite3", "usb", "event"],
    "kiln-twin": ["curl", "p11", "ssl", "sqlite3", "usb", "umockdev", "glib"],
    "kiln-console": ["curl", "p11", "ssl", "sqlite3", "usb", "seccomp", "event_openssl"],
    "kiln-devca": ["curl", "p11", "sqlite3", "usb"],
}


class Needed(unittest.TestCase):
    def test_no_program_has_what_is_not_its_business(self):
        for program, names in FORBIDDEN.items():
            path = os.path.join(BIN, program)
            text = subprocess.run(["readelf", "-d", path], capture_output=True, text=True, check=True).stdout
            needed = re.findall(r"\(NEEDED\).*\[lib([^\]]+?)\.so", text)
            self.assertTrue(needed, program)
            for name in names:
                hit = [n for n in needed if re.fullmatch(rf"{name}([-_\d.].*)?", n)]
                self.assertFalse(hit, f"{program} needs {hit}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
