"""UniDet a second time, slowly: weights by detectron2's names, float64, and loops where ours has tensors.

Shares no code with the detector. Only convolutions and linear layers are torch's.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy import ndarray
from torch import Tensor

MEANS = {"r50": (103.530, 116.280, 123.675), "rs200": (123.68, 116.779, 103.939)}
STDS = {"r50": (1.0, 1.0, 1.0), "rs200": (58.393, 57.12, 57.375)}
Box = list[float]
Found = tuple[Box, float, int]  # box, score, class


class Slow:
    """The detector over a checkpoint's weights."""

    def __init__(self, backbone: str, state: dict[str, Tensor]) -> None:
        self.backbone, self.state = backbone, {name: value.double() for name, value in state.items()}

    def norm(self, name: str, maps: Tensor) -> Tensor:
        weight, bias, mean, var = (
            self.state[f"{name}.{each}"][None, :, None, None]
            for each in ("weight", "bias", "running_mean", "running_var")
        )
        return (maps - mean) / torch.sqrt(var + 1e-5) * weight + bias

    def conv(self, name: str, maps: Tensor, stride: int = 1, groups: int = 1) -> Tensor:
        weight = self.state[f"{name}.weight"]
        padding = (weight.shape[-1] - 1) // 2
        made = F.conv2d(maps, weight, self.state.get(f"{name}.bias"), stride, padding, groups=groups)
        return self.norm(f"{name}.norm", made) if f"{name}.norm.weight" in self.state else made

    def linear(self, name: str, rows: Tensor) -> Tensor:
        return rows @ self.state[f"{name}.weight"].T + self.state[f"{name}.bias"]

    # --- backbone ------------------------------------------------------------------------------------------

    def stages(self, pixels: Tensor) -> list[Tensor]:
        stem, maps = "backbone.bottom_up.stem", pixels
        if self.backbone == "r50":
            maps = self.conv(f"{stem}.conv1", maps, 2).relu()
        else:
            for index, stride in ((1, 2), (2, 1), (3, 1)):
                maps = self.conv(f"{stem}.conv1_{index}", maps, stride).relu()
        maps, made = F.max_pool2d(maps, 3, 2, 1), []
        for stage in (2, 3, 4, 5):
            block = 0
            while f"backbone.bottom_up.res{stage}.{block}.conv1.weight" in self.state:
                stride = 2 if stage > 2 and block == 0 else 1
                step = self.bottleneck if self.backbone == "r50" else self.split
                maps = step(f"backbone.bottom_up.res{stage}.{block}", maps, stride)
                block += 1
            made.append(maps)
        return made[1:]

    def bottleneck(self, name: str, maps: Tensor, stride: int) -> Tensor:
        made = self.conv(f"{name}.conv1", maps, stride).relu()
        made = self.conv(f"{name}.conv3", self.conv(f"{name}.conv2", made).relu())
        short = f"{name}.shortcut"
        return (made + (self.conv(short, maps, stride) if f"{short}.weight" in self.state else maps)).relu()

    def split(self, name: str, maps: Tensor, stride: int) -> Tensor:
        made = self.conv(f"{name}.conv1", maps).relu()
        both = self.norm(f"{name}.conv2.bn0", self.conv(f"{name}.conv2.conv", made, groups=2)).relu()
        first, second = both.chunk(2, dim=1)
        whole = (first + second).mean(dim=(2, 3), keepdim=True)
        whole = self.norm(f"{name}.conv2.bn1", self.conv(f"{name}.conv2.fc1", whole)).relu()
        say_first, say_second = self.conv(f"{name}.conv2.fc2", whole).chunk(2, dim=1)
        share = torch.sigmoid(say_first - say_second)  # a softmax over two
        made = share * first + (1 - share) * second
        if stride == 2:
            made = F.avg_pool2d(made, 3, 2, 1)
        made = self.conv(f"{name}.conv3", made)
        if f"{name}.shortcut.weight" in self.state:
            if stride == 2:  # all sizes here are even
                maps = (
                    maps[..., ::2, ::2] + maps[..., 1::2, ::2] + maps[..., ::2, 1::2] + maps[..., 1::2, 1::2]
                ) / 4
            maps = self.conv(f"{name}.shortcut", maps)
        return (made + maps).relu()

    def pyramid(self, pixels: Tensor) -> list[Tensor]:
        third, fourth, fifth = self.stages(pixels)
        in5 = self.conv("backbone.fpn_lateral5", fifth)
        in4 = self.conv("backbone.fpn_lateral4", fourth) + torch.kron(in5, torch.ones(1, 1, 2, 2))
        in3 = self.conv("backbone.fpn_lateral3", third) + torch.kron(in4, torch.ones(1, 1, 2, 2))
        p3, p4, p5 = (
            self.conv(f"backbone.fpn_output{level}", each) for level, each in ((3, in3), (4, in4), (5, in5))
        )
        p6 = self.conv("backbone.top_block.p6", p5, 2)
        return [p3, p4, p5, p6, self.conv("backbone.top_block.p7", p6.relu(), 2)]

    # --- places --------------------------------------------------------------------------------------------

    def proposals(self, maps: list[Tensor], height: int, width: int) -> list[Box]:
        kept: list[tuple[float, Box]] = []
        head = "proposal_generator.rpn_head"
        for level, each in enumerate(maps):
            seen = self.conv(f"{head}.conv", each).relu()
            logits = self.conv(f"{head}.objectness_logits", seen)[0].numpy()
            deltas = self.conv(f"{head}.anchor_deltas", seen)[0].numpy()
            stride, places = 8 * 2**level, []
            for row in range(logits.shape[1]):
                for column in range(logits.shape[2]):
                    for index in range(9):
                        size = 32 * 2**level * 2 ** (index // 3 / 3)
                        shape = (0.5, 1.0, 2.0)[index % 3]
                        wide, high = size / math.sqrt(shape), size * math.sqrt(shape)
                        x, y = column * stride, row * stride
                        sides = (-wide / 2, -high / 2, wide / 2, high / 2)  # held as float32
                        anchor = [
                            float(np.float32(s) + np.float32(c))
                            for s, c in zip(sides, (x, y, x, y), strict=True)
                        ]
                        delta = deltas[4 * index : 4 * index + 4, row, column]
                        box = inside(move(anchor, delta, (1.0, 1.0)), height, width)
                        places.append((float(logits[index, row, column]), box))
            places.sort(key=lambda place: -place[0])
            best = [(logit, box) for logit, box in places[:1000] if box[0] < box[2] and box[1] < box[3]]
            kept += [best[index] for index in greedy(best, 0.7)]
        kept.sort(key=lambda place: -place[0])
        return [box for _, box in kept[:1000]]

    # --- what is there -------------------------------------------------------------------------------------

    def stage(self, index: int, maps: list[Tensor], boxes: list[Box]) -> tuple[ndarray, ndarray]:
        seen = torch.from_numpy(np.stack([read_box(maps, box) for box in boxes]))
        layer = 1
        while f"roi_heads.box_head.{index}.conv{layer}.weight" in self.state:
            seen = self.conv(f"roi_heads.box_head.{index}.conv{layer}", seen).relu()
            layer += 1
        rows, layer = seen.reshape(len(boxes), -1), 1
        while f"roi_heads.box_head.{index}.fc{layer}.weight" in self.state:
            rows = self.linear(f"roi_heads.box_head.{index}.fc{layer}", rows).relu()
            layer += 1
        name = f"roi_heads.box_predictor.{index}"
        logits, deltas = self.linear(f"{name}.cls_score", rows), self.linear(f"{name}.bbox_pred", rows)
        return 1 / (1 + np.exp(-logits.numpy())), deltas.numpy()

    def detect(self, pixels_3HW: Tensor) -> tuple[list[Box], list[Found]]:
        """Returns the places looked into, and what is seen, of pixels in blue, green, red."""
        _, height, width = pixels_3HW.shape
        mean, std = (torch.tensor(each[self.backbone], dtype=torch.float64) for each in (MEANS, STDS))
        wide, high = math.ceil(width / 32) * 32, math.ceil(height / 32) * 32
        padded = torch.zeros(1, 3, high, wide, dtype=torch.float64)
        padded[0, :, :height, :width] = (pixels_3HW.double() - mean[:, None, None]) / std[:, None, None]
        maps = self.pyramid(padded)
        first = boxes = self.proposals(maps, height, width)
        total = np.zeros((len(boxes), 1))
        for index, weights in enumerate(((10.0, 5.0), (20.0, 10.0), (30.0, 15.0))):
            scores, deltas = self.stage(index, maps, boxes)
            total = total + scores / 3
            boxes = [
                inside(move(box, delta, weights), height, width)
                for box, delta in zip(boxes, deltas, strict=True)
            ]
        found: list[Found] = []
        for label in range(total.shape[1] - 1):  # the last one is nothing
            many = [(float(total[n, label]), box) for n, box in enumerate(boxes) if total[n, label] > 0.1]
            many.sort(key=lambda each: -each[0])
            found += [(many[n][1], many[n][0], label) for n in greedy(many, 0.5)]
        found.sort(key=lambda each: -each[1])
        return first, [each for each in found[:300] if each[0][0] < each[0][2] and each[0][1] < each[0][3]]


def move(box: Box, delta: ndarray, weights: tuple[float, float]) -> Box:
    """Returns the box with its centre moved and its sides grown, at most 62.5 times."""
    wide, high = box[2] - box[0], box[3] - box[1]
    x = (box[0] + box[2]) / 2 + delta[0] / weights[0] * wide
    y = (box[1] + box[3]) / 2 + delta[1] / weights[0] * high
    wide *= min(math.exp(delta[2] / weights[1]), 62.5)
    high *= min(math.exp(delta[3] / weights[1]), 62.5)
    return [x - wide / 2, y - high / 2, x + wide / 2, y + high / 2]


def inside(box: Box, height: int, width: int) -> Box:
    """Returns the box cut at the picture's edges."""
    edges = (width, height, width, height)
    return [min(max(value, 0.0), edge) for value, edge in zip(box, edges, strict=True)]


def overlap(a: Box, b: Box) -> float:
    """Returns the intersection over the union; 0 of empty boxes."""
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(wide, 0.0) * max(high, 0.0)
    whole = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / whole if whole > 0 else 0.0


def greedy(best_first: list[tuple[float, Box]], threshold: float) -> list[int]:
    """Returns the boxes to keep, one after another."""
    kept: list[int] = []
    for index, (_, box) in enumerate(best_first):
        if all(overlap(box, best_first[other][1]) <= threshold for other in kept):
            kept.append(index)
    return kept


def read_box(maps: list[Tensor], box: Box) -> ndarray:
    """Returns the box's averages, of the map for its size: of side 224 the second one."""
    side = math.sqrt((box[2] - box[0]) * (box[3] - box[1]))
    level = min(max(math.floor(4 + math.log2(side / 224)), 3), 5) if side > 0 else 3
    return align(maps[level - 3][0].numpy(), box, 2**level)


def align(cells: ndarray, box: Box, stride: int) -> ndarray:
    """Returns the averages of a map of channels by rows by columns in the box's 7 by 7 bins."""
    left, top, right, bottom = (value / stride - 0.5 for value in box)
    wide, high = (right - left) / 7, (bottom - top) / 7
    many_x, many_y = math.ceil(wide), math.ceil(high)
    made = np.zeros((cells.shape[0], 7, 7))
    for row in range(7):
        for column in range(7):
            for i in range(many_y):
                for j in range(many_x):
                    y, x = (
                        top + (row + (i + 0.5) / many_y) * high,
                        left + (column + (j + 0.5) / many_x) * wide,
                    )
                    made[:, row, column] += sample(cells, y, x) / (many_x * many_y)
    return made


def sample(cells: ndarray, y: float, x: float) -> ndarray:
    """Returns the map between its cells; 0 further than a cell outside."""
    _, rows, columns = cells.shape
    if not (-1 <= y <= rows and -1 <= x <= columns):
        return np.zeros(len(cells))
    y, x = min(max(y, 0.0), rows - 1.0), min(max(x, 0.0), columns - 1.0)
    up, left = int(y), int(x)
    down, right = min(up + 1, rows - 1), min(left + 1, columns - 1)
    upper = cells[:, up, left] * (1 - x + left) + cells[:, up, right] * (x - left)
    lower = cells[:, down, left] * (1 - x + left) + cells[:, down, right] * (x - left)
    return upper * (1 - y + up) + lower * (y - up)
