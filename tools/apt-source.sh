# Upstream sources out of Debian's source packages, for scripts that set $work, a directory of their own, and read this file.
# The machine's packages and lists of packages stay as they are, and root is not needed.

# apt's own files, but with the machine's settings, such as a proxy.
apt() {
    program=$1
    shift
    "$program" -q -o Dir::State="$work/apt" -o Dir::Cache="$work/apt/cache" -o Acquire::Retries=1 \
        -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30 -o APT::Sandbox::User=root "$@"
}
apt_source() {
    program=$1
    shift
    apt "$program" -o Dir::Etc::sourcelist="$work/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null "$@"
}

# Writes a list of source packages out of the machine's own sources: what they take this release from has others too.
# `--print-uris` reads every form of source list, and fetches nothing.
source_list() {
    [ ! -e "$work/apt/ready" ] || return 0
    mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")
    mirrors=$(apt apt-get update --print-uris |
        sed -nE "s|^'([^' ]*)/dists/($codename\|stable)/InRelease'.*|\1|p" | sort -u)
    if [ -z "$mirrors" ]; then
        echo "apt's sources of this machine name no mirror of $codename"
        return 1
    fi
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    options=
    if [ -r "$keyring" ]; then
        options="[signed-by=$keyring] "
    fi
    for mirror in $mirrors; do
        printf 'deb-src %s%s %s main\n' "$options" "$mirror" trixie "$options" "$mirror" forky
    done >"$work/apt/sources.list"
    # Some of the mirrors may be somebody else's, and have no Debian: what is needed shows in what was got.
    apt_source apt-get update || true
    : >"$work/apt/ready"
}

# The upstream source of PACKAGE of RELEASE, unpacked into ./source. apt compares it with the checksum that Debian signed.
source_of() {
    source_list && apt_source apt-get source --download-only --tar-only "$1/$2" && mkdir source &&
        tar -x -f "$1"_*.orig.tar.* -C source --strip-components 1
}

# The same, if Debian still has the very file of this checksum: tests may count what is in it.
pinned_source_of() {
    source_list && apt_source apt-get source --download-only --tar-only "$1/$2" &&
        echo "$3  $(ls "$1"_*.orig.tar.*)" | sha256sum --check - && mkdir source &&
        tar -x -f "$1"_*.orig.tar.* -C source --strip-components 1
}
