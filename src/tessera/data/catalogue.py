"""The data sets of outside projects that `tessera data get` fetches: where they are, terms, digests.

Digests are of the files as they were read at the commits named here. A digest, not an address, says what a
file is: whatever an address gives, nothing else is kept.
"""

from dataclasses import dataclass

from tessera.errors import UserError, unknown


@dataclass(frozen=True, kw_only=True, slots=True)
class DataFile:
    """One published file."""

    path: str  # below the data set's folder
    upstream: str  # in the repository
    sha256: str
    size: int  # bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """Files of one repository; its licence and notice are fetched beside them."""

    name: str
    holds: str
    folder: str  # below the data directory
    repo: str  # on GitHub
    ref: str  # commit or branch
    licence: str
    source: str  # the paper
    files: tuple[DataFile, ...]  # what reading it needs
    terms: tuple[DataFile, ...]  # licence and notice

    @property
    def home(self) -> str:
        """Its page."""
        return f"https://github.com/{self.repo}"


# Of examples/dataset/*.txt at that commit.
_COMPBENCH = {
    "3d_spatial": ("1ae21ab1c669cca035f8ce27c83a312dd4ecddc0796a2d4a6910163b9a92fa3f", 26339),
    "3d_spatial_train": ("0bba7e9ad31b0ce7908f6cbf2426a4b7ef6e8b841c1b737d0ad2d5b8e688dd93", 18486),
    "3d_spatial_val": ("c9953597315f36a5fcb41291bb19bdc6ab5f64a0fa760d691b4854a73f5d1fe9", 7851),
    "color": ("e3034f86a70c3422dd7157c050dc9c8346a32162a3f1165302c9dba05c4f48f3", 29689),
    "color_train": ("db5d3287027d453f8c977f0c7315f8a01a770f02f61fa54ae19406762982393f", 26254),
    "color_val": ("1634259756dbc77d13093d907d414480080ec9790a8c97ad09efaea7b2534f2d", 11871),
    "color_val_seen": ("9b2859d9107b2ed4cae95808749de5ac3557a280eb79067a8ef55c4eec7711a9", 6399),
    "color_val_unseen": ("7fa6f76bb602df9624262ee819f0b1ede20c14880cbacfb7fe8ce79f8157b5c2", 5476),
    "complex": ("58c982554cfe40bedafe3fb495f18196bc0d3905f94b984e0580b24cb624f171", 75760),
    "complex_train": ("d214ac45cb3c5307dd14a144c8c69aa5ffdcc7be74ff71b5dac989f8ca9f924b", 53038),
    "complex_train_action": ("2bf41d7d857883a7344aed46c45343f5089a71cc394d81c00f4aab5348a81dc8", 42015),
    "complex_train_spatial": ("a7ccfa228a825497db4e6e688332a90f3b53da66a76da324390b597be92a0da0", 6604),
    "complex_train_spatialaction": ("933cdc3e6eeaa6564f762736dd32f5e74c4809381fc2c2787bec434bc6b0c7ea", 4419),
    "complex_val": ("1b808018b8d9916db3d47d5aa2ef18377a3549a56901a474156f799824cdf3b4", 22724),
    "complex_val_action": ("d49ee4c7f99e3f3379fb8704a54ff5288b83bb412971edf616a4721c2473308e", 17698),
    "complex_val_spatial": ("6c7ac0ab75c7c9080cfc7b421fb059b9b0febb98471707aeedf58771088abc02", 2898),
    "complex_val_spatialaction": ("e02ddc7fed812e6577e7386ec2137ce0a994a5ce19771661f68df7ac349a6ca9", 2128),
    "new_objects": ("f39a3d2ff6067d7738673cbf465dc659ccc750776162989a5d9916f1d5f3e231", 1568),
    "non_spatial": ("90ae0e995992768d8ddb862d821733103ebf822668a42c857862cc71018a0009", 59469),
    "non_spatial_train": ("dbac5a9ec83204dcd0c3538a12d3212e2ce66db6f7ba45b49a1d869b2d3f2430", 41719),
    "non_spatial_val": ("04c56cc9ac441dc9ea6c5157652058bd1635b5308526dd31bb29a1caab9a758d", 17750),
    "numeracy": ("ba97b876f32f6cac34507a085c7e7ecc6079641b5cbd0fc0c1eb5240ac4b64f0", 36718),
    "numeracy_train": ("f66bb8708cb0be23c0406e14d892b25661b2b71e3e72abddc79c38466ab629c6", 25854),
    "numeracy_val": ("dad8df141604b70ba7554bec724e3db0a80023680769b5c514854ea2d2527bbe", 10863),
    "shape": ("571dfc71ecbea33aa4e504acbe0a7519780920012d9ad360aa212e7e4b6eb6df", 56728),
    "shape_train": ("451bdfccd330d4cf979d45664817be7959e89250b93d5c591cc562b858175a87", 40793),
    "shape_val": ("37e1a276906c7ea9516cbd7ac8501be896006c0c17ca7344f260562834455bae", 15935),
    "shape_val_seen": ("5581f4c8904e11b00fe6e33d2cc21a5822f59f39f43fa51479bc30aa6d458a4d", 8917),
    "shape_val_unseen": ("35b17a7b015405c5c96c51c5cd969a786b3855c48e6f68c184626f5db444d987", 7016),
    "spatial": ("66f6b1dcf335389111a0379357fbf5233498e67ba15251ee0f7de2f1ac620ae1", 30779),
    "spatial_train": ("af14cdf2320057d98f94077e6211c2ddfaabfbb9e3842873657baabb17e00de6", 21562),
    "spatial_val": ("8707a1d7e42ce3002d95363cf55f74bd043c843ae27108f5125aaaa7840ca988", 9213),
    "texture": ("9957553c3e653ab54660454615ea5f3c9d4b807eca9c13b44cb9679d3f2c425e", 46000),
    "texture_train": ("4846315c5972f9e9cc82e4833099e8ec2c28b999ca77269512715f3f56bde54f", 31787),
    "texture_val": ("fbb5363515b4a28009e360afaaaf389d2dd2289e50dbb0c6ef4ea0c7fe4f3d4f", 14211),
    "texture_val_seen": ("5548a49c68efefbbc88b2eb6dffd0f141373235370659158a5d15fdbd82c8c96", 7373),
    "texture_val_unseen": ("6035f7dd8fd9efd6fbeedef64b04e1f651e977b2a1b9c47365c9e4eed0edc27b", 6838),
}

GENEVAL = Dataset(
    name="geneval",
    holds="GenEval's 553 prompts with what each asks for, and the 80 names of objects",
    folder="geneval",
    repo="djghosh13/geneval",
    ref="af4902f24d3ca90ebbb446dd9891a59e0f82725f",
    licence="MIT, (c) 2023 Dhruba Ghosh",
    source="arXiv 2310.11513",
    files=(
        DataFile(
            path="evaluation_metadata.jsonl",
            upstream="prompts/evaluation_metadata.jsonl",
            sha256="5c48e0813e812e3c373fa5c8ed07a8f0a483be30272b4427b0559c8048e67c13",
            size=85209,
        ),
        DataFile(
            path="object_names.txt",
            upstream="evaluation/object_names.txt",
            sha256="608f6a0e5c8ca1c7a92b818430141fe268c85b7930b50f4160f1d65893b5bacd",
            size=642,
        ),
    ),
    terms=(
        DataFile(
            path="LICENSE",
            upstream="LICENSE",
            sha256="e6082bfcbdf460dd19f8c55cc261055414df2a278768b4991c5382d65be2b52a",
            size=1069,
        ),
    ),
)

T2I_COMPBENCH = Dataset(
    name="t2i-compbench",
    holds="T2I-CompBench's prompts, eight categories: 700 to train on and 300 to measure with",
    folder="t2i_compbench",
    repo="Karine-Huang/T2I-CompBench",
    ref="1b7094991a57f3c22abdd4f6e8ba6c1a15517073",
    licence="MIT, (c) 2023 HKU; with notice",
    source="arXiv 2307.06350",
    files=tuple(
        DataFile(
            path=f"dataset/{name}.txt", upstream=f"examples/dataset/{name}.txt", sha256=sha256, size=size
        )
        for name, (sha256, size) in _COMPBENCH.items()
    ),
    terms=(
        DataFile(
            path="License.txt",
            upstream="License.txt",
            sha256="905b2fb8de6611b855171c41985efc7a36698016c083f1b39485a6f9e9d4ae00",
            size=1079,
        ),
        DataFile(
            path="NOTICE.md",
            upstream="NOTICE.md",
            sha256="c3c88515e710f6e3ba2d329d0c988e00d2e03e2dec5d9754ed8e6fe9af16b2a8",
            size=840,
        ),
    ),
)

T2I_R1 = Dataset(
    name="t2i-r1",
    holds="T2I-R1's 7 223 training prompts with the objects, relations and counts they ask for",
    folder="t2i_r1",
    repo="CaraJ7/T2I-R1",
    # Read at 2d9d4d1; the commit's whole name is not known here, and a branch is found by raw files for sure.
    ref="main",
    licence="Apache-2.0; made from T2I-CompBench's prompts (MIT)",
    source="arXiv 2505.00703",
    files=(
        DataFile(
            path="geneval_and_t2i_data_final.json",
            upstream="data/geneval_and_t2i_data_final.json",
            sha256="96b956b5c92477ea2ff13cdd0c805f762a9d9fd5af43141ada6850ab3f6a0171",
            size=1228443,
        ),
    ),
    terms=(
        DataFile(
            path="LICENSE",
            upstream="LICENSE",
            sha256="c71d239df91726fc519c6eb72d318ec65820627232b2f796219e87dcf35d0ab4",
            size=11357,
        ),
    ),
)

DATASETS = (GENEVAL, T2I_COMPBENCH, T2I_R1)


def dataset(name: str) -> Dataset:
    """Returns the data set of that name."""
    for each in DATASETS:
        if each.name == name:
            return each
    raise UserError(unknown("data set", name, (each.name for each in DATASETS)))
