"""kiln verify: what it accepts, what it refuses, and years later."""

import base64
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import unittest

from station_kit import PASSED, STATION, UNITS, World, check_promises, kiln

FAKETIME = ["/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1", "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1"]


class Verify(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = World(devices=3, slots=3)
        code, batch = cls.world.run("--count", 3)
        assert code == PASSED, batch.stderr

    @classmethod
    def tearDownClass(cls):
        cls.world.close()

    def test_records_that_are_not_there_are_no_violation(self):
        for command in (["verify", "--trust", self.world.path("ca/root.pem")], ["log"], ["orphans"]):
            done = kiln(*command, "--records", os.path.join(self.world.folder, "absent.db"))
            self.assertEqual((done.returncode, done.stdout), (STATION, ""), (command, done.stderr))
            self.assertIn("[records.none]", done.stderr)
            self.assertIn("what to do", done.stderr)

    def test_what_is_no_database_is_damaged(self):
        other = os.path.join(self.world.folder, "other.db")
        with open(other, "w", encoding="ascii") as f:
            f.write("this is no database, and it is longer than the header of one: " * 20)
        done = kiln("verify", "--trust", self.world.path("ca/root.pem"), "--records", other)
        self.assertEqual(done.returncode, UNITS, done.stderr)
        self.assertIn("VIOLATION records.damaged", done.stdout)
        for command in ("log", "orphans"):
            done = kiln(command, "--records", other)
            self.assertEqual((done.returncode, done.stdout), (STATION, ""), (command, done.stderr))
            self.assertIn("[records.damaged]", done.stderr)

    def test_I7_a_guard_taken_out_of_the_schema_is_found(self):
        database = sqlite3.connect(self.world.path("records.db"))
        guards = [r[0] for r in database.execute("SELECT name FROM sqlite_schema WHERE type IN ('trigger', 'index')"
                                                 " AND sql IS NOT NULL")]
        database.close()
        self.assertGreater(len(guards), 4)
        for guard in guards:
            path = self.copy()
            database = sqlite3.connect(path)
            kind = database.execute("SELECT type FROM sqlite_schema WHERE name = ?", (guard,)).fetchone()[0]
            database.execute(f"DROP {kind} {guard}")
            database.commit()
            database.close()
            done = kiln("verify", "--records", path, "--trust", self.world.path("ca/root.pem"), "--accept-test-ca")
            self.assertEqual(done.returncode, UNITS, (guard, done.stdout, done.stderr))
            self.assertIn("VIOLATION", done.stdout)
            self.assertIn(guard, done.stdout)

    def copy(self):
        """A copy of the records, with everything in the one file."""
        path = self.world.path("copy.db")
        for suffix in ("", "-wal", "-shm", ".lock"):
            if os.path.exists(path + suffix):
                os.unlink(path + suffix)
        source = sqlite3.connect(self.world.path("records.db"))
        target = sqlite3.connect(path)
        source.backup(target)
        source.close()
        target.close()
        return path

    def verify(self, path, *more, env=None):
        done = kiln("verify", "--records", path, "--trust", self.world.path("ca/root.pem"), "--accept-test-ca", "--json",
                    *more, env=env)
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr

    def change(self, *statements):
        path = self.copy()
        database = sqlite3.connect(path, isolation_level=None)
        triggers = database.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            database.execute(f"DROP TRIGGER {name}")
        for statement, *values in statements:
            count = database.execute(statement, values).rowcount
            self.assertNotEqual(count, 0, statement)
        for _, sql in triggers:
            database.execute(sql)
        database.close()
        return path

    def test_it_counts_what_it_checked(self):
        code, line = self.verify(self.copy())
        self.assertEqual(code, 0, line)
        for name in ("passed", "certificates", "checked_proofs", "checked_attestations"):
            self.assertEqual(line["counts"][name], 3)

    def test_it_needs_to_be_told_whom_to_trust(self):
        self.assertEqual(kiln("verify", "--records", self.copy()).returncode, 2)
        done = kiln("verify", "--records", self.copy(), "--trust", self.world.path("ca/tls-anchor.pem"),
                    "--accept-test-ca", "--json")
        self.assertEqual(done.returncode, 1)
        self.assertIn("attestation", json.loads(done.stdout)["violation"]["code"])

    def test_what_a_test_ca_made_is_a_violation_elsewhere(self):
        done = kiln("verify", "--records", self.copy(), "--trust", self.world.path("ca/root.pem"), "--json")
        self.assertEqual((done.returncode, json.loads(done.stdout)["violation"]["code"]), (1, "cert.test-ca"))

    def test_I3_every_proof_is_checked_also_of_a_second_station_in_the_same_records(self):
        with World(devices=2, slots=1) as world:
            self.assertEqual(world.run("--count", 1, swap=False)[0], PASSED)
            world.twins.ask("swap", slot=1)
            world.text = world.text.replace("id: line-1", "id: line-2").replace("records.db", "records.db\nstate: second")
            world.set_label(None)
            self.assertEqual(world.run("--count", 1, swap=False)[0], PASSED)
            line = check_promises(self, world)
            for name in ("passed", "checked_certificates", "checked_proofs", "checked_attestations"):
                self.assertEqual(line["counts"][name], 2, name)

    def test_a_subject_with_the_device_s_uuid_is_checked_again(self):
        edit = lambda text: text.replace('value: "{model} {serial}"', 'value: "{serial} {uuid}"')
        with World(devices=1, slots=1, edit_profile=edit) as world:
            code, batch = world.run("--count", 1, swap=False)
            self.assertEqual(code, PASSED, (batch.stderr, batch.units))
            check_promises(self, world)

    def test_one_byte_changed_anywhere_is_found(self):
        database = sqlite3.connect(self.copy())
        events = [r[0] for r in database.execute("SELECT body FROM event ORDER BY number")]
        tables = [r[0] for r in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'"
                                                 " AND name NOT LIKE 'sqlite%'")]
        columns = {t: [c[1] for c in database.execute(f"PRAGMA table_info({t})")] for t in tables}
        filled = {t: [c for c in columns[t]
                      if database.execute(f"SELECT count({c}) FROM {t}").fetchone()[0] > 0] for t in tables}
        database.close()
        self.assertGreater(len(events), 30)
        tried = 0
        for table in tables:
            for column in filled[table]:
                changed = (f"UPDATE {table} SET {column} = CASE typeof({column}) WHEN 'integer' THEN {column} + 1"
                           f" WHEN 'blob' THEN CAST(substr({column}, 1, length({column}) - 1) || x'21' AS BLOB)"
                           f" ELSE substr({column}, 1, length({column}) - 1) || '!' END WHERE rowid ="
                           f" (SELECT rowid FROM {table} WHERE {column} IS NOT NULL LIMIT 1)")
                try:
                    path = self.change((changed,))
                except (sqlite3.IntegrityError, sqlite3.OperationalError):
                    continue  # the schema itself refuses it
                code, line = self.verify(path)
                self.assertEqual(code, UNITS, f"{table}.{column} was changed: {line}")
                tried += 1
        self.assertGreater(tried, 25)

    def test_I7_an_event_left_out_is_found(self):
        for where in ("max(number) / 2", "1", "max(number) - 1"):
            code, line = self.verify(self.change((f"DELETE FROM event WHERE number = (SELECT {where} FROM event)",)))
            self.assertNotEqual(code, 0, line)

    def test_I7_an_end_that_is_missing_is_found_where_the_signer_is_known(self):
        with World(devices=2, slots=1) as world:
            self.assertEqual(world.run("--count", 1, swap=False)[0], PASSED)
            old = world.path("old.db")
            source, target = sqlite3.connect(world.path("records.db")), sqlite3.connect(old)
            source.backup(target)
            source.close()
            target.close()
            world.twins.ask("swap", slot=1)
            self.assertEqual(world.run("--count", 1, swap=False)[0], PASSED)
            check_promises(self, world)
            for suffix in ("", "-wal", "-shm"):
                if os.path.exists(world.path("records.db") + suffix):
                    os.unlink(world.path("records.db") + suffix)
            os.rename(old, world.path("records.db"))
            code, line = world.verify()
            self.assertEqual((code, line["violation"]["code"]), (1, "verify.truncated"), line)
            os.unlink(world.path("records.db.checkpoint"))  # what the signer remembers is enough
            code, line = world.verify()
            self.assertEqual((code, line["violation"]["code"]), (1, "verify.truncated"), line)
            self.assertIn("the signer attested", line["violation"]["message"])

    def test_ten_years_later(self):
        library = next((p for p in FAKETIME if os.path.exists(p)), None)
        if library is None:
            self.skipTest("libfaketime is not installed")
        environment = {**os.environ, "LD_PRELOAD": library, "FAKETIME": "+3650d", "FAKETIME_NO_CACHE": "1"}
        if os.environ.get("KILN_SANITIZE"):
            self.skipTest("libfaketime and the sanitizers' runtime exclude each other")
        year = subprocess.run(["date", "+%Y"], capture_output=True, text=True, env=environment, check=True).stdout
        now = subprocess.run(["date", "+%Y"], capture_output=True, text=True, check=True).stdout
        self.assertGreaterEqual(int(year), int(now) + 9)
        code, line = self.verify(self.copy(), env=environment)
        self.assertEqual(code, 0, line)


    def test_a_signer_that_has_forgotten_is_found(self):
        with World(devices=1, slots=1) as world:
            self.assertEqual(world.run("--count", 1)[0], PASSED)
            check_promises(self, world)
            os.unlink(world.path("state/signer-position.json"))
            code, line = world.verify()
            self.assertEqual((code, line["violation"]["code"]), (1, "verify.position"), line)
            text = kiln("verify", "--config", world.config)
            self.assertIn("VIOLATION verify.position", text.stdout)
            self.assertIn("kiln records accept-restore", text.stdout)


class Evidence(unittest.TestCase):
    def test_stock_tools_read_and_verify_it(self):
        with World(devices=1, slots=1) as world:
            self.assertEqual(world.run("--count", 1)[0], PASSED)
            serial, out, root = world.serials()[0], world.path("evidence"), world.path("ca/root.pem")
            done = kiln("evidence", serial, "--dir", out, "--config", world.config)
            self.assertEqual(done.returncode, 0, done.stderr)
            files = sorted(os.listdir(out))
            self.assertLessEqual({"csr.der", "cert.pem", "chain.pem", "statement.json", "attestation.p7s",
                                  "attestation.jws"}, set(files))
            run = lambda *command: subprocess.run(command, cwd=out, capture_output=True, text=True)
            self.assertIn("verify OK", run("openssl", "req", "-inform", "DER", "-in", "csr.der", "-verify", "-noout").stderr)
            done = run("openssl", "verify", "-CAfile", root, "-untrusted", "chain.pem", "cert.pem")
            self.assertEqual(done.returncode, 0, done.stderr)
            done = run("openssl", "cms", "-verify", "-cades", "-inform", "DER", "-in", "attestation.p7s", "-CAfile", root,
                       "-purpose", "any", "-out", "signed.json")
            self.assertIn("CAdES Verification successful", done.stderr)
            with open(os.path.join(out, "signed.json"), "rb") as a, open(os.path.join(out, "statement.json"), "rb") as b:
                self.assertEqual(a.read(), b.read())
            self.check_jws(out, world)

    def check_jws(self, out, world):
        if shutil.which("jose") is None:
            self.skipTest("jose is not installed")
        point = subprocess.run(f"openssl x509 -in {world.path('attestation.pem')} -noout -pubkey | openssl pkey -pubin"
                               " -outform DER | tail -c 64", shell=True, capture_output=True, check=True).stdout
        b64url = lambda data: base64.urlsafe_b64encode(data).decode().rstrip("=")
        key = {"kty": "EC", "crv": "P-256", "x": b64url(point[:32]), "y": b64url(point[32:])}
        with open(os.path.join(out, "key.jwk"), "w", encoding="utf-8") as file:
            json.dump(key, file)
        done = subprocess.run(["jose", "jws", "ver", "-i", "attestation.jws", "-k", "key.jwk", "-O", "payload.json"], cwd=out,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(out, "payload.json"), "rb") as a, open(os.path.join(out, "statement.json"), "rb") as b:
            self.assertEqual(a.read(), b.read())


class Rewritten(unittest.TestCase):
    def test_a_chain_that_is_begun_anew_gets_no_attestation(self):
        """Whoever throws the records away, and all that says how long they were, meets the signer."""
        with World(devices=2, slots=1) as world:
            self.assertEqual(world.run("--count", 1, swap=False)[0], PASSED)
            for name in ("records.db", "records.db-wal", "records.db-shm"):
                if os.path.exists(world.path(name)):
                    os.unlink(world.path(name))
            os.unlink(world.path("records.db.checkpoint"))
            code, batch = world.run("--count", 1, swap=False)
            self.assertEqual(code, STATION)
            self.assertIn("[records.restored]", batch.stderr)
            self.assertFalse(batch.units)

    def test_statements_do_not_fit_a_chain_that_was_rewritten_consistently(self):
        with World(devices=2, slots=1) as world:
            self.assertEqual(world.run("--count", 2)[0], PASSED)
            self.rewrite(world, '"slot":"1"', '"slot":"9"', "UPDATE job SET slot = '9' WHERE slot = '1'")
            code, line = world.verify()
            self.assertEqual((code, line["violation"]["code"]), (1, "verify.statement"), line)

    def test_I3_a_proof_that_does_not_verify_is_found_in_a_chain_that_was_rewritten_consistently(self):
        """Verify judges the signature itself, and does not take it from what the statement says of it."""
        with World(devices=1, slots=1) as world:
            self.assertEqual(world.run("--count", 1, swap=False)[0], PASSED)
            old = next(e["signature"] for e in world.log() if e["event"] == "step" and e["step"] == "prove")
            database = sqlite3.connect(world.path("records.db"), isolation_level=None)
            signature = bytearray(database.execute("SELECT bytes FROM blob WHERE sha256 = ?", [old]).fetchone()[0])
            database.close()
            signature[-1] ^= 1
            new = hashlib.sha256(signature).hexdigest()
            self.rewrite(world, old, new, f"INSERT INTO blob VALUES ('{new}', x'{signature.hex()}')",
                         f"UPDATE proof SET signature = '{new}'", f"DELETE FROM blob WHERE sha256 = '{old}'")
            code, line = world.verify()
            self.assertEqual((code, line["violation"]["code"]), (1, "proof.signature"), line)

    def rewrite(self, world, old, new, *statements):
        """Another text in the events, every hash from there on made to fit, and the state too."""
        database = sqlite3.connect(world.path("records.db"), isolation_level=None)
        triggers = database.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            database.execute(f"DROP TRIGGER {name}")
        previous = {}
        for number, station, body in database.execute("SELECT number, station, body FROM event ORDER BY number").fetchall():
            changed = body.replace(old, new)
            previous[station] = hashlib.sha256(previous.get(station, bytes(32)) + changed.encode()).digest()
            database.execute("UPDATE event SET body = ?, hash = ? WHERE number = ?",
                             [changed, previous[station].hex(), number])
        for statement in statements:
            database.execute(statement)
        for _, sql in triggers:
            database.execute(sql)
        database.close()
        os.unlink(world.path("records.db.checkpoint"))  # it would say so first


if __name__ == "__main__":
    unittest.main(verbosity=2)
