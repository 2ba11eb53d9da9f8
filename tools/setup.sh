#!/bin/sh
# Installs what building needs (libpcap's headers and a C compiler), and with CI=true also what the tests need.
# usage: setup.sh [test]
set -eu

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else return 127; fi
}

apt_install() {
    export DEBIAN_FRONTEND=noninteractive
    as_root apt-get update -qq
    as_root apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

has_libpcap() {
    command -v pcap-config >/dev/null || [ -e /usr/include/pcap/pcap.h ] || [ -e /usr/local/include/pcap/pcap.h ]
}

if ! command -v cargo >/dev/null; then
    echo "Rust is missing: install it from https://rustup.rs or your distribution (1.95 or newer)." >&2
    exit 1
fi

if ! has_libpcap || ! command -v cc >/dev/null; then
    if command -v apt-get >/dev/null; then
        echo "installing libpcap-dev and a C compiler (apt)"
        apt_install libpcap-dev gcc libc6-dev pkg-config || {
            echo "could not install: run 'apt-get install libpcap-dev gcc pkg-config' as root, then try again." >&2
            exit 1
        }
    else
        echo "libpcap's headers or a C compiler are missing." >&2
        echo "Fedora: dnf install libpcap-devel gcc; Arch: pacman -S libpcap gcc; macOS: xcode-select --install" >&2
        exit 1
    fi
fi

# On a person's machine tests whose tools are missing are skipped and say which package has them. In CI none may be skipped.
if [ "${1:-}" = test ] && [ "${CI:-}" = true ] && command -v apt-get >/dev/null; then
    missing=""
    for pair in tshark:tshark capinfos:wireshark-common tcpdump:tcpdump tcptrace:tcptrace chromium:chromium chromedriver:chromium-driver pdflatex:texlive-latex-recommended ffprobe:ffmpeg soffice:libreoffice-writer-nogui \
        zstd:zstd lz4:lz4 xz:xz-utils bzip2:bzip2 jq:jq ip:iproute2 nft:nftables ethtool:ethtool ping:iputils-ping curl:curl \
        nginx:nginx-light qemu-system-x86_64:qemu-system-x86 busybox:busybox-static cpio:cpio python3:python3 pip3:python3-pip c++:g++; do
        command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair#*:}"
    done
    ls /boot/vmlinuz-* >/dev/null 2>&1 || missing="$missing linux-image-amd64"
    if [ -n "$missing" ]; then
        echo "installing for the tests:$missing"
        # shellcheck disable=SC2086
        apt_install $missing
    fi
    command -v cargo-deny >/dev/null || cargo install -q cargo-deny --locked
    python3 -c 'import scipy' 2>/dev/null || apt_install python3-scipy
    python3 -c 'import scipy' 2>/dev/null || python3 -m pip install -q scipy
    # Debian's pip refuses to install beside its own packages unless told to.
    python3 -c 'import distributed' 2>/dev/null || python3 -m pip install -q distributed || python3 -m pip install -q --break-system-packages distributed
fi
