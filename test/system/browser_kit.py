"""Debian's Chromium, spoken to over its DevTools pipe."""

import base64
import fcntl
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

PATIENCE_S = 60


def find():
    return shutil.which("chromium")


class Browser:
    """One page. What it asked for and complained about is kept."""

    def __init__(self, width, height, motion=True):
        self.folder = tempfile.mkdtemp(prefix="kiln-browser-")
        self.requests, self.complaints, self.answers, self.loaded = [], [], {}, set()
        self.seen = threading.Condition()
        self.id = 0
        to_read, self.to = os.pipe()
        self.source, to_write = os.pipe()
        # Its pipe is descriptors 3 and 4, whatever they are here; Python's others close themselves. --no-sandbox: CI runs as root, in containers without user namespaces.
        command = ["chromium", "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu",
                   "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
                   "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--lang=en-US",
                   "--autoplay-policy=user-gesture-required", f"--user-data-dir={self.folder}",
                   f"--window-size={width},{height}", "about:blank"]
        if not motion:
            command.insert(1, "--force-prefers-reduced-motion")
        ends = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (to_read, to_write)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, close_fds=False,
                                        start_new_session=True,
                                        preexec_fn=lambda: [os.dup2(end, 3 + i) for i, end in enumerate(ends)])
        for end in ends:
            os.close(end)
        os.close(to_read)
        os.close(to_write)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        self.session = None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(domain + ".enable")
        self.ask("Page.setLifecycleEventsEnabled", enabled=True)
        self.resize(width, height)

    def read(self):
        rest = b""
        while part := os.read(self.source, 1 << 20):
            *lines, rest = (rest + part).split(b"\0")
            for line in lines:
                self.take(json.loads(line))
        with self.seen:
            self.answers = None
            self.seen.notify_all()

    def take(self, message):
        method, values = message.get("method"), message.get("params", {})
        with self.seen:
            if "id" in message:
                self.answers[message["id"]] = message
                self.seen.notify_all()
            elif method == "Page.lifecycleEvent" and values["name"] == "load":
                self.loaded.add(values["loaderId"])
                self.seen.notify_all()
            elif method == "Network.requestWillBeSent":
                self.requests.append(values["request"]["url"])
            elif method == "Runtime.exceptionThrown":
                self.complaints.append(str(values["exceptionDetails"]))
            elif method == "Runtime.consoleAPICalled" and values["type"] in ("error", "warning", "assert"):
                self.complaints.append(str(values["args"]))
            elif method == "Log.entryAdded" and values["entry"]["level"] in ("error", "warning"):
                self.complaints.append(values["entry"]["text"] + " " + values["entry"].get("url", ""))

    def ask(self, method, **values):
        return self.answer(self.send(method, **values), method)

    def send(self, method, **values):
        with self.seen:
            self.id += 1
            number = self.id
        message = {"id": number, "method": method, "params": values}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        return number

    def answer(self, number, method=""):
        end = time.monotonic() + PATIENCE_S
        with self.seen:
            while self.answers is not None and number not in self.answers:
                if not self.seen.wait(max(0.0, end - time.monotonic())):
                    raise AssertionError(f"the browser does not answer {method}")
            if self.answers is None:
                raise AssertionError("the browser has ended")
            answer = self.answers.pop(number)
        if "result" not in answer:
            raise AssertionError(f"{method}: {answer}")
        return answer["result"]

    def resize(self, width, height):
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def go(self, url):
        done = self.ask("Page.navigate", url=url)
        if "errorText" in done:
            raise AssertionError(f"{url}: {done['errorText']}")
        with self.seen:
            while done["loaderId"] not in self.loaded:
                if not self.seen.wait(PATIENCE_S):
                    raise AssertionError(f"{url} does not load")

    def run(self, script):
        """The value of an expression, or of the promise that it is."""
        done = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in done:
            raise AssertionError(f"{script}: {done['exceptionDetails']}")
        return done["result"].get("value")

    def wait_for(self, script, patience=PATIENCE_S):
        """Until an expression is true; its value. Asked again as long as it takes."""
        end = time.monotonic() + patience
        while True:
            value = self.run(script)
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(f"never true: {script}")
            self.run("new Promise((done) => setTimeout(done, 50))")

    def press(self, key, code=None, text=None):
        named = {"Enter": (13, "\r"), "Escape": (27, None), "Tab": (9, None), **{f"F{n}": (111 + n, None) for n in range(1, 13)},
                 **{f"Arrow{way}": (37 + i, None) for i, way in enumerate(("Left", "Up", "Right", "Down"))}}
        number, default = named.get(key, (ord(key.upper()[0]), key))
        values = {"key": key, "windowsVirtualKeyCode": number, "code": code or key}
        text = text or default
        self.ask("Input.dispatchKeyEvent", type="keyDown", **values, **({"text": text} if text else {}))
        self.ask("Input.dispatchKeyEvent", type="keyUp", **values)

    def scan(self, text, gap_ms=5, end="Enter"):
        """As a scanner that is a keyboard: each key a few ms after the last one, whatever this machine is busy with."""
        at, sent = time.time(), []
        keys = [*text, end] if end else list(text)
        for i, key in enumerate(keys):
            char = "\r" if key == "Enter" else key
            values = {"key": key, "timestamp": at + i * gap_ms / 1000, "windowsVirtualKeyCode": 13 if key == "Enter" else 0}
            sent.append(self.send("Input.dispatchKeyEvent", type="keyDown", text=char, **values))
            sent.append(self.send("Input.dispatchKeyEvent", type="keyUp", **values))
        for number in sent:
            self.answer(number)

    def type(self, text):
        self.ask("Input.insertText", text=text)

    def picture(self, path):
        data = self.ask("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def close(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.thread.join(timeout=10)
        os.close(self.to)
        os.close(self.source)
        shutil.rmtree(self.folder, ignore_errors=True)
