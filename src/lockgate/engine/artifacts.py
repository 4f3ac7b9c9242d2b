"""Artifacts: small files kept with a container, for its user's own purposes."""

from lockgate import validation
from lockgate.effects.outcome import PortError
from lockgate.engine.core import Core, faults_raised
from lockgate.errors import NoSuchArtifact


class Artifacts(Core):
    """Named content that goes with the container (MAP §3.1). Needs no lock and no state."""

    def put_artifact(self, reference: str, name: str, content: bytes) -> None:
        """Keep this content under this name, in the place of what it had; 1 MiB at most. Raises
        `InvalidArgument` for what is no name, `OperationFailed`."""
        config = self.inspect(reference).config
        with faults_raised("keep", validation.name(name), "artifact"):
            self.host.artifacts.put(config, name, content)

    def artifact(self, reference: str, name: str) -> bytes:
        """Raises `NoSuchArtifact`."""
        config = self.inspect(reference).config
        try:
            return self.host.artifacts.get(config, validation.name(name))
        except PortError as problem:
            raise NoSuchArtifact(problem.fault.reason) from None

    def artifacts(self, reference: str) -> tuple[str, ...]:
        """The names there are."""
        config = self.inspect(reference).config
        with faults_raised("list", config.name, "artifacts of container"):
            return self.host.artifacts.list(config)

    def remove_artifact(self, reference: str, name: str) -> None:
        """Raises `NoSuchArtifact`."""
        config = self.inspect(reference).config
        try:
            self.host.artifacts.remove(config, validation.name(name))
        except PortError as problem:
            raise NoSuchArtifact(problem.fault.reason) from None
