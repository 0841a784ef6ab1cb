"""A process of a study starts quickly: there is one for each stage."""

import subprocess
import sys

# Each takes a good part of a second to import, and no stage of mosaic needs any.
HEAVY = ("transformers", "torch._dynamo", "torch.distributed.fsdp")


def test_a_worker_loads_nothing_that_only_other_models_need() -> None:
    code = f"import sys, tessera.study.worker; print([name for name in {HEAVY} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
