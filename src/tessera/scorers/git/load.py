"""From configuration to scorer, and what is told of it."""

from tessera.protocols import Scorer
from tessera.scorers.entry import Entry
from tessera.scorers.git.settings import GitVqaConfig
from tessera.scorers.git.vqa import HOME, load_git_vqa

GitConfig = GitVqaConfig

ENTRIES = (
    Entry(
        name="git-vqa",
        role="question answering",
        homes=(HOME,),
        size="395 M",
        unit="mean of p(yes) over the phrases, 0 to 1",
        needs="metadata 'attr_nouns' or 'nouns'",
        proof="tests/parity/test_git_scorer.py",
        source="arXiv 2505.00703; CaraJ7/T2I-R1:src/t2i-r1/src/utils/reward_git.py",
    ),
)


def load_git(settings: GitConfig) -> Scorer:
    """Returns the scorer that the settings name."""
    return load_git_vqa(settings)
