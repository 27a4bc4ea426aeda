"""As urllib_client.py, with http.client and one connection for all calls, which has to stay open, also behind a
call that was refused."""

import http.client
import json
import sys
from urllib.parse import urlsplit

url, file = sys.argv[1:]
parts = urlsplit(url)
connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
connection.connect()
socket = connection.sock
answers = []
for value in json.load(open(file, encoding="utf-8")):
    connection.request("POST", parts.path, b"[", {"Content-Type": "application/json"})
    response = connection.getresponse()
    refusal = json.load(response)
    if response.status != 400 or refusal["errcode"] != 400:
        sys.exit(f"bad JSON: got {response.status} {refusal}")
    body = json.dumps([value], ensure_ascii=False).encode()
    connection.request("POST", parts.path, body, {"Content-Type": "application/json; charset=utf-8", "MOTAN-tmo": "20000"})
    response = connection.getresponse()
    answer = json.load(response)
    if response.status != 200 or type(answer) is not type(value) or answer != value:
        sys.exit(f"sent {value!r:.200}, got {response.status} {answer!r:.200}")
    answers.append(answer)
if connection.sock is not socket:
    sys.exit("the connection was not kept")
print(json.dumps(answers))
