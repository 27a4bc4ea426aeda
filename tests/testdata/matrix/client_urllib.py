"""Asks a site by urllib: client_urllib.py URL HOST BODY"""

import sys
from urllib.request import Request, urlopen

url, host, body = sys.argv[1:]
for data in (None, body.encode()):
    request = Request(url, data=data, headers={"Host": host, "Content-Type": "text/plain"})
    with urlopen(request, timeout=30) as answer:
        print(answer.read().decode())
