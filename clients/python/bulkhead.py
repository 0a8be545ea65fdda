"""A client of Bulkhead, which runs code nobody has read in sandboxes. One file, and nothing but the standard library.

    from bulkhead import Client

    client = Client("http://127.0.0.1:8787", key="the caller's key")
    result = client.execute("print(6 * 7)")
    print(result["verdict"], result["stdout"])

A result comes whatever became of the program: read `success`, `verdict` and `error`. A request that is refused, or an
answer that does not come, raises a `BulkheadError`. Times are in seconds here, and in results as their names say.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import IO, Any, Iterator, Mapping, NoReturn, Optional, Sequence, TypedDict, Union, cast

__all__ = [
    "Artifact",
    "BulkheadError",
    "Client",
    "ConnectionLost",
    "Error",
    "Event",
    "Execution",
    "Result",
    "Uploaded",
    "WaitTimeout",
]


class Error(TypedDict):
    """Why something did not succeed. `category` says whose business it is."""

    code: str
    message: str
    category: str
    retryable: bool


class _ArtifactUrl(TypedDict, total=False):
    url: str


class Artifact(_ArtifactUrl):
    """A file that a program left. `size` is in bytes, `sha256` in lower-case hex; `url` is there in lists alone."""

    name: str
    size: int
    sha256: str
    mediaType: str


class _ResultParts(TypedDict, total=False):
    """`hints` has remarks for people and models, `rejectedCounts` how many files are not kept, by reason."""

    exitCode: int
    signal: str
    rejectedCounts: list[dict[str, Any]]
    hints: list[str]
    receipt: dict[str, Any]
    image: str
    traceId: str
    error: Error


class Result(_ResultParts):
    """What came of an execution. What could not be measured is absent."""

    executionId: str
    success: bool
    verdict: str
    stdout: str
    stderr: str
    metrics: dict[str, Any]
    output: dict[str, Any]
    artifacts: list[Artifact]
    rejectedArtifacts: list[dict[str, str]]


class _ExecutionParts(TypedDict, total=False):
    language: str
    image: str
    traceId: str
    ahead: int
    endedAt: int
    verdict: str
    result: Result


class Execution(_ExecutionParts):
    """How far an execution is. `startedAt` and `endedAt` are in milliseconds since the epoch.

    `ahead`, while it waits: how many of those who wait may have their turn before it, at most.
    """

    executionId: str
    userId: str
    state: str


@dataclass(frozen=True)
class Event:
    """Something that happened to an execution: `type` names it, `id` is where to read on, `data` has its fields."""

    type: str
    id: Optional[str]
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Uploaded:
    """A file that was sent before, and that requests may name instead of its content."""

    file_id: str


class BulkheadError(Exception):
    """A request was refused, or failed.

    `code` is one of the contract's codes, or None where the answer was not the contract's. `retryable`: the same
    request may succeed later, after `retry_after` seconds where that is known. `status` is HTTP's, and `result` what
    was answered to a request to run something. The message never repeats what was sent.
    """

    def __init__(
        self,
        message: str,
        *,
        code: Optional[str] = None,
        category: Optional[str] = None,
        retryable: bool = False,
        retry_after: Optional[float] = None,
        status: Optional[int] = None,
        result: Optional[Result] = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.category = category
        self.retryable = retryable
        self.retry_after = retry_after
        self.status = status
        self.result = result


class ConnectionLost(BulkheadError):
    """No answer came, or not all of it. Whether the server did what it was asked to is not known."""


class WaitTimeout(BulkheadError):
    """The execution had not ended in the time that its caller would wait. It goes on."""


_usual_timeout = 30.0
"""Seconds without a byte after which a connection counts as lost."""

_longest_execution = 900.0
_longest_queue = 120.0
_longest_socket_wait = 1e8
_silence = 60.0
"""Seconds: of a stream something comes every 15."""

_known_events = frozenset(
    ["queued", "started", "stdout", "stderr", "retrying", "artifact", "missed", "result", "ended"]
)
_last_events = frozenset(["result", "ended"])


_Body = Union[Mapping[str, Any], bytes, IO[bytes]]
"""An object as JSON, or bytes as they are."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Would take the key to another server."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _written(content: Union[str, bytes]) -> tuple[str, str]:
    """Text as it is, bytes as base64, with the name of the encoding."""
    if isinstance(content, bytes):
        return base64.b64encode(content).decode("ascii"), "base64"
    return content, "utf8"


def _file(path: str, content: Union[str, bytes, Uploaded]) -> dict[str, str]:
    if isinstance(content, Uploaded):
        return {"path": path, "fileId": content.file_id}
    text, encoding = _written(content)
    return {"path": path, "content": text, "encoding": encoding}


def _request(
    code: str,
    language: Optional[str] = None,
    timeout: Optional[float] = None,
    files: Optional[Mapping[str, Union[str, bytes, Uploaded]]] = None,
    env: Optional[Mapping[str, str]] = None,
    args: Optional[Sequence[str]] = None,
    stdin: Union[str, bytes, None] = None,
    output_dir: Optional[str] = None,
    user_id: Optional[str] = None,
    retry_on_failure: Optional[bool] = None,
    idempotency_key: Optional[str] = None,
    image: Optional[str] = None,
    secrets: Optional[Mapping[str, Mapping[str, Any]]] = None,
    gpus: Optional[int] = None,
    gpu_kind: Optional[str] = None,
    network: Optional[Mapping[str, Any]] = None,
    webhook: Optional[Mapping[str, Any]] = None,
) -> dict[str, Any]:
    text, encoding = (None, None) if stdin is None else _written(stdin)
    fields = {
        "code": code,
        "language": language,
        "image": image,
        "timeout": timeout,
        "files": None if files is None else [_file(path, content) for path, content in files.items()],
        "env": None if env is None else dict(env),
        "secrets": None if secrets is None else {name: dict(secret) for name, secret in secrets.items()},
        "args": None if args is None else list(args),
        "stdin": text,
        "stdinEncoding": encoding,
        "gpu": None if gpus is None else {"count": gpus, "kind": gpu_kind},
        "network": None if network is None else dict(network),
        "webhook": None if webhook is None else dict(webhook),
        "outputDir": output_dir,
        "userId": user_id,
        "retryOnFailure": retry_on_failure,
        "idempotencyKey": idempotency_key,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _retry_after(headers: Any) -> Optional[float]:
    try:
        return max(0.0, float(headers.get("Retry-After", "")))
    except ValueError:
        return None


def _raise_refusal(error: urllib.error.HTTPError) -> NoReturn:
    """What the server says of itself, in the contract's words where it used them."""
    with error:
        status, retry_after = error.code, _retry_after(error.headers)
        try:
            body = json.loads(error.read(1 << 20))
            told = body["error"]
            raise BulkheadError(
                told["message"],
                code=told["code"],
                category=told["category"],
                retryable=told["retryable"],
                retry_after=retry_after,
                status=status,
                result=cast(Result, body) if "executionId" in body else None,
            ) from None
        except (ValueError, KeyError, TypeError, OSError, HTTPException):
            message = f"expected an answer of Bulkhead, got status {status}; is the address right, with its prefix?"
            raise BulkheadError(message, retry_after=retry_after, status=status) from None


def _lost(error: Exception) -> ConnectionLost:
    reason = getattr(error, "reason", None) or error
    return ConnectionLost(f"the connection was lost: {type(reason).__name__}", retryable=True)


def _events_in(lines: Iterator[bytes]) -> Iterator[Event]:
    """The server-sent events of a stream. Comments, and an event that is cut off, count for nothing."""
    name, data = "message", []  # type: str, list[str]
    last_id: Optional[str] = None
    for line in lines:
        text = line.decode("utf-8").rstrip("\r\n")
        field, _, value = text.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if text == "":
            if data:
                yield Event(name, last_id, json.loads("\n".join(data)))
            name, data = "message", []
        elif field == "event":
            name = value
        elif field == "data":
            data.append(value)
        elif field == "id" and "\0" not in value:
            last_id = value


class Client:
    """Asks one server.

    `url`: where it listens, with the prefix under which the contract is mounted. `key`: the caller's key, or the
    operator's token; not needed where the server has no keys. `retries`: how often what is refused with `Retry-After`
    is asked for again, after that time, if that is no longer than `longest_wait` seconds; never unless told. What is
    refused so has not run.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8787",
        key: Optional[str] = None,
        *,
        retries: int = 0,
        longest_wait: float = 60.0,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError("url: expected http:// or https://")
        # A header that cannot be sent would be told in full, with the key in it.
        if key is not None and not re.fullmatch("[ -~]*", key):
            raise ValueError("key: expected printable ASCII characters without a line end")
        self._url = url.rstrip("/")
        self._key = key
        self._retries = retries
        self._longest_wait = longest_wait
        self._opener = urllib.request.build_opener(_NoRedirects())

    def __repr__(self) -> str:
        return f"Client({self._url!r})"

    def execute(self, code: str, **options: Any) -> Result:
        """Runs a program and waits for its result. Going away ends it, unless it has an idempotency key.

        Options: `language` (python), `image` (one of `images()`), `timeout` (seconds of wall time), `files`
        ({path: text, bytes, or what `upload` gave}), `env` ({name: value}), `secrets` ({name: what it is}), `args`,
        `stdin` (text or bytes), `output_dir`, `user_id`, `retry_on_failure`, `idempotency_key`, `gpus` (how many),
        `gpu_kind` (their kind's name), `network` ({"allow": [...]} or {"mode": ...}), `webhook` ({"url": ...}).
        """
        request = _request(code, **options)
        timeout = request.get("timeout")
        # What is no time is the server's to refuse.
        is_time = isinstance(timeout, (int, float)) and 0 < timeout < _longest_socket_wait
        patience = (timeout if is_time else _longest_execution) + _longest_queue
        return cast(Result, self._json("POST", "/api/execute", request, timeout=patience))

    def submit(self, code: str, **options: Any) -> str:
        """Begins an execution that goes on without its caller, and gives its id. Options as of `execute`."""
        answer = self._json("POST", "/api/executions", _request(code, **options))
        return cast(str, answer["executionId"])

    def stream(self, code: str, **options: Any) -> Iterator[Event]:
        """Runs a program and tells what happens, as it happens: output, files, at last the result.

        Going away ends it, as of `execute`. To survive a lost connection, `submit` it and read its `events`.
        """
        with self._open(
            "POST", "/api/execute", _request(code, **options), accept="text/event-stream", timeout=_silence
        ) as answer:
            for event in self._known(answer):
                yield event
                if event.type in _last_events:
                    return
        raise ConnectionLost("the connection was lost before the last event", retryable=True)

    def events(self, execution_id: str, after: Optional[str] = None, reconnects: int = 10) -> Iterator[Event]:
        """What happened and happens to an execution, each event once, also over lost connections.

        `after`: the id of the last event that was seen. `reconnects`: how often in a row a connection may be lost
        without any event on it.
        """
        losses = 0
        path = f"{self._path(execution_id)}/events"
        while True:
            seen = {} if after is None else {"Last-Event-ID": after}
            try:
                with self._open(
                    "GET", path, accept="text/event-stream", headers=seen, timeout=_silence
                ) as answer:
                    if answer.status == 204:
                        return
                    for event in self._known(answer):
                        after, losses = event.id or after, 0
                        yield event
                        if event.type in _last_events:
                            return
            except ConnectionLost:
                pass
            losses += 1
            if losses > reconnects:
                raise ConnectionLost("the connection was lost before the last event", retryable=True)
            time.sleep(min(5.0, 0.1 * 2**losses))

    def get(self, execution_id: str) -> Execution:
        """How far an execution is, with its result once it has ended, as long as that is kept."""
        return cast(Execution, self._json("GET", self._path(execution_id)))

    def wait(self, execution_id: str, timeout: Optional[float] = None) -> Execution:
        """Asks until an execution has ended. Raises `WaitTimeout` after `timeout` seconds; never unless told."""
        until = None if timeout is None else time.monotonic() + timeout
        pause = 0.05
        while True:
            execution = self.get(execution_id)
            if execution["state"] == "ended":
                return execution
            if until is not None and time.monotonic() + pause > until:
                raise WaitTimeout(f"the execution has not ended after {timeout} s", retryable=True)
            time.sleep(pause)
            pause = min(2.0, pause * 1.5)

    def list(
        self,
        *,
        state: Optional[str] = None,
        verdict: Optional[str] = None,
        user_id: Optional[str] = None,
        begun_from: Union[int, str, None] = None,
        begun_before: Union[int, str, None] = None,
        page: int = 100,
    ) -> Iterator[Execution]:
        """One's own executions, newest first, read `page` at a time.

        Times are milliseconds since the epoch, or ISO 8601 like 2026-01-31T12:00:00Z.
        """
        filters = {
            "state": state,
            "verdict": verdict,
            "userId": user_id,
            "from": begun_from,
            "to": begun_before,
            "limit": page,
        }
        query = {name: str(value) for name, value in filters.items() if value is not None}
        while True:
            answer = self._json("GET", f"/api/executions?{urllib.parse.urlencode(query)}")
            yield from answer["executions"]
            if "nextCursor" not in answer:
                return
            query["cursor"] = answer["nextCursor"]

    def upload(self, content: Union[bytes, IO[bytes]], name: str, *, user_id: Optional[str] = None) -> Uploaded:
        """Sends a file that requests may name in their `files`, as often as they like, as long as it is kept.

        What is open for reading is sent as it is read, and only once, whatever `retries` says.
        """
        query = {"name": name} if user_id is None else {"name": name, "userId": user_id}
        answer = self._json("POST", f"/api/files?{urllib.parse.urlencode(query)}", content)
        return Uploaded(answer["fileId"])

    def images(self) -> dict[str, Any]:
        """What the plain sandbox has (`plain`), and what else a request may choose by `image` (`images`)."""
        return cast(dict[str, Any], self._json("GET", "/api/images"))

    def kill(self, execution_id: str, reason: Optional[str] = None) -> None:
        """Ends an execution, waiting or running. Raises with `CONFLICT` when it has ended already."""
        self._json("POST", f"{self._path(execution_id)}/kill", None if reason is None else {"reason": reason})

    def artifacts(self, execution_id: str) -> Sequence[Artifact]:
        """The files that an execution left."""
        answer = self._json("GET", f"{self._path(execution_id)}/artifacts")
        return cast(Sequence[Artifact], answer["artifacts"])

    def download_artifact(self, execution_id: str, name: str, to: Union[str, IO[bytes]]) -> None:
        """Writes one file to a path, or to what is open for writing, as it comes."""
        path = f"{self._path(execution_id)}/artifacts/{urllib.parse.quote(name, safe='')}"
        self._download(path, to)

    def download_artifacts(self, execution_id: str, to: Union[str, IO[bytes]]) -> None:
        """Writes all files of an execution as one zip, as it comes."""
        self._download(f"{self._path(execution_id)}/artifacts.zip", to)

    @staticmethod
    def _path(execution_id: str) -> str:
        if execution_id == "":
            raise ValueError("execution_id: expected the id of an execution, got an empty text")
        return f"/api/executions/{urllib.parse.quote(execution_id, safe='')}"

    def _download(self, path: str, to: Union[str, IO[bytes]]) -> None:
        with self._open("GET", path, accept="*/*") as answer:
            if not isinstance(to, str):
                self._copy(answer, to)
                return
            # So that nobody takes a part for the whole.
            part = f"{to}.part"
            try:
                with open(part, "wb") as file:
                    self._copy(answer, file)
                os.replace(part, to)
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    os.remove(part)
                raise

    @staticmethod
    def _copy(answer: HTTPResponse, file: IO[bytes]) -> None:
        expected, before = answer.length, 0
        while True:
            try:
                piece = answer.read(1 << 16)
            except (OSError, HTTPException) as error:
                raise _lost(error) from None
            if not piece:
                break
            file.write(piece)
            before += len(piece)
        if expected is not None and before < expected:
            raise ConnectionLost("the connection was lost before the end of the file", retryable=True)

    def _known(self, answer: HTTPResponse) -> Iterator[Event]:
        """Events of other names come from servers that are newer than this file."""
        events = _events_in(iter(answer.readline, b""))
        while True:
            try:
                event = next(events, None)
            except (OSError, HTTPException) as error:
                raise _lost(error) from None
            if event is None:
                return
            if event.type in _known_events:
                yield event

    def _json(self, method: str, path: str, body: Optional[_Body] = None, *, timeout: float = _usual_timeout) -> Any:
        with self._open(method, path, body, timeout=timeout) as answer:
            try:
                return json.loads(answer.read())
            except (OSError, HTTPException) as error:
                raise _lost(error) from None
            except ValueError:
                raise BulkheadError(
                    "expected JSON; is the address right, with its prefix?", status=answer.status
                ) from None

    def _open(
        self,
        method: str,
        path: str,
        body: Optional[_Body] = None,
        *,
        accept: str = "application/json",
        headers: Mapping[str, str] = {},
        timeout: float = _usual_timeout,
    ) -> HTTPResponse:
        """The answer to a request that was let in, asked for again as often as that is wanted."""
        sent = {"Accept": accept, **headers}
        if self._key is not None:
            sent["Authorization"] = f"Bearer {self._key}"
        data = json.dumps(body).encode("utf-8") if isinstance(body, Mapping) else body
        if body is not None:
            kind = "json" if isinstance(body, Mapping) else "octet-stream"
            sent["Content-Type"] = f"application/{kind}"
        retries = self._retries if data is None or isinstance(data, bytes) else 0
        for left in range(retries, -1, -1):
            request = urllib.request.Request(self._url + path, data=data, headers=sent, method=method)
            try:
                return cast(HTTPResponse, self._opener.open(request, timeout=timeout))
            except urllib.error.HTTPError as error:
                try:
                    _raise_refusal(error)
                except BulkheadError as refusal:
                    wait = refusal.retry_after
                    if left == 0 or wait is None or wait > self._longest_wait:
                        raise
                    time.sleep(wait)
            except (OSError, HTTPException) as error:
                raise _lost(error) from None
        raise AssertionError("unreachable")
