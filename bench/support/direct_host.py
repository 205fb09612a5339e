"""Serve with the build's own API and nothing of ours: the hand-typed command of the comparison.

usage: python direct_host.py '{"model.path": "...", "cpuparams.n_threads": 2, ...}'
A key is an attribute of `CommonParams`, dots descend; a value `{"enum": "group.NAME"}` is looked up
in the module.
"""

from __future__ import annotations

import json
import signal
import sys

import xllamacpp

params = xllamacpp.CommonParams()
for path, value in json.loads(sys.argv[1]).items():
    *folders, name = path.split(".")
    target = params
    for folder in folders:
        target = getattr(target, folder)
    if isinstance(value, dict):
        group, member = value["enum"].split(".")
        value = getattr(getattr(xllamacpp, group), member)
    setattr(target, name, value)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.SIG_DFL)
server = xllamacpp.Server(params)
while True:
    signal.pause()
