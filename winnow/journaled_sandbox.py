"""A sandbox whose commands are in the journal, started only when a command must really run.

On resume the journal answers the commands that it has; the files written and commands run so far are remembered.
Before the first command that must really run, they are done again in a fresh copy, and the tree of unignored files is
compared with the one the journal saw (DESIGN, idea 2). A sandbox that died is brought back the same way.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from agent import KilledSandbox
from models.protocol import digest
from models.secrets import KNOWN
from sandbox import NotThere, Result, Sandbox, SandboxDied, SandboxError, SandboxSealed
from store import Key, Part, Step

from .pen import Pen

DEATHS = 3
"""A step that ends its sandbox this many times, each time a fresh one, is to blame itself (SAFETY 10)."""

TREE_COMMAND = (
    "command -v git >/dev/null || { echo none; exit 0; }; i=$(mktemp -d) && "
    "export GIT_INDEX_FILE=$i/index GIT_OPTIONAL_LOCKS=0 && git read-tree HEAD 2>/dev/null; "
    "git add -A . >/dev/null 2>&1; git write-tree; rm -rf $i"
)


class WorldDrifted(SandboxError):
    """Doing the journaled commands again led to other files than the first time."""


@dataclass(frozen=True, slots=True)
class _Write:
    path: str
    content: bytes
    mode: int


@dataclass(frozen=True, slots=True)
class _Run:
    command: str
    options: Mapping[str, Any]
    key: Key


class JournaledSandbox:
    """A copy of what `source` gives, lazily made, with the journal of one trajectory in front.

    source: gives a real sandbox to copy from. branch: this sandbox's place in the trajectory ("sandbox/test-1").
    cheap_copies, fresh: as `sandbox.Sandbox` and its `copy` have them; the journal is the same either way.
    """

    def __init__(
        self,
        source: Callable[[], Awaitable[Sandbox]],
        pen: Pen,
        branch: str,
        *,
        cheap_copies: bool = True,
        fresh: bool = True,
    ):
        self.name = branch
        self.cheap_copies = cheap_copies
        self._fresh = fresh
        self._source = source
        self._pen = pen
        self._real: Sandbox | None = None
        self._done: list[_Write | _Run] = []
        self._unseen: list[tuple[str, str]] = []
        self._sealed = False
        self._copies: dict[str, int] = {}
        self._lock = asyncio.Lock()

    async def run(
        self,
        command: str,
        *,
        timeout: float | None = None,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> Result:
        options = {"timeout": timeout, "cwd": cwd, "env": dict(env) if env else None, "stdin": stdin}
        shown = json.dumps([command, cwd, sorted((env or {}).items()), digest(stdin.hex())])
        stored = await self._step(
            "command",
            shown,
            command,
            lambda sandbox: _run(sandbox, command, options),
            changes=(command, options),
        )
        return Result(**stored)

    async def read(self, path: str, limit: int | None = None) -> bytes:
        shown = json.dumps(["read", path, limit])
        stored = await self._step("read", shown, path, lambda sandbox: _read(sandbox, path, limit))
        if "missing" in stored:
            raise NotThere(stored["missing"])
        return base64.b64decode(stored["content"])

    async def write(self, path: str, content: bytes, mode: int = 0o644) -> None:
        self._refuse_if_sealed()
        if self._real is not None:
            await self._alive(lambda sandbox: sandbox.write(path, content, mode))
        self._done.append(_Write(path, content, mode))
        self._unseen.append((f"write {path}", digest(content.hex() + str(mode))))

    async def copy(
        self, name: str, *, network: Literal["none", "host"] | None = None, fresh: bool = True
    ) -> JournaledSandbox:
        """See Sandbox.copy. network: only here for the protocol's sake, since attempts never change it."""
        self._sealed = True
        count = self._copies[name] = self._copies.get(name, 0) + 1
        branch = f"{self.name}/{name}" + (f"~{count}" if count > 1 else "")
        source = self._to_copy if fresh else self._to_hand_on
        child = JournaledSandbox(source, self._pen, branch, cheap_copies=self.cheap_copies, fresh=fresh)
        # What was written here is part of what the child's steps depend on.
        child._unseen = list(self._unseen)
        return child

    async def close(self) -> None:
        real, self._real = self._real, None
        if real is not None:
            await real.close()

    async def _to_copy(self) -> Sandbox:
        """What children are copied from: the nearest sandbox that differs from the one it came from."""
        if not self._done and self._real is None:
            return await self._source()
        return await self._to_hand_on()

    async def _to_hand_on(self) -> Sandbox:
        """What children are copied from that need not be fresh: this sandbox's own, so that it ends with this one."""
        return _Copied(self)

    async def _copied(self, name: str, fresh: bool) -> Sandbox:
        """A copy of the real sandbox; where it turns out to have died meanwhile, of one made anew, once."""
        async with self._lock:
            real = await self._live()
        try:
            return await _copy(real, name, fresh)
        except SandboxDied:
            async with self._lock:
                if self._real is real:
                    await self.close()
                real = await self._live()
            return await _copy(real, name, fresh)

    async def _step(
        self,
        label: str,
        shown: str,
        text: str,
        act: Callable[[Sandbox], Awaitable[dict[str, Any]]],
        changes: tuple[str, Mapping[str, Any]] | None = None,
    ) -> dict[str, Any]:
        """Answer from the journal or act in the real sandbox, then remember what was done."""
        self._refuse_if_sealed()
        key = self._pen.key(self.name)
        parts = (*self._unseen, (label, digest(shown)))
        step = self._pen.recall(key, parts)
        if step is None:
            step = await self._pen.finish(self._act_and_write(key, parts, text, act))
        self._unseen = []
        stored = json.loads(step.answer)
        if "killed" in stored:
            raise KilledSandbox(stored["killed"])  # not done: what follows goes on from the files before it
        if changes:
            self._done.append(_Run(changes[0], changes[1], key))
        return stored

    async def _act_and_write(
        self,
        key: Key,
        parts: tuple[tuple[str, str], ...],
        text: str,
        act: Callable[[Sandbox], Awaitable[dict[str, Any]]],
    ) -> Step:
        started = time.time()
        try:
            answer = await self._alive(act, before=key)
        except KilledSandbox as killed:
            answer = {"killed": str(killed)}
        step = Step(key, "run", parts, json.dumps(answer), 0, 0, 0, None, started, time.time() - started)
        texts = [Part(label, label) for label, _ in parts[:-1]] + [Part(parts[-1][0], text)]
        await self._pen.write(step, texts)
        return step

    async def _alive(self, act: Callable[[Sandbox], Awaitable[Any]], before: Key | None = None) -> Any:
        """Act in the real sandbox; where it dies, in a new one brought back to the same state.

        Raises KilledSandbox where each died at this very step, SandboxDied where one could not be brought so far.
        """
        async with self._lock:
            blamed = True
            for _ in range(DEATHS):
                at_step = False
                try:
                    sandbox = await self._live()
                    at_step = True
                    if before is not None:
                        await self._note_tree(sandbox)
                    return await act(sandbox)
                except SandboxDied as died:
                    last = died
                    blamed = blamed and at_step
                    await self.close()
        if not blamed:
            raise last
        raise KilledSandbox(f"{DEATHS} fresh sandboxes died at the same step: {last}")

    async def _live(self) -> Sandbox:
        if self._real is None:
            source = await self._source()
            real = await _copy(source, self.name.replace("/", "-"), self._fresh)
            try:
                await self._do_again(real)
            except BaseException:
                await real.close()
                raise
            self._real = real
        return self._real

    async def _do_again(self, real: Sandbox) -> None:
        for done in self._done:
            if isinstance(done, _Write):
                await real.write(done.path, done.content, done.mode)
                continue
            await real.run(done.command, **done.options)
            expected = self._pen.journal.recall(_tree_key(done.key), _TREE_PARTS)
            if expected is None:
                continue
            tree = await _tree(real)
            if tree != json.loads(expected.answer)["tree"]:
                raise WorldDrifted(
                    f"{self.name}: running the journaled commands again gave other files than the first time "
                    f"(after {done.command[:80]!r}); the command is not deterministic"
                )

    async def _note_tree(self, sandbox: Sandbox) -> None:
        """Journal the tree that the last command left, once a further command shows that this sandbox has a state.

        Sandboxes that run one command and are closed, which are most, never pay for it.
        """
        last = next((done for done in reversed(self._done) if isinstance(done, _Run)), None)
        if last is None or self._pen.journal.recall(_tree_key(last.key), _TREE_PARTS) is not None:
            return
        if isinstance(self._done[-1], _Write):
            return  # written to since: the tree is no longer the one that the command left
        started = time.time()
        answer = json.dumps({"tree": await _tree(sandbox)})
        step = Step(
            _tree_key(last.key), "run", _TREE_PARTS, answer, 0, 0, 0, None, started, time.time() - started
        )
        await self._pen.write(step, [Part("tree", TREE_COMMAND)])

    def _refuse_if_sealed(self) -> None:
        if self._sealed:
            raise SandboxSealed(f"{self.name} was copied, so its files must not change any more")


class _Copied:
    """A journaled sandbox as what its children's real sandboxes are copied from."""

    def __init__(self, parent: JournaledSandbox):
        self._parent = parent

    async def copy(self, name: str, *, fresh: bool = True) -> Sandbox:
        return await self._parent._copied(name, fresh)


async def _copy(sandbox: Sandbox, name: str, fresh: bool) -> Sandbox:
    return await (sandbox.copy(name) if fresh else sandbox.copy(name, fresh=False))


_TREE_PARTS = (("tree", digest(TREE_COMMAND)),)


def _tree_key(key: Key) -> Key:
    return Key(key.trajectory, f"{key.branch}/(tree)", key.index)


async def _tree(sandbox: Sandbox) -> str:
    return (await sandbox.run(TREE_COMMAND)).output.strip()


async def _run(sandbox: Sandbox, command: str, options: Mapping[str, Any]) -> dict[str, Any]:
    result = asdict(await sandbox.run(command, **options))
    return {**result, "output": KNOWN.redact_reply(result["output"])}


async def _read(sandbox: Sandbox, path: str, limit: int | None) -> dict[str, Any]:
    try:
        content = KNOWN.redact_bytes(await sandbox.read(path, limit))
        return {"content": base64.b64encode(content).decode()}
    except NotThere as missing:
        return {"missing": str(missing)}
