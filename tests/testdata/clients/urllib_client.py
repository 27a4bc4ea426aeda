"""Calls a service with urllib: urllib_client.py URL FILE. FILE has a JSON list of values; each is the argument
of one call. Prints a JSON list of what Python has got, and ends with 1 if one came back as something else."""

import json
import sys
import urllib.request

url, file = sys.argv[1:]
answers = []
for value in json.load(open(file, encoding="utf-8")):
    request = urllib.request.Request(url, data=json.dumps([value]).encode(), headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as response:
        answer = json.load(response)
    if type(answer) is not type(value) or answer != value:
        sys.exit(f"sent {value!r:.200}, got {answer!r:.200}")
    answers.append(answer)
print(json.dumps(answers))
