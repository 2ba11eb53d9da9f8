"""The lab's guest: a kernel of this machine, an initramfs with busybox, and the media that it serves.

Made once and kept in a folder; made again when this file changes.
"""
import glob
import gzip
import hashlib
import os
import pathlib
import shutil
import subprocess

SECONDS = 60
# In the order in which they need each other.
MODULES = ["virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "failover", "net_failover", "virtio_net"]
APPLETS = "sh mount insmod ip httpd sleep dd cat mkdir tr".split()
ADDRESS = "192.0.2.50"

# The guest dirties memory in two ways: `dirty` KiB a second with bytes that are new each time, `touch` pages a second in which a
# few bytes change (what XBZRLE is made for).
INIT = f"""#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm
mount -t tmpfs tmpfs /dev/shm
for m in {" ".join(MODULES)}; do [ -f /lib/modules/$m.ko ] && insmod /lib/modules/$m.ko; done
sleep 1
ip link set lo up
ip link set eth0 up
ip addr add {ADDRESS}/24 dev eth0
ip route add default via 192.0.2.1
dirty=0
touch=0
for word in $(cat /proc/cmdline); do
    case $word in dirty=*) dirty=${{word#dirty=}} ;; touch=*) touch=${{word#touch=}} ;; esac
done
httpd -p 80 -h /www
if [ "$dirty" != 0 ]; then
    (while true; do dd if=/dev/urandom of=/dev/shm/new bs=1024 count=$dirty conv=notrunc 2>/dev/null; sleep 1; done) &
fi
if [ "$touch" != 0 ]; then
    # Two patterns that differ by a few bytes in each page, written in turn to the same pages.
    dd if=/dev/urandom of=/dev/shm/a bs=4096 count=$touch 2>/dev/null
    tr "\\001" "\\002" < /dev/shm/a > /dev/shm/b
    (while true; do
        for from in a b; do
            dd if=/dev/shm/$from of=/dev/shm/touched bs=4096 conv=notrunc 2>/dev/null
            sleep 0.2
        done
    done) &
fi
echo "guest is up"
exec sleep 1000000
"""

PAGE = """<!doctype html><html lang="id"><title>Situs uji migrasi</title>
<h1>Situs uji migrasi</h1><video src="video.mp4" controls></video><img src="logo.png" alt=""></html>
"""

# A viewer's page: `watch.html` plays the file, `watch.html#dash` the segments, a few seconds ahead as players of streams do.
# What the browser says of the video lies in `viewed`: time (ms since 1970), event, position, seconds ahead.
WATCH = """<!doctype html><html lang="en"><title>Viewer</title><video muted></video><script>
const AHEAD = 4, video = document.querySelector("video"), viewed = [];
window.viewed = viewed;
function ahead() {
    const at = video.currentTime, ranges = video.buffered;
    for (let i = 0; i < ranges.length; i++) if (ranges.start(i) <= at + 0.1 && at <= ranges.end(i)) return ranges.end(i) - at;
    return 0;
}
const note = (what) => viewed.push([performance.timeOrigin + performance.now(), what, video.currentTime, ahead()]);
for (const what of ["loadstart", "loadedmetadata", "canplay", "canplaythrough", "play", "playing", "waiting", "stalled", "timeupdate", "ended", "error"])
    video.addEventListener(what, () => note(what));
const bytes = async (name) => {
    for (;;) {
        try {
            const answer = await fetch(name);
            if (answer.ok) return await answer.arrayBuffer();
            if (answer.status === 404) return null;
        } catch (error) { note("failed " + name); }
        await new Promise((done) => setTimeout(done, 500));
    }
};
async function stream(source, set) {
    const one = set.querySelector("Representation"), template = set.querySelector("SegmentTemplate"), id = one.getAttribute("id");
    const name = (pattern, n) => "dash/" + pattern.replace("$RepresentationID$", id).replace(/\\$Number%?0?(\\d*)d?\\$/, (_, width) => String(n).padStart(width || 0, "0"));
    const buffer = source.addSourceBuffer(`${one.getAttribute("mimeType") || set.getAttribute("mimeType")}; codecs="${one.getAttribute("codecs")}"`);
    const append = async (content) => {
        buffer.appendBuffer(content);
        await new Promise((done) => buffer.addEventListener("updateend", done, { once: true }));
    };
    await append(await bytes(name(template.getAttribute("initialization"), 0)));
    for (let n = Number(template.getAttribute("startNumber") || 1); ; n++) {
        const content = await bytes(name(template.getAttribute("media"), n));
        if (content === null) return;
        await append(content);
        const end = () => buffer.buffered.length ? buffer.buffered.end(buffer.buffered.length - 1) : 0;
        while (end() - video.currentTime > AHEAD) await new Promise((done) => setTimeout(done, 100));
    }
}
if (location.hash === "#dash") {
    const source = new MediaSource();
    video.src = URL.createObjectURL(source);
    source.addEventListener("sourceopen", async () => {
        const text = new TextDecoder().decode(await bytes("dash/manifest.mpd"));
        const sets = [...new DOMParser().parseFromString(text, "text/xml").querySelectorAll("AdaptationSet")];
        await Promise.all(sets.map((set) => stream(source, set)));
        source.endOfStream();
    });
} else video.src = "video.mp4";
video.play();
</script></html>
"""


def kernel():
    """The newest kernel of this machine, with its version."""
    found = sorted(glob.glob("/boot/vmlinuz-*"))
    if not found:
        raise SystemExit("no kernel in /boot (Debian: apt-get install linux-image-amd64)")
    return found[-1], os.path.basename(found[-1])[len("vmlinuz-"):]


def module(root, name):
    """The uncompressed module `name` of a kernel whose modules lie below `root`; None where it is built in."""
    for path in glob.glob(f"{root}/**/{name}.ko*", recursive=True):
        if path.endswith(".ko"):
            return pathlib.Path(path).read_bytes()
        tool = {".xz": "xz", ".zst": "zstd", ".gz": "gzip"}[pathlib.Path(path).suffix]
        return subprocess.run([tool, "-dc", path], check=True, stdout=subprocess.PIPE).stdout
    return None


def media(folder):
    """A video as one file, as HLS and as DASH, and a page."""
    (folder / "hls").mkdir(parents=True)
    (folder / "dash").mkdir()
    ffmpeg = ["ffmpeg", "-v", "error", "-y"]
    video, sound = f"testsrc2=size=426x240:rate=25:duration={SECONDS}", f"sine=frequency=440:duration={SECONDS}"
    subprocess.run([*ffmpeg, "-f", "lavfi", "-i", video, "-f", "lavfi", "-i", sound, "-c:v", "libx264", "-preset", "veryfast",
                    "-b:v", "220k", "-maxrate", "260k", "-bufsize", "260k", "-g", "50", "-pix_fmt", "yuv420p",
                    "-c:a", "aac", "-b:a", "48k", "-movflags", "+faststart", folder / "video.mp4"], check=True)
    copy = [*ffmpeg, "-i", folder / "video.mp4", "-c", "copy"]
    subprocess.run([*copy, "-hls_time", "2", "-hls_list_size", "0", "-f", "hls", folder / "hls/index.m3u8"], check=True)
    subprocess.run([*copy, "-seg_duration", "2", "-use_template", "1", "-use_timeline", "0", "-f", "dash", folder / "dash/manifest.mpd"],
                   check=True)
    (folder / "index.html").write_text(PAGE)
    (folder / "watch.html").write_text(WATCH)
    (folder / "logo.png").write_bytes(b"".join(hashlib.sha256(bytes([n & 255, n >> 8])).digest() for n in range(625)))


def make(cache):
    """Kernel, initramfs and media, made if they are not there or not of this version."""
    cache = pathlib.Path(cache)
    image, version = kernel()
    stamp = hashlib.sha256(pathlib.Path(__file__).read_bytes() + version.encode()).hexdigest()
    done = cache / "stamp"
    if not (done.exists() and done.read_text() == stamp):
        shutil.rmtree(cache, ignore_errors=True)
        media(cache / "media")
        root = cache / "root"
        for name in ("bin", "proc", "sys", "dev", "lib/modules", "tmp"):
            (root / name).mkdir(parents=True)
        shutil.copy(shutil.which("busybox"), root / "bin/busybox")
        for name in APPLETS:
            (root / "bin" / name).symlink_to("busybox")
        for name in MODULES:
            if (content := module(f"/lib/modules/{version}", name)) is not None:
                (root / f"lib/modules/{name}.ko").write_bytes(content)
        shutil.copytree(cache / "media", root / "www")
        (root / "init").write_text(INIT)
        (root / "init").chmod(0o755)
        names = "\0".join(sorted(str(p.relative_to(root)) for p in root.rglob("*"))).encode()
        archive = subprocess.run(["cpio", "--null", "-o", "-H", "newc", "--quiet"], cwd=root, input=names, stdout=subprocess.PIPE, check=True)
        (cache / "initrd.gz").write_bytes(gzip.compress(archive.stdout, 1))
        done.write_text(stamp)
    return image, cache / "initrd.gz", cache / "media"
