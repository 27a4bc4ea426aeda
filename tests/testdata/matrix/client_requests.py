"""Asks a site by requests, twice on one connection: client_requests.py URL HOST BODY"""

import sys

import requests

url, host, body = sys.argv[1:]
with requests.Session() as session:
    session.headers.update({"Host": host, "Content-Type": "text/plain"})
    print(session.get(url, timeout=30).content.decode())
    print(session.post(url, data=body.encode(), timeout=30).content.decode())
