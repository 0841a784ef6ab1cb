"""Mask2Former with a Swin backbone (arXiv 2112.01527): transformers' class, less its loss.

transformers' `Mask2FormerForUniversalSegmentation` builds its loss with the model, which needs scipy, and
reads the classes after every layer. This is the rest of it under the same names: `model`, `class_predictor`.

Axes: B pictures, Q queries, K classes and "none", h w of the masks, a quarter of the picture's.
"""

from pathlib import Path

from jaxtyping import Float
from torch import Tensor, nn
from transformers import Mask2FormerConfig, Mask2FormerModel, Mask2FormerPreTrainedModel

from tessera.errors import CheckpointError
from tessera.hub import fill, pretrained, read_state
from tessera.scorers.detection.mask2former.convert import converted, sizes
from tessera.scorers.detection.mask2former.names import OBJECT_NAMES


class Mask2FormerNetwork(Mask2FormerPreTrainedModel):
    """The network: pictures in, classes and masks of its queries out."""

    # What checkpoints have and this does without: the loss, and a table that follows from the window.
    _keys_to_ignore_on_load_unexpected = {r"^criterion\.", r"\.relative_position_index$"}  # noqa: RUF012
    # What published checkpoints lack and nothing reads: the norm at the end of Swin, which as a backbone has
    # a norm after every stage.
    _keys_to_ignore_on_load_missing = {r"\.swin\.layernorm\."}  # noqa: RUF012 - transformers reads sets

    def __init__(self, config: Mask2FormerConfig) -> None:
        super().__init__(config)
        self.model = Mask2FormerModel(config)
        self.class_predictor = nn.Linear(config.hidden_dim, config.num_labels + 1)  # pyright: ignore[reportOptionalOperand] - a number once it is set
        self.post_init()

    def forward(
        self, pixel_values: Float[Tensor, "B 3 H W"]
    ) -> tuple[Float[Tensor, "B Q K"], Float[Tensor, "B Q h w"]]:
        """Returns the logits of the classes and of the masks, after the last layer."""
        seen = self.model(pixel_values=pixel_values, output_hidden_states=True)
        last_QBD = seen.transformer_decoder_intermediate_states[-1]
        return self.class_predictor(last_QBD.transpose(0, 1)), seen.masks_queries_logits[-1]


def from_mmdet(file: Path) -> Mask2FormerNetwork:
    """Returns the network with the weights of a file in OpenMMLab's layout."""
    state = converted(read_state(file), str(file))
    network = Mask2FormerNetwork(sizes(state, str(file)))
    return _of_coco(fill(network, state, str(file)), file)


def from_folder(folder: Path) -> Mask2FormerNetwork:
    """Returns the network with the weights of a folder in transformers' layout."""
    return _of_coco(pretrained(Mask2FormerNetwork, folder), folder)


def _of_coco(network: Mask2FormerNetwork, where: Path) -> Mask2FormerNetwork:
    """Returns the network, which must know the 80 classes of COCO."""
    classes = network.class_predictor.out_features - 1
    if classes != len(OBJECT_NAMES):
        raise CheckpointError(
            f"{where} knows {classes} classes, GenEval asks for the {len(OBJECT_NAMES)} of COCO instance "
            "segmentation: these are the weights of another task"
        )
    return network.eval()
