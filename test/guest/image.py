"""What the guest boots: Debian's kernel, unpacked and never installed, and an archive of busybox, the kernel's
modules for USB, and the programs under test with everything that they load. Both are kept and only made anew
where what they are made of has changed."""

import fcntl
import glob
import hashlib
import os
import shutil
import stat
import subprocess
import tempfile

SOURCE = os.environ["KILN_SOURCE"]
BIN = os.environ["KILN_BIN"]
HERE = os.path.join(SOURCE, "test/guest")
KEEP = os.path.join(SOURCE, "build/guest")
BOOT = ["virtio_pci", "virtio_net", "xhci_pci", "usbmon"]  # loaded at once, in this order
MODULES = BOOT + ["cdc_acm", "ftdi_sio", "vhci_hcd", "libcomposite", "usb_f_acm", "dummy_hcd"]
PROGRAMS = ["kiln", "kiln-slot", "kiln-enroller", "kiln-signer", "kiln-twin", "kiln-devca"]
SOFTHSM = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"]


class Missing(Exception):
    """The guest can not be made on this machine; the text says what is missing."""


def tool(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        raise Missing(f"{name} (scripts/install-packages usb)")
    return path


def run(*command, cwd=None):
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout


def download_kernel(folder):
    tool("apt-get")
    try:
        name = next(line.split()[1] for line in run("apt-cache", "depends", "linux-image-amd64").splitlines()
                    if line.split()[:1] == ["Depends:"] and line.split()[1].startswith("linux-image-"))
        run("apt-get", "download", name, cwd=folder)
        return glob.glob(os.path.join(folder, "linux-image-*.deb"))[0]
    except (subprocess.CalledProcessError, StopIteration, IndexError) as why:
        raise Missing(f"Debian's kernel package: {getattr(why, 'stderr', '') or why}") from why


def kernel():
    """The folder of the unpacked package: boot/ and lib/modules/."""
    folder = os.path.join(KEEP, "kernel")
    if os.path.exists(folder):
        return folder
    work = os.path.join(KEEP, "kernel.new")
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    run("dpkg", "-x", download_kernel(work), os.path.join(work, "root"))
    modules = os.path.join(work, "root/lib/modules")
    run(tool("depmod"), "-b", os.path.join(work, "root"), os.listdir(modules)[0])
    os.rename(os.path.join(work, "root"), folder)
    shutil.rmtree(work)
    return folder


def vmlinuz():
    return glob.glob(os.path.join(kernel(), "boot/vmlinuz-*"))[0]


def module_files(root):
    """Paths below root of MODULES and of what they need."""
    version = os.listdir(os.path.join(root, "lib/modules"))[0]
    base = os.path.join("lib/modules", version)
    needs, names = {}, {}
    with open(os.path.join(root, base, "modules.dep"), encoding="utf-8") as file:
        for line in file:
            path, _, rest = line.partition(":")
            needs[path] = rest.split()
            names[os.path.basename(path).split(".")[0].replace("-", "_")] = path
    wanted = {names[name] for name in MODULES}
    wanted |= {need for path in wanted for need in needs[path]}
    lists = [name for name in ("modules.dep", "modules.dep.bin", "modules.alias", "modules.builtin", "modules.symbols")
             if os.path.exists(os.path.join(root, base, name))]
    return [os.path.join(base, path) for path in sorted(wanted) + lists]


def libraries(path):
    """What the program or module loads, by the paths under which it looks for them."""
    done = subprocess.run(["ldd", path], capture_output=True, text=True)
    words = [line.split() for line in done.stdout.splitlines()]
    return {word for line in words for word in line if word.startswith("/")}


class Archive:
    """A cpio archive ("newc") as the kernel reads it."""

    def __init__(self, path):
        self.file, self.seen, self.inode = open(path, "wb"), set(), 0

    def entry(self, name, mode, data=b"", device=(0, 0)):
        self.inode += 1
        words = [self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0]
        head = b"070701" + b"".join(b"%08x" % word for word in words) + name.encode() + b"\0"
        for part in (head, data):
            self.file.write(part + b"\0" * (-len(part) % 4))

    def folder(self, name):
        if name and name not in self.seen:
            self.folder(os.path.dirname(name))
            self.seen.add(name)
            self.entry(name, stat.S_IFDIR | 0o755)

    def add(self, name, data, mode=0o755):
        name = name.lstrip("/")
        if name not in self.seen:
            self.folder(os.path.dirname(name))
            self.seen.add(name)
            self.entry(name, stat.S_IFREG | mode, data)

    def link(self, name, target):
        self.folder(os.path.dirname(name))
        self.entry(name, stat.S_IFLNK | 0o777, target.encode())

    def close(self):
        self.entry("TRAILER!!!", 0)
        self.file.close()


def parts():
    """(path in the guest, path here) of every file."""
    root = kernel()
    files = [("bin/busybox", tool("busybox")), ("init", os.path.join(HERE, "init"))]
    files += [(path, os.path.join(root, path)) for path in module_files(root)]
    softhsm = next((path for path in SOFTHSM if os.path.exists(path)), None)
    if softhsm is None:
        raise Missing("softhsm2")
    loaded = [(os.path.join("bin", name), os.path.join(BIN, name)) for name in PROGRAMS]
    loaded += [(os.path.join("bin", name), os.path.join(BIN, "../test", name))
               for name in ("guest_agent", "guest_bridge")]
    loaded += [("bin/tcpdump", tool("tcpdump")), (softhsm, softhsm)]
    for _, path in loaded:
        files += [(library, library) for library in sorted(libraries(path))]
    files += [("usr/lib/ssl/openssl.cnf", "/usr/lib/ssl/openssl.cnf")]
    profiles = os.path.join(SOURCE, "profiles")
    files += [(os.path.join("profiles", os.path.relpath(path, profiles)), path)
              for ending in ("yaml", "pem") for path in sorted(glob.glob(f"{profiles}/*/*.{ending}"))]
    return files + loaded


def digest(files):
    h = hashlib.sha256(repr(MODULES).encode())
    with open(__file__, "rb") as file:
        h.update(file.read())
    for name, path in files:
        s = os.stat(path)
        h.update(f"{name} {path} {s.st_size} {s.st_mtime_ns}\n".encode())
    return h.hexdigest()


def read_stripped(path):
    """The file without what only a debugger reads."""
    with open(path, "rb") as file:
        data = file.read()
    if not data.startswith(b"\x7fELF") or path.endswith(".ko") or not path.startswith(os.path.realpath(BIN + "/..")):
        return data
    with tempfile.NamedTemporaryFile() as copy:
        run(tool("strip"), "-s", "-o", copy.name, path)
        with open(copy.name, "rb") as file:
            return file.read()


def write(path, files):
    archive = Archive(path)
    for name in ("dev", "proc", "sys", "tmp", "root", "run", "sbin", "var", "etc/pki", "lib64"):
        archive.folder(name)
    archive.entry("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    for name, source in files:
        archive.add(name, read_stripped(os.path.realpath(source)))
    archive.add("etc/modules", "".join(line + "\n" for line in BOOT).encode(), 0o644)
    archive.add("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n", 0o644)
    archive.add("etc/group", b"root:x:0:\ndialout:x:20:\n", 0o644)
    for applet in run(tool("busybox"), "--list").split():
        if applet != "busybox":
            archive.link("bin/" + applet, "busybox")
    archive.link("sbin/modprobe", "/bin/busybox")
    archive.close()


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


def make():
    """(kernel, archive), made where they are not there as they should be. Raises Missing."""
    os.makedirs(KEEP, exist_ok=True)
    with open(os.path.join(KEEP, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        files = parts()
        folder = os.path.join(os.path.dirname(BIN), "guest")
        os.makedirs(folder, exist_ok=True)
        path, stamp = os.path.join(folder, "initramfs"), os.path.join(folder, "initramfs.stamp")
        now = digest(files)
        if read(stamp) != now:
            write(path + ".new", files)
            os.rename(path + ".new", path)
            with open(stamp, "w", encoding="utf-8") as file:
                file.write(now)
    return vmlinuz(), path
