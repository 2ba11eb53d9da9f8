#!/usr/bin/env python3
"""A viewer: headless Chromium plays a page's video, and what the browser itself says of it is written down.

usage: viewer.py URL OUT.json. Runs until it is interrupted; OUT.json is renewed twice a second. It holds the events of the `video`
element (`playing`, `waiting`, `timeupdate`, …), each with the wall-clock time in ms, the position and the seconds buffered ahead.

Needs chromium and chromium-driver, which is spoken to in W3C WebDriver, without a library.
"""
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

PORT = 9515
url, out = sys.argv[1], pathlib.Path(sys.argv[2])


def call(path, body=None, method=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}{path}", data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["value"]


def stop(*_):
    raise KeyboardInterrupt


signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
room = tempfile.mkdtemp(prefix="viewer")
driver = subprocess.Popen(["chromedriver", f"--port={PORT}"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
session = None
try:
    for _ in range(120):
        try:
            call("/status")
            break
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.25)
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required", "--mute-audio",
               "--disable-background-networking", "--disable-component-update", "--no-first-run", "--no-pings", f"--user-data-dir={room}"]
    always = {"browserName": "chrome", "pageLoadStrategy": "none", "goog:chromeOptions": {"args": options}}
    session = call("/session", {"capabilities": {"alwaysMatch": always}})["sessionId"]
    call(f"/session/{session}/url", {"url": url})
    while True:
        time.sleep(0.5)
        log = call(f"/session/{session}/execute/sync", {"script": "return window.viewed || null", "args": []})
        if log is not None:
            part = out.with_suffix(".part")
            part.write_text(json.dumps(log))
            part.rename(out)
except KeyboardInterrupt:
    pass
finally:
    # The browser is the driver's child.
    try:
        if session:
            call(f"/session/{session}", method="DELETE")
    except (OSError, ValueError):
        pass
    driver.terminate()
    driver.wait(10)
    shutil.rmtree(room, ignore_errors=True)
