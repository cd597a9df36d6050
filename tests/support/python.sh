# Read by apps/run and tests/run: makes sure that there is a python3, which installs everything else.
if ! command -v python3 >/dev/null 2>&1; then
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "missing: python3" >&2
        exit 1
    elif [ "$(id -u)" != 0 ]; then
        echo "python3 is missing; this installs it:" >&2
        echo "    sudo apt-get install -y python3" >&2
        exit 1
    fi
    echo "installing: python3"
    install_python() {
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3 </dev/null >/dev/null
    }
    install_python 2>/dev/null || { apt-get update -qq && install_python; } || exit 1
fi
