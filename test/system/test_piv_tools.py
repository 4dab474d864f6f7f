"""The emulated PIV card in pcscd, as stock software sees it: yubico-piv-tool, OpenSC, openssl."""

import os
import shutil
import sys
import tempfile
import unittest

from piv_kit import Host, Pcscd, missing, run, tlv

SPKI_P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
SPKI_P384 = bytes.fromhex("3076301006072a8648ce3d020106052b81040022036200")
CERTIFICATE_9A = "5fc105"


class Authority:
    """A CA that certifies public keys: the openssl command."""

    def __init__(self, folder):
        self.key = os.path.join(folder, "ca.key")
        self.cert = os.path.join(folder, "ca.pem")
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
        run("openssl", "req", "-x509", *curve, "-nodes", "-keyout", self.key, "-out", self.cert, "-subj", "/CN=a CA")

    def certify(self, public, out):
        """PEM public key -> PEM certificate, and its DER."""
        request = out + ".csr"
        run("openssl", "req", "-new", "-key", self.key, "-subj", "/O=Example/CN=20000001", "-out", request)
        ca = ("-CA", self.cert, "-CAkey", self.key, "-CAcreateserial")
        run("openssl", "x509", "-req", "-in", request, *ca, "-force_pubkey", public, "-days", "30", "-out", out)
        return der_of(out)


def der_of(pem):
    run("openssl", "x509", "-in", pem, "-outform", "DER", "-out", pem + ".der")
    with open(pem + ".der", "rb") as file:
        return file.read()


class ToolsCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.authority = Authority(cls.folder)
        cls.pcscd = Pcscd(cls.folder)

    @classmethod
    def tearDownClass(cls):
        cls.pcscd.stop()
        shutil.rmtree(cls.folder)

    def setUp(self):
        self.fleet = tempfile.mkdtemp(dir=self.folder)
        self.home = os.path.join(self.fleet, "card")

    def path(self, name):
        return os.path.join(self.fleet, name)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def write(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)
        return self.path(name)

    def insert(self, variant="token"):
        card = self.pcscd.insert(self.home, variant)
        self.addCleanup(card.stop)

    def yubico(self, *arguments):
        return self.pcscd.tool("yubico-piv-tool", "--reader", "kiln", *arguments).decode()

    def pkcs11(self, *arguments):
        return self.pcscd.tool("pkcs11-tool", *arguments)

    def generate(self, algorithm):
        """A key in 9A, made by yubico-piv-tool, with a certificate that it wrote."""
        public = self.path("public.pem")
        self.yubico("-a", "generate", "-s", "9a", "-A", algorithm, "-o", public)
        der = self.authority.certify(public, self.path("leaf.pem"))
        self.yubico("-a", "import-certificate", "-s", "9a", "-i", self.path("leaf.pem"))
        return der


class YubicoPivTool(ToolsCase):
    def test_status(self):
        self.insert()
        text = self.yubico("-a", "status")
        self.assertRegex(text, r"Version:\s+5\.4\.0\b")
        self.assertRegex(text, r"Serial Number:\s+20000001\b")
        self.assertRegex(text, r"CHUID:\s+3019")
        self.assertRegex(text, r"CCC:\s+f015")
        self.assertRegex(text, r"PIN tries left:\s+5\b")

    def test_certificate_and_signature(self):
        self.insert()
        der = self.generate("ECCP256")
        self.yubico("-a", "read-certificate", "-s", "9a", "-o", self.path("back.pem"))
        self.assertEqual(der_of(self.path("back.pem")), der)
        text = self.yubico("-a", "verify-pin", "-P", "123456", "-a", "test-signature", "-s", "9a", "-i", self.path("back.pem"))
        self.assertIn("Successful ECDSA verification", text)
        self.assertIn("20000001", self.yubico("-a", "status"))

    def test_rsa(self):
        self.insert()
        self.generate("RSA2048")
        text = self.yubico("-a", "verify-pin", "-P", "123456", "-a", "test-signature", "-s", "9a", "-i", self.path("leaf.pem"))
        self.assertIn("Successful RSA verification", text)

    def test_attestation(self):
        self.insert()
        self.generate("ECCP256")
        self.yubico("-a", "attest", "-s", "9a", "-o", self.path("attestation.pem"))
        self.yubico("-a", "read-certificate", "-s", "f9", "-o", self.path("f9.pem"))
        root = self.path("attestation-root.pem")
        run("openssl", "verify", "-CAfile", root, "-untrusted", self.path("f9.pem"), self.path("attestation.pem"))
        key = run("openssl", "x509", "-in", self.path("attestation.pem"), "-noout", "-pubkey")
        self.assertEqual(key, self.read("public.pem"))
        text = run("openssl", "asn1parse", "-in", self.path("attestation.pem")).decode()
        # serial number 20000001 as INTEGER, firmware and policy (PIN once, touch never) as bare bytes
        self.assertRegex(text, r"41482\.3\.7\n.*\[HEX DUMP\]:020401312D01")
        self.assertRegex(text, r"41482\.3\.3\n.*\[HEX DUMP\]:050400")
        self.assertRegex(text, r"41482\.3\.8\n.*\[HEX DUMP\]:0201")

    def test_pin(self):
        self.insert()
        self.yubico("-a", "change-pin", "-P", "123456", "-N", "654321")
        with self.assertRaisesRegex(AssertionError, "4 tries left"):
            self.yubico("-a", "verify-pin", "-P", "123456")
        self.yubico("-a", "verify-pin", "-P", "654321")
        self.yubico("-a", "unblock-pin", "-P", "12345678", "-N", "123456")
        self.yubico("-a", "verify-pin", "-P", "123456")

    def test_wrong_management_key(self):
        self.insert()
        with self.assertRaisesRegex(AssertionError, "(?i)authentication"):
            self.yubico("-a", "generate", "-s", "9a", "-A", "ECCP256", "--key=" + "00" * 23 + "01")


class OpenSC(ToolsCase):
    def test_names(self):
        self.insert()
        self.assertIn(b"Personal Identity Verification Card", self.pcscd.tool("opensc-tool", "--reader", "0", "--name"))
        self.assertRegex(self.pcscd.tool("piv-tool", "--reader", "0", "--serial"), rb"^([0-9A-F]{2} ){16}")

    def test_objects(self):
        self.insert()
        der = self.generate("ECCP256")
        text = self.pkcs11("--list-objects").decode()
        self.assertIn("Certificate for PIV Authentication", text)
        self.assertIn("20000001", text)
        self.pkcs11("--read-object", "--type", "cert", "--id", "01", "--output-file", self.path("back.der"))
        self.assertEqual(self.read("back.der"), der)

    def test_signatures_of_all_kinds(self):
        self.insert()
        self.generate("RSA2048")
        text = self.pcscd.tool(
            "sh", "-c", "pkcs11-tool --login --pin 123456 --test || true"  # one error: no random generator
        ).decode()
        self.assertIn("Signatures (currently only for RSA)", text)
        self.assertRegex(text, r"SHA256-RSA-PKCS: OK")
        self.assertIn("\n1 errors\n", text)


class WrittenByAPDU(ToolsCase):
    """The certificate comes by commands that no stock tool made; the tools read what was written."""

    def make(self, variant, algorithm, spki):
        host = Host(self.home, variant)
        self.addCleanup(host.close)
        host.authenticate()
        point = host.generate("9a", algorithm)
        self.write("public.der", spki + point[5:])
        run("openssl", "pkey", "-pubin", "-inform", "DER", "-in", self.path("public.der"), "-out", self.path("public.pem"))
        der = self.authority.certify(self.path("public.pem"), self.path("leaf.pem"))
        host.put(CERTIFICATE_9A, tlv("70", der) + tlv("71", b"\x00") + tlv("fe", b""))
        self.assertEqual(self.get(host), der)
        host.close()
        self.doCleanups()
        return der

    def get(self, host):
        data = host.ask(bytes.fromhex("00cb3fff055c03" + CERTIFICATE_9A + "00"))
        self.assertEqual(data[:2], b"\x53\x82")
        self.assertEqual(int.from_bytes(data[2:4], "big"), len(data) - 4)
        return data[8:-5]

    def check_signature(self):
        message = self.write("message", b"said to a card")
        sign = ("--sign", "--id", "01", "--mechanism", "ECDSA-SHA256", "--signature-format", "openssl")
        self.pkcs11("--login", "--pin", "123456", *sign, "-i", message, "-o", self.path("signature"))
        run("openssl", "dgst", "-sha256", "-verify", self.path("public.pem"), "-signature", self.path("signature"), message)

    def check(self, variant, der, by_yubico=True):
        self.insert(variant)
        self.pkcs11("--read-object", "--type", "cert", "--id", "01", "--output-file", self.path("back.der"))
        self.assertEqual(self.read("back.der"), der)
        if by_yubico:  # it speaks T=1 alone
            self.yubico("-a", "read-certificate", "-s", "9a", "-o", self.path("back.pem"))
            self.assertEqual(der_of(self.path("back.pem")), der)
        self.pcscd.tool("piv-tool", "--reader", "0", "--serial")

    def test_token(self):
        self.check("token", self.make("token", "11", SPKI_P256))

    def test_yubico(self):
        self.check("yubico", self.make("yubico", "11", SPKI_P256))
        self.check_signature()  # OpenSC signs with EC keys of cards that it knows by their ATR alone

    def test_p384(self):
        self.check("p384", self.make("p384", "14", SPKI_P384))

    def test_reader(self):
        self.check("reader", self.make("reader", "11", SPKI_P256), by_yubico=False)

    def test_plain(self):
        self.check("plain", self.make("plain", "11", SPKI_P256), by_yubico=False)


if __name__ == "__main__":
    lacks = missing()
    if lacks:
        print("SKIP: missing", ", ".join(lacks))
        sys.exit(77)
    unittest.main()
