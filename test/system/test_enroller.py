"""kiln-enroller against a CA made of Python's ssl and openssl(1): its TLS key lies in a SoftHSM token."""

import base64
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest
from pathlib import Path

PROGRAM = os.path.join(os.environ["KILN_BIN"], "kiln-enroller")
MODULE = "/usr/lib/softhsm/libsofthsm2.so"
PIN = b"pin-canary-4711"
SO_PIN = b"so-pin-canary-4712"
PASSWORD = "password-canary-4713"
ROUNDS = 100  # of connections that die, per way of dying


def openssl(*arguments, stdin=None):
    done = subprocess.run(["openssl", *arguments], input=stdin, capture_output=True)
    if done.returncode != 0:
        raise AssertionError(f"openssl {arguments}: {done.stderr.decode()}")
    return done.stdout


def b64(data):
    return base64.b64encode(data).decode()


class Folder:
    """Keys and certificates of everybody, and the token."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="kiln-enroller-")
        os.mkdir(self / "tokens")
        Path(self / "softhsm2.conf").write_text(f"directories.tokendir = {self / 'tokens'}\nlog.level = ERROR\n")
        os.environ["SOFTHSM2_CONF"] = self / "softhsm2.conf"
        Path(self / "x.cnf").write_text("[req]\ndistinguished_name=dn\n[dn]\n")
        for root in ("root", "stranger"):
            self.make_root(root)
        self.make_server("server", "root", "IP:127.0.0.1")
        self.make_server("stranger-server", "stranger", "IP:127.0.0.1")
        self.make_server("other-name", "root", "DNS:other.example")
        self.make_server("expired", "root", "IP:127.0.0.1", "-1")
        self.make_device()

    def __truediv__(self, name):
        return os.path.join(self.path, name)

    def text(self, name):
        return Path(self / name).read_text()

    def make_key(self, name):
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self / f"{name}.key")

    def make_root(self, name):
        self.make_key(name)
        openssl("req", "-x509", "-new", "-config", self / "x.cnf", "-key", self / f"{name}.key", "-subj", f"/CN={name}",
                "-days", "2", "-addext", "basicConstraints=critical,CA:TRUE", "-out", self / f"{name}.pem")

    def sign(self, csr, issuer, out, extensions="", days="2"):
        Path(self / f"{out}.ext").write_text(extensions)
        openssl("x509", "-req", "-in", csr, "-CA", self / f"{issuer}.pem", "-CAkey", self / f"{issuer}.key",
                "-CAcreateserial", "-days", days, "-extfile", self / f"{out}.ext", "-out", self / f"{out}.pem")

    def make_server(self, name, issuer, san, days="2"):
        self.make_key(name)
        openssl("req", "-new", "-config", self / "x.cnf", "-key", self / f"{name}.key", "-subj", f"/CN={name}",
                "-out", self / f"{name}.csr")
        self.sign(self / f"{name}.csr", issuer, name,
                  f"subjectAltName={san}\nextendedKeyUsage=serverAuth\n", days)

    def make_device(self):
        self.make_key("device")
        openssl("req", "-new", "-config", self / "x.cnf", "-key", self / "device.key", "-subj", "/CN=SN0001",
                "-out", self / "device.csr")
        self.sign(self / "device.csr", "root", "device")
        self.csr = openssl("req", "-in", self / "device.csr", "-outform", "DER")
        self.leaf = openssl("x509", "-in", self / "device.pem", "-outform", "DER")
        self.pkcs7 = openssl("crl2pkcs7", "-nocrl", "-certfile", self / "device.pem", "-certfile", self / "root.pem",
                             "-outform", "DER")
        self.cacerts = openssl("crl2pkcs7", "-nocrl", "-certfile", self / "root.pem", "-outform", "DER")

    def make_station_key(self):
        """Through the program itself: token, key, CSR; then certificates of both roots for that key."""
        admin = Enroller(["--admin"])
        token = {"module": MODULE, "token": "station-tls"}
        admin.ok("init", **token, so_pin=b64(SO_PIN), pin=b64(PIN))
        admin.ok("keygen", **token, pin=b64(PIN), key="tls", algorithm="EC:P-256")
        csr = admin.ok("csr", **token, pin=b64(PIN), key="tls", subject="CN=station", ra=True)["csr"]
        openssl("req", "-inform", "DER", "-out", self / "tls.csr", stdin=base64.b64decode(csr))
        for issuer in ("root", "stranger"):
            self.sign(self / "tls.csr", issuer, f"tls-{issuer}", "extendedKeyUsage=clientAuth\n")
        refused = admin.err("enrol", csr=b64(self.csr))
        if refused["code"] != "serve.unknown" or admin.close() != 0:
            raise AssertionError(refused)

    def client(self, **other):
        return {"module": MODULE, "token": "station-tls", "key": "tls", "pin": b64(PIN), "guard": self / "guard",
                "certificate": self.text("tls-root.pem"), **other}


class Enroller:
    """The program with its channel on descriptor 3, as the station runs it."""

    def __init__(self, arguments=(), environment=None):
        self.channel, theirs = socket.socketpair()
        self.pid = os.posix_spawn(PROGRAM, [PROGRAM, *arguments], {**os.environ, **(environment or {})},
                                  file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), 3)])
        theirs.close()
        self.channel.settimeout(60)
        self.lines = self.channel.makefile("rb")
        self.id = 0
        self.heard = b""
        hello = self.read()
        if hello["hello"] != "kiln-enroller" or not hello["build"]:
            raise AssertionError(hello)

    def read(self):
        line = self.lines.readline()
        self.heard += line
        return json.loads(line)

    def ask(self, call, **members):
        self.id += 1
        members.setdefault("deadline", int(time.monotonic() * 1000) + 20000)
        self.channel.sendall(json.dumps({"id": self.id, "do": call, **members}).encode() + b"\n")
        answer = self.read()
        if answer["id"] != self.id:
            raise AssertionError(answer)
        return answer

    def ok(self, call, **members):
        answer = self.ask(call, **members)
        if "ok" not in answer:
            raise AssertionError(answer)
        return answer["ok"]

    def err(self, call, **members):
        return self.ask(call, **members)["err"]

    def close(self):
        self.lines.close()
        self.channel.close()
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)


class Ca:
    """Answers each request by its label; counts what comes over the wire."""

    def __init__(self, folder, identity="server", version=None, client_root="root"):
        self.folder = folder
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / f"{identity}.pem", folder / f"{identity}.key")
        if version:
            self.context.minimum_version = self.context.maximum_version = version
        if client_root:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(folder / f"{client_root}.pem")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.requests = []
        self.connections = 0
        self.bytes = 0
        self.clients = set()
        threading.Thread(target=self.run, daemon=True).start()

    def url(self, label="", host="127.0.0.1"):
        return f"https://{host}:{self.port}/.well-known/est/{label}"

    def posts(self):
        return [request for request in self.requests if request[0] == "POST"]

    def close(self):
        if self.listener.fileno() >= 0:
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept, which would take one more
        self.listener.close()

    def run(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(plain,), daemon=True).start()

    def serve(self, plain):
        plain.settimeout(60)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with self.context.wrap_socket(plain, server_side=True) as secure:
                peer = secure.getpeercert()
                self.clients.add(str(peer["subject"]) if peer else None)
                while self.one(secure):
                    pass
        except OSError:
            pass
        finally:
            plain.close()

    def one(self, secure):
        data = b""
        while b"\r\n\r\n" not in data:
            part = secure.recv(65536)
            if not part:
                return False
            self.bytes += len(part)
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in rest)}
        while len(body) < int(headers.get("content-length", 0)):
            body += secure.recv(65536)
        method, path, _ = first.split(" ")
        self.requests.append((method, path, headers, body))
        if method == "GET":
            return self.say(secure, "200 OK", self.lines(self.folder.cacerts if "cacerts" in path else b"\x30\x00"))
        return self.answer(secure, path.split("/")[3])

    def lines(self, der):
        return "".join(line + "\n" for line in textwrap.wrap(b64(der), 64))

    def say(self, secure, status, body="", *headers):
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 7200))
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", f"Date: {date}", *headers]
        if status == "200 OK":
            lines.append("Content-Type: application/pkcs7-mime; smime-type=certs-only")
        secure.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
        return True

    def answer(self, secure, label):
        statuses = {"pending": "202 Accepted", "bad": "400 Bad Request", "credential": "401 Unauthorized",
                    "forbidden": "403 Forbidden", "path": "404 Not Found", "throttle": "429 Too Many Requests",
                    "broken": "500 Internal Server Error", "gateway": "502 Bad Gateway",
                    "busy": "503 Service Unavailable"}
        if label in statuses:
            return self.say(secure, statuses[label], f"because of {label}", "Retry-After: 77")
        if label == "redirect":
            return self.say(secure, "307 Temporary Redirect", "", f"Location: {self.url()}simpleenroll")
        if label == "silent":
            secure.recv(1)
            return False
        if label == "html":
            return self.say(secure, "200 OK", "<html><title>Maintenance</title></html>")
        if label in ("fin", "rst"):
            if label == "rst":
                secure.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                os.close(secure.detach())
            return False
        return self.say(secure, "200 OK", self.lines(self.folder.pkcs7))


class WithToken(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Folder()
        cls.folder.make_station_key()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder.path)

    def setUp(self):
        self.open = []

    def tearDown(self):
        for thing in self.open:
            thing.close()

    def ca(self, **how):
        ca = Ca(self.folder, **how)
        self.open.append(ca)
        return ca

    def start(self, environment=None):
        enroller = Enroller(environment=environment)
        self.open.append(enroller)
        return enroller

    def opening(self, url, **other):
        return {"url": url, "anchors": self.folder.text("root.pem"), "client": self.folder.client(),
                "retry_min_s": 5, "retry_max_s": 3600, "retry_default_s": 60, **other}

    def link(self, url, environment=None, **other):
        enroller = self.start(environment)
        enroller.ok("open", **self.opening(url, **other))
        return enroller

    def enrol(self, enroller, **other):
        return enroller.ok("enrol", csr=b64(self.folder.csr), **other)


class Issue(WithToken):
    def issue(self, version, name):
        ca = self.ca(version=version)
        enroller = self.link(ca.url())
        for _ in range(5):
            got = self.enrol(enroller)
            self.assertEqual(got["outcome"], "issued", got)
            self.assertEqual(base64.b64decode(got["leaf"]), self.folder.leaf)
            self.assertEqual(len(got["others"]), 1)
            self.assertEqual((got["status"], got["posts"], got["warnings"]), (200, 1, []))
        self.assertEqual(ca.connections, 1)
        self.assertEqual([request[0] for request in ca.requests], ["GET"] + 5 * ["POST"])
        self.assertEqual(ca.clients, {"((('commonName', 'station'),),)"})
        method, path, headers, body = ca.posts()[0]
        self.assertEqual(path, "/.well-known/est/simpleenroll")
        self.assertEqual(headers["content-type"], "application/pkcs10")
        self.assertNotIn("authorization", headers)
        self.assertEqual(body.decode(), ca.lines(self.folder.csr))
        self.assertEqual(enroller.ok("check")["tls"], name)

    def test_tls_1_3(self):
        self.issue(ssl.TLSVersion.TLSv1_3, "TLSv1.3")

    def test_tls_1_2(self):
        self.issue(ssl.TLSVersion.TLSv1_2, "TLSv1.2")

    def test_each_status(self):
        outcomes = {"pending": ("pending", "est.pending"), "bad": ("rejected", "est.rejected"),
                    "credential": ("denied", "est.credential"), "forbidden": ("denied", "est.forbidden"),
                    "path": ("denied", "est.path"), "throttle": ("throttled", "est.throttled"),
                    "broken": ("unknown", "est.server"), "gateway": ("unknown", "est.server"),
                    "busy": ("throttled", "est.throttled"), "redirect": ("denied", "est.redirect"),
                    "html": ("unknown", "est.html"), "fin": ("unknown", None), "rst": ("unknown", None)}
        ca = self.ca()
        for label, (outcome, code) in outcomes.items():
            with self.subTest(label):
                before = len(ca.posts())
                got = self.enrol(self.link(ca.url(label)))
                self.assertEqual(got["outcome"], outcome, got)
                self.assertEqual(len(ca.posts()), before + 1)
                self.assertEqual(got["possibly_issued"], outcome == "unknown")
                self.assertNotIn("leaf", got)
                if code:
                    self.assertEqual(got["code"], code)
                if label in ("bad", "forbidden", "broken"):
                    self.assertIn(f"because of {label}", got["message"])
                self.assertEqual(got["retry_after_s"], 77 if outcome in ("pending", "throttled") else 0)

    def test_cacerts_and_check(self):
        ca = self.ca()
        enroller = self.link(ca.url())
        root = openssl("x509", "-in", self.folder / "root.pem", "-outform", "DER")
        self.assertEqual(enroller.ok("cacerts")["certificates"], [b64(root)])
        got = enroller.ok("check")
        self.assertEqual((got["tls"], got["peer"], got["chain_ok"]), ("TLSv1.3", "CN=server", True))
        self.assertEqual((got["cacerts"], got["csrattrs"]), (1, 0))
        self.assertAlmostEqual(got["date_offset_s"], 7200, delta=5)
        for key in ("peer_expires_s", "client_expires_s"):
            self.assertAlmostEqual(got[key], 2 * 86400, delta=600)
        self.assertEqual(ca.posts(), [])

    def test_check_of_a_ca_that_is_away(self):
        ca = self.ca()
        ca.close()
        got = self.link(ca.url()).ok("check")
        self.assertFalse(got["chain_ok"])
        self.assertIn("can not be reached", got["tls_error"])
        self.assertIn("can not be reached", got["cacerts_error"])

    def test_silence_ends_at_the_deadline(self):
        ca = self.ca()
        enroller = self.link(ca.url("silent"))
        enroller.ok("check")  # so that the connection stands
        start = time.monotonic()
        got = self.enrol(enroller, deadline=int(start * 1000) + 700)
        self.assertEqual((got["outcome"], got["code"]), ("unknown", "est.timeout"))
        self.assertLess(time.monotonic() - start, 10)
        got = self.enrol(enroller, deadline=int(start * 1000))
        self.assertEqual((got["outcome"], got["code"]), ("not_sent", "est.timeout"))
        self.assertEqual(len(ca.posts()), 1)


class PostOnce(WithToken):
    """A CA that reads the request from a kept-alive connection and dies: libcurl alone would post again."""

    def drops(self, version, label):
        ca = self.ca(version=version)
        enroller = self.link(ca.url(label))
        for count in range(1, ROUNDS + 1):
            got = self.enrol(enroller)
            self.assertEqual((got["outcome"], got["posts"]), ("unknown", 1), got)
            self.assertEqual(len(ca.posts()), count)
        self.assertEqual(ca.connections, ROUNDS)
        self.assertEqual([request[0] for request in ca.requests], ROUNDS * ["GET", "POST"])

    def test_fin_1_3(self):
        self.drops(ssl.TLSVersion.TLSv1_3, "fin")

    def test_rst_1_3(self):
        self.drops(ssl.TLSVersion.TLSv1_3, "rst")

    def test_rst_1_2(self):
        self.drops(ssl.TLSVersion.TLSv1_2, "rst")


class Trust(WithToken):
    def refused_server(self, identity, anchor="root", host="127.0.0.1"):
        ca = self.ca(identity=identity)
        enroller = self.link(ca.url(host=host), anchors=self.folder.text(f"{anchor}.pem"))
        got = self.enrol(enroller)
        self.assertEqual((got["outcome"], got["code"]), ("not_sent", "est.server-certificate"), got)
        self.assertEqual((got["posts"], got["possibly_issued"]), (0, False))
        check = enroller.ok("check")
        self.assertFalse(check["chain_ok"])
        self.assertIn("not the CA that we trust", check["tls_error"])
        self.assertEqual((ca.requests, ca.bytes), ([], 0))

    def test_wrong_ca(self):
        self.refused_server("stranger-server")

    def test_expired(self):
        self.refused_server("expired")

    def test_wrong_name(self):
        self.refused_server("other-name")

    def test_name_is_not_the_address(self):
        self.refused_server("server", host="localhost")

    def test_self_signed(self):
        self.refused_server("stranger")

    def test_untrusted_client(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            ca = self.ca(version=version)
            enroller = self.link(ca.url(), client=self.folder.client(certificate=self.folder.text("tls-stranger.pem")))
            got = self.enrol(enroller)
            self.assertIn(got["outcome"], ("denied", "not_sent"), got)
            self.assertEqual((got["posts"], got["possibly_issued"]), (0, False))
            self.assertEqual(ca.requests, [])

    def test_plain_http_is_refused(self):
        got = self.start().err("open", **self.opening("http://127.0.0.1:1/.well-known/est"))
        self.assertEqual((got["domain"], got["code"]), ("config", "est.url"))

    def test_environment_changes_nothing(self):
        proxy = socket.create_server(("127.0.0.1", 0))
        proxy.setblocking(False)
        at = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        keys = self.folder / "tls-keys"
        environment = {"https_proxy": at, "HTTPS_PROXY": at, "ALL_PROXY": at, "all_proxy": at, "http_proxy": at,
                       "SSLKEYLOGFILE": keys, "SSL_CERT_FILE": self.folder / "stranger.pem",
                       "CURL_CA_BUNDLE": self.folder / "stranger.pem", "OPENSSL_CONF": "/nonexistent"}
        self.assertEqual(self.enrol(self.link(self.ca().url(), environment))["outcome"], "issued")
        ca = self.ca(identity="stranger-server")
        self.assertEqual(self.enrol(self.link(ca.url(), environment))["outcome"], "not_sent")
        with self.assertRaises(BlockingIOError):
            proxy.accept()
        proxy.close()
        self.assertFalse(os.path.exists(keys))


class Credentials(WithToken):
    def credential(self, kind, text):
        opening = self.opening("", credential=b64(text.encode()), credential_kind=kind)
        del opening["client"]
        return opening

    def test_basic_and_header(self):
        ca = self.ca(client_root=None)
        basic = "Basic " + b64(f"ra:{PASSWORD}".encode())
        for kind, text in (("basic", f"ra:{PASSWORD}"), ("header", basic)):
            enroller = self.start()
            enroller.ok("open", **{**self.credential(kind, text), "url": ca.url()})
            self.assertEqual(self.enrol(enroller)["outcome"], "issued")
            self.assertEqual(ca.posts()[-1][2]["authorization"], basic)
            self.assertNotIn(PASSWORD.encode(), enroller.heard)
        self.assertEqual(ca.clients, {None})

    def test_both_or_none(self):
        both = self.credential("basic", f"ra:{PASSWORD}")
        both["client"] = self.folder.client()
        none = self.opening("https://127.0.0.1:1/")
        del none["client"]
        for opening in (both, none):
            got = self.start().err("open", **{**opening, "url": "https://127.0.0.1:1/"})
            self.assertEqual((got["domain"], got["code"]), ("config", "est.credential"))

    def test_certificate_of_another_key(self):
        client = self.folder.client(certificate=self.folder.text("device.pem"))
        got = self.start().err("open", **self.opening("https://127.0.0.1:1/", client=client))
        self.assertEqual((got["domain"], got["code"]), ("config", "est.client"))

    def test_imported_key(self):
        """A key that was made outside of the token."""
        openssl("pkcs8", "-topk8", "-nocrypt", "-in", self.folder / "device.key", "-out", self.folder / "device.p8")
        subprocess.run(["softhsm2-util", "--import", self.folder / "device.p8", "--token", "station-tls", "--label",
                        "imported", "--id", "beef", "--pin", PIN.decode()], check=True, capture_output=True)
        client = self.folder.client(key="imported", certificate=self.folder.text("device.pem"))
        got = self.start().err("open", **self.opening("https://127.0.0.1:1/", client=client))
        self.assertEqual((got["domain"], got["code"]), ("hsm", "hsm.fatal.key"))

    def test_wrong_pin(self):
        client = self.folder.client(pin=b64(b"wrong-canary-99"), guard=self.folder / "wrong-guard")
        enroller = self.start()
        got = enroller.err("open", **self.opening("https://127.0.0.1:1/", client=client))
        self.assertEqual(got["domain"], "hsm")
        self.assertNotIn(b"wrong-canary-99", enroller.heard)
        client = self.folder.client(guard=self.folder / "wrong-guard")
        got = self.start().err("open", **self.opening("https://127.0.0.1:1/", client=client))
        self.assertEqual(got["code"], "hsm.operator.guard")

    def test_secrets_stay_inside(self):
        ca = self.ca()
        enroller = self.link(ca.url())
        self.enrol(enroller)
        for name in ("cmdline", "environ"):
            try:
                content = Path(f"/proc/{enroller.pid}/{name}").read_bytes()
            except PermissionError:
                continue  # not dumpable: nobody but root reads it
            self.assertNotIn(PIN, content)
        self.assertNotIn(PIN, enroller.heard)
        self.assertNotIn(b64(PIN).encode(), enroller.heard)


class LostToken(WithToken):
    def test_says_that_the_token_is_at_fault(self):
        ca = self.ca()
        enroller = self.link(ca.url("fin"))
        self.assertEqual(self.enrol(enroller)["outcome"], "unknown")
        shutil.rmtree(self.folder / "tokens")  # the next connection needs a signature
        got = self.enrol(enroller)
        self.assertEqual((got["outcome"], got["posts"]), ("not_sent", 0), got)
        self.assertTrue(got["code"].startswith("hsm."), got)
        self.assertEqual(len(ca.posts()), 1)


class Modes(WithToken):
    def test_service_refuses_administration(self):
        enroller = self.start()
        for call in ("init", "keygen", "csr", "status"):
            self.assertEqual(enroller.err(call, module=MODULE)["code"], "serve.unknown")

    def test_needs_open_once(self):
        enroller = self.start()
        self.assertEqual(enroller.err("enrol", csr=b64(self.folder.csr))["code"], "est.open")
        enroller.ok("open", **self.opening("https://127.0.0.1:1/"))
        again = enroller.err("open", **self.opening("https://127.0.0.1:1/"))
        self.assertEqual(again["code"], "est.open")

    def test_ends_with_its_channel(self):
        enroller = Enroller()
        enroller.ok("open", **self.opening("https://127.0.0.1:1/"))
        self.assertEqual(enroller.close(), 0)

    def test_usage(self):
        done = subprocess.run([PROGRAM, "--help"], capture_output=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"usage: kiln-enroller", done.stderr)


if __name__ == "__main__":
    if not os.path.exists(MODULE):
        print("SKIP: softhsm2")
        sys.exit(77)
    unittest.main()
