"""Reads texts as libpq does: JSON texts in, a line each; a JSON object of what libpq read, or its error, out."""

import ctypes
import ctypes.util
import json
import sys


class Option(ctypes.Structure):
    _fields_ = [(name, ctypes.c_char_p) for name in ("keyword", "envvar", "compiled", "val", "label", "dispchar")]
    _fields_ += [("dispsize", ctypes.c_int)]


libpq = ctypes.CDLL(ctypes.util.find_library("pq") or "libpq.so.5")
libpq.PQconninfoParse.restype = ctypes.POINTER(Option)
libpq.PQconninfoParse.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.c_char_p)]

for line in sys.stdin:
    error = ctypes.c_char_p()
    options = libpq.PQconninfoParse(json.loads(line).encode(), ctypes.byref(error))
    if not options:
        print(json.dumps({"error": error.value.decode()}))
        continue
    read, at = {}, 0
    while options[at].keyword:
        if options[at].val is not None:
            read[options[at].keyword.decode()] = options[at].val.decode()
        at += 1
    libpq.PQconninfoFree(options)
    print(json.dumps(read))
