#!/usr/bin/env python3
"""How much of optimising and emitting several C++ units repeats what was done for another unit:

    repeated.py FILE... -- FLAGS

Inline functions and templates are emitted by each unit that uses them, and the linker keeps one. Each file is compiled by
clang 22 with the flags, once to an object with `-ftime-trace`, and once to the module before optimisation, which tells the
functions that other units may have too (linkage `linkonce` and `weak`). A function counts as repeated in each unit but the
first that has it. Its time is that of the outermost passes over it alone, and its share of those over several functions that
call each other. Passes over whole modules belong to no function, so that times are lower bounds. Shares are of wall time, so
that the machine should be quiet, or the files many.

Measured at -O2 by the sources and flags of their manifests here, on a machine that had other work:

                                            RocksDB, 18 units   yaml-cpp 0.8, 31 units
    functions, bytes                        963,000             183,000
    inline and template functions of them   41 %                41 %
    repeated, of the bytes                  19 %                15 %
    repeated, of optimising                 34 %                19 %
    repeated, of emitting                   25 %                13 %
    repeated, of both together              31 %                17 %
    repeated, of all with the front end     10 %                 5 %

So it is more than a tenth of what comes behind the front end, and a tenth or less of a build. To do it once, a unit would leave a
function out because another unit of the same build emits it: its object would depend on what is built with it, and a member of an
archive would need another one. No form is known that keeps objects self-contained. And if calls are to be inlined as they are now,
each unit has to optimise the bodies anyway, so that emitting alone is saved: 2.4 % of the time of RocksDB, 1.4 % of yaml-cpp's.
That is not worth it.
"""

import collections
import json
import os
import re
import subprocess
import sys
import tempfile

BIN = os.path.join(os.environ.get("LLVM_SYS_221_PREFIX", "/usr/lib/llvm-22"), "bin")
PHASES = ("Optimizer", "CodeGenPasses")
SHARED = re.compile(r'^define (?:weak_odr|linkonce_odr|weak|linkonce) [^@\n]*@"?([^("\n]+)"?\(', re.M)


def output(*words):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout


def compile_unit(source, flags, directory):
    """The functions that other units may have too, the sizes of all that are emitted, and the events of clang."""
    path = os.path.join(directory, "unit.o")
    clang = [f"{BIN}/clang++", "-w", *flags, source]
    trace = ["-ffunction-sections", "-ftime-trace", "-ftime-trace-granularity=0"]
    subprocess.run([*clang, *trace, "-c", "-o", path], check=True)
    module = output(*clang, "-Xclang", "-disable-llvm-passes", "-emit-llvm", "-S", "-o", "-")
    sizes = {}
    for line in output(f"{BIN}/llvm-nm", "-S", "--defined-only", path).splitlines():
        fields = line.split()
        if len(fields) == 4 and fields[2] in "TtWw":
            sizes[fields[3]] = int(fields[1], 16)
    with open(os.path.join(directory, "unit.json"), encoding="utf-8") as file:
        events = json.load(file)["traceEvents"]
    return set(SHARED.findall(module)), sizes, events


def times(events, known):
    """Microseconds by phase, and by phase and function."""
    events = [e for e in events if e.get("ph") == "X" and not e["name"].startswith("Total")]
    events.sort(key=lambda e: (e["ts"], -e["dur"]))
    phases = [(e["ts"], e["ts"] + e["dur"], e["name"]) for e in events if e["name"] in PHASES]
    total, by = collections.Counter(), collections.Counter()
    total["Frontend"] = sum(e["dur"] for e in events if e["name"] == "Frontend")
    for start, end, name in phases:
        total[name] += end - start
    covered = -1
    for event in events:
        start, end = event["ts"], event["ts"] + event["dur"]
        phase = next((name for a, b, name in phases if a <= start and end <= b), None)
        if phase is None or start < covered or event["name"] in ("OptModule", "RunPass"):
            continue
        # A function, or several in parentheses.
        names = re.findall(r"[\w$.]+", event.get("args", {}).get("detail", ""))
        if names and names[0] in known:
            for name in names:
                by[phase, name] += event["dur"] / len(names)
            covered = end
    return total, by


def main():
    if "--" not in sys.argv or sys.argv.index("--") < 2:
        sys.exit(__doc__)
    at = sys.argv.index("--")
    sources, flags = sys.argv[1:at], sys.argv[at + 1 :]
    size, shared_size, repeated_size = 0, 0, 0
    total, repeated = collections.Counter(), collections.Counter()
    emitted, worked_on = set(), set()
    for source in sources:
        with tempfile.TemporaryDirectory() as directory:
            shared, sizes, events = compile_unit(source, flags, directory)
        named = {e["args"]["detail"] for e in events if e.get("name") == "OptFunction"}
        phases, by = times(events, named | shared | set(sizes))
        total += phases
        for name, bytes_ in sizes.items():
            size += bytes_
            if name in shared:
                shared_size += bytes_
                repeated_size += bytes_ if name in emitted else 0
        for (phase, name), micros in by.items():
            if name in shared and name in worked_on:
                repeated[phase] += micros
        emitted |= sizes.keys() & shared
        worked_on |= shared
    percent = lambda part, whole: f"{100 * part / max(whole, 1):.1f} %"
    print(f"{len(sources)} units; functions: {size} bytes")
    print(f"inline functions and templates: {percent(shared_size, size)} of them; repeated: {percent(repeated_size, size)}")
    for phase in PHASES:
        print(f"{phase}: {total[phase] / 1e6:.1f} s; repeated: {percent(repeated[phase], total[phase])}")
    behind = sum(total[phase] for phase in PHASES)
    print(f"optimising and emitting together: repeated: {percent(repeated.total(), behind)}")
    print(f"with the front end: repeated: {percent(repeated.total(), total.total())}")


if __name__ == "__main__":
    main()
