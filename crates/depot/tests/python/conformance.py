"""Plays repositories, good and bad, to a client that speaks the command line of the TUF conformance suite.

usage: conformance.py CLIENT [WORD]     only cases whose name holds WORD

The repositories are made with python-tuf and served from a port of this process. Each case says what the client must
answer, what it must trust afterwards, and, where that matters, what it must have asked for.
"""

import datetime
import hashlib
import http.server
import itertools
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import traceback
import urllib.parse

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

TOP = ("root", "timestamp", "snapshot", "targets")
ED25519 = [CryptoSigner.generate_ed25519() for _ in range(12)]
ECDSA = [CryptoSigner.generate_ecdsa() for _ in range(4)]
RSA = [CryptoSigner.generate_rsa(scheme="rsassa-pss-sha256") for _ in range(2)]


def in_days(days):
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(days=days)


class Repository:
    """Documents that a case edits, and files as they were signed."""

    def __init__(self):
        self.asked = []
        self.files = {}
        self.artifacts = {}
        self.hashes = False
        self.documents = {
            "root": Root(expires=in_days(30), consistent_snapshot=True),
            "timestamp": Timestamp(expires=in_days(30)),
            "snapshot": Snapshot(expires=in_days(30)),
            "targets": Targets(expires=in_days(30)),
        }
        self.signers = {role: [] for role in TOP}
        for role, signer in zip(TOP, ED25519):
            self.add_key(role, signer)
        self.publish("targets", "snapshot", "timestamp", "root", bump=False)

    def __getattr__(self, role):
        return self.documents[role]

    def add_key(self, role, signer, sign=True):
        self.root.add_key(signer.public_key, role)
        if sign:
            self.signers[role].append(signer)

    def rotate(self, role, *signers):
        for keyid in list(self.root.roles[role].keyids):
            self.root.revoke_key(keyid, role)
        self.signers[role] = []
        for signer in signers:
            self.add_key(role, signer)

    def pin(self, role):
        content = self.files[role][-1][1]
        version = self.documents[role].version
        if not self.hashes:
            return MetaFile(version)
        return MetaFile(version, len(content), {"sha256": hashlib.sha256(content).hexdigest()})

    def publish(self, *roles, bump=True, pin=True):
        for role in roles:
            document = self.documents[role]
            if bump:
                document.version += 1
            if pin and role == "snapshot":
                for other in self.files:
                    if other not in ("root", "timestamp", "snapshot"):
                        document.meta[f"{other}.json"] = self.pin(other)
            if pin and role == "timestamp":
                document.snapshot_meta = self.pin("snapshot")
            metadata = Metadata(document)
            for signer in self.signers[role]:
                metadata.sign(signer, append=True)
            self.files.setdefault(role, []).append((document.version, metadata.to_bytes()))

    def delegate(self, parent, name, paths=("*",), terminating=False, threshold=1, signer=None, expires=None):
        signer = signer or ED25519[9]
        document = self.documents[parent]
        if document.delegations is None:
            document.delegations = Delegations({}, {})
        document.delegations.roles[name] = DelegatedRole(name, [], threshold, terminating, list(paths))
        document.add_key(signer.public_key, name)
        self.signers.setdefault(name, [signer])
        self.documents.setdefault(name, Targets(expires=expires or in_days(30)))

    def add(self, role, name, content):
        info = TargetFile.from_data(name, content, ["sha256"])
        self.documents[role].targets[name] = info
        self.artifacts[name] = (info.hashes["sha256"], content)

    def fetch(self, path):
        kind, _, rest = path.partition("/")
        if kind == "targets":
            name = urllib.parse.unquote(rest)
            digest = None
            if self.root.consistent_snapshot:
                folder, slash, last = name.rpartition("/")
                digest, _, last = last.partition(".")
                name = folder + slash + last
            self.asked.append(("target", name))
            found = self.artifacts.get(name)
            return found[1] if found and digest in (None, found[0]) else None
        stem = rest.removesuffix(".json")
        if stem == "timestamp":
            self.asked.append(("timestamp", None))
            return self.files["timestamp"][-1][1]
        number, _, role = stem.partition(".")
        if not self.root.consistent_snapshot and role != "root":
            self.asked.append((stem, None))
            signed = self.files.get(urllib.parse.unquote(stem), [])
            return signed[-1][1] if signed else None
        self.asked.append((role, int(number)))
        signed = self.files.get(urllib.parse.unquote(role), [])
        return next((content for version, content in reversed(signed) if version == int(number)), None)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        number, _, path = self.path.lstrip("/").partition("/")
        content = self.server.repositories[int(number)].fetch(path)
        if content is None:
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


class Client:
    """The client under examination, with folders of its own."""

    def __init__(self, command, base, folder, repository):
        self.command, self.base = command, base
        self.metadata, self.targets = folder / "metadata", folder / "targets"
        self.metadata.mkdir()
        self.targets.mkdir()
        self.first_root = folder / "root.json"
        self.first_root.write_bytes(repository.files["root"][0][1])

    def run(self, *arguments):
        result = subprocess.run([self.command, "--metadata-dir", self.metadata, *arguments], capture_output=True, text=True)
        self.printed = result.stderr
        return result.returncode == 0

    def init(self):
        return self.run("init", self.first_root)

    def refresh(self):
        return self.run("--metadata-url", f"{self.base}/metadata/", "refresh")

    def download(self, *names):
        names = itertools.chain.from_iterable(("--target-name", name) for name in names)
        urls = ("--metadata-url", f"{self.base}/metadata/", "--target-base-url", f"{self.base}/targets/")
        return self.run(*urls, "--target-dir", self.targets, *names, "download")

    def keep(self, role, content):
        (self.metadata / f"{role}.json").write_bytes(content)

    def bytes(self, role):
        return (self.metadata / f"{role}.json").read_bytes()

    def version(self, role):
        path = self.metadata / f"{role}.json"
        return json.loads(path.read_bytes())["signed"]["version"] if path.exists() else None

    def versions(self):
        return tuple(self.version(role) for role in TOP)

    def downloaded(self):
        return sorted(path.read_bytes() for path in self.targets.rglob("*") if path.is_file())


CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def cases(table):
    def register(function):
        for name, arguments in table.items():
            CASES[f"{function.__name__}[{name}]"] = lambda repo, client, arguments=arguments: function(repo, client, *arguments)
        return function

    return register


def expect(got, wanted, what=""):
    assert got == wanted, f"{what}: {got!r} instead of {wanted!r}"


def good(result, client):
    assert result, f"refused: {client.printed}"


def bad(result, what):
    assert not result, f"accepted: {what}"


# Top-level metadata


@case
def first_refresh(repo, client):
    good(client.init(), client)
    expect(repo.asked, [], "init asks nobody")
    good(client.refresh(), client)
    expect(repo.asked, [("root", 2), ("timestamp", None), ("snapshot", 1), ("targets", 1)])
    expect(client.versions(), (1, 1, 1, 1))
    expect(sorted(path.name for path in client.metadata.iterdir()), sorted(f"{role}.json" for role in TOP))


@case
def nothing_new_costs_two_requests(repo, client):
    client.init()
    good(client.refresh(), client)
    repo.asked.clear()
    good(client.refresh(), client)
    expect(repo.asked, [("root", 2), ("timestamp", None)])


@case
def bytes_are_kept_as_received(repo, client):
    client.init()
    version, content = repo.files["timestamp"][-1]
    repo.files["timestamp"][-1] = (version, content + b" \n")
    good(client.refresh(), client)
    expect(client.bytes("timestamp"), content + b" \n")


@case
def download_refreshes_first(repo, client):
    client.init()
    bad(client.download("no such target"), "a target that is not there")
    expect(client.versions(), (1, 1, 1, 1))


@case
def names_without_versions(repo, client):
    repo.root.consistent_snapshot = False
    repo.files["root"].clear()
    repo.publish("root", bump=False)
    client.first_root.write_bytes(repo.files["root"][0][1])
    client.init()
    repo.delegate("targets", "a/b", ["x/*"])
    repo.add("a/b", "x/y", b"content")
    repo.publish("a/b", bump=False)
    repo.publish("targets", "snapshot", "timestamp")
    good(client.download("x/y"), client)
    asked = [("root", 2), ("timestamp", None), ("snapshot", None), ("targets", None), ("a%2Fb", None), ("target", "x/y")]
    expect(repo.asked, asked)
    expect(client.downloaded(), [b"content"])


@case
def roots_are_followed_one_by_one(repo, client):
    client.init()
    repo.publish("root", "root", "root")
    good(client.refresh(), client)
    expect([asked for asked in repo.asked if asked[0] == "root"], [("root", number) for number in (2, 3, 4, 5)])
    expect(client.version("root"), 4)


@case
def no_root_is_skipped(repo, client):
    client.init()
    repo.publish("root", "root", "root")
    del repo.files["root"][2]
    good(client.refresh(), client)
    expect(client.version("root"), 2)
    # Another version under that name is no help.
    repo.files["root"].append((3, repo.files["root"][-1][1]))
    bad(client.refresh(), "root 4 under the name of 3")
    expect(client.version("root"), 2)


def broken_root(edit):
    def run(repo, client):
        document = json.loads(client.first_root.read_bytes())
        edit(document)
        client.first_root.write_text(json.dumps(document))
        client.init()
        bad(client.refresh(), "a broken first root")
        expect(repo.asked, [])

    return run


CASES["first_root_without_version"] = broken_root(lambda root: root["signed"].pop("version"))
CASES["first_root_with_another_signature"] = broken_root(lambda root: root["signatures"][0].update(sig="00" * 64))
CASES["first_root_of_another_role"] = broken_root(lambda root: root["signed"].update(_type="targets"))


@case
def unknown_fields_are_signed_too(repo, client):
    client.init()
    repo.root.unrecognized_fields["x"] = {"y": [1, "\u00fc\n"]}
    repo.root.keys[repo.root.roles["root"].keyids[0]].unrecognized_fields["keyid_hash_algorithms"] = ["md5"]
    repo.targets.unrecognized_fields["x"] = None
    repo.publish("root", "targets", "snapshot", "timestamp")
    good(client.refresh(), client)
    expect(client.versions(), (2, 2, 2, 2))


@case
def same_timestamp_version_with_other_content(repo, client):
    client.init()
    client.refresh()
    kept = client.bytes("timestamp")
    repo.publish("snapshot")
    repo.publish("timestamp", bump=False)
    good(client.refresh(), client)
    expect(client.bytes("timestamp"), kept)
    expect(client.version("snapshot"), 1)


@case
def hashes_of_metadata_are_checked(repo, client):
    repo.hashes = True
    repo.publish("targets", "snapshot", "timestamp")
    client.init()
    good(client.refresh(), client)
    repo.publish("targets", "snapshot", "timestamp")
    version, content = repo.files["targets"][-1]
    repo.files["targets"][-1] = (version, content + b" ")
    bad(client.refresh(), "targets that are longer than pinned")
    expect(client.versions(), (1, 3, 3, 2))
    repo.files["targets"][-1] = (version, content)
    repo.snapshot.meta["targets.json"].hashes["sha256"] = "00" * 32
    repo.publish("snapshot", pin=False)
    repo.publish("timestamp")
    bad(client.refresh(), "targets with another hash")
    expect(client.versions(), (1, 4, 4, 2))


@case
def version_inside_differs_from_the_pin(repo, client):
    client.init()
    repo.publish("snapshot")
    version, content = repo.files["snapshot"].pop()
    repo.files["snapshot"].append((version + 1, content))
    repo.snapshot.version += 1
    repo.publish("timestamp")
    bad(client.refresh(), "snapshot 2 under the name of 3")
    expect(client.versions(), (1, 2, None, None))


@case
def pinned_file_is_missing(repo, client):
    client.init()
    repo.files["snapshot"].clear()
    bad(client.refresh(), "no snapshot")
    expect(client.versions(), (1, 1, None, None))


@cases({"snapshot": ("snapshot", (1, 2, 1, 1)), "targets": ("targets", (1, 2, 2, 1))})
def announced_and_missing(repo, client, role, versions):
    client.init()
    good(client.refresh(), client)
    repo.publish("targets", "snapshot", "timestamp")
    repo.files[role].pop()
    bad(client.refresh(), f"a repository without {role}")
    expect(repo.asked[-1], (role, 2))
    expect(client.versions(), versions)


@case
def a_walk_broken_off_costs_no_floor(repo, client):
    """Shown a timestamp and no snapshot, a client still knows which targets it had."""
    client.init()
    repo.publish("targets", "snapshot", "timestamp")
    good(client.refresh(), client)
    repo.publish("snapshot", "timestamp")
    withheld = repo.files["snapshot"].pop()
    bad(client.refresh(), "no snapshot")
    repo.targets.version = 0
    repo.publish("targets")
    repo.files["snapshot"].append(withheld)
    repo.publish("snapshot", bump=False)
    bad(client.refresh(), "targets 1 after 2")
    expect(client.versions(), (1, 3, 2, 2))


@case
def a_snapshot_is_no_timestamp(repo, client):
    client.init()
    repo.signers["snapshot"] = repo.signers["timestamp"]
    repo.snapshot.meta = {"snapshot.json": MetaFile(1)}
    repo.publish("snapshot", pin=False)
    repo.files["timestamp"].append(repo.files["snapshot"].pop())
    bad(client.refresh(), "a snapshot in the place of the timestamp")
    expect(client.versions(), (1, None, None, None))


# Expiry


@case
def expired_root_is_kept_and_ends_it(repo, client):
    client.init()
    client.refresh()
    repo.root.expires = in_days(-1)
    repo.publish("root", "timestamp")
    bad(client.refresh(), "an expired root")
    expect(client.versions(), (2, 1, 1, 1))
    repo.root.expires = in_days(1)
    repo.publish("root")
    good(client.refresh(), client)
    expect(client.versions(), (3, 2, 1, 1))


@cases({"timestamp": ("timestamp", (1, 1, 1, 1)), "snapshot": ("snapshot", (1, 2, 1, 1)), "targets": ("targets", (1, 2, 2, 1))})
def expired(repo, client, role, versions):
    client.init()
    client.refresh()
    repo.documents[role].expires = in_days(-5)
    repo.publish("targets", "snapshot", "timestamp")
    bad(client.refresh(), f"expired {role}")
    expect(client.versions(), versions)


@case
def an_expired_timestamp_is_still_a_floor(repo, client):
    client.init()
    repo.publish("snapshot", "timestamp")
    good(client.refresh(), client)
    # As if it had been signed for so short a time, and the client had taken it then.
    repo.timestamp.expires = in_days(-1)
    repo.publish("timestamp", bump=False)
    client.keep("timestamp", repo.files["timestamp"][-1][1])
    bad(client.refresh(), "a timestamp that expired since")
    repo.timestamp.expires = in_days(1)
    repo.timestamp.version = 0
    repo.publish("timestamp")
    bad(client.refresh(), "a timestamp older than the expired one")
    repo.timestamp.version = 2
    repo.publish("timestamp")
    good(client.refresh(), client)
    expect(client.version("timestamp"), 3)


# Rollback and recovery


@case
def timestamp_rollback(repo, client):
    client.init()
    repo.publish("timestamp")
    client.refresh()
    repo.timestamp.version = 0
    repo.publish("timestamp")
    repo.asked.clear()
    bad(client.refresh(), "timestamp 1 after 2")
    expect(client.version("timestamp"), 2)
    expect(repo.asked[-1], ("timestamp", None))


@cases({"plain": (False,), "with hashes": (True,)})
def snapshot_rollback(repo, client, hashes):
    repo.hashes = hashes
    client.init()
    repo.publish("snapshot", "timestamp")
    good(client.refresh(), client)
    repo.snapshot.version = 0
    repo.publish("snapshot", "timestamp")
    bad(client.refresh(), "snapshot 1 after 2")
    expect(client.versions(), (1, 2, 2, 1))


@cases({"plain": (False,), "with hashes": (True,)})
def targets_rollback(repo, client, hashes):
    repo.hashes = hashes
    client.init()
    repo.publish("targets", "snapshot", "timestamp")
    good(client.refresh(), client)
    repo.targets.version = 0
    repo.publish("targets", "snapshot", "timestamp")
    bad(client.refresh(), "targets 1 after 2")
    expect(client.version("snapshot"), 2)
    expect(client.version("targets"), 2)


@case
def a_role_vanishes_from_the_snapshot(repo, client):
    client.init()
    repo.delegate("targets", "a")
    repo.publish("a", "targets", "snapshot", "timestamp", bump=False)
    repo.publish("snapshot", "timestamp")
    good(client.refresh(), client)
    del repo.snapshot.meta["a.json"]
    repo.publish("snapshot", pin=False)
    repo.publish("timestamp")
    bad(client.refresh(), "a snapshot without a role that it had")


@cases({role: (role,) for role in ("timestamp", "snapshot", "targets")})
def fast_forward_recovery(repo, client, role):
    """A stolen key ran versions up; new keys bring everybody back."""
    client.init()
    repo.documents[role].version = 99_999
    repo.publish("targets", "snapshot", "timestamp", bump=False)
    good(client.refresh(), client)
    expect(client.version(role), 99_999)
    rotated = {"timestamp": ["timestamp"], "snapshot": ["snapshot", "timestamp"], "targets": ["snapshot"]}[role]
    for number, other in enumerate(rotated):
        repo.rotate(other, ED25519[6 + number])
    repo.publish("root")
    repo.documents[role].version = 0
    repo.publish("targets", "snapshot", "timestamp")
    good(client.refresh(), client)
    expect(client.version(role), 1)


# Keys and thresholds

ROOTS = {
    "rotated": [([1], 1, [1]), ([2], 1, [2, 1]), ([2], 1, [2])],
    "rotated, unknown keys signed too": [([1], 1, [3, 1, 4]), ([2], 1, [3, 2, 1, 4]), ([2], 1, [3, 2, 4])],
    "3 of 5 in turns": [([0, 1, 2, 3, 4], 3, [0, 2, 4]), ([0, 1, 2, 3, 4], 3, [0, 4, 1]), ([0, 1, 2, 3, 4], 3, [0, 1, 3])],
    "one of five replaced": [([0, 1, 2, 3, 4], 3, [0, 2, 4]), ([0, 1, 3, 4, 5], 3, [0, 2, 4, 5]), ([0, 1, 3, 4, 5], 3, [0, 4, 5])],
    "all replaced": [([0, 1, 2], 2, [0, 2]), ([5, 6, 7], 2, [0, 2, 5, 6]), ([5, 6, 7], 2, [6, 7])],
    "threshold raised": [([1, 2, 3], 1, [1]), ([1, 2, 3], 2, [1, 2])],
    "threshold lowered": [([1, 2, 3], 2, [1, 2]), ([1, 2, 3], 1, [1, 2]), ([1, 2, 3], 1, [1])],
    "not by the old key": [([1], 1, [1]), ([2], 1, [2, 3, 4]), False],
    "not by the new key": [([1], 1, [1]), ([2], 1, [1, 3, 4]), False],
    "not by 3 new keys": [([0, 1, 2, 3, 4], 3, [0, 2, 4]), ([0, 1, 3, 4, 5], 3, [0, 2, 4]), False],
    "not by 3 old keys": [([0, 1, 2, 3, 4], 3, [0, 2, 4]), ([0, 1, 3, 4, 5], 3, [0, 4, 5]), False],
    "raised threshold not met": [([1, 2, 3], 1, [1]), ([1, 2, 3], 2, [2]), False],
    "old threshold not met": [([1, 2, 3], 2, [1, 2]), ([1, 2, 3], 1, [1]), False],
}


@cases({name: (versions,) for name, versions in ROOTS.items()})
def root_chain(repo, client, versions):
    succeeds = versions[-1] is not False
    versions = versions if succeeds else versions[:-1]
    repo.files["root"].clear()
    repo.root.version = 0
    for keys, threshold, signers in versions:
        repo.rotate("root", *(ED25519[number] for number in keys))
        repo.root.roles["root"].threshold = threshold
        repo.signers["root"] = [ED25519[number] for number in signers]
        repo.publish("root")
    client.first_root.write_bytes(repo.files["root"][0][1])
    good(client.init(), client)
    expect(client.refresh(), succeeds, client.printed)
    expect(client.bytes("root"), repo.files["root"][-1 if succeeds else -2][1], "the root that is kept")


SIGNED = {
    "another key": ([2], 1, [2], True),
    "unknown keys signed too": ([1], 1, [3, 1, 4], True),
    "3 of 5": ([0, 1, 2, 3, 4], 3, [2, 3, 4], True),
    "not by the new key": ([2], 1, [1, 3, 4], False),
    "3 of 5, one unknown": ([0, 1, 3, 4, 5], 3, [0, 2, 4], False),
    "2 of 5": ([0, 1, 3, 4, 5], 3, [0, 4], False),
    "nobody": ([1], 1, [], False),
}


@cases({f"{role}, {name}": (role, *how) for role in TOP[1:] for name, how in SIGNED.items()})
def signed_role(repo, client, role, keys, threshold, signers, succeeds):
    client.init()
    good(client.refresh(), client)
    repo.rotate(role, *(ED25519[number] for number in keys))
    repo.root.roles[role].threshold = threshold
    repo.signers[role] = [ED25519[number] for number in signers]
    repo.publish("root", "targets", "snapshot", "timestamp")
    expect(client.refresh(), succeeds, client.printed)
    expect(client.version("root"), 2)
    expect(client.version(role), 2 if succeeds else 1)


@case
def one_key_cannot_fill_a_threshold(repo, client):
    client.init()
    client.refresh()
    repo.root.roles["snapshot"].threshold = 2
    for _ in range(3):
        repo.root.roles["snapshot"].keyids.append(repo.root.roles["snapshot"].keyids[0])
    repo.publish("root", "snapshot", "timestamp")
    for role in ("root", "snapshot"):
        version, content = repo.files[role][-1]
        document = json.loads(content)
        if role == "snapshot":
            document["signatures"] *= 3
        repo.files[role][-1] = (version, json.dumps(document).encode())
    bad(client.refresh(), "one key that signed three times")
    expect(client.version("snapshot"), 1)


@cases({"ecdsa": (ECDSA,), "rsa": (RSA,)})
def other_kinds_of_keys(repo, client, signers):
    client.init()
    for role in TOP:
        old = repo.signers[role]
        repo.rotate(role, signers[0])
        if role == "root":
            repo.signers[role] += old
    repo.publish("root", "targets", "snapshot", "timestamp")
    good(client.refresh(), client)
    expect(client.versions(), (2, 2, 2, 2))


@cases({"ed25519": (ED25519[8],), "ecdsa": (ECDSA[0],), "rsa": (RSA[0],)})
def a_signature_of_another_content(repo, client, signer):
    client.init()
    repo.add_key("root", signer)
    repo.root.roles["root"].threshold = 2
    repo.publish("root")
    good(client.refresh(), client)
    repo.publish("root")
    old, new = (json.loads(content) for _, content in repo.files["root"][-2:])
    for signature in new["signatures"]:
        if signature["keyid"] == signer.public_key.keyid:
            signature["sig"] = next(other["sig"] for other in old["signatures"] if other["keyid"] == signature["keyid"])
    repo.files["root"][-1] = (3, json.dumps(new).encode())
    bad(client.refresh(), "a root with the signature of the one before")
    expect(client.version("root"), 2)


@case
def keys_that_nobody_understands_do_no_harm(repo, client):
    client.init()
    repo.add_key("snapshot", ED25519[7])
    strange = repo.root.keys[ED25519[7].public_key.keyid]
    strange.scheme, strange.keytype = "rot13", "rot13"
    repo.signers["snapshot"].pop()
    repo.publish("root", "snapshot", "timestamp")
    good(client.refresh(), client)


# Delegations

GRAPHS = {
    "one": ([("targets", "A")], ["A"]),
    "siblings": ([("targets", "A"), ("targets", "B")], ["A", "B"]),
    "depth first": ([("targets", "A"), ("targets", "B"), ("A", "C"), ("A", "D"), ("C", "E")], ["A", "C", "E", "D", "B"]),
    "terminating": ([("targets", "A"), ("targets", "B"), ("A", "C", ["*"], True), ("A", "D"), ("C", "E")], ["A", "C", "E"]),
    "other paths": ([("targets", "A", ["*.py"]), ("targets", "B"), ("A", "C")], ["B"]),
    "other paths below": ([("targets", "A"), ("targets", "B"), ("A", "C", ["*.py"]), ("C", "D")], ["A", "B"]),
    "circle": ([("targets", "A"), ("targets", "B"), ("B", "C"), ("C", "D"), ("D", "B")], ["A", "B", "C", "D"]),
    "two ways": ([("targets", "A"), ("targets", "B"), ("B", "C"), ("A", "C")], ["A", "C", "B"]),
    "two ways, one closed": ([("targets", "A"), ("targets", "B"), ("B", "C"), ("A", "C", ["*.py"])], ["A", "B", "C"]),
}


def delegate_all(repo, graph):
    names = []
    for parent, name, *rest in graph:
        repo.delegate(parent, name, *rest)
        names += [name] if name not in names else []
    repo.publish(*names, bump=False)
    repo.publish("targets", "snapshot", "timestamp")


@cases({name: graph for name, graph in GRAPHS.items()})
def search_order(repo, client, graph, order):
    client.init()
    delegate_all(repo, graph)
    bad(client.download("missing"), "a target that nobody lists")
    expect(repo.asked[4:], [(name, 1) for name in order])
    expect(len(list(client.metadata.iterdir())), 4 + len(order), "delegated roles are kept")


TREE = [
    ("targets", "A", ["*.doc", "*.md"]),
    ("targets", "B", ["releases/*/*"]),
    ("B", "C", ["releases/x/*"]),
    ("B", "D", ["releases/y/*.zip"]),
]
SEARCHES = {
    "top": ("file", True, []),
    "pattern": ("README.md", True, ["A"]),
    "two levels": ("releases/x/x_v1", True, ["B", "C"]),
    "two patterns": ("releases/y/y_v1.zip", True, ["B", "D"]),
    "listed, not trusted with it": ("releases/z/z_v1.zip", False, ["B"]),
    "a star is not a folder": ("releases/x/y/z", False, []),
}


@cases(SEARCHES)
def search_in_a_tree(repo, client, name, found, order):
    client.init()
    for parent, role, paths in TREE:
        repo.delegate(parent, role, paths)
    for role, target in [("targets", "file"), ("A", "README.md"), ("C", "releases/x/x_v1"), ("D", "releases/y/y_v1.zip")]:
        repo.add(role, target, f"{target} of {role}".encode())
    repo.add("D", "releases/z/z_v1.zip", b"z")
    repo.publish("A", "B", "C", "D", bump=False)
    repo.publish("targets", "snapshot", "timestamp")
    expect(client.download(name), found, client.printed)
    expect([asked for asked in repo.asked[4:] if asked[0] != "target"], [(role, 1) for role in order])
    expect(client.downloaded(), [repo.artifacts[name][1]] if found else [])


@cases({name: (name,) for name in ("?", "#", "/a", "../a", "a b", "%2e", "\u00fc", "a.json")})
def strange_role_names(repo, client, name):
    client.init()
    delegate_all(repo, [("targets", name)])
    bad(client.download("missing"), "a target that nobody lists")
    assert (urllib.parse.quote(name, ""), 1) in repo.asked, repo.asked
    expect(len(list(client.metadata.iterdir())), 5)
    expect(sorted(path.name for path in client.metadata.parent.iterdir()), ["metadata", "root.json", "targets"])


@case
def a_delegated_role_expired(repo, client):
    client.init()
    repo.delegate("targets", "a", expires=in_days(-1))
    repo.add("a", "x", b"x")
    repo.publish("a", bump=False)
    repo.publish("targets", "snapshot", "timestamp")
    good(client.refresh(), client)
    bad(client.download("x"), "a target of an expired role")
    expect(client.downloaded(), [])
    expect(client.version("a"), None)


@case
def a_delegated_role_signed_by_another(repo, client):
    client.init()
    repo.delegate("targets", "a")
    repo.signers["a"] = [ED25519[3]]
    repo.add("a", "x", b"x")
    repo.publish("a", bump=False)
    repo.publish("targets", "snapshot", "timestamp")
    bad(client.download("x"), "a role that the key of targets signed")


@case
def hashed_bins(repo, client):
    client.init()
    digest = hashlib.sha256(b"x").hexdigest()
    for name, prefix in [("other", "0" if digest[0] != "0" else "1"), ("right", digest[:2])]:
        repo.delegate("targets", name)
        role = repo.targets.delegations.roles[name]
        role.paths, role.path_hash_prefixes = None, [prefix]
    repo.add("right", "x", b"content")
    repo.publish("other", "right", bump=False)
    repo.publish("targets", "snapshot", "timestamp")
    good(client.download("x"), client)
    assert ("other", 1) not in repo.asked


# Targets


@cases({"flat": ("file.txt",), "folders": ("path/to/a/file.txt",), "space and umlaut": ("p \u00fc/file 1.txt",)})
def download(repo, client, name):
    client.init()
    repo.add("targets", name, b"content")
    repo.publish("targets", "snapshot", "timestamp")
    good(client.refresh(), client)
    expect(client.downloaded(), [])
    good(client.download(name), client)
    expect(client.downloaded(), [b"content"])
    repo.asked.clear()
    good(client.download(name), client)
    assert ("target", name) not in repo.asked, "what is there is not fetched again"


@cases({"same length": (b"CONTENT",), "longer": (b"content and more",), "shorter": (b"cont",), "empty": (b"",)})
def another_content(repo, client, content):
    client.init()
    repo.add("targets", "a", b"content")
    repo.add("targets", "b", b"content")
    repo.publish("targets", "snapshot", "timestamp")
    good(client.download("a"), client)
    for name in ("a", "b"):
        repo.artifacts[name] = (repo.artifacts[name][0], content)
    client.download("a")
    bad(client.download("b"), "another content")
    expect(client.downloaded(), [b"content"])


@case
def targets_change(repo, client):
    client.init()
    for number in range(5):
        content = f"content {number}".encode()
        repo.add("targets", "a", content)
        repo.publish("targets", "snapshot", "timestamp")
        good(client.download("a"), client)
        expect(client.downloaded(), [content])


@case
def several_at_once(repo, client):
    client.init()
    repo.add("targets", "a", b"1")
    repo.add("targets", "b/c", b"2")
    repo.publish("targets", "snapshot", "timestamp")
    good(client.download("a", "b/c"), client)
    expect(client.downloaded(), [b"1", b"2"])


def main():
    command, word = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.repositories = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    chosen = [(name, run) for name, run in CASES.items() if word in name]
    failed = 0
    for number, (name, run) in enumerate(chosen):
        repository = Repository()
        server.repositories.append(repository)
        with tempfile.TemporaryDirectory() as folder:
            base = f"http://127.0.0.1:{server.server_address[1]}/{number}"
            client = Client(command, base, pathlib.Path(folder), repository)
            try:
                run(repository, client)
            except Exception as error:
                failed += 1
                lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__)]
                print(f"FAILED {name}: {error or type(error).__name__} (lines {lines})\n  asked: {repository.asked}")
    print(f"{len(chosen) - failed} of {len(chosen)} passed")
    sys.exit(failed > 0 or not chosen)


main()
