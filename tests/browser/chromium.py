"""Debian's chromium, headless and empty, and a window of it as a person uses one: by what they see."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

PATIENCE_S: Final = 60.0
LOOK_EVERY_S: Final = 0.05

FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1000,800",
)

_REFUSED = re.compile(r"/v1/\S+ - Failed to load resource: the server responded with a status of 4\d\d ")
"""What chromium writes for every answer that is a refusal; the page shows it to the person."""

T = TypeVar("T")


@contextmanager
def chromium() -> Iterator[Chrome]:
    """A new browser with nothing in it. Skips where there is none; in CI that is a failure."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (browser and driver):
        why = "The pages are tested in Debian's chromium: install the packages chromium and chromium-driver."
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    # Chromium may still write into it while it ends.
    with tempfile.TemporaryDirectory(prefix="mooring-browser-", ignore_cleanup_errors=True) as folder:
        options = ChromeOptions()
        options.binary_location = browser
        for flag in (*FLAGS, f"--user-data-dir={folder}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        started = Chrome(options, Service(driver))
        try:
            yield started
        finally:
            started.quit()


class Window:
    """The browser's window. Nothing here waits for a time: each step waits for what it needs to be there."""

    def __init__(self, chrome: Chrome) -> None:
        self.chrome = chrome

    def open(self, address: str) -> None:
        """Goes to an address."""
        self.chrome.get(address)

    def until(self, is_there: Callable[[], T], what: str) -> T:
        """Waits for something. An element that goes while it is looked at is looked for again."""
        patience = WebDriverWait(self.chrome, PATIENCE_S, LOOK_EVERY_S, (StaleElementReferenceException,))
        return patience.until(lambda _: is_there(), what)

    def see(self, text: str) -> None:
        """Waits until a text can be seen."""
        self.until(lambda: text in self.text, f"never saw {text!r}")

    @property
    def text(self) -> str:
        """All that can be seen."""
        return self.chrome.find_element(By.TAG_NAME, "body").text

    def field(self, label: str) -> WebElement:
        """The field with a label, once it can be seen."""
        return self._shown(f"//input[@id = //label[normalize-space() = '{label}']/@for]", f"a field {label!r}")

    def button(self, name: str) -> WebElement:
        """The button of a name, once it can be seen."""
        return self._shown(f"//button[normalize-space() = '{name}']", f"a button {name!r}")

    def buttons(self) -> list[str]:
        """The names of the buttons that can be seen."""
        return [one.text for one in self.chrome.find_elements(By.TAG_NAME, "button") if one.is_displayed()]

    def sign_in(self, key: str) -> None:
        """Signs in, on a page that asks for a key."""
        self.field("API key").send_keys(key)
        self.button("Sign in").click()

    def focused(self) -> str:
        """What has the focus, by its id."""
        return str(self.chrome.switch_to.active_element.get_attribute("id"))

    def press(self, keys: str) -> None:
        """Presses keys, wherever the focus is."""
        self.chrome.switch_to.active_element.send_keys(keys)

    def run(self, script: str) -> Any:
        """What a script gives that looks into the page."""
        return self.chrome.execute_script(script)

    def complaints(self) -> list[str]:
        """What the browser wrote on its console since this was last asked, but for refusals."""
        entries = self.chrome.get_log("browser")  # type: ignore[no-untyped-call]
        return [one["message"] for one in entries if not _REFUSED.search(one["message"])]

    def narrow(self, width_px: int) -> None:
        """Becomes a phone, so many CSS pixels wide."""
        phone = {"width": width_px, "height": 640, "deviceScaleFactor": 2, "mobile": True}
        self.chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)

    def forget(self) -> None:
        """Forgets who was signed in and what it looked like, and leaves the page."""
        self.chrome.execute_cdp_cmd("Network.clearBrowserCookies", {})
        self.chrome.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        self.open("about:blank")

    def _shown(self, path: str, what: str) -> WebElement:
        def found() -> WebElement | None:
            return next((one for one in self.chrome.find_elements(By.XPATH, path) if one.is_displayed()), None)

        shown = self.until(found, f"never saw {what}")
        assert shown is not None
        return shown
