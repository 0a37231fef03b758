# shellcheck shell=bash
# What sign, dist and mac-check have in common.

# need_mac WHAT: ends unless this is a Mac with its tools.
need_mac() {
    if [ "$(uname -s)" != Darwin ]; then
        echo "$1 needs a Mac: there is no codesign and no Virtualization.framework on $(uname -s)." >&2
        echo "On Linux, 'swift test --filter VZEngineAppleTests' checks the engine over a double of the framework." >&2
        exit 3
    fi
    local tool
    for tool in codesign swift plutil; do
        command -v "$tool" >/dev/null || {
            echo "$1 needs $tool: install Xcode's command line tools (xcode-select --install)." >&2
            exit 3
        }
    done
}

# sign FILE-OR-BUNDLE ENTITLEMENTS: with SIGN_IDENTITY, or ad hoc, and shows what it has then.
sign() {
    plutil -lint -s "$2"
    local options=(--force --sign "${SIGN_IDENTITY:--}" --entitlements "$2")
    # Only a real identity can be notarized, which needs the hardened runtime.
    [ -z "${SIGN_IDENTITY:-}" ] || options+=(--options runtime --timestamp)
    codesign "${options[@]}" "$1"
    codesign --verify --strict "$1"
    codesign --display --entitlements - --xml "$1" 2>/dev/null | plutil -p - ||
        { echo "$1 has no entitlements after signing" >&2; exit 1; }
}

# built PRODUCT CONFIGURATION: builds it, and says where it is.
built() {
    # shellcheck disable=SC2086
    swift build ${SWIFTFLAGS:-} -c "$2" --product "$1" >&2
    # shellcheck disable=SC2086
    echo "$(swift build ${SWIFTFLAGS:-} -c "$2" --show-bin-path)/$1"
}
