"""`tessera`: finds the command, runs it, turns a user's mistake into one sentence and exit code 2."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from tessera import __version__
from tessera.errors import SamplingError, UserError, unknown

HELP = f"""\
tessera {__version__}: reinforcement learning for autoregressive image generation

Usage: tessera COMMAND [--flags]      tessera COMMAND --help explains every flag

Look
  doctor        what is installed here, what is missing; --policy: what of a policy trains
  world show    true pictures of the embedded world, for prompts of every category

Use a policy
  sample        prompts -> pictures, a captioned grid, samples.jsonl
  eval          policy x benchmarks -> eval.jsonl, summary.json, a page
  grade         a benchmark's verdicts on pictures that another tool made
  score         scorers on pictures that are there already: tables, and a page in the order of the scores
  scorers       every scorer: role, weights, licence, unit, needs, and the test that proves it
  judge         how far scorers agree with the exact verifier, and what choosing by them gains
  regrade geneval    verdicts again on kept detections, at other thresholds, without a model
  regrade compbench  verdicts again on kept answers and detections, by our rules or the published faults
  understand    whether a unified model still reads pictures after training: your own questions, paired
  power         how many prompts and training seeds show a difference of a given size

Train one
  train         a recipe (mosaic-grpo, janus-pro-7b-grpo-hps) -> run folder: metrics, pictures, checkpoints
  plan          memory and time of a recipe on a GPU, before it runs, and what to change where it does not fit
  bench         what drawing, scoring and training cost here, beside plain loops in the same run
  export        a run -> weights in the model's own layout, the adapter alone, a model card
  pair          what the pairs of a DPO run are, with a page; what another pairing would give
  serve-reward  a scorer or a reward behind HTTP, for runs in other processes or on other machines

Compare
  compare       evaluations side by side: tables, paired differences, the pictures that changed
  study         arms x rewards x settings x seeds at equal images: quick, standard, full, janus (--dry-run)

Prompts of the field
  data list     which data sets of outside projects are here, their terms, whether they are whole
  data get      fetches one from its official home, verified
  data overlap  what a source of training prompts shares with benchmarks

Make it yourself
  world build   the embedded world's policy from nothing, compared with the shipped one

Start here
  tessera sample --prompt "a photo of two red circles" --num 8 --out runs/circles
  tessera eval --policy mosaic --benchmark mosaic-id mosaic-ood --out runs/base
  tessera train mosaic-grpo --out runs/grpo
  tessera world show --out runs/world

Every command that makes something has --out (where results go) and --seed; every command has --json (one JSON
object on standard output, nothing else). A folder that is not empty is never touched unless you say --resume.
Exit codes: 0 done, 2 a mistake that the message explains, 1 a fault of ours, 130 interrupted.
"""

BROKEN_WEIGHTS = (
    "Take an earlier checkpoint (--policy RUN/checkpoints/step_...); to train on from there, lower --lr and "
    "choose another --out"
)

GROUPS = ("data", "regrade", "world")  # whose commands are two words

COMMANDS = {  # name -> module of this package, loaded when the command is called
    "bench": "bench",
    "compare": "compare",
    "data get": "data_get",
    "data list": "data_list",
    "data overlap": "data_overlap",
    "doctor": "doctor",
    "eval": "eval",
    "export": "export",
    "grade": "grade",
    "judge": "judge",
    "pair": "pair",
    "plan": "plan",
    "power": "power",
    "regrade compbench": "regrade_compbench",
    "regrade geneval": "regrade_geneval",
    "sample": "sample",
    "score": "score",
    "scorers": "scorers",
    "serve-reward": "serve_reward",
    "study": "study",
    "train": "train",
    "understand": "understand",
    "world build": "world_build",
    "world show": "world_show",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    if words[0] in ("-V", "--version"):
        print(__version__)
        return 0
    # OpenMP's threads spin while they wait unless told otherwise, and where another process wants the core,
    # two of them are up to fifty times slower than one. Read when torch loads, hence set here.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        name = " ".join(words[:2]) if words[0] in GROUPS else words[0]
        if name not in COMMANDS:
            raise UserError(f"{unknown('command', name, COMMANDS)} See tessera --help.")
        return import_module(f"tessera.cli.{COMMANDS[name]}").run(words[len(name.split()) :])
    except SamplingError as error:
        print(f"tessera: {error}. {BROKEN_WEIGHTS}", file=sys.stderr)
        return 2
    except UserError as error:
        print(f"tessera: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ntessera: interrupted; --resume goes on where this stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 1


if __name__ == "__main__":
    sys.exit(main())
