"""What lies behind a tile: a unit, its evidence and the trend, asked of a real station through kiln-console; and on
the command line."""

import io
import json
import os
import re
import subprocess
import tarfile
import tempfile
import threading
import unittest
from urllib.parse import quote

from console_kit import Console, run
from station_kit import INPUT, PASSED, SOURCE, USAGE, World, check_promises, kiln


def source_of(folder):
    """All C text below a folder of the sources."""
    text = []
    for path, _, names in os.walk(os.path.join(SOURCE, folder)):
        for name in sorted(names):
            if name.endswith((".c", ".h")):
                with open(os.path.join(path, name), encoding="utf-8") as file:
                    text.append(file.read())
    return "\n".join(text)


def files_of(folder):
    """Name and content of all files in a folder."""
    found = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            found[name] = file.read()
    return found


def readers(world):
    """Command lines of what was started to read this station's records."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if world.config.encode() in words and words[1:2] in ([b"unit"], [b"evidence"], [b"report"]):
            found.append(words)
    return found


class Checks(unittest.TestCase):
    """What is listed as checked is what the judges look at: no station is needed to see that."""

    def test_the_list_is_the_judges_own(self):
        with open(os.path.join(SOURCE, "provision/station/report/dossier_checks.c"), encoding="utf-8") as file:
            table = file.read()
        listed = set(re.findall(r'"(\w+\.[a-z-]+)"', table))
        judges = source_of("provision/station/judge")
        for prefix in ("csr", "cert", "proof", "readback", "origin"):
            codes = set(re.findall(rf'"({prefix}\.[a-z-]+)"', judges))
            # origin.malformed is the families', csr.changed the records'. cert.test-ca is no check that was passed where a configuration takes a throw-away CA.
            self.assertEqual({i for i in listed if i.startswith(prefix + ".")} - {"origin.malformed", "csr.changed"},
                             codes - {"cert.test-ca"}, prefix)
        everything = source_of("provision/station") + source_of("profiles")
        for code in listed:
            self.assertGreaterEqual(everything.count(f'"{code}"'), 2, f"nobody refuses with {code}")


class Detail(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = World(devices=4, slots=2, faults=["wrong-key@2"], order=("WO-2291", 50))
        cls.service = run(cls.world)
        cls.service.wait_for(lambda e: len(cls.service.units) == 4)
        cls.console = Console(cls.world)
        cls.passed = next(u["serial"] for u in cls.service.units if u["outcome"] == "passed")
        cls.failed = next(u["serial"] for u in cls.service.units if u["outcome"] == "failed")

    @classmethod
    def tearDownClass(cls):
        cls.world.close()

    def get(self, path, headers=None):
        page = self.console.session()
        del page["Content-Type"]
        return self.console.request("GET", path, page if headers is None else headers)

    def ok(self, path):
        status, headers, body = self.get(path)
        self.assertEqual(status, 200, body)
        return json.loads(body)["ok"]

    def test_a_unit_that_passed(self):
        unit = self.ok("/unit?serial=" + self.passed)
        job = unit["jobs"][0]
        self.assertEqual((unit["status"], job["status"], job["order"]), ("passed", "passed", "WO-2291"))
        self.assertEqual([s["step"] for s in job["steps"]],
                         ["keygen", "request", "enrol", "install", "readback", "prove", "attest"])
        self.assertEqual([s["who"] for s in job["steps"]], ["device", "device", "ca", "device", "device", "device", "hsm"])
        self.assertEqual(sum(job["spent"].values()), job["whole_ms"])
        self.assertEqual([c["judge"] for c in job["checks"]],
                         ["claim", "csr", "key", "certificate", "readback", "proof", "attestation"])
        certificate = job["certificate"]
        self.assertIn(self.passed, certificate["subject"])
        self.assertTrue(certificate["read_back"] and certificate["test_ca"])
        self.assertEqual(certificate["chain"][0]["sha256"], certificate["sha256"])
        self.assertEqual(certificate["chain"][-1], certificate["trust"]["issuer"][0])
        self.assertEqual(job["attempts_made"], 1)
        self.assertEqual(job["attempts"][0]["state"], "done")
        direct = kiln("unit", self.passed, "--config", self.world.config, "--json")
        self.assertEqual(json.loads(direct.stdout), unit)

    def test_the_certificate_is_the_one_that_openssl_reads(self):
        certificate = self.ok("/unit?serial=" + self.passed)["jobs"][0]["certificate"]
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "e")
            self.assertEqual(kiln("evidence", self.passed, "--dir", out, "--config", self.world.config).returncode, 0)
            said = subprocess.run(["openssl", "x509", "-in", out + "/cert.pem", "-noout", "-serial", "-fingerprint",
                                   "-sha256"], check=True, capture_output=True, text=True).stdout.replace(":", "").lower()
        self.assertIn("serial=" + certificate["number"], said)
        self.assertIn("=" + certificate["sha256"], said)

    def test_a_unit_that_failed_says_why_and_what_to_do(self):
        unit = self.ok("/unit?serial=" + self.failed)
        job = unit["jobs"][0]
        self.assertEqual((job["error"]["code"], job["error"]["advice"]), ("proof.signature", "put this unit into the red bin"))
        self.assertNotIn("proof", [c["judge"] for c in job["checks"]], "what failed was not passed")
        self.assertEqual([o["certificate"] for o in unit["orphans"]], [job["certificate"]["sha256"]])
        text = kiln("unit", self.failed, "--config", self.world.config)
        self.assertEqual(text.returncode, PASSED)
        self.assertIn("what to do   put this unit into the red bin", text.stdout)

    def test_nobody(self):
        status, _, body = self.get("/unit?serial=nobody")
        self.assertEqual((status, json.loads(body)["err"]["code"]), (409, "unit.unknown"))
        said = kiln("unit", "nobody", "--config", self.world.config, "--json")
        self.assertEqual((said.returncode, json.loads(said.stdout)["err"]["code"]), (INPUT, "unit.unknown"))
        self.assertEqual(kiln("unit", "--config", self.world.config).returncode, USAGE)
        self.assertEqual(kiln("evidence", "a", "--json", "--dir", "b", "--config", self.world.config).returncode, USAGE)

    def test_evidence_is_a_download_that_stock_tools_read(self):
        status, headers, body = self.get("/evidence?serial=" + self.passed)
        self.assertEqual((status, headers["Content-Type"]), (200, "application/x-tar"))
        self.assertEqual(headers["Content-Disposition"], f'attachment; filename="{self.passed}-evidence.tar"')
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            self.assertTrue(all(m.isfile() and m.name.startswith(self.passed + "/") for m in tar.getmembers()))
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["tar", "-xf", "-", "-C", folder], input=body, check=True)
            inside = os.path.join(folder, self.passed)
            read = files_of(inside)
            other = os.path.join(folder, "direct")
            self.assertEqual(kiln("evidence", self.passed, "--dir", other, "--config", self.world.config).returncode, 0)
            self.assertEqual(read, files_of(other))
            verified = subprocess.run(["openssl", "cms", "-verify", "-inform", "DER", "-in", inside + "/attestation.p7s",
                                       "-noverify", "-binary"], capture_output=True)
            self.assertEqual(verified.stdout, read["statement.json"])
            path = os.path.join(folder, "one.tar")
            self.assertEqual(kiln("evidence", self.passed, "--tar", path, "--config", self.world.config).returncode, 0)
            with open(path, "rb") as file:
                self.assertEqual(file.read(), body)

    def test_the_trend_is_the_reports(self):
        trend = self.ok("/trend")
        self.assertIsNone(trend["shift"])
        self.assertEqual((trend["units"]["passed"], trend["units"]["failed"]), (3, 1))
        self.assertEqual([(f["reason"], f["times"]) for f in trend["failures"]["list"]], [("proof.signature", 1)])
        self.assertEqual(sum(b["passed"] for b in trend["rate"]["buckets"]), 3)
        self.assertEqual({row["by"] for row in trend["split"]}, {"device", "ca", "hsm", "station", "whole"})
        most = max((row for row in trend["split"] if row["by"] != "whole"), key=lambda row: row["p50_ms"])
        self.assertEqual((trend["bottleneck"]["by"], trend["bottleneck"]["p50_ms"]), (most["by"], most["p50_ms"]))
        self.assertEqual(self.ok("/trend")["made"], trend["made"], "it is kept for a while")
        self.assertEqual(self.ok("/trend?hours=1")["units"], trend["units"])

    def test_many_who_look_hold_nothing_up(self):
        """More than there are seats: each is answered, or told that it is too much; the line can be stopped all the while."""
        seen = []
        page = self.console.session()

        def look(path):
            seen.append(self.console.request("GET", path, page)[0])

        crowd = [threading.Thread(target=look, args=(p,)) for p in [f"/unit?serial={self.passed}", "/trend?hours=2"] * 20]
        for one in crowd:
            one.start()
        status, answer = self.console.do("stop", "while many look")
        for one in crowd:
            one.join()
        self.assertEqual((status, answer), (200, {"ok": {}}))
        self.assertEqual(self.console.do("start")[0], 200)
        self.assertLessEqual(set(seen), {200, 409, 503})
        self.assertIn(200, seen)

    def test_only_the_page_may_look(self):
        page = self.console.session()
        for path in ("/unit?serial=" + self.passed, "/evidence?serial=" + self.passed, "/trend"):
            for name, value, code in [("Host", "evil.example", "console.host"), ("Origin", "http://evil.example", "console.origin"),
                                      ("Sec-Fetch-Site", "cross-site", "console.site"), ("X-Kiln-Token", "0" * 64, "console.token"),
                                      ("Cookie", "kiln_1=" + "0" * 32, "console.token")]:
                status, _, body = self.get(path, page | {name: value})
                self.assertEqual((status, json.loads(body)["err"]["code"]), (403, code), path)
            for name in ("X-Kiln-Token", "Cookie", "Origin"):
                self.assertEqual(self.get(path, {k: v for k, v in page.items() if k != name})[0], 403, path)
            self.assertEqual(self.console.request("POST", path, page, b"")[0], 405, path)

    def test_hostile_serials(self):
        for serial in ["", "x" * 65, "%00", "a%00b", "%0d%0aSet-Cookie:%20a", "%c3%a4", "%", "%zz", "a&serial=b", "%7f",
                       quote("../" * 22)]:
            for path in ("/unit?serial=", "/evidence?serial="):
                self.assertEqual(self.get(path + serial)[0], 400, path + serial)
        for path in ("/unit", "/evidence", "/unit?", "/unit?x=1", "/trend?hours=", "/trend?hours=123", "/trend?x"):
            self.assertEqual(self.get(path)[0], 400, path)
        for serial in ("--help", "--json", "-", "../../etc/passwd", "' OR 1=1 --", "%"):
            status, _, body = self.get("/unit?serial=" + quote(serial, safe=""))
            self.assertEqual((status, json.loads(body)["err"]["code"]), (409, "unit.unknown"), serial)
        self.assertEqual(self.get("/trend?hours=99")[0], 409)


class End(unittest.TestCase):
    def test_a_station_that_ends_leaves_no_child(self):
        with World(devices=1, slots=1) as world:
            service = run(world, swap=False)
            console = Console(world)
            service.wait_for(lambda e: e["event"] == "unit")
            page = console.session()
            crowd = [threading.Thread(target=console.request, args=("GET", "/unit?serial=IP30000001", page)) for _ in range(8)]
            for one in crowd:
                one.start()
            service.process.terminate()
            self.assertEqual(service.wait(), PASSED)
            for one in crowd:
                one.join()
            self.assertEqual(readers(world), [], "nobody reads the records any more")
            status, _, body = console.request("GET", "/trend", page)
            self.assertEqual((status, json.loads(body)["err"]["code"]), (503, "station.absent"))
            check_promises(self, world)


if __name__ == "__main__":
    unittest.main(verbosity=2)
