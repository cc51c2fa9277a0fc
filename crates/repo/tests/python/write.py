"""Writes a repository with python-tuf: two root versions, rotated keys of several types, a delegation, odd names."""

import datetime
import pathlib
import sys

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

folder = pathlib.Path(sys.argv[1])
expires = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(days=3)
(folder / "metadata").mkdir()


def put_target(role, name, content):
    info = TargetFile.from_data(name, content, ["sha256", "sha512"])
    role.targets[name] = info
    parent, _, last = name.rpartition("/")
    for digest in info.hashes.values():
        path = folder / "targets" / parent / f"{digest}.{last}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def put(name, document, signers):
    metadata = Metadata(document)
    for signer in signers:
        metadata.sign(signer, append=True)
    content = metadata.to_bytes()
    (folder / "metadata" / name).write_bytes(content)
    return MetaFile(document.version, len(content), {"sha256": TargetFile.from_data("x", content, ["sha256"]).hashes["sha256"]})


old = CryptoSigner.generate_ed25519()
new = [CryptoSigner.generate_ed25519(), CryptoSigner.generate_ecdsa(), CryptoSigner.generate_rsa(scheme="rsassa-pss-sha256")]
online = CryptoSigner.generate_ecdsa()
delegated = CryptoSigner.generate_ed25519()

root = Root(expires=expires, consistent_snapshot=True)
root.add_key(old.public_key, "root")
for role in ("targets", "snapshot", "timestamp"):
    root.add_key(online.public_key, role)
put("1.root.json", root, [old])
root.version = 2
root.revoke_key(old.public_key.keyid, "root")
for signer in new:
    root.add_key(signer.public_key, "root")
root.roles["root"].threshold = 2
root.unrecognized_fields["x-note"] = "unknown fields are \u00fcberall"
put("2.root.json", root, [old, *new[:2]])

vendor = Targets(expires=expires)
put_target(vendor, "vendor/\u00fcber uns.txt", b"delegated")
targets = Targets(expires=expires)
put_target(targets, "a/one.txt", b"one")
role = DelegatedRole("vendor/role", [], 1, True, ["vendor/*"])
targets.delegations = Delegations({}, {role.name: role})
targets.add_key(delegated.public_key, role.name)
snapshot = Snapshot(expires=expires)
snapshot.meta["vendor/role.json"] = put("1.vendor%2Frole.json", vendor, [delegated])
snapshot.meta["targets.json"] = put("1.targets.json", targets, [online])
timestamp = Timestamp(expires=expires, snapshot_meta=put("1.snapshot.json", snapshot, [online]))
put("timestamp.json", timestamp, [online])
