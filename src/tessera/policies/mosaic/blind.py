"""The embedded policy that reads no prompt: a stand-in generator for benchmarks whose words it does not know.

It draws what it draws for the null prompt. What a benchmark then says is what pictures that ignore their
prompts earn there, and what it costs in time and memory to find out.
"""

from collections.abc import Sequence

import torch

from tessera.policies.mosaic.policy import PADDING, MosaicPolicy
from tessera.tensors import TextBatch


class BlindPolicy(MosaicPolicy):
    """`--policy mosaic-blind`."""

    def tokenize(self, prompts: Sequence[str]) -> TextBatch:
        """Returns an empty text window for each prompt, whatever it says."""
        ids_BL = torch.full((len(prompts), self.config.transformer.text_slots), PADDING, device=self.device)
        return TextBatch(ids=ids_BL, mask=torch.ones_like(ids_BL, dtype=torch.bool))

    def digest(self) -> str:
        """Returns the digest of the weights, told apart from that of the policy that reads."""
        return f"blind-{super().digest()}"


def blinded(policy: MosaicPolicy) -> BlindPolicy:
    """Returns the policy as one that reads nothing, on the same weights."""
    blind = BlindPolicy(policy.config)
    blind.load_state_dict(policy.state_dict())
    return blind.eval()
