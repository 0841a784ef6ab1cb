"""The names and shapes of a checkpoint of UniDet, written out from detectron2's modules, not from ours."""

from collections.abc import Iterator

Shape = tuple[int, ...]

NORM = ("weight", "bias", "running_mean", "running_var")


def norm(name: str, channels: int) -> Iterator[tuple[str, Shape]]:
    """Yields what a batch normalisation is made of."""
    for each in NORM:
        yield f"{name}.{each}", (channels,)


def conv(name: str, outer: int, inner: int, size: int, after: str) -> Iterator[tuple[str, Shape]]:
    """Yields what a convolution is made of; after it comes a "norm", a "bias" or nothing."""
    yield f"{name}.weight", (outer, inner, size, size)
    if after == "norm":
        yield from norm(f"{name}.norm", outer)
    if after == "bias":
        yield f"{name}.bias", (outer,)


def linear(name: str, outer: int, inner: int) -> Iterator[tuple[str, Shape]]:
    """Yields what a linear layer is made of."""
    yield f"{name}.weight", (outer, inner)
    yield f"{name}.bias", (outer,)


def resnet(blocks: tuple[int, ...], stem: int, width: int, outer: int) -> Iterator[tuple[str, Shape]]:
    """Yields a ResNet: the stem has one layer of 7 by 7."""
    yield from conv("backbone.bottom_up.stem.conv1", stem, 3, 7, "norm")
    inner = stem
    for stage, count in zip((2, 3, 4, 5), blocks, strict=True):
        for block in range(count):
            name = f"backbone.bottom_up.res{stage}.{block}"
            if block == 0:
                yield from conv(f"{name}.shortcut", outer, inner, 1, "norm")
            yield from conv(f"{name}.conv1", width, inner, 1, "norm")
            yield from conv(f"{name}.conv2", width, width, 3, "norm")
            yield from conv(f"{name}.conv3", outer, width, 1, "norm")
            inner = outer
        width, outer = 2 * width, 2 * outer


def resnest(blocks: tuple[int, ...], stem: int, width: int, outer: int) -> Iterator[tuple[str, Shape]]:
    """Yields a ResNeSt of radix 2: the stem has three layers of 3 by 3."""
    yield from conv("backbone.bottom_up.stem.conv1_1", stem, 3, 3, "norm")
    yield from conv("backbone.bottom_up.stem.conv1_2", stem, stem, 3, "norm")
    yield from conv("backbone.bottom_up.stem.conv1_3", 2 * stem, stem, 3, "norm")
    inner = 2 * stem
    for stage, count in zip((2, 3, 4, 5), blocks, strict=True):
        for block in range(count):
            name = f"backbone.bottom_up.res{stage}.{block}"
            if block == 0:
                yield from conv(f"{name}.shortcut", outer, inner, 1, "norm")
            yield from conv(f"{name}.conv1", width, inner, 1, "norm")
            # Each of the two groups sees half of the channels and gives as many as came in.
            yield from conv(f"{name}.conv2.conv", 2 * width, width // 2, 3, "")
            yield from norm(f"{name}.conv2.bn0", 2 * width)
            between = max(width // 2, 32)
            yield from conv(f"{name}.conv2.fc1", between, width, 1, "bias")
            yield from norm(f"{name}.conv2.bn1", between)
            yield from conv(f"{name}.conv2.fc2", 2 * width, between, 1, "bias")
            yield from conv(f"{name}.conv3", outer, width, 1, "norm")
            inner = outer
        width, outer = 2 * width, 2 * outer


def pyramid(outer: int, channels: int, after: str) -> Iterator[tuple[str, Shape]]:
    """Yields the feature pyramid; `outer` are the channels of the first stage."""
    for level, times in ((3, 2), (4, 4), (5, 8)):
        yield from conv(f"backbone.fpn_lateral{level}", channels, times * outer, 1, after)
        yield from conv(f"backbone.fpn_output{level}", channels, channels, 3, after)
    yield from conv("backbone.top_block.p6", channels, channels, 3, "bias")
    yield from conv("backbone.top_block.p7", channels, channels, 3, "bias")


def proposals(channels: int) -> Iterator[tuple[str, Shape]]:
    """Yields the region proposal network; nine anchors."""
    yield from conv("proposal_generator.rpn_head.conv", channels, channels, 3, "bias")
    yield from conv("proposal_generator.rpn_head.objectness_logits", 9, channels, 1, "bias")
    yield from conv("proposal_generator.rpn_head.anchor_deltas", 36, channels, 1, "bias")


def heads(channels: int, convs: int, linears: int, hidden: int, classes: int) -> Iterator[tuple[str, Shape]]:
    """Yields the three heads."""
    for stage in range(3):
        name = f"roi_heads.box_head.{stage}"
        for index in range(convs):
            yield from conv(f"{name}.conv{index + 1}", channels, channels, 3, "norm")
        inner = channels * 7 * 7
        for index in range(linears):
            yield from linear(f"{name}.fc{index + 1}", hidden, inner)
            inner = hidden
        yield from linear(f"roi_heads.box_predictor.{stage}.cls_score", classes + 1, inner)
        yield from linear(f"roi_heads.box_predictor.{stage}.bbox_pred", 4, inner)


PUBLISHED: dict[str, dict[str, Shape]] = {
    "r50": {
        **dict(resnet((3, 4, 6, 3), 64, 64, 256)),
        **dict(pyramid(256, 256, "bias")),
        **dict(proposals(256)),
        **dict(heads(256, convs=0, linears=2, hidden=1024, classes=722)),
    },
    "rs200": {
        **dict(resnest((3, 24, 36, 3), 64, 64, 256)),
        **dict(pyramid(256, 256, "norm")),
        **dict(proposals(256)),
        **dict(heads(256, convs=4, linears=1, hidden=1024, classes=722)),
    },
}
