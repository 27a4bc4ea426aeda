"""Makes the calls of a file (third argument) with scripts/clients/motand.py (first) at the address (second), and then one
that JSON cannot carry. Prints what came of each. Calls with the same "by" are of one object."""
import json, os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(sys.argv[1]))
import motand

names = {motand.ServiceException: "MotandServiceException", motand.Timeout: "MotandTimeout",
         motand.Unavailable: "MotandUnavailable", motand.Down: "MotandDown", motand.MotandError: "MotandError"}

def made(call, *args, **options):
    try:
        return call(*args, **options)
    except motand.MotandError as e:
        return [names[type(e)], e.errcode, e.errtype, e.status]
    except ValueError:
        return "not JSON"

objects, lines = {}, []
with open(sys.argv[3], encoding="utf-8") as file:
    calls = json.load(file)
for c in calls:
    options = c["options"]
    if "timeout" in options:
        options["timeout"] /= 1000
    client = objects.setdefault(c["by"], motand.Motand(sys.argv[2]))
    lines.append(made(client.call, c["service"], c["method"], *c["args"], **options))
lines.append(made(motand.Motand(sys.argv[2]).call, "s", "m", float("nan")))
for line in lines:
    sys.stdout.buffer.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
