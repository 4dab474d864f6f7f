"""kiln report: its numbers against a count of kiln log, its faces as the programs that read them see them."""

import csv
import datetime
import hashlib
import base64
import html.parser
import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
import unittest

from station_kit import INPUT, KILN, PASSED, STATION, UNITS, USAGE, kiln

STEPS = ["keygen", "request", "enrol", "install", "readback", "prove", "seal", "attest"]
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
VOID = {"meta", "rect", "path", "circle", "br"}


class Count:
    """The same numbers from the events of a run, by other means than the report's: whole lists, no order."""

    def __init__(self, events):
        self.events = events
        claims = self.of("claim")
        self.serial_of = {c["record"]: c["serial"] for c in claims}
        ends = self.of("end")
        self.last = {self.serial_of[e["job"]]: e for e in ends}
        self.units = {c["serial"] for c in claims}
        self.reasons = {}
        for e in ends:
            if e["outcome"] == "failed":
                code = e["error"]["code"]
                self.reasons[code] = self.reasons.get(code, 0) + 1

    def of(self, kind):
        return [e for e in self.events if e["event"] == kind]

    def ended(self, outcome):
        return {serial for serial, e in self.last.items() if e["outcome"] == outcome}

    def step_ms(self, step):
        return sorted(e["ms"] for e in self.of("step") if e["step"] == step)


class Page(html.parser.HTMLParser):
    """A page's elements and texts; complains of what is not closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.open, self.texts, self.style = [], [], [], [], ""
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "style":
            self.style += data
        else:
            self.texts.append(data)


class Report(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.base = tempfile.mkdtemp(prefix="kiln-report-")
        cls.folder = os.path.join(cls.base, "run")
        cls.config = os.path.join(cls.folder, "station.yaml")
        # A stretch that no midnight ends, and that is not over.
        cls.began = datetime.datetime.now(datetime.timezone.utc).isoformat()
        cls.period = ("--from", cls.began, "--to", "2099-01-01")
        process = subprocess.Popen([KILN, "dry-run", "--dir", cls.folder, "--devices", "7", "--slots", "3",
                                    "--keygen-ms", "20", "--twin-fault", "wrong-key@2", "--twin-fault", "lying-readback@4",
                                    "--twin-fault", "wrong-key@5", "--twin-fault", "bad-csr-signature@6", "--json"],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        cls.during = []
        for line in process.stdout:
            if json.loads(line)["event"] == "unit":
                cls.during.append(kiln("report", "--config", cls.config, "--json", *cls.period))
        cls.code = process.wait()
        process.stdout.close()
        done = kiln("log", "--config", cls.config, "--json")
        cls.events = [json.loads(line) for line in done.stdout.splitlines()]
        cls.count = Count(cls.events)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.base, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.base, name)

    def report(self, *arguments, config=None, env=None):
        """All of the run, as numbers."""
        done = subprocess.run([KILN, "report", "--config", config or self.config, "--json", *arguments],
                              capture_output=True, text=True, env={**os.environ, **(env or {})})
        self.assertEqual(done.returncode, PASSED, done.stderr)
        self.assertEqual(done.stdout.count("\n"), 1)
        return json.loads(done.stdout)

    def whole(self, *arguments, **options):
        return self.report("--from", self.began, *arguments, **options)

    def page(self, *arguments):
        path = self.path("report.html")
        done = kiln("report", *arguments, "--html", path)
        self.assertEqual(done.returncode, PASSED, done.stderr)
        self.assertEqual(done.stdout, path + "\n")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        return text, Page(text)

    def rows(self, *arguments):
        path = self.path("report.csv")
        self.assertEqual(kiln("report", *arguments, "--csv", path).returncode, PASSED)
        with open(path, newline="", encoding="utf-8") as file:
            text = file.read()
        return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))

    def test_the_run_was_what_this_counts(self):
        self.assertEqual(self.code, UNITS)
        self.assertEqual(len(self.count.ended("passed")), 3)
        self.assertEqual(len(self.count.reasons), 3)

    def test_its_numbers_are_those_of_the_log(self):
        r, c = self.whole(), self.count
        units = r["units"]
        self.assertEqual(units["seen"], len(c.units))
        self.assertEqual(units["passed"], len(c.ended("passed")))
        self.assertEqual(units["failed"], len(c.ended("failed")))
        self.assertEqual(units["ended"], units["passed"] + units["failed"])
        self.assertEqual([units[k] for k in ("refused", "waiting", "in_work")], [0, 0, 0])
        self.assertEqual(r["yield_ppm"], units["passed"] * 1000000 // units["ended"])
        self.assertEqual(r["first_pass_yield_ppm"], r["yield_ppm"])
        self.assertEqual(r["jobs"]["opened"], len(c.of("claim")))
        self.assertEqual(r["jobs"]["passed"] + r["jobs"]["failed"], len(c.of("end")))
        self.assertEqual({f["reason"]: f["times"] for f in r["failures"]}, c.reasons)
        times = [f["times"] for f in r["failures"]]
        self.assertEqual(times, sorted(times, reverse=True))
        self.assertEqual(sum(b["passed"] for b in r["rate"]["buckets"]), units["passed"])
        self.assertEqual(sum(b["failed"] for b in r["rate"]["buckets"]), units["failed"])
        self.assertEqual(sum(s["passed"] for s in r["slots"]), units["passed"])
        self.assertEqual({s["name"] for s in r["slots"]}, {e["slot"] for e in c.of("claim")})

    def test_its_times_are_those_of_the_log(self):
        r = self.whole()
        seen = {s["step"]: s for s in r["steps"]}
        for step in STEPS:
            want = self.count.step_ms(step)
            self.assertEqual(seen[step]["times"] if step in seen else 0, len(want), step)
            if not want:
                continue
            self.assertEqual(seen[step]["max_ms"], want[-1])
            for percent in (50, 95):
                exact = want[len(want) * percent // 100]
                self.assertLessEqual(abs(seen[step][f"p{percent}_ms"] - exact), exact * 0.008, step)
        self.assertEqual([s["by"] for s in r["split"]], ["device", "ca", "hsm", "station", "whole"])
        self.assertTrue(all(s["times"] == r["units"]["passed"] for s in r["split"]))

    def test_it_says_where_it_comes_from(self):
        r = self.whole("--by", "E. Mayer")
        (chain,) = r["records"]["chains"]
        first, last = self.events[0], self.events[-1]
        self.assertEqual(chain["station"], "dry-run")
        self.assertEqual(chain["events"], len(self.events))
        self.assertEqual((chain["first"]["seq"], chain["first"]["hash"]), (first["seq"], first["hash"]))
        self.assertEqual((chain["last"]["seq"], chain["last"]["hash"]), (last["seq"], last["hash"]))
        self.assertEqual(r["made"]["by"], "E. Mayer")
        self.assertTrue(r["station"]["accepts_test_ca"])
        self.assertTrue(r["period"]["over"])
        orphans = kiln("orphans", "--config", self.config, "--json").stdout.splitlines()
        self.assertEqual(r["orphans"]["listed"], len({json.loads(o)["id"] for o in orphans}))
        self.assertGreater(r["orphans"]["listed"], 0)

    def test_it_is_made_while_a_batch_runs(self):
        self.assertEqual(len(self.during), 7)
        for done in self.during:
            self.assertEqual(done.returncode, PASSED, done.stderr)
        ended = [json.loads(done.stdout)["units"]["ended"] for done in self.during]
        self.assertGreaterEqual(ended[0], 1)
        self.assertEqual(ended, sorted(ended))

    def test_the_same_records_give_the_same_numbers(self):
        period = ("--from", self.began, "--to", self.events[-1]["at"].replace("Z", "+00:00"))
        a, b = self.report(*period), self.report(*period)
        for r in (a, b):
            del r["made"]
        self.assertEqual(a, b)
        self.assertNotIn(self.events[-1]["hash"], json.dumps(a)) # the end is not of the period

    def test_people_see_a_text(self):
        done = kiln("report", "--config", self.config)
        self.assertTrue(done.stdout.startswith("dry-run: today, "), done.stdout)
        done = kiln("report", "--config", self.config, *self.period)
        self.assertEqual(done.returncode, PASSED, done.stderr)
        for text in ("3 passed, 4 failed, 0 refused", "yield 42.8 % (3 of 7)", "proof.signature",
                     "keygen     device", "orphans listed: "):
            self.assertIn(text, done.stdout)

    def test_a_row_for_each_unit(self):
        rows = self.rows("--config", self.config, *self.period)
        with open(self.path("report.csv"), "rb") as file:
            self.assertEqual(file.read().count(b"\r\n"), len(rows) + 1)
        self.assertEqual({r["serial"] for r in rows}, self.count.units)
        for row in rows:
            end = self.count.last[row["serial"]]
            self.assertEqual(row["outcome"], end["outcome"])
            self.assertEqual(row["reason"], end.get("error", {}).get("code", ""))
            self.assertEqual(row["end"], end["at"])
            self.assertEqual(row["first_pass"], "yes" if end["outcome"] == "passed" else "no")
            of_job = {e["step"]: str(e["ms"]) for e in self.count.of("step") if e["job"] == end["job"]}
            self.assertEqual({s: row[s + "_ms"] for s in STEPS if row[s + "_ms"]}, of_job)

    def check_page(self, text, page):
        """Nothing runs, nothing is fetched, every table has its headers; every id that is meant is there."""
        self.assertFalse({"script", "iframe", "object", "embed", "link", "img", "a", "form", "base"} & set(page.tags))
        for tag, name, value in page.attributes:
            self.assertFalse(name.startswith("on"), (tag, name))
            self.assertNotIn(name, ("href", "xlink:href", "src", "srcset", "style", "action"), tag)
            self.assertNotIn("javascript:", value or "")
        self.assertNotIn("@import", page.style)
        self.assertEqual({url.strip("'\"") for url in re.findall(r"url\(([^)]*)\)", page.style)},
                         {"#hatch", "#dots", "#lines"})
        ids = [value for _, name, value in page.attributes if name == "id"]
        self.assertEqual(sorted(ids), ["dots", "hatch", "lines"])
        self.assertNotRegex(text, r"(?:https?:)?//[a-z]")
        policy = next(value for tag, name, value in page.attributes if tag == "meta" and name == "content"
                      and value.startswith("default-src"))
        digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
        self.assertEqual(policy, f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; "
                                 "form-action 'none'")
        self.assertEqual(page.tags.count("table"), page.tags.count("thead"))
        self.assertEqual(page.tags.count("table"), page.tags.count("caption"))
        scopes = {value for tag, name, value in page.attributes if tag == "th" and name == "scope"}
        self.assertEqual(scopes, {"col", "row"})
        self.assertEqual(len([1 for tag, name, _ in page.attributes if tag == "th" and name == "scope"]),
                         page.tags.count("th"))

    def test_a_page_that_needs_nothing(self):
        text, page = self.page("--config", self.config, *self.period, "--by", HOSTILE)
        self.check_page(text, page)
        said = "".join(page.texts)
        for word in ("3 of 7", "42.8 %", "First-pass yield", "proof.signature", HOSTILE, "readback.differs",
                     self.events[0]["hash"], self.events[-1]["hash"], "the period is not over"):
            self.assertIn(word, said)
        self.assertNotIn("42,8", said)
        self.assertIn("throw-away CA", said)

    def hostile_records(self):
        """A copy whose newest events speak of a unit, a slot and an operator that nobody wants on a page."""
        path = self.path("hostile.db")
        source = sqlite3.connect(os.path.join(self.folder, "records.db"))
        target = sqlite3.connect(path)
        source.backup(target)
        number, seq = target.execute("SELECT max(number), max(seq) FROM event").fetchone()
        at = self.events[-1]["at"]
        claim = {"event": "claim", "serial": "=" + HOSTILE, "model": "@SUM(A1)", "slot": HOSTILE,
                 "operator": "+1\t\u202e,\"x\"\n",
                 "profile": "0" * 64, "reuse": False}
        end = {"event": "end", "job": number + 1, "outcome": "failed",
               "error": {"domain": "device", "scope": "unit", "code": "-" + HOSTILE[:30],
                         "message": HOSTILE + "\u0007\u009b"}}
        for i, body in enumerate((claim, end), 1):
            body.update({"at": at, "record": number + i, "seq": seq + i, "station": HOSTILE, "v": 1})
            target.execute("INSERT INTO event (number, station, seq, serial, body, hash) VALUES (?, ?, ?, ?, ?, ?)",
                           (number + i, HOSTILE, seq + i, claim["serial"],
                            json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False), "f" * 64))
        target.execute("UPDATE orphan SET reason = ?", (HOSTILE,))
        target.commit()
        source.close()
        target.close()
        return path

    def test_texts_of_devices_and_people_are_never_markup(self):
        records = self.hostile_records()
        text, page = self.page("--records", records, *self.period)
        self.check_page(text, page)
        said = "".join(page.texts)
        self.assertGreaterEqual(said.count(HOSTILE), 5) # slot, message, reason, orphans, station of the chain
        for control in ("\u0007", "\u009b", "\u202e", "\t"):
            self.assertNotIn(control, text)
        done = kiln("report", "--records", records, *self.period)
        for control in ("\u0007", "\u009b", "\t"):
            self.assertNotIn(control, done.stdout)

    def test_cells_are_never_formulas(self):
        rows = {r["serial"]: r for r in self.rows("--records", self.hostile_records(), *self.period)}
        self.assertIn("'=" + HOSTILE, rows)
        row = rows["'=" + HOSTILE]
        self.assertEqual(row["model"], "'@SUM(A1)")
        self.assertEqual(row["operator"], "'+1\t\u202e,\"x\"\n")
        self.assertEqual(row["reason"], "'-" + HOSTILE[:30])
        self.assertEqual(row["slot"], HOSTILE)

    def shifts(self, text):
        path = self.path("run/shifts.yaml")
        with open(self.config, encoding="utf-8") as file:
            config = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(config + text)
        return path

    def test_shifts(self):
        config = self.shifts("shifts: [{ name: early, from: \"06:00\", to: \"14:00\" }, { name: late, from: \"14:00\","
                             " to: \"22:00\" }, { name: night, from: \"22:00\", to: \"06:00\" }]\n")
        vienna = {"TZ": "Europe/Vienna"}
        present = self.report("--shift", config=config, env=vienna)["period"]
        self.assertIn(present["title"].split(",")[0], ("shift early", "shift late", "shift night"))
        self.assertFalse(present["over"])
        self.assertLessEqual(present["from"]["utc"], datetime.datetime.now(datetime.timezone.utc).isoformat())
        night = self.report("--shift", "night", "--date", "2026-03-28", config=config, env=vienna)["period"]
        self.assertEqual(night["title"], "shift night, 2026-03-28")
        self.assertEqual(night["zone"], "Europe/Vienna")
        self.assertEqual(night["from"]["local"], "2026-03-28T22:00:00+01:00")
        self.assertEqual(night["to"]["local"], "2026-03-29T06:00:00+02:00")
        self.assertEqual(night["to"]["utc"], "2026-03-29T04:00:00.000Z")
        text, _ = self.page("--config", config, "--shift=early", "--date", "2020-01-01")
        self.assertIn("no event in the period", text)
        day = self.report("--date", "2026-10-25", config=config, env=vienna)
        self.assertEqual(len(day["rate"]["buckets"]), 25)

    def test_what_is_wrong_is_said(self):
        config = ("--config", self.config)
        broken = self.shifts("shifts:\n  - { name: early, from: \"06:00\", to: \"6:00\" }\n")
        for code, word, arguments in [
                (USAGE, "usage: kiln report", ()),
                (USAGE, "usage", (*config, "--records", "x")),
                (USAGE, "usage", (*config, "--to", "2026-01-01")),
                (USAGE, "usage", (*config, "--shift", "--from", "2026-01-01")),
                (USAGE, "usage", (*config, "--shift", "--date", "2026-01-01")),
                (USAGE, "usage", (*config, "extra")),
                (USAGE, "usage", (*config, "--html", "")),
                (INPUT, "shift.none", (*config, "--shift")),
                (INPUT, "shifts.yaml:", ("--config", broken, "--shift")),
                (INPUT, "period.time", (*config, "--from", "yesterday")),
                (INPUT, "period.time", (*config, "--from", "2026-01-01", "--to", "2026-02-30")),
                (INPUT, "period.time", (*config, "--date", "28.11.2026")),
                (INPUT, "period.empty", (*config, "--from", "2026-01-02", "--to", "2026-01-01")),
                (INPUT, "order.unknown", (*config, "--order", "WO-1")),
                (INPUT, "order.unknown", (*config, "--order", "WO-1", "--date", "2026-01-01")),
                (INPUT, "[file]", (*config, "--html", self.path("no/such/folder.html"))),
                (STATION, "records.none", ("--records", self.path("none.db"))),
        ]:
            done = kiln("report", *arguments)
            self.assertEqual(done.returncode, code, (arguments, done.stderr))
            self.assertIn(word, done.stderr, arguments)
            self.assertEqual(done.stdout, "")

    def test_a_file_is_there_whole_or_not_at_all(self):
        path = self.path("kept.html")
        with open(path, "w", encoding="utf-8") as file:
            file.write("before")
        self.assertEqual(kiln("report", "--config", self.config, "--html", path, "--csv",
                              self.path("no/folder.csv")).returncode, INPUT)
        with open(path, encoding="utf-8") as file:
            self.assertEqual(file.read(), "before")
        self.assertFalse(os.path.exists(path + ".new"))

    def test_a_link_in_its_place_is_not_followed(self):
        path, other = self.path("linked.csv"), self.path("other")
        with open(other, "w", encoding="utf-8") as file:
            file.write("another's")
        os.symlink(other, path + ".new")
        done = kiln("report", "--config", self.config, "--csv", path)
        self.assertEqual(done.returncode, PASSED, done.stderr)
        with open(other, encoding="utf-8") as file:
            self.assertEqual(file.read(), "another's")
        self.assertFalse(os.path.islink(path))
        self.assertFalse(os.path.lexists(path + ".new"))


if __name__ == "__main__":
    unittest.main()
