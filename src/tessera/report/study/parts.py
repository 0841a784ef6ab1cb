"""What the page of a study shows of each experiment: its tables, drawings and pictures."""

from collections.abc import Iterator
from dataclasses import dataclass

from tessera.report.study.cards import Deck
from tessera.report.study.decks import decks
from tessera.report.study.figures import heat, plane
from tessera.report.study.inference import compute_table, inference_table
from tessera.report.study.inference_figures import inference_drawings
from tessera.report.study.overshoot import ends_drawings, ends_table
from tessera.report.study.pictures import Strip, strips_across, strips_over
from tessera.report.study.plotting import Drawing
from tessera.report.study.read import Study
from tessera.report.study.tables import Table, best_of_table, category_table, ledger_table, score_table
from tessera.report.study.trends import reward_scatter, scaling
from tessera.report.study.variety import variety_table
from tessera.report.study.watched import over_optimisation


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What the page shows of one experiment."""

    name: str
    question: str
    scores: Table
    extra: tuple[Table, ...]
    details: tuple[Table, ...]
    ledger: Table
    drawings: tuple[Drawing, ...]
    strips: tuple[Strip, ...]
    films: tuple[Strip, ...]
    decks: tuple[Deck, ...]

    @property
    def tables(self) -> tuple[Table, ...]:
        """All of them."""
        return (self.scores, *self.extra, *self.details, self.ledger)


def parts_of(study: Study) -> Iterator[Part]:
    """Yields the experiments in the order of the results."""
    shown: set[tuple[str, ...]] = set()
    for experiment in study.experiments:
        categories = [category_table(study, experiment, name) for name in study.benchmarks(experiment)]
        extra = [
            best_of_table(study, experiment),
            inference_table(study, experiment),
            compute_table(study, experiment),
            ends_table(study, experiment),
            variety_table(study, experiment),
        ]
        drawings = [
            plane(study, experiment),
            reward_scatter(study, experiment),
            *scaling(study, experiment),
            *inference_drawings(study, experiment),
            *ends_drawings(study, experiment),
            *over_optimisation(study, experiment),
            heat(study, experiment),
        ]
        # The same evaluations in several experiments have their pictures in the first.
        folders = tuple(sorted({row.eval for arm in study.arms(experiment) for row in study.cells_of(arm)}))
        new = folders not in shown and experiment in (study.experiments[0], *_with_rewards(study))
        shown.add(folders)
        yield Part(
            name=experiment,
            question=study.setting(experiment, "question") or "",
            scores=score_table(study, experiment),
            extra=tuple(each for each in extra if each is not None),
            details=tuple(categories),
            ledger=ledger_table(study, experiment),
            drawings=tuple(each for each in drawings if each is not None),
            strips=tuple(strips_across(study, experiment)) if new else (),
            films=tuple(strips_over(study, experiment)) if experiment == study.experiments[0] else (),
            decks=tuple(decks(study, experiment)) if new else (),
        )


def _with_rewards(study: Study) -> list[str]:
    """Returns the experiments that compare rewards: their pictures show what a reward was content with."""
    return [
        experiment
        for experiment in study.experiments
        if len({arm.reward for arm in study.arms(experiment) if arm.trained}) > 1
    ]
