#!/usr/bin/env python3
"""An independent hash of a tree: names, kinds, permission bits, times, contents, link targets.

    tree_hash.py DIRECTORY ...        one line each: hash, two spaces, directory
    tree_hash.py --watch LIVE         hashes what LIVE points to, over and over, a line for each
                                      whole reading, until standard input is closed

A reading opens the directory once and stays beneath that descriptor, as a server does that
resolves `live` for each request. It shares no code with the engine, and uses SHA-256.
"""
import hashlib, os, stat, sys, threading


def entries(parent, name, path):
    """Yields (path, line) of everything below the open directory `parent`."""
    for child in sorted(os.listdir(parent)):
        child = os.fsencode(child)
        s = os.stat(child, dir_fd=parent, follow_symlinks=False)
        where = path + b"/" + child if path else child
        head = [where, b"%o" % (s.st_mode & 0o777), b"%d" % s.st_mtime_ns]
        if stat.S_ISDIR(s.st_mode):
            yield where, [b"d", *head]
            fd = os.open(child, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
            try:
                yield from entries(fd, child, where)
            finally:
                os.close(fd)
        elif stat.S_ISLNK(s.st_mode):
            yield where, [b"l", where, b"%d" % s.st_mtime_ns, os.fsencode(os.readlink(child, dir_fd=parent))]
        elif stat.S_ISREG(s.st_mode):
            digest = hashlib.sha256()
            fd = os.open(child, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=parent)
            with os.fdopen(fd, "rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
            yield where, [b"f", *head, digest.hexdigest().encode()]
        else:
            yield where, [b"?", *head]


def tree_hash(directory):
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        total = hashlib.sha256()
        root = os.fstat(fd)
        total.update(b"%o %d\0" % (root.st_mode & 0o777, root.st_mtime_ns))
        for _, line in sorted(entries(fd, b"", b"")):
            total.update(b"\0".join(line) + b"\0\0")
        return total.hexdigest()
    finally:
        os.close(fd)


def watch(live):
    closed = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), closed.set()), daemon=True).start()
    while not closed.is_set():
        before = os.readlink(live)
        try:
            print(tree_hash(live), flush=True)
        except FileNotFoundError:
            # A release that was live when we began may be pruned once several newer ones have
            # gone live; a release that still is live must be whole.
            if os.readlink(live) == before:
                print("torn", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "--watch":
        watch(sys.argv[2])
    else:
        for directory in sys.argv[1:]:
            print(f"{tree_hash(directory)}  {directory}")
