"""The terms of the weights that a policy was trained from, as docs/licences.md has them."""

from dataclasses import dataclass

from tessera.policies.base import PolicyModule
from tessera.policies.emu3.load import HOME as EMU3
from tessera.policies.janus.load import HOME as JANUS
from tessera.policies.llamagen.config import Captions
from tessera.policies.llamagen.files import C2I, LICENCES, T2I
from tessera.policies.llamagen.policy import LlamaGenPolicy

IDS = {"Apache-2.0": "apache-2.0", "MIT": "mit"}  # names that the hub has for licences
JANUS_TERMS = (
    "Two statements are about: the README of the base's repository names the DeepSeek Model License, with "
    "use-based terms, and the tag of its page on the hub says MIT. Keep to the stricter one."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """A licence as a model card names it."""

    name: str
    note: str = ""

    @property
    def id(self) -> str:
        """What the hub calls it; "other" where it has no name for it."""
        return IDS.get(self.name, "other")


def terms_of(policy: PolicyModule) -> Terms:
    """Returns the terms of the published weights of the policy's family; what is trained keeps them."""
    match policy.spec.name:
        case "janus":
            return Terms(name=JANUS.licence, note=JANUS_TERMS)
        case "emu3":
            return Terms(name=EMU3.licence)
        case "mosaic":
            return Terms(name="Apache-2.0")
    if isinstance(policy, LlamaGenPolicy):
        return Terms(name=LICENCES[T2I if isinstance(policy.config.condition, Captions) else C2I])
    return Terms(name="not confirmed")
