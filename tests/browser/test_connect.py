"""Connecting a laptop in a real browser: signing in, seeing which machine asks, approving and denying."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from selenium.webdriver.common.keys import Keys

from chalicelib.actors.enrolment import challenge_of
from tests.browser.chromium import PATIENCE_S, Window
from tests.knocking import STATE, Person, World, answer

pytestmark = pytest.mark.xdist_group("browser")

VERIFIER: Final = "v" * 50
CHALLENGE: Final = challenge_of(VERIFIER)
HOSTNAME: Final = "<script>alert(1)</script>ada's \N{RIGHT-TO-LEFT OVERRIDE}laptop"
"""What a machine may call itself; the second trick would turn round what stands after it."""

SHOWN: Final = "<script>alert(1)</script>ada's laptop"


class Listener:
    """What `moor setup` is for a browser: a loopback port to which it comes back."""

    def __init__(self) -> None:
        self._came: queue.Queue[str] = queue.Queue()
        came = self._came

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.startswith("/callback"):
                    came.put(self.path)
                body = b"<!doctype html><link rel=icon href=data:,><p>Go on in the terminal."
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        # A browser opens connections that it may need later: nobody waits for what they will say.
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.block_on_close = False
        self._serving = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._serving.start()

    @property
    def uri(self) -> str:
        """Where the browser is to come back to."""
        return f"http://127.0.0.1:{self._server.server_port}/callback"

    def told(self) -> dict[str, str]:
        """What the browser brings back, once it does."""
        query = parse_qs(urlsplit(self._came.get(timeout=PATIENCE_S)).query, strict_parsing=True)
        assert all(len(values) == 1 for values in query.values()), query
        return {name: value for name, (value,) in query.items()}

    def stop(self) -> None:
        self._server.shutdown()
        self._serving.join()
        self._server.server_close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.stop()


def asked(site: str, redirect_uri: str, **changes: str) -> str:
    """The address that `moor setup` opens."""
    wanted = {"state": STATE, "code_challenge": CHALLENGE, "redirect_uri": redirect_uri, "hostname": HOSTNAME}
    return f"{site}/connect?{urlencode({**wanted, 'os': 'Debian 12', **changes})}"


def exchanged(world: World, code: str) -> Any:
    body = {"code": code, "state": STATE, "code_verifier": VERIFIER, "machine_id": "m1", "hostname": "ada"}
    return answer(world.ask("POST", "/agents/runtime/exchange", None, body))


def device(world: World, hostname: str = HOSTNAME) -> Any:
    """A machine without a browser begins to wait."""
    body = {"state": STATE, "code_challenge": CHALLENGE, "hostname": hostname, "os": "Debian 12"}
    return answer(world.ask("POST", "/agents/runtime/device", None, body))


def polled(world: World, started: Any) -> Any:
    return world.ask("POST", "/agents/runtime/device/token", None, {"device_code": started["device_code"]}).json_body


def test_a_person_signs_in_sees_the_machine_and_approves_it(
    window: Window, site: str, world: World, ada: Person, listener: Listener
) -> None:
    """Catches a page that treats a machine's name as markup, keeps the key, or hands over a code that is no good."""
    window.open(asked(site, listener.uri))
    window.field("API key").send_keys("moor_" + "0" * 48)
    window.button("Sign in").click()
    window.see("This key is unknown, was revoked or has expired.")
    assert (window.focused(), window.buttons()) == ("key", ["Sign in"])
    window.field("API key").clear()
    window.sign_in(ada.secret)
    window.see(SHOWN)
    window.see("Signed in as Ada (a team)")
    assert ada.secret not in window.run("return document.documentElement.outerHTML + document.cookie")
    assert window.run("return document.getElementById('key').value") == ""
    window.button("Approve").click()
    told = listener.told()
    assert set(told) == {"code", "state"}
    assert told["state"] == STATE
    assert exchanged(world, told["code"])["runtime_id"].startswith("rt_")


def test_a_person_who_is_signed_in_denies_or_signs_out(
    window: Window, site: str, ada: Person, listener: Listener
) -> None:
    """Catches a page that asks for the key again each time, and a refusal that the laptop is not told."""
    window.open(asked(site, listener.uri))
    window.sign_in(ada.secret)
    window.button("Deny").click()
    assert listener.told() == {"error": "access_denied", "state": STATE}
    window.open(asked(site, listener.uri))
    window.see(SHOWN)
    window.button("Sign out").click()
    window.field("API key")
    assert window.buttons() == ["Sign in"]
    window.open(asked(site, listener.uri))
    window.field("API key")
    assert ada.get("/v1/runtimes") == {"runtimes": []}


def test_whoever_is_out_meanwhile_is_asked_to_sign_in_again(
    window: Window, site: str, ada: Person, listener: Listener
) -> None:
    """Catches a page that goes on as if the key still opened something, or for somebody who came in beside it."""
    key = ada.key()
    window.open(asked(site, listener.uri))
    window.sign_in(key.secret)
    window.see(SHOWN)
    answer(ada.ask("DELETE", f"/v1/api_keys/{key.key_id}"))
    window.button("Approve").click()
    window.see("You are signed in no longer. Sign in again.")
    window.sign_in(ada.secret)
    window.see(SHOWN)
    body = json.dumps({"key": ada.colleague("member").secret})
    headers = {"content-type": "application/json"}
    sent = json.dumps({"method": "POST", "headers": headers, "body": body})
    assert window.run(f"return fetch('v1/login', {sent}).then((response) => response.status)") == 200
    window.button("Approve").click()
    window.see("You are signed in no longer. Sign in again.")
    window.sign_in(ada.secret)
    window.button("Approve").click()
    assert set(listener.told()) == {"code", "state"}


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "http://evil.example/callback",
        "https://127.0.0.1:1/callback",
        "http://127.0.0.1@evil.example/callback",
        "http://127.0.0.1.evil.example/callback",
        "http://ada@127.0.0.1:1/callback",
        "http://127.0.0.1:1/callback#code",
        "javascript:alert(1)",
        "//127.0.0.1/callback",
        "",
    ],
)
def test_a_code_goes_to_no_other_machine(window: Window, site: str, redirect_uri: str) -> None:
    """Catches a link that makes somebody hand a connect code to a stranger, or a page run a stranger's script."""
    window.open(asked(site, redirect_uri))
    window.see("This address cannot be used")
    window.see("to another machine")
    assert window.buttons() == []


@pytest.mark.parametrize("host", ["localhost", "[::1]"])
def test_every_name_of_this_machine_will_do(window: Window, site: str, host: str) -> None:
    window.open(asked(site, f"http://{host}:4000/callback?kept=1"))
    window.field("API key")


@pytest.mark.parametrize("changes", [{"state": "short"}, {"code_challenge": ""}, {"code_challenge": "x" * 44}])
def test_an_address_that_was_cut_off_is_told(window: Window, site: str, changes: dict[str, str]) -> None:
    """Catches an approval without a proof of whom it is for."""
    window.open(asked(site, "http://127.0.0.1:4000/callback", **changes))
    window.see("This address is not complete.")
    assert window.buttons() == []


def test_a_key_that_may_connect_nothing_is_told_so(
    window: Window, site: str, world: World, ada: Person, listener: Listener
) -> None:
    window.open(asked(site, listener.uri))
    window.sign_in(ada.key(scopes=["read", "sessions:write"]).secret)
    window.see("Your key may not connect laptops.")
    assert window.buttons() == ["Sign out", "Deny"]
    window.open(f"{site}/connect/device?user_code={device(world)['user_code']}")
    window.see("Your key may not connect laptops.")
    assert window.buttons() == ["Sign out"]


def test_a_machine_without_a_browser_is_approved_by_its_code(
    window: Window, site: str, world: World, ada: Person
) -> None:
    """Catches a code that must be typed in exactly as it is shown, and an approval that never reaches the machine."""
    started = device(world)
    window.open(f"{site}/connect/device")
    window.sign_in(ada.secret)
    code = window.field("Code")
    code.send_keys("aeio uaei")
    window.button("Continue").click()
    window.see("none of them is a vowel")
    code.clear()
    code.send_keys("ZZZZ-ZZZZ")
    window.button("Continue").click()
    window.see("No machine shows this code")
    code.clear()
    code.send_keys(started["user_code"].lower().replace("-", " "))
    window.button("Continue").click()
    window.see(SHOWN)
    window.see(started["user_code"])
    window.button("Approve").click()
    window.see("Approved")
    assert exchanged(world, polled(world, started)["code"])["runtime_id"].startswith("rt_")
    window.open(f"{site}/connect/device?user_code={started['user_code']}")
    window.button("Continue").click()
    window.see("This machine was answered already")


def test_a_machine_without_a_browser_is_denied(window: Window, site: str, world: World, ada: Person) -> None:
    started = device(world)
    window.open(f"{site}/connect/device?user_code={started['user_code']}")
    window.sign_in(ada.secret)
    window.button("Continue").click()
    window.button("Deny").click()
    window.see("was not connected")
    assert polled(world, started)["error"]["code"] == "access_denied"


def test_a_keyboard_is_enough(window: Window, site: str, ada: Person, listener: Listener) -> None:
    """Catches a page that needs a mouse, or whose focus is lost or stands on Approve before anything was read."""
    window.open(asked(site, listener.uri))
    window.until(lambda: window.focused() == "key", "the focus never came to the key")
    window.press(ada.secret + Keys.ENTER)
    window.see(SHOWN)
    assert window.focused() == "machine-title"
    window.press(Keys.ENTER)
    window.press(Keys.TAB)
    assert window.focused() == "approve"
    window.press(Keys.TAB)
    assert window.focused() == "deny"
    window.press(Keys.SHIFT + Keys.TAB)
    window.press(Keys.ENTER)
    assert set(listener.told()) == {"code", "state"}


def test_everything_is_seen_on_a_phone(window: Window, site: str, ada: Person, listener: Listener) -> None:
    """Catches buttons that a machine with a long name has pushed out of sight."""
    window.narrow(320)
    window.open(asked(site, listener.uri, hostname="x" * 255, os="y" * 128))
    window.sign_in(ada.secret)
    window.button("Approve")
    assert window.run("return document.documentElement.scrollWidth") == 320
    window.open(f"{site}/")
    assert window.run("return document.documentElement.scrollWidth") == 320


def test_the_front_page_leads_to_the_page_for_codes(window: Window, site: str) -> None:
    window.open(f"{site}/")
    window.see("moor setup --server")
    window.open(window.run("return document.links[0].href"))
    window.field("API key")


def test_what_the_policy_forbids_does_not_happen(window: Window, site: str) -> None:
    """Catches a policy that lets markup be made of text, or the page speak to another server."""
    window.open(f"{site}/connect/device")
    window.field("API key")
    made = window.run("try { document.body.innerHTML = '<p>'; return 'made'; } catch (error) { return error.name; }")
    assert made == "TypeError"
    window.run(
        """
        window.refused = [];
        document.addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
        new Image().src = "http://127.0.0.1:9/?key";
        fetch("http://127.0.0.1:9/?key").catch(() => null);
        document.body.append(Object.assign(document.createElement("style"), { textContent: "* { color: red }" }));
        const form = Object.assign(document.createElement("form"), { action: "http://127.0.0.1:9/" });
        document.body.append(form);
        form.submit();
        """
    )
    wanted = {"img-src", "connect-src", "style-src-elem", "form-action"}
    window.until(lambda: wanted <= set(window.run("return refused")), "the policy has let something through")
    assert window.complaints() != []
