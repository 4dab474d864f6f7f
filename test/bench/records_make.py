"""Records of many units, made from those of one that has passed: its events and rows again, with digests, serials and
numbers of their own, in one chain. `kiln verify` would refuse the signatures in them; everything else holds."""

import hashlib
import json
import os
import re
import shutil
import sqlite3

DIGESTS = ("csr", "certificate", "preimage", "signature", "statement", "cms", "jws")
OWN = ("csr", "certificate")  # without evidence only these are each unit's own: the tables ask for it
BATCH = 20000


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Template:
    """The one unit of a file of records."""

    def __init__(self, path):
        with sqlite3.connect(path) as db:
            db.row_factory = sqlite3.Row
            self.job = dict(db.execute("SELECT * FROM job").fetchone())
            self.rows = {name: [dict(r) for r in db.execute(f"SELECT * FROM {name}")]
                         for name in ("unit", "intent", "device_key", "certificate", "proof")}
            self.events = [dict(r) for r in db.execute(
                "SELECT * FROM event WHERE number = :j OR json_extract(body, '$.job') = :j ORDER BY number",
                {"j": self.job["number"]})]
            last = db.execute("SELECT number, hash, station FROM event ORDER BY number DESC").fetchone()
            self.number, self.head, self.station = tuple(last)
            proof = self.rows["proof"][0]
            digests = {name: self.job.get(name) or proof.get(name) for name in DIGESTS}
            self.blobs = {name: db.execute("SELECT bytes FROM blob WHERE sha256 = ?", (digest,)).fetchone()[0]
                          for name, digest in digests.items()}
        db.close()
        self.words = {**digests, "spki": self.job["spki"], "nonce": proof["nonce"], "serial": self.job["serial"],
                      "cert_number": self.rows["certificate"][0]["number"]}
        self.at = {e["number"]: i for i, e in enumerate(self.events)}
        self.bodies = [self.pattern(e["body"]) for e in self.events]

    def pattern(self, body):
        """A body with a place for everything that differs between units."""
        members = json.loads(body)
        text = body.replace("%", "%%")
        for name, value in self.words.items():
            text = text.replace(f'"{value}"', f'"%({name})s"')
        text = re.sub(r'"record":\d+', '"record":%(event)d', text)
        text = re.sub(r'"seq":\d+', '"seq":%(event)d', text)
        return re.sub(r'"job":\d+', '"job":%(job)d', text) if "job" in members else text


def row_of(row, template, words, first):
    """A row again: numbers of events move, what is the unit's own is replaced."""
    out = {}
    for column, value in row.items():
        if isinstance(value, int) and value in template.at and column in ("number", "job", "event", "passed", "proof"):
            out[column] = first + template.at[value]
        else:
            out[column] = words.get(template.names.get(value), value) if isinstance(value, str) else value
    return out


def unit_words(template, i, evidence):
    """What is the i-th unit's own, and the bytes that belong to it."""
    words, blobs = dict(template.words), []
    for name in DIGESTS if evidence else OWN:
        size = len(template.blobs[name]) if evidence else 0
        data = f"{name} {i} ".encode().ljust(size, b".")
        words[name] = sha256(data)
        blobs.append((words[name], data))
    words.update(spki=spki_of(i), nonce=sha256(b"nonce %d" % i), serial=serial_of(i),
                 cert_number=f"{i + 1:032x}")
    return words, blobs


def statement(name, row):
    return f"INSERT INTO {name} ({', '.join(row)}) VALUES ({', '.join(':' + c for c in row)})"


def make(path, template_path, units, evidence=False, events_too=True):
    """Writes them; the last event is the checkpoint. Without their events only look-ups and inserts make sense.
    What they are: {profile (digest), station, units, bytes}."""
    shutil.copy(template_path, path)
    t = Template(path)
    t.names = {value: name for name, value in t.words.items()}
    db = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -400000", "foreign_keys = OFF"):
        db.execute(f"PRAGMA {pragma}")
    number, head = t.number, t.head
    tables = [("job", [t.job]), *t.rows.items()]
    for start in range(0, units, BATCH):
        events, blobs, rows = [], [], {name: [] for name, _ in tables}
        for i in range(start, min(units, start + BATCH)):
            words, own = unit_words(t, i, evidence)
            first = number + 1
            words["job"] = first
            for k, body in enumerate(t.bodies):
                number += 1
                words["event"] = number
                text = body % words
                head = hashlib.sha256(bytes.fromhex(head) + text.encode()).hexdigest()
                events.append((number, t.station, number, words["serial"] if t.events[k]["serial"] else None, text, head))
            blobs += own
            if not events_too:
                events = events[-1:] if i == units - 1 else []
            for name, templates in tables:
                rows[name] += [row_of(r, t, words, first) for r in templates]
        db.execute("BEGIN")
        db.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)", events)
        db.executemany("INSERT INTO blob VALUES (?, ?)", sorted(blobs))
        for name, made in rows.items():
            db.executemany(statement(name, made[0]), made)
        db.execute("COMMIT")
    at = db.execute("SELECT json_extract(body, '$.at') FROM event WHERE number = ?", (number,)).fetchone()[0]
    db.execute("PRAGMA journal_mode = WAL")
    db.close()
    with open(path + ".checkpoint", "w", encoding="utf-8") as file:
        mark = json.dumps({"at": at, "hash": head, "seq": number, "station": t.station, "version": 1})
        file.write(f"{mark}\n{sha256(mark.encode())}\n")
    return {"path": path, "profile": t.job["profile"], "station": t.station, "units": units,
            "bytes": os.path.getsize(path)}


def serial_of(i):
    return f"BENCH{i:09d}"


def spki_of(i):
    return sha256(b"spki %d" % i)
