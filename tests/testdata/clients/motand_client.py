"""Uses scripts/clients/motand.py (in the folder of the first argument) at the address (second) and prints what came of each step."""
import json, os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(sys.argv[1]))
import motand as m

motand, demo = m.Motand(sys.argv[2]), "com.example.DemoService"
names = {"ServiceException": "MotandServiceException", "Timeout": "MotandTimeout", "Unavailable": "MotandUnavailable", "Down": "MotandDown"}

def step(do):
    try:
        value = do()
    except m.MotandError as e:
        value = [names.get(type(e).__name__, type(e).__name__), e.errcode, e.errtype, e.status]
    print(json.dumps(value, ensure_ascii=False))

def batch():
    first, second = motand.batch([
        {"service": demo, "method": "hello", "args": ["a"]},
        {"service": demo, "method": "fail", "args": ["b"]},
    ])
    return [first, names[type(second).__name__], str(second)]

step(lambda: motand.call(demo, "hello", "漢字"))
step(lambda: motand.call(demo, "add", 1, 2, signature="int,int"))
step(lambda: motand.call(demo, "add", m.typed("int32", 5)))
step(lambda: motand.call(demo, "echo", [9223372036854775807, 1.0, None, True, {"a": {"b": ""}}, {}]))
step(lambda: motand.call(demo, "echo", b"A\x00\xff") == b"A\x00\xff")
step(lambda: motand.call(demo, "add", 1, 2))
step(lambda: motand.call(demo, "add", 1, 2147483648, signature="int,int"))
step(lambda: motand.call(demo, "fail", "no luck"))
step(lambda: motand.call(demo, "slow", 2000, timeout=0.1))
step(lambda: motand.call("no.such.Service", "hello"))
step(batch)
step(lambda: motand.batch([]))
step(lambda: len(motand.call(demo, "echo", "x" * (1 << 20))))
step(lambda: m.Motand("http://127.0.0.1:1").call(demo, "hello"))
