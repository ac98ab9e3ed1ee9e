"""A real browser for tests: Chromium over a pipe of the DevTools protocol, without a port and without a library."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import select
import shutil
import subprocess
import time

FLAGS = """
    --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync --disable-extensions --hide-scrollbars --remote-debugging-pipe
""".split()  # noqa: SIM905  (as one would type them)
PATIENCE_S = 30


class Page:
    """One page of a browser. `complaints` are what its console said, and exceptions that nobody caught."""

    def __init__(self, read_fd, write_fd):
        self._read, self._write = read_fd, write_fd
        self._rest, self._numbers, self._session = b"", itertools.count(1), None
        self.complaints = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        """Sends an order and returns its result."""
        number = next(self._numbers)
        order = {"id": number, "method": method, "params": params}
        if self._session:
            order["sessionId"] = self._session
        os.write(self._write, json.dumps(order).encode() + b"\0")
        while True:
            message = self._message()
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    def _message(self):
        until = time.monotonic() + PATIENCE_S
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], max(0, until - time.monotonic()))
            assert ready, "the browser does not respond"
            part = os.read(self._read, 1 << 20)
            assert part, "the browser has ended"
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\0")
        message = json.loads(line)
        method, params = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"])
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("warning", "error"):
            self.complaints.append(params["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("warning", "error"):
            self.complaints.append(params["args"])
        return message

    def open(self, url):
        """Loads an address, and waits for it."""
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def run(self, script):
        """The value of an expression."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, condition, seconds=PATIENCE_S):
        """Waits until an expression holds."""
        until = time.monotonic() + seconds
        while not self.run(condition):
            assert time.monotonic() < until, f"never: {condition}"
            time.sleep(0.05)

    def resize(self, width, height=900, *, mobile=False):
        """Sets the size of the window."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    def prefer(self, scheme):
        """Sets what the user prefers: light or dark."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def javascript(self, *, on):
        """Lets scripts of the page run, or not."""
        self.call("Emulation.setScriptExecutionDisabled", value=not on)

    def box(self, selector):
        """Left, top, width and height of an element, after it has been scrolled into view."""
        return self.run(
            f"(async () => {{ const e = document.querySelector({selector!r}); e.scrollIntoView({{block: 'center'}});"
            "for (const _ of [1, 2]) await new Promise(requestAnimationFrame);"  # events of the scrolling are over
            " const b = e.getBoundingClientRect(); return [b.left, b.top, b.width, b.height]; })()"
        )

    def mouse(self, kind, x, y, **more):
        """Moves, presses or releases the mouse."""
        self.call("Input.dispatchMouseEvent", type=f"mouse{kind}", x=x, y=y, **more)

    def click(self, x, y, times=1):
        """Clicks at a place, so many times in a row."""
        for count in range(1, times + 1):
            for kind in ("Pressed", "Released"):
                self.mouse(kind, x, y, button="left", clickCount=count)

    def drag(self, start, end):
        """Drags from one place to another."""
        self.mouse("Pressed", *start, button="left", buttons=1, clickCount=1)
        self.mouse("Moved", *end, button="left", buttons=1)
        self.mouse("Released", *end, button="left", clickCount=1)

    def key(self, name):
        """Presses a key."""
        text = {"Enter": "\r"}.get(name, name if len(name) == 1 else "")
        code = {"Enter": 13, "Tab": 9}.get(name, 0)
        for kind in ("keyDown", "keyUp"):
            given = {"text": text} if text and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code, **given)

    def picture(self, path):
        """Writes a picture of what is to be seen."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


@contextlib.contextmanager
def browser(profile):
    """A page of a browser that ends with the block."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert program, "install chromium: the end-to-end tests look at pages in it"
    orders, to_browser = os.pipe()
    from_browser, results = os.pipe()
    command = f'exec "$0" "$@" 3<&{orders} 4>&{results}'
    words = ["bash", "-c", command, program, *FLAGS, f"--user-data-dir={profile}"]
    process = subprocess.Popen(words, pass_fds=(orders, results), stderr=subprocess.DEVNULL, start_new_session=True)
    os.close(orders)
    os.close(results)
    try:
        yield Page(from_browser, to_browser)
    finally:
        os.close(to_browser)  # the browser ends with its pipe
        os.close(from_browser)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
