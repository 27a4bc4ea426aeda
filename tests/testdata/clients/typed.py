"""Calls the method of TestJavaTakesTypes with scripts/clients/motand.py: file, address, types."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(sys.argv[1]))
import motand

print(motand.Motand(sys.argv[2]).call(
    "com.example.JavaEcho", "typed", 1, 2, 3, 4, True, b"\x01\x02", ["x", motand.typed("int32", 5)], {"k": "v"}, signature=sys.argv[3], timeout=20))
