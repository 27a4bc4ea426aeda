"""Calls Motan services through the motand of this host. Needs Python 3.6 and nothing else.

    motand = Motand()                          # or "http://127.0.0.1:9983", "unix:///run/motand/http.sock"
    motand.call("com.example.DemoService", "add", 1, 2, signature="int,int", timeout=0.5)

One object keeps one connection, for one thread, and sends no call twice. Options: group, version, signature (Java's types), timeout (s),
metadata (a dict of texts). {"$type": "int32", "value": 5} is one value of a type, {"$bytes": b64encode(data).decode()} is bytes."""
import contextlib, http.client, json, select, socket, urllib.parse


class MotandError(Exception):
    def __init__(self, message, errcode=0, errtype=1, status=0):
        super().__init__(message)
        self.errcode, self.errtype, self.status = errcode, errtype, status
class ServiceException(MotandError): """Raised by the service itself."""
class Timeout(MotandError): """No answer in time: the call may have been executed."""
class Unavailable(MotandError): """Nobody can take the call just now."""
class Down(Unavailable): """No connection to the motand of this host: no call was made."""


class Motand:
    def __init__(self, address="http://127.0.0.1:9983", timeout=5.0):
        self.address, self.timeout, self.conn = address, timeout, None
        self.scheme, _, self.place = address.rstrip("/").rpartition("://")

    def call(self, service, method, *args, group=None, version=None, signature=None, timeout=None, metadata=None):
        body = json.dumps(args, ensure_ascii=False, allow_nan=False).encode()
        headers = {"Content-Type": "application/json", **{"Motan-Meta-" + key: text for key, text in (metadata or {}).items()}}
        headers.update({"MOTAN-g": group, "MOTAN-v": version, "MOTAN-md": signature, "MOTAN-tmo": timeout and max(1, int(timeout * 1000))})
        headers = {name: str(text).encode() for name, text in headers.items() if text is not None}
        sent, conn, self.conn = False, self.conn or http.client.HTTPConnection("localhost" if self.scheme == "unix" else self.place), None
        try:
            self._connect(conn, (timeout or self.timeout) + 0.5)  # motand answers first
            sent = True
            with contextlib.suppress(ConnectionError):  # refused before all was sent: the answer says why
                conn.request("POST", "/rpc/" + "/".join(urllib.parse.quote(name, "") for name in (service, method)), body, headers)
            answer = conn.getresponse()
            status, value, self.conn = answer.status, json.loads(answer.read().decode()), conn  # kept, for its call has ended
        except (OSError, http.client.HTTPException, ValueError) as e:
            conn.close()
            kind = Down if not sent else Timeout if isinstance(e, socket.timeout) else MotandError
            raise kind("motand at %s: no answer: %s" % (self.address, e or type(e).__name__)) from e
        if status == 200:
            return value
        why = value if isinstance(value, dict) else {}
        kind = ServiceException if why.get("errtype") == 2 else {504: Timeout, 503: Unavailable, 429: Unavailable}.get(status, MotandError)
        raise kind(why.get("errmsg", "status %d" % status), why.get("errcode", status), why.get("errtype", 1), status)

    def _connect(self, conn, timeout):
        conn.timeout, poll = timeout, select.poll()
        if conn.sock:
            poll.register(conn.sock, select.POLLIN)
            if not poll.poll(0):
                return conn.sock.settimeout(timeout)
            conn.close()  # motand has: it was idle for long
        if self.scheme != "unix":
            return conn.connect()
        conn.sock = socket.socket(socket.AF_UNIX)
        conn.sock.settimeout(timeout)
        conn.sock.connect(self.place)
