"""A local server that speaks the chat-completions protocol, and misbehaves as it is told to."""

import json
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# What a text in the script may be answered with besides words.
SLOW, BUSY, BROKEN, NO_JSON, NO_CHOICES = "<slow>", "<429>", "<500>", "<no json>", "<no choices>"
REFUSED, FILTERED, BLOCKED, EMPTY, CUT = "<refused>", "<filtered>", "<400>", "<empty>", "<cut>"
DENIED = "<401>"
# To another address of the same server, which counts what comes there.
MOVED = "<307>"
# Far beyond the time-outs of the tests, and an end all the same.
PATIENCE = 5.0
MOST_REQUESTS = 500


class FakeServer(ThreadingHTTPServer):
    """Answers a prompt by the text at its end.

    script: Text to its answers, one a request; the last one is repeated. Words, or one of the
        names above. Texts that are not in it get an answer without entities.
    asked: How often each text was asked.
    keys: The headers `Authorization` that came.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = {}
        self.asked = Counter()
        self.keys = []
        self.bodies = []
        self.elsewhere = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.server_port}/v1/chat/completions"

    @property
    def requests(self):
        return self.asked.total()

    def next_answer(self, body):
        prompt = body["messages"][0]["content"]
        text = prompt.rpartition("Paragraph: ")[2].removesuffix("\nAnswer:")
        if "'''" in prompt:  # the prompt of spacy.NER.v2
            text = prompt.rpartition("Text:")[2].strip().strip("'").strip()
        with self.lock:
            self.bodies.append(body)
            number = self.asked[text]
            self.asked[text] += 1
        answers = self.script.get(text, ["None"])
        return answers[min(number, len(answers) - 1)]

    def handle_error(self, request, client_address):
        """Who asked has gone away: that is what a time-out is."""


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        self.send(200, {"data": [{"id": "fake"}]})

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        body = json.loads(self.rfile.read(length))
        if self.path == "/elsewhere":
            self.server.elsewhere += 1
            self.send(200, completion("1. Ana | True | PER | is a name"))
            return
        self.server.keys.append(self.headers.get("Authorization"))
        if self.server.requests >= MOST_REQUESTS:
            self.send(500, {"error": {"message": "the test asks without end"}})
            return
        answer = self.server.next_answer(body)
        if answer == SLOW:
            self.server.closing.wait(PATIENCE)
            return
        if answer == MOVED:
            self.send_response(307)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        status = {BUSY: 429, BROKEN: 500, BLOCKED: 400, DENIED: 401}.get(answer)
        if status:
            # As hosted servers do, the error quotes what was sent.
            told = f"{self.headers.get('Authorization')} {body['messages'][0]['content']}"
            code = "content_filter" if answer == BLOCKED else "other"
            self.send(status, {"error": {"message": told, "code": code}})
        elif answer == NO_JSON:
            self.send(200, '{"choices": [')
        elif answer == NO_CHOICES:
            self.send(200, {"object": "chat.completion"})
        else:
            self.send(200, completion(answer))

    def send(self, status, data):
        content = (data if isinstance(data, str) else json.dumps(data)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def completion(answer):
    message = {"role": "assistant", "content": answer}
    reason = "stop"
    if answer == REFUSED:
        message |= {"content": None, "refusal": "I cannot help with that."}
    elif answer == FILTERED:
        message["content"], reason = "1. Ana | True | PER | is", "content_filter"
    elif answer == CUT:
        message["content"], reason = "1. Ana | True | PER | is a name", "length"
    elif answer == EMPTY:
        message["content"] = ""
    choice = {"index": 0, "message": message, "finish_reason": reason}
    return {"object": "chat.completion", "choices": [choice]}


@contextmanager
def fake_server():
    """A server on a free port of this machine, which stops with the context."""
    with FakeServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join(PATIENCE)


def names(*spans):
    """An answer in the form of spacy.NER.v3: names("Ana PER", "Lagos LOC")."""
    pairs = [span.rsplit(" ", 1) for span in spans]
    return "\n".join(f"{i}. {x} | True | {y} | is a name" for i, (x, y) in enumerate(pairs, 1))
