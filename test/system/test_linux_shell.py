"""A Linux device with a TPM, from its first byte to its proof: kiln-slot, a real shell, swtpm, tpm2-openssl."""

import glob
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from slot_kit import SOURCE, Authority, Refused, Slot, Twin, b64, openssl, unb64

FOLDER = os.path.join(SOURCE, "profiles/linux-shell")
TPM2 = os.path.join(FOLDER, "tpm2.yaml")
PKCS11 = os.path.join(FOLDER, "pkcs11.yaml")
DEVICES = 4


def missing():
    lacks = [name for name in ("swtpm", "openssl", "bash") if shutil.which(name) is None]
    if not glob.glob("/usr/lib/*/ossl-modules/tpm2.so"):
        lacks.append("tpm2-openssl")
    return lacks


def token_missing():
    lacks = [name for name in ("pkcs11-tool", "certtool") if shutil.which(name) is None]
    if not glob.glob("/usr/lib/softhsm/libsofthsm2.so") + glob.glob("/usr/lib/*/softhsm/libsofthsm2.so"):
        lacks.append("softhsm2")
    return lacks


def processes_in(folder):
    """Whoever works in the folder or below."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/cwd").startswith(folder):
                found.append(int(pid))
        except OSError:
            pass
    return found


def left_in(folder):
    """The same, when those that are ending have had their time."""
    left, end = processes_in(folder), time.monotonic() + 30
    while left and time.monotonic() < end:
        left = processes_in(folder)
    return left


class Passage:
    """One device's way through the steps, judged by the openssl command."""

    def __init__(self, port, serial, authority, profile=TPM2, **members):
        self.serial = serial
        self.authority = authority
        self.slot = Slot()
        self.slot.open(port, profile, **members)

    def identify(self):
        self.identity = self.slot.op("identify")
        return self.identity

    def make_key(self, replace=False):
        self.slot.op("keygen", algorithm="EC:P-256", replace=replace)

    def request(self):
        identity = {key: self.identity[key] for key in ("model", "serial", "firmware", "uuid")}
        self.csr = unb64(self.slot.op("request", identity=identity)["csr"])
        return self.csr

    def install(self):
        self.leaf = self.authority.certify(self.csr)
        self.chain = self.leaf + self.authority.root
        self.slot.op("install", object="chain", ders=b64(self.chain))
        self.slot.op("install", object="anchors", ders=b64(self.authority.root))

    def read_back(self, name):
        stored = self.slot.op("readback", object=name)
        assert stored["is_digest"] is False
        return unb64(stored["bytes"])

    def prove(self):
        self.nonce = os.urandom(32)
        proof = self.slot.op("prove", nonce=b64(self.nonce))
        return proof["scheme"], unb64(proof["preimage"]), unb64(proof["signature"])

    def run(self):
        self.identify()
        self.make_key()
        self.request()
        self.install()
        assert self.read_back("chain") == self.chain
        assert self.read_back("anchors") == self.authority.root
        return self.prove()


def verifies(leaf, preimage, signature):
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in ("key", "preimage", "signature")]
        openssl("x509", "-inform", "DER", "-pubkey", "-noout", "-out", paths[0], stdin=leaf)
        for path, data in ((paths[1], preimage), (paths[2], signature)):
            with open(path, "wb") as out:
                out.write(data)
        done = subprocess.run(["openssl", "dgst", "-sha256", "-verify", paths[0], "-signature", paths[2], paths[1]],
                              capture_output=True)
        return done.returncode == 0


class Base(unittest.TestCase):
    def setUp(self):
        self.authority = Authority()
        self.addCleanup(self.authority.close)

    def twin(self, *arguments, **counts):
        twin = Twin("linux-shell", "IG2-E", "IG20000001", *arguments, **counts)
        self.addCleanup(twin.close)
        return twin

    def passage(self, port, serial="IG20000001", **members):
        passage = Passage(port, serial, self.authority, **members)
        self.addCleanup(passage.slot.close)
        return passage


class TestTpm(Base):
    def test_a_passage(self):
        twin = self.twin()
        passage = self.passage(twin.ports[0])
        scheme, preimage, signature = passage.run()
        self.assertEqual(passage.identity["serial"], "IG20000001")
        self.assertFalse(passage.identity["key_present"])
        self.assertEqual(scheme, "kiln-proof-v1")
        digest = hashlib.sha256(passage.leaf).digest()
        self.assertEqual(preimage, b"kiln-proof-v1\0" + passage.nonce + digest)
        self.assertTrue(verifies(passage.leaf, preimage, signature))
        self.assertFalse(verifies(passage.leaf, preimage + b"x", signature))

    def test_the_request_says_what_the_profile_says(self):
        twin = self.twin()
        passage = self.passage(twin.ports[0])
        passage.identify()
        passage.make_key()
        text = openssl("req", "-inform", "DER", "-verify", "-noout", "-text", "-nameopt", "oneline,show_type",
                       stdin=passage.request()).decode()
        self.assertIn("Subject: O = UTF8STRING:Example Medical, CN = UTF8STRING:IG2-E IG20000001, "
                      "serialNumber = PRINTABLESTRING:IG20000001", text)
        self.assertIn("URI:urn:dev:org:32473-IG20000001", text)
        self.assertIn("othername: 1.3.6.1.5.5.7.8.4::", text)
        self.assertIn("NIST CURVE: P-256", text)

    def test_the_key_is_the_tpms(self):
        twin = self.twin()
        passage = self.passage(twin.ports[0])
        passage.run()
        with open(os.path.join(twin.folder("IG20000001"), "keys/device.pem"), encoding="ascii") as key:
            self.assertEqual(key.readline(), "-----BEGIN TSS2 PRIVATE KEY-----\n")

    def test_the_device_holds_what_was_installed(self):
        twin = self.twin()
        passage = self.passage(twin.ports[0])
        passage.run()
        path = os.path.join(twin.folder("IG20000001"), "certs/device.pem")
        self.assertEqual(openssl("x509", "-in", path, "-outform", "DER"), passage.leaf)
        openssl("verify", "-CAfile", os.path.join(twin.folder("IG20000001"), "certs/trust.pem"), path)

    def test_what_a_device_has_survives_its_power(self):
        twin = self.twin(devices=1)
        first = self.passage(twin.ports[0])
        first.run()
        first.slot.close()
        twin.channel.ask("unplug", slot=1)
        self.assertFalse(os.path.exists(twin.ports[0]))
        self.assertEqual(left_in(twin.dir), [])
        twin.channel.ask("plug", slot=1, serial="IG20000001")
        second = self.passage(twin.ports[0])
        self.assertTrue(second.identify()["key_present"])
        self.assertEqual(second.read_back("chain"), first.chain)
        _, preimage, signature = second.prove()
        self.assertTrue(verifies(first.leaf, preimage, signature))

    def test_many_at_once(self):
        twin = self.twin(devices=DEVICES, slots=DEVICES)
        passages = [self.passage(twin.ports[i], f"IG2{i + 1:07}") for i in range(DEVICES)]
        results = [None] * DEVICES

        def run(i):
            results[i] = passages[i].run()

        threads = [threading.Thread(target=run, args=(i,)) for i in range(DEVICES)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        keys = set()
        for passage, result in zip(passages, results):
            self.assertEqual(passage.identity["serial"], passage.serial)
            self.assertTrue(verifies(passage.leaf, result[1], result[2]))
            keys.add(openssl("x509", "-inform", "DER", "-pubkey", "-noout", stdin=passage.leaf))
        self.assertEqual(len(keys), DEVICES)

    def test_another_device_does_not_prove(self):
        twin = self.twin(devices=2, slots=2)
        first, second = self.passage(twin.ports[0]), self.passage(twin.ports[1], "IG20000002")
        first.run()
        _, preimage, signature = second.run()
        self.assertFalse(verifies(first.leaf, preimage, signature))


@unittest.skipIf(token_missing(), "no " + ", ".join(token_missing()))
class TestToken(Base):
    def start(self, *arguments):
        twin = self.twin("--variant", "pkcs11", *arguments)
        self.folder = twin.folder("IG20000001")
        return twin, self.passage(twin.ports[0], profile=PKCS11)

    def again(self, twin):
        end = time.monotonic() + 30
        while True:
            try:
                return self.passage(twin.ports[0], profile=PKCS11)
            except Refused:
                if time.monotonic() > end:
                    raise

    def keys(self, kind):
        """The identifiers of the token's objects, asked of the token itself."""
        with open(os.path.join(self.folder, "token/pin"), encoding="ascii") as file:
            pin = file.read().strip()
        module = (glob.glob("/usr/lib/softhsm/libsofthsm2.so") + glob.glob("/usr/lib/*/softhsm/libsofthsm2.so"))[0]
        environment = dict(os.environ, PIN=pin, SOFTHSM2_CONF=os.path.join(self.folder, "token/softhsm2.conf"))
        done = subprocess.run(["pkcs11-tool", "--module", module, "--token-label", "device", "--login", "--pin",
                               "env:PIN", "--list-objects", "--type", kind], env=environment, capture_output=True,
                              text=True, check=True)
        if kind == "privkey":
            self.assertEqual(done.stdout.count("never extractable, local"), done.stdout.count("Private Key Object"))
        return [line.split()[1] for line in done.stdout.splitlines() if line.strip().startswith("ID:")]

    def named(self):
        with open(os.path.join(self.folder, "keys/device.id"), encoding="ascii") as file:
            return file.read().strip()

    def test_a_passage(self):
        _, passage = self.start()
        _, preimage, signature = passage.run()
        self.assertFalse(passage.identity["key_present"])
        self.assertTrue(verifies(passage.leaf, preimage, signature))
        self.assertEqual(self.keys("privkey"), [self.named()])
        self.assertEqual(os.listdir(os.path.join(self.folder, "keys")), ["device.id"])

    def test_the_request_says_what_the_profile_says(self):
        _, passage = self.start()
        passage.identify()
        passage.make_key()
        text = openssl("req", "-inform", "DER", "-verify", "-noout", "-text", "-nameopt", "oneline,show_type",
                       stdin=passage.request()).decode()
        self.assertIn("Subject: O = PRINTABLESTRING:Example Medical, CN = PRINTABLESTRING:IG2-E IG20000001, "
                      "serialNumber = PRINTABLESTRING:IG20000001", text)
        self.assertIn("URI:urn:dev:org:32473-IG20000001", text)

    def test_a_key_is_replaced_and_the_old_one_is_gone(self):
        _, passage = self.start()
        passage.run()
        first, leaf = self.named(), passage.leaf
        passage.make_key(replace=True)
        passage.request()
        passage.install()
        _, preimage, signature = passage.prove()
        self.assertNotEqual(self.named(), first)
        self.assertEqual((self.keys("privkey"), self.keys("pubkey")), ([self.named()], [self.named()]))
        self.assertTrue(verifies(passage.leaf, preimage, signature))
        self.assertFalse(verifies(leaf, preimage, signature))

    def test_a_key_that_got_no_name_is_none_and_goes(self):
        _, passage = self.start()
        passage.identify()
        passage.make_key()
        os.unlink(os.path.join(self.folder, "keys/device.id"))
        lost = self.keys("privkey")
        self.assertFalse(passage.identify()["key_present"])
        passage.make_key()
        self.assertEqual(self.keys("privkey"), [self.named()])
        self.assertNotIn(self.named(), lost)

    def test_a_keygen_that_was_interrupted_is_made_again(self):
        twin, passage = self.start("--fault", "reset:keygen")
        with self.assertRaises(Refused):
            passage.run()
        passage.slot.close()
        passage = self.again(twin)
        passage.identify()
        passage.make_key(replace=True)
        passage.request()
        passage.install()
        _, preimage, signature = passage.prove()
        self.assertTrue(verifies(passage.leaf, preimage, signature))
        self.assertEqual(self.keys("privkey"), [self.named()])

    def test_a_key_survives_the_devices_power(self):
        twin, first = self.start()
        first.run()
        first.slot.close()
        twin.channel.ask("unplug", slot=1)
        twin.channel.ask("plug", slot=1, serial="IG20000001")
        second = self.again(twin)
        self.assertTrue(second.identify()["key_present"])
        _, preimage, signature = second.prove()
        self.assertTrue(verifies(first.leaf, preimage, signature))

    def test_without_a_pin_there_is_no_way_in(self):
        twin, passage = self.start()
        passage.identify()
        passage.slot.close()
        os.unlink(os.path.join(self.folder, "token/pin"))
        passage = self.again(twin)
        with self.assertRaises(Refused) as refused:
            passage.identify()
        self.assertEqual(refused.exception.code, "shell.setup")

    def test_another_key_and_another_nonce_do_not_pass(self):
        for fault in ("wrong-key", "wrong-nonce"):
            _, passage = self.start("--fault", fault)
            _, preimage, signature = passage.run()
            self.assertFalse(verifies(passage.leaf, preimage, signature), fault)

    def refuses(self, step, said):
        _, passage = self.start("--fault", f"refuse:{step}")
        with self.assertRaises(Refused) as refused:
            passage.run()
        self.assertEqual(refused.exception.code, "shell.command")
        self.assertIn(said, str(refused.exception))

    def test_a_token_that_makes_no_key(self):
        self.refuses("keygen", "CKR_DEVICE_ERROR")

    def test_a_token_that_signs_no_request(self):
        self.refuses("request", "PKCS #11 error")

    def test_a_token_that_signs_no_proof(self):
        self.refuses("prove", "locked")

    def test_flaws_of_a_request_are_in_it(self):
        for fault, want in (("other-csr-subject", b"somebody else"), ("bad-csr-signature", None)):
            _, passage = self.start("--fault", fault)
            passage.identify()
            passage.make_key()
            csr = passage.request()
            done = subprocess.run(["openssl", "req", "-inform", "DER", "-verify", "-noout"], input=csr,
                                  capture_output=True)
            self.assertEqual(b"verify OK" in done.stdout + done.stderr, want is not None)
            self.assertIn(want or b"IG20000001", csr)


class TestTwin(Base):
    def test_it_leaves_no_process_behind(self):
        twin = Twin("linux-shell", "IG2-E", "IG20000001", devices=3, slots=3)
        for port in twin.ports:
            passage = self.passage(port)
            passage.identify()
            passage.slot.close()
        self.assertGreaterEqual(len(processes_in(twin.dir)), 6)
        twin.channel.close()
        left = left_in(twin.dir)
        shutil.rmtree(twin.dir)
        self.assertEqual(left, [])

    def test_it_leaves_no_process_behind_when_it_is_killed(self):
        twin = Twin("linux-shell", "IG2-E", "IG20000001", devices=2, slots=2)
        passage = self.passage(twin.ports[0])
        passage.identify()
        twin.channel.process.kill()
        twin.channel.close()
        left = left_in(twin.dir)
        shutil.rmtree(twin.dir)
        self.assertEqual(left, [])

    def test_a_reset_is_seen_and_over(self):
        twin = self.twin("--fault", "reset:prove")
        first = self.passage(twin.ports[0])
        with self.assertRaises(Refused) as refused:
            first.run()
        self.assertEqual(refused.exception.code, "link.gone")
        first.slot.close()
        old, end = None, time.monotonic() + 30
        while time.monotonic() < end:
            try:
                second = self.passage(twin.ports[0])
                break
            except Refused as refusal:
                old = refusal
        else:
            self.fail(f"the device does not come back: {old}")
        self.assertTrue(second.identify()["key_present"])
        _, preimage, signature = second.prove()
        self.assertTrue(verifies(first.leaf, preimage, signature))


class TestLogin(Base):
    PASSWORD = b"twin"

    def setUp(self):
        super().setUp()
        folder = tempfile.mkdtemp(prefix="kiln-profile-")
        self.addCleanup(shutil.rmtree, folder)
        self.profile = os.path.join(folder, "login.yaml")
        with open(os.path.join(FOLDER, "openssl.yaml"), encoding="utf-8") as text:
            changed = text.read().replace("  setup:", "  login: { user: root }\n  setup:", 1)
        with open(self.profile, "w", encoding="utf-8") as out:
            out.write(changed)

    def test_with_the_password(self):
        twin = self.twin("--variant", "login")
        passage = self.passage(twin.ports[0], profile=self.profile, secret=b64(self.PASSWORD))
        _, preimage, signature = passage.run()
        self.assertTrue(verifies(passage.leaf, preimage, signature))

    def test_with_another(self):
        twin = self.twin("--variant", "login")
        passage = self.passage(twin.ports[0], profile=self.profile, secret=b64(b"password-canary"))
        with self.assertRaises(Refused) as refused:
            passage.identify()
        self.assertEqual(refused.exception.code, "shell.login")
        self.assertNotIn("canary", str(refused.exception.error))


if __name__ == "__main__":
    if missing():
        print("SKIP: " + ", ".join(missing()))
        sys.exit(77)
    unittest.main()
