"""Image layouts and docker archives, made by hand: what a builder writes, and what it must not."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
REF = "org.opencontainers.image.ref.name"

Member = tuple[tarfile.TarInfo, bytes]
Json = dict[str, Any]


def member(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", **more: Any) -> Member:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(content)
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for field, value in more.items():
        setattr(info, field, value)
    return info, content


def directory(name: str, **more: Any) -> Member:
    return member(name, tarfile.DIRTYPE, **more)


def link(name: str, target: str, **more: Any) -> Member:
    return member(name, tarfile.SYMTYPE, linkname=target, **more)


def tar_bytes(*members: Member) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Layout:
    """An OCI image layout being written: add blobs and images, then `write` or `pack` it."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
        self.manifests: list[Json] = []

    def blob(self, data: bytes, media_type: str, **more: Any) -> Json:
        digest = sha256(data)
        self.files[f"blobs/{digest.replace(':', '/')}"] = data
        return {"mediaType": media_type, "digest": digest, "size": len(data), **more}

    def document(self, content: object, media_type: str, **more: Any) -> Json:
        return self.blob(json.dumps(content).encode(), media_type, **more)

    def layer(self, *members: Member) -> tuple[Json, str]:
        """A gzipped layer: its descriptor and its diff id."""
        plain = tar_bytes(*members)
        return self.blob(gzip.compress(plain, mtime=0), f"{LAYER}+gzip"), sha256(plain)

    def image(
        self,
        *layers: Sequence[Member],
        config: Mapping[str, Any] | None = None,
        architecture: str = "amd64",
        diff_ids: Sequence[str] | None = None,
        **manifest: Any,
    ) -> Json:
        """The descriptor of a manifest; nothing names it yet."""
        made = [self.layer(*members) for members in layers]
        told = [diff_id for _, diff_id in made] if diff_ids is None else list(diff_ids)
        configuration = self.document(
            {
                "architecture": architecture,
                "os": "linux",
                "config": dict(config or {}),
                "rootfs": {"type": "layers", "diff_ids": told},
            },
            CONFIG,
        )
        return self.document(
            {
                "schemaVersion": 2,
                "config": configuration,
                "layers": [descriptor for descriptor, _ in made],
                **manifest,
            },
            MANIFEST,
        )

    def tag(self, descriptor: Json, name: str = "", **more: Any) -> None:
        named = {"annotations": {REF: name}} if name else {}
        self.manifests.append({**descriptor, **named, **more})

    def whole(self) -> dict[str, bytes]:
        index = {"schemaVersion": 2, "manifests": self.manifests}
        return {"index.json": json.dumps(index).encode(), **self.files}

    def write(self, top: Path) -> Path:
        """As a directory."""
        for name, data in self.whole().items():
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_bytes(data)
        return top

    def pack(self, archive: Path) -> Path:
        """As a plain archive."""
        files = [member(name, content=data) for name, data in self.whole().items()]
        archive.write_bytes(tar_bytes(*files))
        return archive


def docker_archive(
    archive: Path, *layers: Sequence[Member], config: Mapping[str, Any], tag: str = "x:latest"
) -> Path:
    """As `docker save` wrote it: a layer that is there twice is a link the second time."""
    files: list[Member] = []
    names: list[str] = []
    diff_ids: list[str] = []
    for number, members in enumerate(layers):
        plain = tar_bytes(*members)
        name = f"{number:064x}/layer.tar"
        if sha256(plain) in diff_ids:
            files.append(link(name, f"../{names[diff_ids.index(sha256(plain))]}"))
        else:
            files.append(member(name, content=plain))
        names.append(name)
        diff_ids.append(sha256(plain))
    configuration = {
        "architecture": "amd64",
        "os": "linux",
        "config": dict(config),
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    data = json.dumps(configuration).encode()
    name = f"{hashlib.sha256(data).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [tag], "Layers": names}]
    files += [
        member(name, content=data),
        member("manifest.json", content=json.dumps(manifest).encode()),
    ]
    archive.write_bytes(tar_bytes(*files))
    return archive
