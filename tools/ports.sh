#!/bin/sh
# Makes a workspace of real projects and the manifests that workspace-examples/ports has for them:
#     ports.sh SOURCES WORKSPACE [PORT...]
# SOURCES is the directory for unchanged sources, as in tools/sources.sh. WORKSPACE gets a copy of them for each PORT (without
# names: all that the table lists), with the manifests as they are now. Members whose sources cannot be had, and those that
# need them, are left out: each is named in one line, and is no failure. Prints the ports of which nothing is left out.
set -eu

if [ $# -lt 2 ]; then
    echo "usage: $0 SOURCES WORKSPACE [PORT...]" >&2
    exit 2
fi
tools=$(cd "$(dirname "$0")" && pwd)
manifests=$tools/../workspace-examples/ports
mkdir -p "$2"
sources=$1 workspace=$(cd "$2" && pwd)
shift 2
if [ $# -eq 0 ]; then
    # shellcheck disable=SC2046 # a word for each port
    set -- $(awk '/^[a-z]/ { print $1 }' "$manifests/sources.txt")
fi
"$tools/sources.sh" "$sources" "$@"

for port; do
    stamp=$(cd "$sources/$port" 2>/dev/null && ls -d .sha256-*) || stamp=none
    if [ ! -e "$workspace/$port/$stamp" ]; then
        rm -rf "${workspace:?}/$port"
        [ "$stamp" = none ] || cp -Rp "$sources/$port" "$workspace/$port"
    fi
    if [ -d "$workspace/$port" ]; then
        find "$workspace/$port" -name Tender.toml -exec rm {} +
        [ ! -d "$manifests/$port" ] || cp -R "$manifests/$port/." "$workspace/$port"
    fi
done

# The list has each member after those that it depends on.
members=$(sed -n 's/^    "\(.*\)",$/\1/p' "$manifests/Tender.toml")
there=' ' lacking=' ' drop=
for member in $members; do
    why='its sources are not there'
    if [ -e "$workspace/$member/Tender.toml" ]; then
        why=
        for path in $(sed -n 's/.*path = "\([^"]*\)".*/\1/p' "$workspace/$member/Tender.toml"); do
            needed=$(realpath -m --relative-to="$workspace" "$workspace/$member/$path")
            case $there in
            *" $needed "*) ;;
            *) why="it needs $needed, which is left out" ;;
            esac
        done
    fi
    if [ -z "$why" ]; then
        there="$there$member "
        continue
    fi
    lacking="$lacking$member/ " drop="$drop -e \\|\"$member\",|d"
    case " $* " in
    *" ${member%%/*} "*) echo "SKIPPED: $member is left out, because $why" >&2 ;;
    esac
done
# shellcheck disable=SC2086 # a word for each expression
sed -e '' $drop "$manifests/Tender.toml" >"$workspace/Tender.toml"

for port; do
    case $lacking in
    *" $port/"*) ;;
    *) [ ! -d "$manifests/$port" ] || echo "$port" ;;
    esac
done
