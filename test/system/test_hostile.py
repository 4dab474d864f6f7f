"""What talks to the device, the CA or the HSM has been taken over, and says what it likes: only its own unit
is hurt, the station goes on, and nothing is believed that was not judged. A stand-in for each program passes
the lines between the station and the real one, and changes what HOSTILE_<PROGRAM> says."""

import os
import shutil
import signal
import tempfile
import time
import unittest

import station_kit
from station_kit import INPUT, PASSED, PENDING, STATION, UNITS, World, check_promises, kiln
from test_crash import children_of

REAL = station_kit.BIN
KIT = os.path.dirname(os.path.abspath(__file__))
STAND_IN = '''#!/usr/bin/env python3
import base64, json, os, socket, subprocess, sys, time
sys.path.insert(0, {kit!r})
import stem_kit
name = os.path.basename(sys.argv[0])
channel = socket.socket(fileno=3)
def start():
    """The real one, our end of its channel, and its greeting."""
    own, its = socket.socketpair()
    real = subprocess.Popen([os.path.join({real!r}, name), *sys.argv[1:]],
                            preexec_fn=lambda: os.dup2(its.fileno(), 3), pass_fds=[3])
    its.close()
    down = own.makefile("rwb")
    own.close()
    return real, down, down.readline()
real, down, greeting = start()
channel.sendall(greeting)
profile = None
if name == "kiln-slot":
    down.close()
    real.wait()
    profile = stem_kit.be_the_stem(channel)
    real, down, _ = start()
up = channel.makefile("rwb")
def put(line):
    up.write(json.dumps(line).encode() + b"\\n")
    up.flush()
def forward(request):
    down.write(json.dumps(request).encode() + b"\\n")
    down.flush()
    return json.loads(down.readline())
def first(what):
    """True once in a world."""
    try:
        os.close(os.open(os.path.join(os.environ["HOSTILE_DIR"], what), os.O_CREAT | os.O_EXCL))
        return True
    except FileExistsError:
        return False
def tlv(tag, value):
    size = len(value).to_bytes(3, "big")
    return bytes([tag, 0x83]) + size + value
def take(der):
    size, head = der[1], 2
    if size & 0x80:
        head += size & 0x7f
        size = int.from_bytes(der[2:head], "big")
    return der[head:head + size], der[head + size:]
def change(request):
    answer = None
{body}
    return answer or forward(request)
for line in up:
    request = json.loads(line)
    if profile and request["do"] == "open":
        request["profile"] = profile
    answer = change(request)
    put(dict(answer, id=request["id"]))
down.close()
real.kill()
'''


class Folder:
    """The programs, with some of them replaced."""

    def __init__(self, **bodies):
        self.path = tempfile.mkdtemp(prefix="kiln-hostile-")
        for name in os.listdir(REAL):
            if name == "kiln":
                shutil.copy(os.path.join(REAL, name), self.path)  # finds the others beside itself
            elif name.startswith("kiln-") and name[5:] not in bodies:
                os.symlink(os.path.join(REAL, name), os.path.join(self.path, name))
        for name, body in bodies.items():
            path = os.path.join(self.path, "kiln-" + name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(STAND_IN.replace("{real!r}", repr(REAL)).replace("{kit!r}", repr(KIT)).replace(
                    "{body}", "\n".join("    " + line for line in body.splitlines())))
            os.chmod(path, 0o755)

    def __enter__(self):
        station_kit.KILN = os.path.join(self.path, "kiln")
        os.environ["HOSTILE_DIR"] = self.path
        return self

    def __exit__(self, *exception):
        station_kit.KILN = os.path.join(REAL, "kiln")
        shutil.rmtree(self.path, ignore_errors=True)


def err(code, domain="device"):
    return f'{{"err": {{"domain": "{domain}", "scope": "unit", "code": "{code}", "message": "said so"}}}}'


class Slot(unittest.TestCase):
    def one_bad_one_good(self, body):
        """The first unit's process is hostile, the second one's is not."""
        with Folder(slot=f'if request["do"] == "request" and first("once"):\n    answer = {body}'):
            with World(devices=2, slots=1) as world:
                code, batch = world.run("--count", 2)
                check_promises(self, world)
                self.assertEqual([u["outcome"] for u in batch.units], ["failed", "passed"], batch.stderr)
                self.assertEqual(code, UNITS, batch.stderr)
                return batch.units[0]

    def test_an_error_without_a_code_does_not_stop_the_station(self):
        self.assertEqual(self.one_bad_one_good(err(""))["code"], "unknown")

    def test_an_error_that_only_the_station_can_know_does_not_stop_it(self):
        said = err("child.build", "config")
        with Folder(slot=f'if request["do"] == "open" and first("once"):\n    answer = {said}'):
            with World(devices=2, slots=1) as world:
                code, batch = world.run("--count", 2)
                self.assertEqual([(u["outcome"], u["code"] if "code" in u else "") for u in batch.units],
                                 [("failed", "child.protocol"), ("passed", "")], batch.stderr)
                self.assertEqual(code, UNITS, batch.stderr)

    def test_a_program_of_another_build_is_the_stations_fault_and_no_units(self):
        """kiln is upgraded under a running station."""
        with Folder(slot="") as folder, World(devices=2, slots=1) as world:
            path = os.path.join(folder.path, "kiln-slot")
            batch = world.batch("--count", 2, swap=False)
            batch.wait_for(lambda e: e["event"] == "unit" and e["outcome"] == "passed")
            with open(path, encoding="utf-8") as file:
                other = file.read().replace("greeting)", """b'{"hello": "kiln-slot", "build": "other"}\\n')""")
            with open(path + ".new", "w", encoding="utf-8") as file:
                file.write(other)
            os.chmod(path + ".new", 0o755)
            os.rename(path + ".new", path)
            for pid in children_of(batch.process.pid, "python3"):  # a stem that runs is of the old one
                os.kill(pid, signal.SIGKILL)
            world.twins.ask("swap", slot=1)
            self.assertEqual(batch.wait(), STATION, batch.stderr)
            self.assertEqual([e["code"] for e in batch.events if e.get("what") == "broken"], ["child.build"])
            self.assertEqual([u["outcome"] for u in batch.units], ["passed"])
            self.assertFalse([e for e in world.log() if e["event"] == "refused"])
            self.assertIn("restart", batch.stderr)
            check_promises(self, world)

    def test_a_failure_that_calls_itself_one_too_many_is_a_failure(self):
        self.assertEqual(self.one_bad_one_good(err("batch.full"))["code"], "batch.full")

    def test_a_device_that_wants_to_be_reset_for_ever_fails(self):
        with Folder(slot='if request["do"] == "request":\n    answer = {"ok": {"reset": ""}}'):
            with World(devices=1, slots=1) as world:
                code, batch = world.run("--count", 1, swap=False)
                self.assertEqual((code, batch.units[0]["code"]), (UNITS, "device.resets"), batch.stderr)
                check_promises(self, world)

    def test_a_reset_while_it_is_identified_after_a_reset_loses_nothing(self):
        body = ('if request["do"] == "request" and first("a"):\n    answer = {"ok": {"reset": ""}}\n'
                'elif request["do"] == "identify" and os.path.exists(os.environ["HOSTILE_DIR"] + "/a") and first("b"):\n'
                '    answer = {"ok": {"reset": ""}}')
        with Folder(slot=body), World(devices=1, slots=1) as world:
            code, batch = world.run("--count", 1, swap=False)
            self.assertEqual(code, PASSED, (batch.stderr, batch.units))
            self.assertEqual(len([e for e in world.log() if e["event"] == "claim"]), 1)
            check_promises(self, world)

    def test_unplugged_while_its_next_process_opens_it_and_back(self):
        body = ('if request["do"] == "request" and first("reset"):\n    answer = {"ok": {"reset": ""}}\n'
                'elif request["do"] == "open" and "resume" in request and first("slow"):\n'
                '    time.sleep(1.5)\n    answer = {"ok": {}}')
        with Folder(slot=body) as folder, World(devices=1, slots=1) as world:
            batch = world.batch("--count", 1, swap=False)
            end = time.monotonic() + 30
            while not os.path.exists(os.path.join(folder.path, "slow")) and time.monotonic() < end:
                time.sleep(0.02)
            world.twins.ask("unplug", slot=1)
            time.sleep(2)
            world.twins.ask("plug", slot=1, serial=world.serials()[0])
            self.assertEqual(batch.wait(60), PASSED, (batch.stderr, batch.units))
            check_promises(self, world)

    def test_a_device_that_is_still_being_opened_is_not_begun_when_the_batch_is_to_end(self):
        body = 'if request["do"] == "open" and request["address"].endswith("2"):\n    time.sleep(1.5)'
        with Folder(slot=body), World(devices=2, slots=2, keygen_ms=3000) as world:
            batch = world.batch(swap=False)
            batch.wait_for(lambda e: e["event"] == "step" and e["step"] == "keygen")
            batch.process.send_signal(signal.SIGINT)
            self.assertEqual(batch.wait(), PASSED, batch.stderr)
            self.assertEqual([u["slot"] for u in batch.units], ["1"])
            check_promises(self, world)


class Enroller(unittest.TestCase):
    def test_a_backend_of_an_unknown_class_is_refused_before_a_unit_is_begun(self):
        for answer, said in (('dict(ok["ok"], **{"class": "query"})', '"query"'), ("{}", 'class ""')):
            body = f'if request["do"] == "open":\n    ok = forward(request)\n    answer = {{"ok": {answer}}}'
            with Folder(enroller=body), World(devices=1, slots=1) as world:
                code, batch = world.run("--count", 1, swap=False)
                self.assertEqual(code, INPUT, batch.stderr)
                self.assertIn(said, batch.stderr)
                self.assertFalse([e for e in world.log() if e["event"] == "claim"])

    def test_a_certificate_with_an_endless_number_is_listed_and_the_station_goes_on(self):
        body = ('if request["do"] == "enrol" and first("once"):\n'
                '    answer = forward(request)\n'
                '    body, rest = take(base64.b64decode(answer["ok"]["leaf"]))\n'
                '    inner, signature = take(body)\n'
                '    version, (number, others) = inner[:5], take(inner[5:])\n'
                '    inner = tlv(0x30, version + tlv(2, b"A" * 60000) + others)\n'
                '    answer["ok"]["leaf"] = base64.b64encode(tlv(0x30, inner + signature)).decode()')
        with Folder(enroller=body), World(devices=2, slots=1) as world:
            code, batch = world.run("--count", 2)
            self.assertEqual(code, UNITS, batch.stderr)
            self.assertEqual([u["outcome"] for u in batch.units], ["failed", "passed"])
            self.assertEqual(len(world.orphans()), 1)
            check_promises(self, world)

    def test_endless_waits_and_messages_are_cut(self):
        body = ('if request["do"] == "enrol" and first("once"):\n'
                '    answer = {"ok": {"outcome": "pending", "retry_after_s": -2**62, "message": "\\u001b" * 43000}}\n'
                'elif request["do"] == "enrol" and first("twice"):\n'
                '    answer = {"ok": {"outcome": "pending", "retry_after_s": 2**62, "message": "\\u001b[2J"}}')
        with Folder(enroller=body), World(devices=1, slots=1, retry="default_s: 1") as world:
            batch = world.batch("--count", 1, swap=False)
            first = batch.wait_for(lambda e: e["event"] == "step" and e["outcome"] == "wait")
            batch.wait_for(lambda e: e["event"] == "step" and e["outcome"] == "wait" and e is not first)
            world.twins.ask("unplug", slot=1)
            batch.wait_for(lambda e: e["event"] == "unit" and e["outcome"] == "parked")
            batch.process.send_signal(signal.SIGINT)
            self.assertEqual(batch.wait(), PENDING, batch.stderr)
            answers = [e for e in world.log() if e["event"] == "answer"]
            self.assertEqual(len(answers), 2)
            self.assertLessEqual(max(len(e["detail"]["message"]) for e in answers), 480)
            self.assertNotIn("\x1b", "".join(e["detail"]["message"] for e in answers))
            check_promises(self, world)


class Signer(unittest.TestCase):
    def test_only_the_statement_that_was_asked_for_is_taken(self):
        body = ('if request["do"] == "attest":\n    request["statement"]["key"]["alg"] = "EC:P-384"')
        with Folder(signer=body), World(devices=1, slots=1) as world:
            code, batch = world.run("--count", 1, swap=False)
            self.assertEqual((code, batch.units[0]["code"]), (PENDING, "attest.statement"), batch.stderr)
            check_promises(self, world)


class Operator(unittest.TestCase):
    def test_what_is_recorded_can_not_command_a_terminal(self):
        with World(devices=1, slots=1) as world:
            self.assertEqual(world.run("--count", 1, swap=False)[0], PASSED)
            done = kiln("scrap", world.serials()[0], "--reason", "gone\x1b[2J\u009b2J \u00fc", "--by", "me", "--config",
                        world.config)
            self.assertEqual(done.returncode, 0, done.stderr)
            for command in ("log", "orphans"):
                text = kiln(command, "--config", world.config).stdout
                self.assertIn("gone?[2J?2J \u00fc", text)
                self.assertNotIn("\x1b", text)


if __name__ == "__main__":
    unittest.main(verbosity=2)
