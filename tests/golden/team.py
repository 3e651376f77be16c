"""The team of the history: what its people have that belongs to no session."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.wire.ids import SessionId
from tests.knocking import Laptop, Person, answer

from .world import MotoWorld

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489")
"""As much of an image as it takes to tell that it is one."""


@dataclass
class Team:
    """Acts for the tenant's owner; a second passes at each step.

    Attributes:
        drawing: the id of an image that was uploaded.
    """

    world: MotoWorld
    me: Person
    laptop: Laptop
    drawing: str = ""

    def at_work(self, agent_id: str) -> None:
        """Everything that a team does, beside talking to its agents."""
        beside = (self._people, self._keys, self._browsers, self._runtimes, self._devices, self._files)
        for step in (*beside, self._environments, self._canary):
            self.world.clock.time += 1
            step()
        self._agents(agent_id)

    def ticket(self, session_id: str) -> str:
        """A ticket to a session's WebSocket."""
        return str(self.me.post(f"/v1/sessions/{session_id}/tickets", {})["ticket"])

    def token(self, session_id: SessionId) -> str:
        """A token that is good for a session, its newest of two secrets; another one is revoked."""
        path = f"/v1/sessions/{session_id}/tokens"
        made = self.me.post(path, {"name": "for our page", "scopes": ["read", "sessions:write"], "expires_in": 86_400})
        gone = self.me.post(path, {"name": "gone"})
        answer(self.me.ask("DELETE", f"{path}/{gone['id']}"))
        return str(self.me.post(f"{path}/{made['id']}/rotate", {"grace_s": 3600})["token"])

    def _people(self) -> None:
        """Somebody whose role changed while they had a key, somebody who was removed; a limit of the team's own."""
        self.me.post("/v1/tenant", {"name": "The team", "limits": {"max_users": 20}})
        self.me.post("/v1/tenant", {"name": "Our team"})
        bob = self.me.colleague("member")
        bob.get("/v1/me")
        self.me.post(f"/v1/users/{bob.user_id}", {"name": "Bob", "email": "bob@example.com", "role": "owner"})
        self.world.clock.time += 1
        bob.get("/v1/me")
        gone = self.me.post("/v1/users", {"name": "Eve", "role": "viewer"})
        answer(self.me.ask("DELETE", f"/v1/users/{gone['id']}"))

    def _keys(self) -> None:
        """A key that ends by itself, one with two secrets, of which the older has been used, and a revoked one."""
        self.me.key(name="for a week", scopes=["read", "sessions:write"], expires_in=7 * 86_400)
        rotated = self.me.key(name="rotated")
        rotated.get("/v1/me")
        self.me.post(f"/v1/api_keys/{rotated.key_id}/rotate", {"grace_s": 3600})
        answer(self.me.ask("DELETE", f"/v1/api_keys/{self.me.key(name='revoked').key_id}"))

    def _browsers(self) -> None:
        answer(self.world.ask("POST", "/v1/login", None, {"key": self.me.secret}))

    def _runtimes(self) -> None:
        """The laptop is shared, taken back and shared again, and has a new token; another one is removed."""
        for shared in (True, False, True):
            self.world.clock.time += 1
            self.me.post(f"/v1/runtimes/{self.laptop.runtime_id}", {"shared": shared})
        self.laptop.token = answer(self.laptop.ask("POST", "/agents/runtime/token"))["token"]
        lost = self.me.laptop("machine-3")
        answer(self.me.ask("DELETE", f"/v1/runtimes/{lost.runtime_id}"))

    def _devices(self) -> None:
        """A machine without a browser that was let in, another one that waits, and one that nobody has."""
        for machine in ("build-1", "build-2"):
            said = {"state": "0123456789abcdef", "code_challenge": "c" * 43, "hostname": machine, "os": "linux/arm64"}
            codes = answer(self.world.ask("POST", "/agents/runtime/device", None, said))
            ask = {"device_code": codes["device_code"]}
            assert self.world.ask("POST", "/agents/runtime/device/token", None, ask).status_code == 400
            if machine == "build-1":
                wish = {"user_code": codes["user_code"], "decision": "approved"}
                self.me.post("/v1/runtimes/answer-device", wish)
                answer(self.world.ask("POST", "/agents/runtime/device/token", None, ask))
        assert self.me.ask("POST", "/v1/runtimes/find-device", {"user_code": "BBBB-BBBB"}).status_code == 404

    def _canary(self) -> None:
        answer(self.laptop.ask("POST", "/agents/runtime/canary"))

    def _files(self) -> None:
        """One that was uploaded and lives for a while, one that was announced and sent, one whose bytes never came."""
        self.drawing = self._upload()
        wish = {"filename": "log.txt", "mime_type": "text/plain", "size_bytes": 4}
        sent = self.me.post("/v1/files/uploads", wish)
        assert self.world.blobs.send(sent["upload_url"], b"Done")
        self.me.post(f"/v1/files/{sent['id']}/complete", {})
        self.me.post("/v1/files/uploads", wish)

    def _upload(self) -> str:
        head = b'--b\r\nContent-Disposition: form-data; name="%s"'
        form = b'%s; filename="bridge.png"\r\nContent-Type: image/png\r\n\r\n%s\r\n' % (head % b"file", PNG)
        form += b"%s\r\n\r\n%d\r\n--b--\r\n" % (head % b"expires_in_seconds", 86_400)
        kept = answer(self.me.ask("POST", "/v1/files", form, content_type="multipart/form-data; boundary=b"))
        return str(kept["id"])

    def _environments(self) -> None:
        """One of any laptop, which was changed, one that is tied to the laptop, and an archived one."""
        any_laptop = self.me.post("/v1/environments", {"name": "any"})
        self.me.post(f"/v1/environments/{any_laptop['id']}", {"description": "Wherever.", "metadata": {"floor": "2"}})
        self.me.post("/v1/environments", {"name": "upstairs", "runtime_id": self.laptop.runtime_id})
        old = self.me.post("/v1/environments", {"name": "old"})
        self.me.post(f"/v1/environments/{old['id']}/archive", {})

    def _agents(self, agent_id: str) -> None:
        """One in its third version, and one that was archived in its second."""
        self.me.post(f"/v1/agents/{agent_id}", {"description": "Reviews.", "metadata": {"team": "core"}})
        self.world.clock.time += 1
        self.me.post(f"/v1/agents/{agent_id}", {"version": 2, "system": "Be thorough."})
        other = str(self.me.agent(self.laptop.runtime_id, name="writer")["id"])
        self.me.post(f"/v1/agents/{other}", {"name": "author"})
        self.world.clock.time += 1
        self.me.post(f"/v1/agents/{other}/archive", {})
