"""A headless Chromium, driven over its own debugging protocol: no other program is needed."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import requests
from tornado.websocket import WebSocketClientConnection, websocket_connect

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_PATIENCE_SECONDS = 60.0
_OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")


class Page:
    """One page of the browser; a question that a server asks for a password is answered."""

    def __init__(self, socket: WebSocketClientConnection, user: str, password: str) -> None:
        self._socket = socket
        self._credentials = {"response": "ProvideCredentials", "username": user, "password": password}
        self._number = 0
        #: Whether the server asked who we are.
        self.was_asked = False

    async def open(self, url: str) -> None:
        await self.call("Fetch.enable", handleAuthRequests=True)
        await self.call("Page.enable")
        await self.call("Page.navigate", url=url)

    async def type_into(self, selector: str, text: str) -> None:
        """Type as a person does, key by key, so that the page notices."""
        await self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        for key in text:
            await self.call("Input.dispatchKeyEvent", type="keyDown", text=key, key=key)
            await self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def until(self, expression: str) -> Any:
        """Wait until an expression of the page is true; return it."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        seen = None
        while time.monotonic() < deadline:
            seen = await self.evaluate(expression)
            if seen:
                return seen
            await asyncio.sleep(0.2)
        shown = await self.evaluate("document.body ? document.body.innerText.slice(0, 500) : ''")
        raise AssertionError(f"{expression} stayed {seen}; the page says: {shown}")

    async def evaluate(self, expression: str) -> Any:
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer.get("result", {}).get("value")

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = await self._send(method, parameters)
        while True:
            message = json.loads(await self._socket.read_message() or "{}")
            if message.get("id") == number:
                answer: dict[str, Any] = message.get("result", {})
                return answer
            await self._answer(message)

    async def _answer(self, message: dict[str, Any]) -> None:
        request = message.get("params", {}).get("requestId")
        if message.get("method") == "Fetch.authRequired":
            self.was_asked = True
            await self._send(
                "Fetch.continueWithAuth", {"requestId": request, "authChallengeResponse": self._credentials}
            )
        elif message.get("method") == "Fetch.requestPaused":
            await self._send("Fetch.continueRequest", {"requestId": request})

    async def _send(self, method: str, parameters: dict[str, Any]) -> int:
        self._number += 1
        await self._socket.write_message(
            json.dumps({"id": self._number, "method": method, "params": parameters})
        )
        return self._number


@contextmanager
def browser(directory: Path) -> Iterator[str]:
    """Start a browser with a profile of its own; yields the address of its empty page's socket."""
    assert PROGRAM is not None
    command = [PROGRAM, *_OPTIONS, "--remote-debugging-port=0", f"--user-data-dir={directory}", "about:blank"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={"HOME": str(directory)}
    )
    try:
        yield _page_address(directory / "DevToolsActivePort", process)
    finally:
        process.terminate()
        process.wait(20)


@asynccontextmanager
async def page(address: str, user: str, password: str) -> AsyncIterator[Page]:
    """Yield the page behind an address."""
    socket = await websocket_connect(address, max_message_size=64 * 1024**2)
    try:
        yield Page(socket, user, password)
    finally:
        socket.close()
        await socket.read_message()  # the end of the connection


def _page_address(file: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if file.exists() and (lines := file.read_text().splitlines()):
            pages = requests.get(f"http://127.0.0.1:{lines[0]}/json/list", timeout=10).json()
            return str(next(one["webSocketDebuggerUrl"] for one in pages if one["type"] == "page"))
        time.sleep(0.2)
    raise AssertionError("the browser did not start")
