"""Reads a repository with python-tuf's ngclient: root.json, base URL, then pairs of target name and expected digest."""

import hashlib
import pathlib
import sys
import tempfile

from tuf.ngclient import Updater

root, base, *expected = sys.argv[1:]
with tempfile.TemporaryDirectory() as folder:
    updater = Updater(
        metadata_dir=folder,
        metadata_base_url=base + "/metadata/",
        target_base_url=base + "/targets/",
        target_dir=folder,
        bootstrap=pathlib.Path(root).read_bytes(),
    )
    updater.refresh()
    for name, digest in zip(expected[::2], expected[1::2], strict=True):
        info = updater.get_targetinfo(name)
        if info is None:
            sys.exit(f"target {name} is not listed")
        content = pathlib.Path(updater.download_target(info)).read_bytes()
        if hashlib.sha256(content).hexdigest() != digest:
            sys.exit(f"target {name} has another content")
    if updater.get_targetinfo("never/published") is not None:
        sys.exit("a target that was never published was found")
print("read", len(expected) // 2, "targets")
