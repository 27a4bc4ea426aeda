"""Calls a service of the mesh through motand on this host: client.py http://127.0.0.1:9983 SERVICE METHOD '["argument"]'"""

import json
import sys
import urllib.error
import urllib.request

agent, service, method, arguments = sys.argv[1:5]
request = urllib.request.Request(
    f"{agent}/rpc/{service}/{method}",
    data=arguments.encode(),
    headers={"Content-Type": "application/json", "MOTAN-tmo": "1500"},
)
try:
    with urllib.request.urlopen(request, timeout=2) as answer:
        print(json.dumps(json.load(answer), ensure_ascii=False))
except urllib.error.HTTPError as refused:
    problem = json.load(refused)
    sys.exit(f"{refused.code}: {problem['errmsg']} (code {problem['errcode']})")
