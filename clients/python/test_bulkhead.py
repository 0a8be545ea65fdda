"""Tests of the client, against the server at BULKHEAD_URL, where BULKHEAD_KEY and BULKHEAD_OTHER_KEY are two users'."""

import io
import json
import os
import tempfile
import threading
import unittest
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer

from bulkhead import BulkheadError, Client, ConnectionLost, WaitTimeout

url = os.environ["BULKHEAD_URL"]
client = Client(url, os.environ["BULKHEAD_KEY"])
other = Client(url, os.environ["BULKHEAD_OTHER_KEY"])

greeting = "import os; open(os.environ['SANDBOX_OUTPUT_DIR'] + '/a b.txt', 'w').write('kept')"


class Started(threading.Thread):
    """An execution that runs in the background."""

    def __init__(self, code):
        super().__init__()
        self.code, self.result = code, None
        self.start()

    def run(self):
        self.result = client.execute(self.code)


def only(state):
    while True:
        for execution in client.list(state=state):
            return execution


class Executions(unittest.TestCase):
    def test_gives_a_result(self):
        result = client.execute(
            "import sys; print(open('in/a.txt').read(), sys.argv[1:], sys.stdin.buffer.read()); sys.exit(3)",
            files={"in/a.txt": "hello"},
            args=["a b", ""],
            stdin=b"\x00\xff",
            timeout=20,
        )
        self.assertEqual(result["stdout"], "hello ['a b', ''] b'\\x00\\xff'\n")
        self.assertEqual((result["success"], result["exitCode"], result["verdict"]), (False, 3, "NonZeroExit"))
        self.assertEqual(client.execute("echo $A", language="bash", env={"A": "1"})["stdout"], "1\n")

    def test_looks_at_what_runs_and_ends_it(self):
        started = Started("print('begun'); import time; time.sleep(600)")
        execution = only("running")
        with self.assertRaises(WaitTimeout):
            client.wait(execution["executionId"], timeout=0.2)
        for ask in (other.get, other.kill, other.artifacts):
            with self.assertRaises(BulkheadError) as raised:
                ask(execution["executionId"])
            self.assertEqual((raised.exception.status, raised.exception.code), (404, "NOT_FOUND"))
        client.kill(execution["executionId"], reason="wrong input")
        ended = client.wait(execution["executionId"], timeout=60)
        started.join()
        self.assertEqual(ended["result"], started.result)
        self.assertEqual(ended["result"]["verdict"], "Killed")
        self.assertIn("user_request: wrong input", ended["result"]["error"]["message"])
        with self.assertRaises(BulkheadError) as raised:
            client.kill(execution["executionId"])
        self.assertEqual((raised.exception.status, raised.exception.code), (409, "CONFLICT"))

    def test_reads_what_happens_while_it_happens(self):
        code = "print('one', flush=True); import time; time.sleep(0.2); print('two')"
        events = list(client.stream(code))
        self.assertEqual(events[-1].type, "result")
        self.assertEqual("".join(event.data["text"] for event in events if event.type == "stdout"), "one\ntwo\n")

        execution = client.submit(code)
        first = next(event for event in client.events(execution) if event.type == "stdout")
        later = list(client.events(execution, after=first.id))
        texts = [event.data["text"] for event in (first, *later) if event.type == "stdout"]
        self.assertEqual("".join(texts), "one\ntwo\n")
        self.assertEqual(later[-1].data["result"]["verdict"], "Completed")
        self.assertEqual(client.wait(execution)["verdict"], "Completed")

    def test_lists_page_by_page(self):
        for _ in range(3):
            client.execute("print(1)")
        ids = [execution["executionId"] for execution in client.list(page=2)]
        self.assertGreaterEqual(len(ids), 3)
        self.assertEqual(len(set(ids)), len(ids))
        self.assertEqual(list(client.list(begun_before=1)), [])

    def test_fetches_files(self):
        execution_id = client.execute(greeting)["executionId"]
        (artifact,) = client.artifacts(execution_id)
        self.assertEqual((artifact["name"], artifact["size"]), ("a b.txt", 4))
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "a")
            client.download_artifact(execution_id, "a b.txt", path)
            with open(path) as file:
                self.assertEqual(file.read(), "kept")
            with self.assertRaises(BulkheadError):
                client.download_artifact(execution_id, "none", path + "2")
            self.assertEqual(os.listdir(directory), ["a"])
        zipped = io.BytesIO()
        client.download_artifacts(execution_id, zipped)
        with zipfile.ZipFile(zipped) as archive:
            self.assertEqual(archive.read("a b.txt"), b"kept")

    def test_sends_files_ahead(self):
        show = "print(open('a.bin', 'rb').read())"
        for content in (b"\x00 kept", io.BytesIO(b"\x00 kept")):
            uploaded = client.upload(content, "a b.bin")
            for _ in range(2):
                self.assertEqual(client.execute(show, files={"a.bin": uploaded})["stdout"], "b'\\x00 kept'\n")
        with self.assertRaisesRegex(BulkheadError, "fileId"):
            other.execute(show, files={"a.bin": uploaded})

    def test_says_what_else_a_request_may(self):
        for name in ("network", "webhook"):
            with self.assertRaisesRegex(BulkheadError, f"^{name}"):
                client.execute("print(1)", **{name: {"nothing": "like this"}})

    def test_says_why_it_was_refused(self):
        with self.assertRaises(BulkheadError) as raised:
            client.execute("print(1)", files={"../x": ""})
        refusal = raised.exception
        self.assertEqual((refusal.status, refusal.code, refusal.retryable), (400, "INVALID_REQUEST", False))
        self.assertTrue(refusal.message.startswith("files.0.path: "), refusal.message)
        self.assertEqual(refusal.result["verdict"], "Rejected")
        for timeout in [-10_000, 1e30, float("inf"), float("nan")]:
            with self.assertRaises(BulkheadError) as raised:
                client.execute("print(1)", timeout=timeout)
            self.assertTrue(raised.exception.message.startswith("timeout: "), raised.exception.message)
        with self.assertRaisesRegex(ValueError, "execution_id"):
            client.get("")
        with self.assertRaises(BulkheadError) as raised:
            Client(url, "secret-and-wrong").execute("print(1)")
        self.assertEqual(raised.exception.status, 401)
        self.assertNotIn("secret", str(raised.exception) + repr(Client(url, "secret")))

    def test_says_that_nobody_answers(self):
        with self.assertRaises(ConnectionLost):
            Client("http://127.0.0.1:1").get("exec_1")
        with self.assertRaises(BulkheadError) as raised:
            Client(url + "/nowhere").get("exec_1")
        self.assertEqual(raised.exception.status, 404)


class Answers(BaseHTTPRequestHandler):
    """Answers what the test has laid out, and remembers what it was asked."""

    plan = []
    asked = []

    def answer(self):
        length = int(self.headers.get("Content-Length", 0))
        self.asked.append((self.path, self.headers, self.rfile.read(length)))
        status, headers, body = self.plan.pop(0)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


def event(name, identity, data):
    return f"id: {identity}\nevent: {name}\ndata: {json.dumps(data)}\n\n".encode()


def refusal(code, retryable, **headers):
    error = {"code": code, "message": "no", "category": "capacity", "retryable": retryable}
    return (429, {name.replace("_", "-"): value for name, value in headers.items()}, json.dumps({"error": error}).encode())


class Planned(unittest.TestCase):
    """What a server does that is hard to bring about with a real one."""

    def serve(self, *plan):
        Answers.plan, Answers.asked = list(plan), []
        server = HTTPServer(("127.0.0.1", 0), Answers)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"http://127.0.0.1:{server.server_port}"

    def test_asks_again_when_it_is_told_when(self):
        done = (200, {}, b'{"executionId": "exec_1", "state": "ended"}')
        again = Client(self.serve(refusal("QUEUE_TIMEOUT", True, Retry_After="0"), done), retries=1)
        self.assertEqual(again.get("exec_1")["state"], "ended")
        for plan, retries in (
            ([refusal("QUEUE_TIMEOUT", True, Retry_After="0")], 0),
            ([refusal("QUEUE_TIMEOUT", True)], 1),
            ([refusal("QUEUE_TIMEOUT", True, Retry_After="3600")], 1),
        ):
            with self.assertRaises(BulkheadError) as raised:
                Client(self.serve(*plan), retries=retries).get("exec_1")
            self.assertEqual((raised.exception.code, raised.exception.retryable), ("QUEUE_TIMEOUT", True))

    def test_reads_a_stream(self):
        stream = (
            b": \n\n"
            + event("queued", "1", {"ahead": 2})
            + event("of-a-newer-server", "2", {})
            + b"event: stdout\r\ndata: {\"text\":\r\ndata: \"\xc3\xa4\"}\r\n\r\n"
            + event("result", "end", {"result": {"success": True}})
            + event("stdout", "3", {"text": "after the last"})
        )
        found = list(Client(self.serve((200, {}, stream)), "key").stream("print(1)", stdin="x"))
        self.assertEqual([each.type for each in found], ["queued", "stdout", "result"])
        self.assertEqual((found[0].id, found[0].data), ("1", {"ahead": 2}))
        self.assertEqual(found[1].data, {"text": "ä"})
        path, headers, body = Answers.asked[0]
        self.assertEqual((path, headers["Accept"]), ("/api/execute", "text/event-stream"))
        self.assertEqual(headers["Authorization"], "Bearer key")
        self.assertEqual(json.loads(body), {"code": "print(1)", "stdin": "x", "stdinEncoding": "utf8"})

    def test_says_that_a_stream_was_cut_off(self):
        cut = event("started", "1", {}) + b"event: result\ndata: {"
        with self.assertRaises(ConnectionLost):
            list(Client(self.serve((200, {}, cut))).stream("print(1)"))

    def test_reads_on_after_a_lost_connection(self):
        first = event("started", "1", {}) + event("closing", "1", {})
        rest = event("stdout", "2", {"text": "b"}) + event("result", "end", {})
        asked = Client(self.serve((200, {}, first), (200, {}, b""), (200, {}, rest)))
        self.assertEqual([each.type for each in asked.events("exec_1")], ["started", "stdout", "result"])
        self.assertEqual([headers.get("Last-Event-ID") for _, headers, _ in Answers.asked], [None, "1", "1"])
        with self.assertRaises(ConnectionLost):
            list(Client(self.serve((200, {}, b""))).events("exec_1", reconnects=0))
        self.assertEqual(list(Client(self.serve((204, {}, b""))).events("exec_1", after="end")), [])

    def test_submits(self):
        submitted = Client(self.serve((202, {}, b'{"executionId": "exec_7", "state": "queued"}')))
        self.assertEqual(submitted.submit("print(1)"), "exec_7")
        self.assertEqual(Answers.asked[0][0], "/api/executions")

    def test_tells_nobody_a_key_that_cannot_be_sent(self):
        for key in ["secret\n", "sec\nret", "secrét"]:
            with self.assertRaisesRegex(ValueError, "^key: expected printable ASCII") as raised:
                Client("http://127.0.0.1:1", key)
            self.assertNotIn("secr", str(raised.exception))

    def test_takes_the_key_nowhere_else(self):
        away = Client(self.serve((302, {"Location": "http://127.0.0.1:1/"}, b"")), "key")
        with self.assertRaises(BulkheadError) as raised:
            away.get("exec_1")
        self.assertEqual(raised.exception.status, 302)

    def test_leaves_no_part_of_a_file(self):
        cut = (200, {"Content-Length": "10"}, b"part")
        with tempfile.TemporaryDirectory() as directory:
            with self.assertRaises(ConnectionLost):
                Client(self.serve(cut)).download_artifacts("exec_1", os.path.join(directory, "a.zip"))
            self.assertEqual(os.listdir(directory), [])


if __name__ == "__main__":
    unittest.main()
