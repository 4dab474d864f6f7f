"""The sweep's own control: an undisturbed job satisfies its checks, and each promise broken by hand is found."""

import os
import subprocess
import sys
import time
import unittest

from station_kit import PINS
from sweep_kit import KILLED, Point, Site, Violation, check, check_processes, skip_without_failpoints


class Control(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site(devices=1, slots=1)
        cls.site.count()

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def refuse(self, promise, before=()):
        with self.assertRaisesRegex(Violation, promise):
            check(self.site, list(before), patient=False)

    def tearDown(self):
        check(self.site, before=[])

    def test_I7_a_changed_event_is_seen(self):
        log = self.site.world.log()
        check(self.site, log)
        self.refuse("I7", [{**log[0], "hash": "0" * 64}])

    def test_I5_a_pass_that_is_not_recorded_is_seen(self):
        self.site.events.append({"event": "unit", "outcome": "passed", "serial": "X1"})
        self.refuse("I5")
        self.site.events.pop()

    def test_I10_a_unit_that_is_not_what_the_records_say_is_seen(self):
        self.site.ended["X1"] = "passed"
        self.refuse("I10")
        del self.site.ended["X1"]

    def test_I2_a_certificate_that_nobody_accounts_for_is_seen(self):
        path = self.site.world.path("ca/posts.ndjson")
        text = self.site.world.read("ca/posts.ndjson")
        with open(path, "a", encoding="utf-8") as file:
            file.write(text.splitlines()[-1].replace('"certificate_sha256":"', '"certificate_sha256":"00') + "\n")
        self.refuse("I2")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def test_I8_a_pin_in_a_file_or_in_the_output_is_seen(self):
        self.site.printed.append(f"the PIN {PINS['tls']} is wrong")
        self.refuse("I8")
        self.site.printed.pop()
        path = self.site.world.path("state", "debug.log")
        self.site.world.write(path, PINS["attestation"])
        self.refuse("I8")
        os.unlink(path)

    def test_a_process_that_is_left_behind_is_seen(self):
        hits = self.site.world.read("hits")
        with subprocess.Popen(["sleep", "60"]) as process:
            self.site.world.write("hits", f"{hits}line.send sleep {process.pid} 1\n")
            self.refuse("left behind")
            process.kill()
        self.site.world.write("hits", hits)

    def test_records_that_were_changed_are_seen(self):
        database = self.site.world.path("records.db")
        subprocess.run([sys.executable, "-c",
                        "import sqlite3,sys; d=sqlite3.connect(sys.argv[1]); d.execute(\"UPDATE unit SET passed = NULL\");"
                        " d.commit()", database], check=True)
        self.refuse("do not verify")
        self.site.count()


class Kill(unittest.TestCase):
    def test_a_point_is_reached_and_one_beyond_the_job_is_not(self):
        site = Site(devices=1, slots=1)
        try:
            passage = site.walk(Point.parse("kiln:job.recorded:2:kill"), 0)
            self.assertEqual((passage.reached, passage.outcome, passage.violation), (True, "continued", None))
            passage = site.walk(Point.parse("kiln:job.recorded:999:kill"), 0)
            self.assertEqual((passage.reached, passage.outcome, passage.violation), (False, "not reached", None))
            self.assertEqual(KILLED, -9)
        finally:
            site.close()

    def test_I10_a_login_ends_even_where_the_station_dies(self):
        """Whoever is killed while a token notes the login may leave a token that nobody can use."""
        site = Site(devices=1, slots=1)
        try:
            for program, guard in [("kiln-signer", "attestation.pin-failed"), ("kiln-enroller", "tls.pin-failed")]:
                site.renew()
                point = Point(program, "token.login", 1, "parent")
                self.assertEqual(site.drive(site.start(point.environment(site.count_file))), KILLED)
                end = time.monotonic() + 10
                while os.path.exists(site.world.path("state", guard)) and time.monotonic() < end:
                    time.sleep(0.02)
                self.assertFalse(os.path.exists(site.world.path("state", guard)), program)
                check_processes(site.world, patient=True)
        finally:
            site.close()


if __name__ == "__main__":
    skip_without_failpoints()
    unittest.main(verbosity=2)
