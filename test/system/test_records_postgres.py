"""The one schema file of the records loads into a real PostgreSQL 15, and means there what it means in
SQLite: the same tables and columns, and constraints that refuse the same rows."""

import os
import pwd
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.environ.get("KILN_SOURCE", os.path.join(os.path.dirname(__file__), "..", ".."))
SCHEMA = os.path.join(SOURCE, "provision", "station", "records", "schema.sql")
PROGRAMS = "/usr/lib/postgresql/15/bin"
DIGEST = "%064x"

# Statements in order: what is inserted, and whether it is accepted. Each runs by itself.
ROWS = [
    ("event 1", True, "INSERT INTO event VALUES (1, 's', 1, NULL, '{}', '%s')" % (DIGEST % 1)),
    ("event 2", True, "INSERT INTO event VALUES (2, 's', 2, NULL, '{}', '%s')" % (DIGEST % 2)),
    ("event 3", True, "INSERT INTO event VALUES (3, 's', 3, NULL, '{}', '%s')" % (DIGEST % 3)),
    ("a place in the chain twice", False,
     "INSERT INTO event VALUES (4, 's', 3, NULL, '{}', '%s')" % (DIGEST % 4)),
    ("a short hash", False, "INSERT INTO event VALUES (4, 's', 4, NULL, '{}', 'abc')"),
    ("a blob", True, "INSERT INTO blob VALUES ('%s', '')" % (DIGEST % 1)),
    ("a certificate's blob", True, "INSERT INTO blob VALUES ('%s', '')" % (DIGEST % 2)),
    ("a second certificate's blob", True, "INSERT INTO blob VALUES ('%s', '')" % (DIGEST % 3)),
    ("a profile", True, "INSERT INTO profile VALUES ('%s', 'pump', '1', NULL)" % (DIGEST % 1)),
    ("a profile without its text", False,
     "INSERT INTO profile VALUES ('%s', 'pump', '1', NULL)" % (DIGEST % 9)),
    ("an order", True, "INSERT INTO work_order VALUES ('nine', 2, 1, 1, 0, 0, 2)"),
    ("an order that is exceeded (I6)", False,
     "INSERT INTO work_order VALUES ('ten', 2, 1, 1, 1, 0, 2)"),
    ("a unit", True, "INSERT INTO unit VALUES ('A', 'P1', NULL, NULL, NULL)"),
    ("a serial twice", False, "INSERT INTO unit VALUES ('A', 'P2', NULL, NULL, NULL)"),
    ("another unit", True, "INSERT INTO unit VALUES ('B', 'P1', NULL, NULL, NULL)"),
]

JOB = ("INSERT INTO job (number, serial, station, slot, profile, held, reuse, status, resumed, "
       "opened_at) VALUES (%d, '%s', 's', '1', '" + DIGEST % 1 + "', 0, 0, '%s', 0, 't')")
CERTIFICATE = ("INSERT INTO certificate VALUES ('%s', %d, 1, '%s', 'CN=ca', '" + DIGEST % 7 + "', '" +
               DIGEST % 1 + "', '%s')")
ROWS += [
    ("a job", True, JOB % (1, "A", "open")),
    ("a second open job", False, JOB % (2, "A", "parked")),
    ("an ended job beside it", True, JOB % (2, "A", "failed")),
    ("a job of an unknown unit", False, JOB % (3, "Z", "open")),
    ("a status that there is not", False, JOB % (3, "B", "lost")),
    ("an intent", True, "INSERT INTO intent VALUES (1, 'keygen', 1, 'open', NULL, 1)"),
    ("a second open intent", False, "INSERT INTO intent VALUES (1, 'keygen', 2, 'open', NULL, 1)"),
    ("an enrol intent without a CSR", False,
     "INSERT INTO intent VALUES (1, 'enrol', 1, 'open', NULL, 1)"),
    ("a live key", True, "INSERT INTO device_key VALUES ('%s', 'A', 1)" % (DIGEST % 7)),
    ("the key under another serial (I9)", False,
     "INSERT INTO device_key VALUES ('%s', 'B', 0)" % (DIGEST % 7)),
    ("a second live key (I9)", False,
     "INSERT INTO device_key VALUES ('%s', 'A', 1)" % (DIGEST % 8)),
    ("a certificate", True, CERTIFICATE % (DIGEST % 2, 1, "01", "delivered")),
    ("its number again", False, CERTIFICATE % (DIGEST % 3, 2, "01", "issued")),
    ("a second delivered one (I1)", False, CERTIFICATE % (DIGEST % 3, 2, "02", "delivered")),
    ("a second issued one", True, CERTIFICATE % (DIGEST % 3, 2, "02", "issued")),
]


def skip(why):
    print("SKIP: %s" % why)
    sys.exit(77)


class Postgres:
    """A server of its own in a temporary folder, on a Unix socket only."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="kiln-postgres-")
        self.user = None
        if os.geteuid() == 0:  # the server refuses to run as root
            self.user = "postgres"
            entry = pwd.getpwnam(self.user)
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
        self.data = os.path.join(self.folder, "data")
        try:
            self.run("initdb", "-D", self.data, "-A", "trust", "-U", "kiln", "-E", "UTF8",
                     "--locale=C", "-N")
            self.run("pg_ctl", "-D", self.data, "-w", "-t", "60", "-l", self.data + "/log", "-o",
                     "-c listen_addresses= -k %s" % self.folder, "start")
        except Exception:
            shutil.rmtree(self.folder)
            raise

    def run(self, program, *args, **more):
        return subprocess.run([os.path.join(PROGRAMS, program), *args], user=self.user, cwd="/",
                              env={"LC_ALL": "C", "PATH": os.environ["PATH"]}, check=True,
                              stdin=more.pop("stdin", subprocess.DEVNULL),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)

    def sql(self, text=None, file=None):
        command = ["psql", "-X", "-q", "-A", "-t", "-h", self.folder, "-U", "kiln", "-d",
                   "postgres", "-v", "ON_ERROR_STOP=1"]
        if file is not None:
            with open(file, "rb") as stream:
                return self.run(*command, "-1", "-f", "-", stdin=stream).stdout
        return self.run(*command, "-c", text).stdout

    def accepts(self, text):
        try:
            self.sql(text)
            return True
        except subprocess.CalledProcessError as e:
            if "violates" not in e.stdout:
                raise AssertionError(e.stdout)
            return False

    def stop(self):
        self.run("pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.folder)


class Records(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = Postgres()
        cls.addClassCleanup(cls.postgres.stop)
        cls.postgres.sql(file=SCHEMA)
        cls.sqlite = sqlite3.connect(":memory:", isolation_level=None)
        cls.sqlite.execute("PRAGMA foreign_keys = ON")
        with open(SCHEMA, encoding="utf-8") as f:
            cls.sqlite.executescript(f.read())

    def test_1_tables_and_columns_are_the_same(self):
        have = self.postgres.sql(
            "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns "
            "WHERE table_schema = 'public' ORDER BY table_name, ordinal_position").splitlines()
        names = {"BIGINT": "bigint", "TEXT": "text", "BYTEA": "bytea"}
        want = []
        for (table,) in self.sqlite.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetchall():
            for row in self.sqlite.execute("SELECT * FROM pragma_table_info(?)", (table,)):
                _, column, kind, not_null, _, _ = row
                want.append("|".join([table, column, names[kind], "NO" if not_null else "YES"]))
        self.assertGreater(len(want), 80)
        self.assertEqual(have, want)

    def test_2_the_same_rows_are_refused(self):
        for what, accepted, sql in ROWS:
            with self.subTest(what):
                self.assertEqual(self.postgres.accepts(sql), accepted, "PostgreSQL: " + what)
                self.assertEqual(self.sqlite_accepts(sql), accepted, "SQLite: " + what)

    def sqlite_accepts(self, sql):
        try:
            self.sqlite.execute(sql)
            return True
        except sqlite3.IntegrityError:
            return False


if __name__ == "__main__":
    for name in ("initdb", "pg_ctl", "psql"):
        if not os.access(os.path.join(PROGRAMS, name), os.X_OK):
            skip("PostgreSQL 15 is not installed (package postgresql-15)")
    unittest.main(verbosity=2)
