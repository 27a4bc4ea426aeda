"""Calls Motan services through the motand of this host. Needs Python 3.6 and nothing else.

    motand = Motand()                          # or "http://127.0.0.1:9983", "unix:///run/motand/http.sock"
    motand.call("com.example.DemoService", "hello", "world")
    motand.call("com.example.DemoService", "add", 1, 2, signature="int,int", timeout=0.5)
    motand.batch([{"service": "...", "method": "...", "args": []}, ...])

One object keeps one connection and is for one thread. Options: group, version, signature (Java's parameter types),
timeout (s), metadata (a dict of texts). typed("int32", 5) is one value of a type; bytes are bytes.
"""
import base64, http.client, json, socket
from urllib.parse import quote, urlsplit


class MotandError(Exception):
    def __init__(self, message, errcode=0, errtype=1, status=0):
        super().__init__(message)
        self.errcode, self.errtype, self.status = errcode, errtype, status

class ServiceException(MotandError): """Raised by the service itself."""
class Timeout(MotandError): """No answer in time: the call may have been executed."""
class Unavailable(MotandError): """Nobody can take the call just now."""
class Down(Unavailable): """The motand of this host does not listen: no call was made."""


def failure(status, error):
    error = error if isinstance(error, dict) else {}
    kind = ServiceException if error.get("errtype") == 2 else {504: Timeout, 503: Unavailable, 429: Unavailable}.get(status, MotandError)
    return kind(error.get("errmsg", "status %d" % status), error.get("errcode", status), error.get("errtype", 1), status)

def typed(kind, value):
    return {"$type": kind, "value": value}

def plain(value):  # what json cannot write
    return {"$bytes": base64.b64encode(bytes(value)).decode()}

def read_hook(value):
    return base64.b64decode(value["$bytes"]) if len(value) == 1 and isinstance(value.get("$bytes"), str) else value


class UnixConnection(http.client.HTTPConnection):
    def connect(self):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(self.timeout)
        sock.connect(self.path)
        self.sock = sock


class Motand:
    def __init__(self, address="http://127.0.0.1:9983", timeout=5.0):
        self.address, self.timeout = address, timeout
        self.conn = UnixConnection("localhost") if address.startswith("unix://") else http.client.HTTPConnection(urlsplit(address).netloc)
        self.conn.path = address[len("unix://"):]

    def call(self, service, method, *args, group=None, version=None, signature=None, timeout=None, metadata=None):
        headers = {"Motan-Meta-" + name: text for name, text in (metadata or {}).items()}
        for name, value in (("g", group), ("v", version), ("md", signature), ("tmo", timeout and str(max(1, int(timeout * 1000))))):
            if value is not None:
                headers["MOTAN-" + name] = value
        return self._post("/rpc/%s/%s" % (quote(service, ""), quote(method, "")), args, headers, timeout)

    def batch(self, calls, timeout=None):
        """Each answer is the value, or a MotandError that is not raised, in the order of the calls; timeout in them is in ms."""
        answers = self._post("/rpc", calls, {}, timeout)
        return [failure(a["status"], a["error"]) if "error" in a else a["value"] for a in answers]

    def _post(self, path, body, headers, timeout):
        data = json.dumps(body, default=plain, ensure_ascii=False, allow_nan=False).encode()
        headers = dict(headers, **{"Content-Type": "application/json"})
        self.conn.timeout = (timeout or self.timeout) + 0.5  # motand answers first
        self._drop_stale()
        try:
            try:
                self.conn.request("POST", path, data, headers)
            except BrokenPipeError:
                pass  # refused before all was sent; the answer says why
            answer = self.conn.getresponse()
            status, text = answer.status, answer.read()
        except (OSError, http.client.HTTPException) as e:
            kind = Timeout if isinstance(e, socket.timeout) else Down if self.conn.sock is None else MotandError
            self.conn.close()
            raise kind("motand at %s: %s" % (self.address, e or type(e).__name__)) from e
        if status != 200:
            try:
                error = json.loads(text.decode())
            except ValueError:
                error = None
            raise failure(status, error)
        return json.loads(text.decode(), object_hook=read_hook)

    def _drop_stale(self):  # motand closes connections that are idle
        if self.conn.sock is None:
            return
        try:
            self.conn.sock.setblocking(False)
            self.conn.sock.recv(1, socket.MSG_PEEK)
            self.conn.close()  # its end, or what nobody has asked for
        except BlockingIOError:
            self.conn.sock.settimeout(self.conn.timeout)
        except OSError:
            self.conn.close()
