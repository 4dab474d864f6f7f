"""kiln-signer as the station runs it: admin mode, service, restarts, on SoftHSM and on a TPM."""

import base64
import glob
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

from station_kit import build_shim

SIGNER = os.path.join(os.environ["KILN_BIN"], "kiln-signer")
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
TPM2 = (glob.glob("/usr/lib/*/pkcs11/libtpm2_pkcs11.so") or [""])[0]
PIN = "pin-canary-7001"
SO_PIN = "so-canary-7002"
DIGEST = "00112233445566778899aabbccddeeff" * 2

# The TPM's module leaks a little and has no frame pointers: only the slow unwinder finds its name, by
# which test/lsan.supp knows it.
if os.environ.get("KILN_SANITIZE"):
    os.environ["ASAN_OPTIONS"] += ":fast_unwind_on_malloc=0"


class Refused(Exception):
    def __init__(self, err):
        super().__init__(err["code"] + ": " + err["message"])
        self.code = err["code"]


class Signer:
    """One kiln-signer and the station's end of its channel."""

    def __init__(self, log, *arguments):
        ours, theirs = socket.socketpair()
        number = theirs.fileno()
        redirect = "" if number == 3 else "3<&%d %d<&-" % (number, number)
        self.process = subprocess.Popen(
            ["sh", "-c", 'exec "$@" ' + redirect, "sh", SIGNER, *arguments],
            pass_fds=(number,), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        theirs.close()
        ours.settimeout(60)
        self.socket = ours
        self.file = ours.makefile("rw", encoding="utf-8", newline="\n")
        self.hello = json.loads(self.file.readline())
        self.id = 0

    def ask(self, do, **members):
        self.id += 1
        self.file.write(json.dumps({"id": self.id, "do": do, **members}) + "\n")
        self.file.flush()
        answer = json.loads(self.file.readline())
        assert answer["id"] == self.id
        if "err" in answer:
            raise Refused(answer["err"])
        return answer["ok"]

    def hang_up(self):
        """Closes the channel; the exit status."""
        self.file.close()
        self.socket.close()
        return self.process.wait(60)

    def end(self, number):
        self.process.send_signal(number)
        status = self.process.wait(60)
        self.file.close()
        self.socket.close()
        return status


def secret(text):
    return base64.b64encode(text.encode()).decode()


def statement(seq):
    return {
        "typ": "kiln-statement", "ver": 1, "iat": 1780000000,
        "device": {"serial": "IP-000001", "model": "IP-4", "firmware": "1.2.3", "lifecycle": ""},
        "key": {"alg": "EC:P-256", "spki_sha256": DIGEST, "origin": "on-chip",
                "origin_evidence": "tool-asserted", "pop_verified": True},
        "csr_sha256": DIGEST,
        "certificate": {"sha256": DIGEST, "issuer": "CN=issuing", "number": "01ff"},
        "readback_ok": True,
        "proof": {"scheme": "spdm-challenge", "nonce": DIGEST, "preimage_sha256": DIGEST,
                  "signature_sha256": DIGEST},
        "outcome": "passed",
        "profile": {"product": "pump", "version": "3", "sha256": DIGEST},
        "tool": {"version": "0.1.0", "build": "abc"},
        "station": {"id": "line-7", "slot": "1"},
        "chain": {"station": "line-7", "seq": seq, "head": DIGEST},
        "time_source": "unknown",
    }


class Token:
    """What the tests of both modules share; a subclass brings the module."""

    module = ""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="kiln-test-")
        self.log = open(self.path("log"), "wb")
        self.children = []
        self.start_module()

    def tearDown(self):
        for child in self.children:
            if child.process.poll() is None:
                child.end(signal.SIGKILL)
        self.stop_module()
        self.log.close()
        shutil.rmtree(self.folder)

    def stop_module(self):
        pass

    def path(self, name):
        return os.path.join(self.folder, name)

    def run_tool(self, *command):
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, " ".join(command) + "\n" + done.stderr)
        return done.stdout + done.stderr

    def signer(self, *arguments):
        child = Signer(self.log, *arguments)
        self.children.append(child)
        return child

    def admin(self, do, **members):
        child = self.signer("--admin")
        try:
            return child.ask(do, module=self.module, token="station", **members)
        finally:
            self.assertEqual(child.hang_up(), 0)

    def write(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)

    def commission(self):
        """Token, key, and a certificate for it by a CA made with openssl: `chain.pem`."""
        self.admin("init", so_pin=secret(SO_PIN), pin=secret(PIN))
        self.admin("keygen", pin=secret(PIN), key="attest", algorithm="EC:P-256")
        csr = self.admin("csr", pin=secret(PIN), key="attest", subject="/CN=line-7/O=Test",
                         attestation=True)
        self.write("csr.der", base64.b64decode(csr["csr"]))
        self.run_tool("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                      "ec_paramgen_curve:P-256", "-nodes", "-keyout", "root.key", "-out", "root.pem",
                      "-subj", "/CN=root", "-days", "30")
        self.run_tool("openssl", "x509", "-req", "-inform", "DER", "-in", "csr.der", "-CA", "root.pem",
                      "-CAkey", "root.key", "-copy_extensions", "copy", "-days", "30", "-out",
                      "chain.pem")

    def open_request(self, **changes):
        with open(self.path("chain.pem"), encoding="ascii") as file:
            chain = file.read()
        return {"module": self.module, "token": "station", "key": "attest", "pin": secret(PIN),
                "guard": self.path("guard"), "certificate": chain, "state": self.path("position"),
                "station": "line-7", **changes}

    def verify(self, answer):
        """Stock tools read both forms; the statement they see."""
        self.write("cms.der", base64.b64decode(answer["cms"]))
        said = self.run_tool("openssl", "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in",
                             "cms.der", "-CAfile", "root.pem", "-purpose", "any", "-out", "seen.json")
        self.assertIn("CAdES Verification successful", said)
        with open(self.path("seen.json"), "rb") as file:
            seen = file.read()
        self.assertEqual(seen, base64.b64decode(answer["statement"]))
        payload = answer["jws"].split(".")[1]
        self.assertEqual(base64.urlsafe_b64decode(payload + "=="), seen)
        return json.loads(seen)

    def assert_no_pin_written(self):
        for root, _, files in os.walk(self.folder):
            for name in files:
                with open(os.path.join(root, name), "rb") as file:
                    content = file.read()
                for canary in (PIN, SO_PIN, secret(PIN), secret(SO_PIN)):
                    self.assertNotIn(canary.encode(), content, name)

    def test_from_an_empty_token_to_an_attestation(self):
        self.commission()
        signer = self.signer()
        self.assertEqual(signer.hello["hello"], "kiln-signer")
        self.assertEqual(signer.ask("open", **self.open_request())["position"], 0)
        answer = signer.ask("attest", statement=statement(3))
        seen = self.verify(answer)
        self.assertEqual(seen["jti"], answer["jti"])
        with open("/proc/%d/cmdline" % signer.process.pid, "rb") as file:
            self.assertNotIn(PIN.encode(), file.read())
        self.assertEqual(signer.hang_up(), 0)
        self.assert_no_pin_written()

    def test_ends_cleanly_again_and_again(self):
        self.commission()
        for seq in range(1, 6):
            signer = self.signer()
            self.assertEqual(signer.ask("open", **self.open_request())["position"], seq - 1)
            signer.ask("attest", statement=statement(seq))
            with self.assertRaises(Refused) as refused:
                signer.ask("attest", statement=statement(seq))
            self.assertEqual(refused.exception.code, "signer.position")
            self.assertEqual(signer.end(signal.SIGTERM), 0)

    def test_a_wrong_pin_is_tried_once_over_restarts(self):
        self.commission()
        for expected in ("hsm.operator.pin", "hsm.operator.guard", "hsm.operator.guard"):
            signer = self.signer()
            with self.assertRaises(Refused) as refused:
                signer.ask("open", **self.open_request(pin=secret("wrong-pin")))
            self.assertEqual(refused.exception.code, expected)
            self.assertEqual(signer.hang_up(), 0)
        self.admin("guard_clear", guard=self.path("guard"))
        self.assertIn("token", self.signer().ask("open", **self.open_request()))


@unittest.skipUnless(os.path.exists(SOFTHSM), "softhsm2")
class SoftHsm(Token, unittest.TestCase):
    module = SOFTHSM

    def start_module(self):
        os.mkdir(self.path("tokens"))
        self.write("softhsm2.conf", ("directories.tokendir = %s\n" % self.path("tokens")).encode())
        os.environ["SOFTHSM2_CONF"] = self.path("softhsm2.conf")

    def test_each_mode_refuses_the_others_calls(self):
        service = self.signer()
        for call in ("init", "keygen", "csr", "audit", "guard_clear"):
            with self.assertRaises(Refused) as refused:
                service.ask(call, module=self.module, token="station")
            self.assertEqual(refused.exception.code, "serve.unknown")
        admin = self.signer("--admin")
        for call in ("open", "attest"):
            with self.assertRaises(Refused) as refused:
                admin.ask(call)
            self.assertEqual(refused.exception.code, "serve.unknown")

    def test_it_has_no_other_arguments(self):
        done = subprocess.run([SIGNER, "--pin", "1234"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("usage", done.stderr)

    def test_the_position_survives_a_kill(self):
        self.commission()
        signer = self.signer()
        signer.ask("open", **self.open_request())
        signer.ask("attest", statement=statement(41))
        self.assertEqual(signer.end(signal.SIGKILL), -signal.SIGKILL)
        signer = self.signer()
        self.assertEqual(signer.ask("open", **self.open_request())["position"], 41)
        with self.assertRaises(Refused) as refused:
            signer.ask("attest", statement=statement(41))
        self.assertEqual(refused.exception.code, "signer.position")
        signer.ask("attest", statement=statement(42))

    @unittest.skipUnless(shutil.which("pkcs11-tool"), "opensc")
    def test_a_stock_tool_sees_the_same_key(self):
        self.commission()
        os.environ["CANARY_PIN"] = PIN  # pkcs11-tool's environment, not kiln's
        try:
            seen = self.run_tool("pkcs11-tool", "--module", self.module, "--token-label", "station",
                                 "--login", "--pin", "env:CANARY_PIN", "--list-objects", "--type",
                                 "privkey")
        finally:
            del os.environ["CANARY_PIN"]
        self.assertIn("label:      attest", seen)
        self.assertRegex(seen, "sensitive, always sensitive, never extr[a-z]+, local")

    @unittest.skipUnless(shutil.which("jose"), "jose")
    def test_jose_reads_the_jws(self):
        self.commission()
        signer = self.signer()
        signer.ask("open", **self.open_request())
        answer = signer.ask("attest", statement=statement(1))
        public = self.run_tool("openssl", "x509", "-in", "chain.pem", "-noout", "-pubkey")
        self.write("public.pem", public.encode())
        self.run_tool("openssl", "pkey", "-pubin", "-in", "public.pem", "-outform", "DER", "-out",
                      "public.der")
        with open(self.path("public.der"), "rb") as file:
            point = file.read()[-64:]
        x, y = (base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in
                (point[:32], point[32:]))
        self.write("key.jwk", json.dumps({"kty": "EC", "crv": "P-256", "x": x, "y": y}).encode())
        self.write("jws.txt", answer["jws"].encode())
        self.run_tool("jose", "jws", "ver", "-i", "jws.txt", "-k", "key.jwk", "-O", "seen.json")
        with open(self.path("seen.json"), "rb") as file:
            self.assertEqual(file.read(), base64.b64decode(answer["statement"]))


REBUILD = {"CKR_DEVICE_ERROR": 0x30, "CKR_DEVICE_REMOVED": 0x32, "CKR_SESSION_HANDLE_INVALID": 0xb3,
           "CKR_USER_NOT_LOGGED_IN": 0x101, "CKR_OBJECT_HANDLE_INVALID": 0x82, "CKR_GENERAL_ERROR": 0x5}


@unittest.skipUnless(os.path.exists(SOFTHSM), "softhsm2")
@unittest.skipUnless(shutil.which("cc"), "a C compiler at run time")
class Faults(Token, unittest.TestCase):
    """A module that fails, dies and lies. Whatever it did, a new signer finds the key again, sees that it is
    the one of the certificate, and goes on above the last position."""

    def start_module(self):
        os.mkdir(self.path("tokens"))
        self.write("softhsm2.conf", ("directories.tokendir = %s\n" % self.path("tokens")).encode())
        os.environ["SOFTHSM2_CONF"] = self.path("softhsm2.conf")
        self.module = build_shim(self.folder)
        for name in ("CONTROL", "TRACE", "LOG"):
            os.environ["SHIM_" + name] = self.path(name.lower() + ".shim")

    def stop_module(self):
        for name in ("CONTROL", "TRACE", "LOG"):
            del os.environ["SHIM_" + name]

    def control(self, function, action, value=0, n=1):
        self.write("new.shim", f"* {function} {action} {value} {n}\n".encode())
        os.rename(self.path("new.shim"), self.path("control.shim"))

    def calm(self):
        self.control("none", "none")

    def trace(self):
        with open(self.path("trace.shim"), encoding="ascii") as file:
            return [line.split()[1] for line in file if line.startswith("kiln-signer ")]

    def assert_goes_on(self, last):
        """A new signer attests, above what was answered; the position that it says now."""
        signer = self.signer()
        position = signer.ask("open", **self.open_request())["position"]
        self.assertGreaterEqual(position, last)
        with self.assertRaises(Refused) as refused:
            signer.ask("attest", statement=statement(last)) if last else self.refuse_nothing()
        self.assertEqual(refused.exception.code, "signer.position")
        self.verify(signer.ask("attest", statement=statement(position + 1)))
        self.assertEqual(signer.hang_up(), 0)
        return position + 1

    @staticmethod
    def refuse_nothing():
        raise Refused({"code": "signer.position", "message": "nothing was attested yet"})

    def test_killed_at_each_call_of_the_module(self):
        self.commission()
        self.calm()
        before = len(self.trace())
        last = self.assert_goes_on(0)
        calls = self.trace()[before:]
        self.assertGreater(len(calls), 30)
        self.assertIn("C_Login", calls)
        # Each call of each function once, and all from the last test signature on: there it signs for good.
        points = {calls.index(name) + 1 for name in calls} | set(range(len(calls) - 12, len(calls) + 1))
        if os.environ.get("KILN_SANITIZE"):  # a signer takes seconds to start
            points = set(sorted(points)[::4])
        died = 0
        for n in sorted(points):
            self.control("*", "die", 0, n)
            signer = self.signer()
            try:
                position = signer.ask("open", **self.open_request())["position"]
                signer.ask("attest", statement=statement(position + 1))
                last = position + 1
                signer.hang_up()
            except (json.JSONDecodeError, BrokenPipeError, ConnectionResetError):
                self.assertEqual(signer.hang_up(), -signal.SIGKILL)
                died += 1
            self.calm()
            last = self.assert_goes_on(last)
        self.assertGreater(died, len(points) / 2)
        self.assert_no_pin_written()

    def test_a_session_that_fails_uses_up_no_position(self):
        self.commission()
        self.calm()
        last = self.assert_goes_on(0)
        for name, value in list(REBUILD.items())[::3 if os.environ.get("KILN_SANITIZE") else 1]:
            for function in ("C_Sign", "C_SignInit", "C_GenerateRandom"):
                signer = self.signer()
                signer.ask("open", **self.open_request())
                self.control(function, "fail", value)
                with self.assertRaises(Refused, msg=f"{function} {name}") as refused:
                    signer.ask("attest", statement=statement(last + 1))
                self.assertEqual(refused.exception.code, "hsm.rebuild", f"{function} {name}")
                self.assertIn(name, str(refused.exception))
                self.calm()
                signer.hang_up()
            last = self.assert_goes_on(last)

    def test_each_call_that_fails_while_it_opens_is_named(self):
        self.commission()
        self.calm()
        for function in ("C_Initialize", "C_GetSlotList", "C_GetTokenInfo", "C_OpenSession", "C_FindObjectsInit",
                         "C_GetAttributeValue", "C_GenerateRandom", "C_SignInit", "C_Sign"):
            self.control(function, "fail", REBUILD["CKR_DEVICE_ERROR"])
            signer = self.signer()
            with self.assertRaises(Refused, msg=function) as refused:
                signer.ask("open", **self.open_request())
            self.assertTrue(refused.exception.code.startswith("hsm."), f"{function}: {refused.exception}")
            signer.hang_up()
            self.calm()
        self.assert_goes_on(0)

    def test_a_locked_pin_is_not_tried_again(self):
        self.commission()
        self.control("C_Login", "fail", 0xa4)  # CKR_PIN_LOCKED
        before = self.trace().count("C_Login")
        for _ in range(3):
            signer = self.signer()
            with self.assertRaises(Refused) as refused:
                signer.ask("open", **self.open_request())
            self.assertTrue(refused.exception.code.startswith("hsm.operator"), refused.exception)
            signer.hang_up()
        self.assertEqual(self.trace().count("C_Login") - before, 1)

    def test_a_key_that_signs_wrongly_is_not_used(self):
        self.commission()
        self.control("C_Sign", "spoil")
        signer = self.signer()
        with self.assertRaises(Refused) as refused:
            signer.ask("open", **self.open_request())
        self.assertEqual(refused.exception.code, "hsm.fatal.key")
        with self.assertRaises(Refused) as refused:
            signer.ask("attest", statement=statement(1))
        self.assertEqual(refused.exception.code, "signer.closed")
        signer.hang_up()

    def test_another_token_with_its_own_certificate_is_refused_in_a_run(self):
        self.commission()
        self.calm()
        public = self.run_tool("openssl", "x509", "-in", "chain.pem", "-noout", "-pubkey")
        self.write("public.pem", public.encode())
        self.run_tool("openssl", "pkey", "-pubin", "-in", "public.pem", "-outform", "DER", "-out", "public.der")
        with open(self.path("public.der"), "rb") as file:
            spki = hashlib.sha256(file.read()).hexdigest()
        signer = self.signer()
        signer.ask("open", **self.open_request(spki=spki))
        self.assertEqual(signer.hang_up(), 0)
        shutil.rmtree(self.path("tokens"))
        os.mkdir(self.path("tokens"))
        self.commission()  # the same labels and PIN, a certificate of its own that fits
        signer = self.signer()
        with self.assertRaises(Refused) as refused:
            signer.ask("open", **self.open_request(spki=spki))
        self.assertEqual(refused.exception.code, "hsm.operator.swapped")
        with self.assertRaises(Refused) as refused:
            signer.ask("attest", statement=statement(1))
        self.assertEqual(refused.exception.code, "signer.closed")
        signer.hang_up()


def free_ports():
    """Two neighbouring ports: commands and control."""
    for port in range(20000 + os.getpid() % 20000, 60000, 2):
        with socket.socket() as first, socket.socket() as second:
            try:
                first.bind(("127.0.0.1", port))
                second.bind(("127.0.0.1", port + 1))
                return port
            except OSError:
                continue
    raise OSError("no free ports")


@unittest.skipUnless(TPM2 and shutil.which("swtpm") and shutil.which("tpm2_ptool") and
                     shutil.which("tpm2_flushcontext"),
                     "libtpm2-pkcs11-1, libtpm2-pkcs11-tools, tpm2-tools, swtpm")
class Tpm(Token, unittest.TestCase):
    module = TPM2

    def start_module(self):
        port = free_ports()
        for name in ("tpm", "store"):
            os.mkdir(self.path(name))
        os.environ["TPM2_PKCS11_TCTI"] = "swtpm:host=127.0.0.1,port=%d" % port
        os.environ["TPM2TOOLS_TCTI"] = os.environ["TPM2_PKCS11_TCTI"]
        os.environ["TPM2_PKCS11_STORE"] = self.path("store")
        os.environ["TPM2_PKCS11_LOG_LEVEL"] = "0"
        os.environ["TSS2_LOG"] = "all+NONE"
        self.run_tool("swtpm", "socket", "--tpm2", "--tpmstate", "dir=" + self.path("tpm"), "--server",
                      "type=tcp,port=%d,bindaddr=127.0.0.1" % port, "--ctrl",
                      "type=tcp,port=%d,bindaddr=127.0.0.1" % (port + 1), "--flags",
                      "not-need-init,startup-clear", "--daemon", "--pid", "file=" + self.path("pid"))
        self.run_tool("tpm2_ptool", "init")
        self.run_tool("tpm2_flushcontext", "-t")

    def stop_module(self):
        with open(self.path("pid"), encoding="ascii") as file:
            os.kill(int(file.read()), signal.SIGKILL)

    def admin(self, do, **members):
        try:
            return super().admin(do, **members)
        finally:
            if do == "init":  # the module leaves the store's primary key loaded
                self.run_tool("tpm2_flushcontext", "-t")


class Skips(unittest.TextTestResult):
    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        print("SKIP:", reason)


if __name__ == "__main__":
    result = unittest.main(exit=False, testRunner=unittest.TextTestRunner(resultclass=Skips)).result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.testsRun == len(result.skipped) else 0)
