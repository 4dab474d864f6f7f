"""Records of many units, made from those of one that has passed: its events and rows again, each with digests, serials
and numbers of its own. SQL makes them, so that a million units take a minute. What they hold:

whole   events in one chain, and all evidence. `kiln verify` would refuse the signatures; everything else holds.
small   state tables, and those events that they name; each says little and has no hash of its own. No evidence.
state   state tables alone.

The last units of small and state have all their events, in one chain: a start looks at those."""

import hashlib
import json
import os
import re
import shutil
import sqlite3

DIGESTS = ("csr", "certificate", "preimage", "signature", "statement", "cms", "jws")
OWN = ("csr", "certificate")  # without evidence only these are each unit's own: the tables ask for it
NUMBERS = ("number", "job", "event", "passed", "proof")  # columns in which an event's number may stand
SAYS = ("event", "job", "record", "seq")  # of an event that says little
LAST = 64


def made_up(which):
    """What looks like a digest of unit i, as SQL. They ascend, so that indexes are written in order; who looks for
    one at random finds it in no order."""
    return f"printf('%016x%048x', i, {which})"


COMMON = {"serial": "printf('BENCH%09d', i)", "spki": made_up(0), "nonce": made_up(1),
          "cert_number": "printf('%032x', i + 1)"}


def serial_of(i):
    return f"BENCH{i:09d}"


def spki_of(i):
    return f"{i:016x}{0:048x}"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def quoted(value):
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


class Template:
    """The one unit of a file of records, as SQL over `made`: a row for each unit, with what is its own."""

    def __init__(self, db):
        db.row_factory = sqlite3.Row
        self.rows = {name: [dict(r) for r in db.execute(f"SELECT * FROM {name}")]
                     for name in ("unit", "job", "intent", "device_key", "certificate", "proof")}
        self.job, proof = self.rows["job"][0], self.rows["proof"][0]
        self.events = [dict(r) for r in db.execute(
            "SELECT * FROM event WHERE number = :j OR json_extract(body, '$.job') = :j ORDER BY number",
            {"j": self.job["number"]})]
        self.number, self.head, self.station = tuple(db.execute(
            "SELECT number, hash, station FROM event ORDER BY number DESC").fetchone())
        db.row_factory = None
        self.digests = {name: self.job.get(name) or proof.get(name) for name in DIGESTS}
        self.sizes = {name: db.execute("SELECT length(bytes) FROM blob WHERE sha256 = ?", (digest,)).fetchone()[0]
                      for name, digest in self.digests.items()}
        self.names = {**{digest: name for name, digest in self.digests.items()}, self.job["spki"]: "spki",
                      proof["nonce"]: "nonce", self.job["serial"]: "serial",
                      self.rows["certificate"][0]["number"]: "cert_number"}
        self.at = {e["number"]: k for k, e in enumerate(self.events)}

        named = {n for rows in self.rows.values() for r in rows for c, n in r.items() if c in NUMBERS}
        self.all, self.named = list(self.at.values()), [k for n, k in self.at.items() if n in named]

    def column(self, name, value):
        if name in NUMBERS and isinstance(value, int) and value in self.at:
            return f"first + {self.at[value]}"
        return self.names.get(value) or quoted(value)

    def body(self, k, little):
        text = self.events[k]["body"]
        if little:
            text = json.dumps({name: value for name, value in json.loads(text).items() if name in SAYS},
                              separators=(",", ":"))
        text = quoted(text)
        for value, name in self.names.items():
            text = text.replace(f'"{value}"', f"""\"' || {name} || '\"""")
        text = re.sub(r'"(record|seq)":\d+', rf""""\1":' || (first + {k}) || '""", text)
        return re.sub(r'"job":\d+', """"job":' || first || '""", text)

    def bodies(self, which, little):
        return "CASE k " + " ".join(f"WHEN {k} THEN {self.body(k, little)}" for k in which) + " END"


class Maker:
    def __init__(self, path):
        self.db = sqlite3.connect(path, isolation_level=None)
        self.template = Template(self.db)
        self.number, self.head = self.template.number, self.template.head
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -200000", "foreign_keys = OFF"):
            self.db.execute(f"PRAGMA {pragma}")
        self.db.create_function("sha256", 1, sha256, deterministic=True)
        self.db.create_function("chain", 1, self.chain)

    def chain(self, body):
        self.head = sha256(bytes.fromhex(self.head) + body.encode())
        return self.head

    def content(self, name, i, evidence):
        return f"{name} {i} ".encode().ljust(self.template.sizes[name] if evidence else 0, b".")

    def name_units(self, units, real, evidence):
        """`made`. Digests that are real are kept, others are made up at each use."""
        t, own = self.template, DIGESTS if evidence else OWN
        digests = {name: quoted(t.digests[name]) for name in DIGESTS if name not in own}
        for which, name in enumerate(own, 2):
            digests[name] = f"sha256(content('{name}', i))" if real else made_up(which)
        columns = {**COMMON, **digests, "first": f"{self.number + 1} + (i - {units.start}) * {len(t.events)}"}
        self.db.create_function("content", 2, lambda name, i: self.content(name, i, evidence), deterministic=True)
        self.db.execute("CREATE TEMP TABLE numbered (i INTEGER PRIMARY KEY)")
        self.db.execute(f"WITH RECURSIVE n(i) AS (SELECT {units.start} UNION ALL SELECT i + 1 FROM n"
                        f" WHERE i + 1 < {units.stop}) INSERT INTO numbered SELECT i FROM n")
        self.db.execute(f"CREATE TEMP {'TABLE' if real else 'VIEW'} made AS SELECT i, " +
                        ", ".join(f"{sql} AS {name}" for name, sql in columns.items()) + " FROM numbered")
        return own

    def add_events(self, real):
        t, which = self.template, self.template.all if real else self.template.named
        self.db.execute(
            f"INSERT INTO event SELECT number, {quoted(t.station)}, number, serial, body,"
            f" {'chain(body)' if real else quoted(self.head)} FROM (SELECT first + k AS number, serial,"
            f" {t.bodies(which, not real)} AS body FROM made CROSS JOIN (SELECT column1 AS k FROM"
            f" (VALUES {', '.join(f'({k})' for k in which)})))")

    def add_blobs(self, own):
        """By digest, so that their index is written in order."""
        blobs = " UNION ALL ".join(f"SELECT {name} AS digest, '{name}' AS name, i FROM made" for name in own)
        self.db.execute(f"INSERT INTO blob SELECT digest, content(name, i) FROM ({blobs} ORDER BY digest)")

    def add_rows(self):
        for table, rows in self.template.rows.items():
            for row in rows:
                values = ", ".join(self.template.column(name, value) for name, value in row.items())
                self.db.execute(f"INSERT INTO {table} ({', '.join(row)}) SELECT {values} FROM made")

    def add(self, units, real, evidence=False, events=True):
        if len(units) == 0:
            return
        self.db.execute("BEGIN")
        own = self.name_units(units, real, evidence)
        if events:
            self.add_events(real)
        if real:
            self.add_blobs(own)
        self.add_rows()
        self.number += len(units) * len(self.template.events)
        self.db.execute("DROP " + ("TABLE" if real else "VIEW") + " made")
        self.db.execute("DROP TABLE numbered")
        self.db.execute("COMMIT")

    def indexes(self):
        """Those that are no part of a table."""
        return self.db.execute(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL").fetchall()


def make(path, template_path, units, holds):
    """Writes them; the last event is the checkpoint. What they are: {profile (digest), station, units, bytes}."""
    shutil.copy(template_path, path)
    maker = Maker(path)
    t, db, indexes = maker.template, maker.db, maker.indexes()
    for name, _ in indexes:
        db.execute(f"DROP INDEX {name}")
    if holds == "whole":
        maker.add(range(units), real=True, evidence=True)
    else:
        maker.add(range(units - LAST), real=False, events=holds == "small")
        maker.add(range(units - LAST, units), real=True)
    for _, sql in indexes:
        db.execute(sql)
    at = json.loads(db.execute("SELECT body FROM event WHERE number = ?", (maker.number,)).fetchone()[0])["at"]
    db.execute("PRAGMA journal_mode = WAL")
    db.close()
    with open(path, "rb") as file:
        os.fsync(file.fileno())  # or the disk is busy with it while others are measured
    with open(path + ".checkpoint", "w", encoding="utf-8") as file:
        mark = json.dumps({"at": at, "hash": maker.head, "seq": maker.number, "station": t.station, "version": 1})
        file.write(f"{mark}\n{sha256(mark.encode())}\n")
    return {"path": path, "profile": t.job["profile"], "station": t.station, "units": units,
            "bytes": os.path.getsize(path)}
