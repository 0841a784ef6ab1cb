"""Which policy is meant, as data: a name or a folder, or a family with its settings. No model is imported."""

from typing import Annotated

from pydantic import Field

from tessera.policies.emu3.config import Emu3Config
from tessera.policies.janus.config import JanusConfig
from tessera.policies.llamagen.files import LlamaGenFiles

PolicyFamily = Annotated[JanusConfig | LlamaGenFiles | Emu3Config, Field(discriminator="kind")]
PolicyConfig = str | PolicyFamily

SHIPPED = ("mosaic", "mosaic-blind")  # the second reads no prompt
NAMED = {
    "janus-pro-1b": JanusConfig(weights="deepseek-community/Janus-Pro-1B"),
    "janus-pro-7b": JanusConfig(weights="deepseek-community/Janus-Pro-7B"),
    "emu3": Emu3Config(),
}


def described(settings: PolicyConfig) -> str:
    """Returns what a person calls the policy."""
    return settings if isinstance(settings, str) else f"{settings.kind} ({settings.place})"
