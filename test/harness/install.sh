#!/bin/sh
# Installs one Debian package without letting it start a service. Run as root, one at a time (see tool.ts).
set -eu
package=$1
if dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed'; then exit 0; fi

work=$(mktemp -d)
policy=/usr/sbin/policy-rc.d
made_policy=
tidy() {
  rm -rf "$work"
  if [ -n "$made_policy" ]; then rm -f "$policy"; fi
}
trap tidy EXIT
trap 'exit 1' INT TERM HUP
if [ ! -e "$policy" ]; then
  made_policy=yes
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
get() { apt-get -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 "$@"; }
get install -y --no-install-recommends "$package" && exit 0
get update && get install -y --no-install-recommends "$package" && exit 0

# What the release lacks may be in its backports. The machine's own list of sources stays as it is.
. /etc/os-release
# apt reads the lists as a user of its own.
chmod 755 "$work"
mkdir -p "$work/parts" "$work/lists/partial"
cp /etc/apt/sources.list "$work/sources.list" 2>/dev/null || : >"$work/sources.list"
cp /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources "$work/parts/" 2>/dev/null || :
echo "deb http://deb.debian.org/debian ${VERSION_CODENAME}-backports main" >"$work/parts/backports.list"
sources="-o Dir::Etc::SourceList=$work/sources.list -o Dir::Etc::SourceParts=$work/parts -o Dir::State::Lists=$work/lists"
# shellcheck disable=SC2086 # several options, none with a space
get $sources update && get $sources install -y --no-install-recommends "$package"
