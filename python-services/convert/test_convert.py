"""The converter, on small models that are made here: values, names, tokenizer, refusals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from service_case import read_lock
from tokenizers import Tokenizer

HERE = Path(__file__).resolve().parent
SERVICE = str(HERE / "service.py")
HEADS, HEADS_KV, WIDTH, HIDDEN, LAYERS = 4, 2, 32, 64, 2
HEAD_WIDTH = WIDTH // HEADS
NUMBERS = {"BF16": np.dtype("<u2"), "F32": np.dtype("<f4")}
TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def byte_tokens() -> list[str]:
    """Return the 256 letters in which byte-level tokenizers write bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in printable}
    others = [byte for byte in range(256) if byte not in letters]
    letters.update({byte: chr(256 + place) for place, byte in enumerate(others)})
    return [letters[byte] for byte in range(256)]


TOKENS = ["<|start|>", "<|end|>", *byte_tokens(), "Ġt", "he", "Ġthe", "12"]
MERGES = ["Ġ t", "h e", "Ġt he", "1 2"]


def weights(tied: bool = True) -> dict[str, np.ndarray]:
    """Return random weights under their names in safetensors: what conversion must give back."""
    random = np.random.default_rng(7)
    kv = HEADS_KV * HEAD_WIDTH
    shapes = {"model.embed_tokens.weight": (len(TOKENS), WIDTH), "model.norm.weight": (WIDTH,)}
    if not tied:
        shapes["lm_head.weight"] = (len(TOKENS), WIDTH)
    for layer in range(LAYERS):
        parts = {
            "input_layernorm": (WIDTH,),
            "post_attention_layernorm": (WIDTH,),
            "self_attn.q_proj": (WIDTH, WIDTH),
            "self_attn.k_proj": (kv, WIDTH),
            "self_attn.v_proj": (kv, WIDTH),
            "self_attn.o_proj": (WIDTH, WIDTH),
            "mlp.gate_proj": (HIDDEN, WIDTH),
            "mlp.up_proj": (HIDDEN, WIDTH),
            "mlp.down_proj": (WIDTH, HIDDEN),
        }
        shapes.update({f"model.layers.{layer}.{n}.weight": s for n, s in parts.items()})
    return {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def gguf_name(name: str) -> str:
    parts = dict(
        zip(
            "input_layernorm post_attention_layernorm self_attn.q_proj self_attn.k_proj"
            " self_attn.v_proj self_attn.o_proj mlp.gate_proj mlp.up_proj mlp.down_proj".split(),
            "attn_norm ffn_norm attn_q attn_k attn_v attn_output ffn_gate ffn_up ffn_down".split(),
            strict=True,
        )
    )
    outside = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    name = name.removesuffix(".weight")
    if name in outside:
        return f"{outside[name]}.weight"
    _, _, layer, part = name.split(".", 3)
    return f"blk.{layer}.{parts[part]}.weight"


def interleaved(values: np.ndarray, heads: int) -> np.ndarray:
    """Rows as llama.cpp's own converter orders them: first and second half of a head in turns."""
    rows = values.reshape(heads, 2, -1, values.shape[1])
    return np.stack([rows[:, 0], rows[:, 1]], axis=2).reshape(values.shape)


def write_gguf(path: Path, values: dict[str, np.ndarray], **more: Any) -> Path:
    writer = gguf.GGUFWriter(str(path), more.get("architecture", "llama"))
    writer.add_block_count(LAYERS)
    writer.add_context_length(128)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(more.get("heads_kv", HEADS_KV))
    writer.add_rope_freq_base(50_000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(more.get("pre", "smollm"))
    writer.add_token_list(TOKENS)
    writer.add_token_types([3, 3, *[1] * (len(TOKENS) - 2)])
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_chat_template(TEMPLATE)
    if "scaling" in more:
        writer.add_rope_scaling_type(more["scaling"])
    if "alignment" in more:
        writer.add_custom_alignment(more["alignment"])
    if "add_bos" in more:
        writer.add_add_bos_token(more["add_bos"])
    kind = more.get("kind", gguf.GGMLQuantizationType.F32)
    for name, tensor in values.items():
        heads = {"q_proj": HEADS, "k_proj": HEADS_KV}.get(name.split(".")[-2])
        stored = tensor if heads is None else interleaved(tensor, heads)
        if kind == gguf.GGMLQuantizationType.F32 or stored.ndim == 1:
            writer.add_tensor(gguf_name(name), stored)
        else:
            writer.add_tensor(gguf_name(name), gguf.quantize(stored, kind), raw_dtype=kind)
    for name in more.get("extra", []):
        writer.add_tensor(name, np.ones(4, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def convert(source: Path, out: Path, *, to: str, dtype: str) -> tuple[int, dict[str, Any]]:
    arguments = ["--from", str(source), "--to", to, "--dtype", dtype, "--out", str(out)]
    done = subprocess.run(
        [sys.executable, SERVICE, "convert", *arguments],
        env={**os.environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert events, done.stderr
    return done.returncode, events[-1]


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    assert length % 8 == 0
    header = json.loads(data[8 : 8 + length])
    assert header.pop("__metadata__") == {"format": "pt"}
    body = data[8 + length :]
    found = {}
    for name, about in header.items():
        begin, end = about["data_offsets"]
        numbers = np.frombuffer(body[begin:end], dtype=NUMBERS[about["dtype"]])
        if about["dtype"] == "BF16":
            numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
        found[name] = numbers.reshape(about["shape"])
    assert sum(array.size for array in found.values()) * (4 if "F32" in str(header) else 2) == len(
        body
    )
    return found


@pytest.mark.parametrize("tied", [True, False])
def test_gives_back_the_weights_that_went_into_a_gguf_file(tmp_path: Path, tied: bool) -> None:
    values = weights(tied)
    source = write_gguf(tmp_path / "m.gguf", values)
    code, event = convert(source, tmp_path / "out", to="safetensors", dtype="float32")
    assert (code, event["event"]) == (0, "converted")
    found = read_safetensors(tmp_path / "out" / "model.safetensors")
    assert found.keys() == values.keys()
    for name, tensor in values.items():
        np.testing.assert_array_equal(found[name], tensor, err_msg=name)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["tie_word_embeddings"] is tied


def test_rounds_to_the_nearest_bfloat16(tmp_path: Path) -> None:
    values = weights()
    # Exactly between two neighbours, once above an even and once above an odd one; and the edges.
    hard = np.array([1.00390625, 1.01171875, np.inf, -np.inf, np.nan, 3.4e38, 0.0, -0.0])
    values["model.norm.weight"][:8] = hard.astype(np.float32)
    source = write_gguf(tmp_path / "m.gguf", values)
    assert convert(source, tmp_path / "out", to="safetensors", dtype="bfloat16")[0] == 0
    found = read_safetensors(tmp_path / "out" / "model.safetensors")
    rounded = found["model.norm.weight"][:8]
    expected = [1.0, 1.015625, np.inf, -np.inf, np.nan, np.inf, 0.0, -0.0]
    np.testing.assert_array_equal(rounded, np.array(expected, dtype=np.float32))
    for name, tensor in values.items():
        if name != "model.norm.weight":
            # Seven bits of mantissa and a hidden one: half a step is 2^-9 of the value at the most.
            np.testing.assert_allclose(found[name], tensor, rtol=2**-8, atol=0)


def test_computes_quantized_blocks(tmp_path: Path) -> None:
    values = weights()
    kind = gguf.GGMLQuantizationType.Q8_0
    source = write_gguf(tmp_path / "m.gguf", values, kind=kind)
    assert convert(source, tmp_path / "out", to="safetensors", dtype="float32")[0] == 0
    found = read_safetensors(tmp_path / "out" / "model.safetensors")
    name = "model.layers.1.mlp.up_proj.weight"
    exact = gguf.dequantize(gguf.quantize(values[name], kind), kind)
    np.testing.assert_array_equal(found[name], exact)


def test_writes_what_the_engines_read_beside_the_weights(tmp_path: Path) -> None:
    source = write_gguf(tmp_path / "m.gguf", weights())
    assert convert(source, tmp_path / "out", to="safetensors", dtype="bfloat16")[0] == 0
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"] == 50_000.0
    assert config["num_key_value_heads"] == HEADS_KV
    assert config["head_dim"] == HEAD_WIDTH
    assert (config["bos_token_id"], config["eos_token_id"]) == (0, 1)
    assert config["vocab_size"] == len(TOKENS)
    assert (tmp_path / "out" / "chat_template.jinja").read_text() == TEMPLATE
    settings = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())
    assert (settings["bos_token"], settings["eos_token"]) == ("<|start|>", "<|end|>")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


def test_cuts_text_as_the_file_says(tmp_path: Path) -> None:
    source = write_gguf(tmp_path / "m.gguf", weights(), pre="smollm")
    other = write_gguf(tmp_path / "n.gguf", weights(), pre="gpt-2")
    ids = {}
    for path in (source, other):
        folder = tmp_path / path.stem
        assert convert(path, folder, to="safetensors", dtype="bfloat16")[0] == 0
        ids[path.stem] = Tokenizer.from_file(str(folder / "tokenizer.json")).encode("a the 12").ids
    the, twelve = TOKENS.index("Ġthe"), TOKENS.index("12")
    assert the in ids["m"]
    assert the in ids["n"]
    # One digit at a time in one of them.
    assert twelve not in ids["m"]
    assert twelve in ids["n"]


@pytest.mark.parametrize(
    ("dtype", "more"), [("bfloat16", {}), ("float32", {}), ("float32", {"alignment": 1024})]
)
def test_writes_another_gguf_file_with_the_same_metadata(
    tmp_path: Path, dtype: str, more: dict[str, Any]
) -> None:
    values = weights()
    kind = gguf.GGMLQuantizationType.Q8_0
    source = write_gguf(tmp_path / "m.gguf", values, kind=kind, **more)
    assert convert(source, tmp_path / "n.gguf", to="gguf", dtype=dtype)[0] == 0
    before, after = gguf.GGUFReader(str(source)), gguf.GGUFReader(str(tmp_path / "n.gguf"))

    def facts(reader: gguf.GGUFReader) -> dict[str, Any]:
        own = ("GGUF.", "general.file_type", "general.quantization_version")
        fields = reader.fields.items()
        return {name: field.contents() for name, field in fields if not name.startswith(own)}

    assert facts(after) == facts(before)
    wide = "BF16" if dtype == "bfloat16" else "F32"
    for old, new in zip(before.tensors, after.tensors, strict=True):
        assert (new.name, list(new.shape)) == (old.name, list(old.shape))
        assert new.tensor_type.name == (wide if len(old.shape) > 1 else "F32")
        exact = gguf.dequantize(old.data, old.tensor_type)
        again = gguf.dequantize(new.data, new.tensor_type)
        np.testing.assert_allclose(again, exact, rtol=2**-8 if wide == "BF16" else 0, atol=0)


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"architecture": "gemma3"}, "`gemma3`"),
        ({"pre": "tekken"}, "`tekken`"),
        ({"extra": ["blk.0.attn_q.bias"]}, "`blk.0.attn_q.bias`"),
        ({"extra": ["rope_freqs.weight"]}, "positions are scaled"),
        ({"scaling": gguf.RopeScalingType.YARN}, "positions are scaled"),
        ({"heads_kv": [HEADS_KV] * LAYERS}, "`llama.attention.head_count_kv`"),
        ({"add_bos": True}, "`tokenizer.ggml.add_bos_token`"),
    ],
)
def test_refuses_what_it_does_not_know(tmp_path: Path, more: dict[str, Any], word: str) -> None:
    source = write_gguf(tmp_path / "m.gguf", weights(), **more)
    code, event = convert(source, tmp_path / "out", to="safetensors", dtype="bfloat16")
    assert (code, event["event"]) == (1, "failed")
    assert event["code"] == "HL_MODEL_FORMAT_UNSUPPORTED"
    assert word in event["because"]


def test_names_a_file_that_is_damaged_or_missing(tmp_path: Path) -> None:
    whole = write_gguf(tmp_path / "m.gguf", weights()).read_bytes()
    (tmp_path / "half.gguf").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "not.gguf").write_bytes(b"no model at all" * 100)
    for name in ("half.gguf", "not.gguf", "missing.gguf"):
        code, event = convert(tmp_path / name, tmp_path / "out", to="gguf", dtype="float32")
        assert (code, event["code"]) == (1, "HL_MODEL_CORRUPT"), name


def run_here(script: str, *arguments: str) -> list[dict[str, Any]]:
    """Run a script in a child that has the converter's modules; return what it emitted."""
    shared = HERE.parent / "shared"
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(shared), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


CUT_ANYWHERE = """
import sys
from pathlib import Path
from convert import convert
whole, header = Path(sys.argv[1]), int(sys.argv[2])
cut = whole.with_name("cut.gguf")
# Every place in the fields before the lists, then some of each kind.
for length in [*range(300), *range(300, header, 97)]:
    cut.write_bytes(whole.read_bytes()[:length])
    asked = ["--from", str(cut), "--to", "safetensors", "--dtype", "float32"]
    convert([*asked, "--out", str(whole.with_name("out"))])
"""


def test_a_file_cut_anywhere_in_its_header_is_damaged(tmp_path: Path) -> None:
    source = write_gguf(tmp_path / "m.gguf", weights())
    header = min(int(t.data_offset) for t in gguf.GGUFReader(str(source)).tensors)
    events = run_here(CUT_ANYWHERE, str(source), str(header))
    assert len(events) > 300
    assert {event["code"] for event in events} == {"HL_MODEL_CORRUPT"}


def test_does_not_call_damaged_what_may_not_be_read(tmp_path: Path) -> None:
    source = write_gguf(tmp_path / "m.gguf", weights())
    # Root may read any file, but nobody opens a folder as one.
    for path, out, words in (
        (tmp_path, tmp_path / "out", "Is a directory"),
        (source, source / "out", "Not a directory"),
    ):
        code, event = convert(path, out, to="safetensors", dtype="float32")
        assert (code, event["code"]) == (1, "HL_CONVERSION_FAILED")
        assert words in event["because"]


WRITES_ZEROS = """
import sys, gguf
from convert import convert
write = gguf.GGUFWriter.write_tensor_data
gguf.GGUFWriter.write_tensor_data = lambda self, values: write(self, values * 0)
convert(["--from", sys.argv[1], "--to", "gguf", "--dtype", "float32", "--out", sys.argv[2]])
"""


def test_keeps_no_gguf_file_that_reads_otherwise_than_it_was_written(tmp_path: Path) -> None:
    source = write_gguf(tmp_path / "m.gguf", weights())
    events = run_here(WRITES_ZEROS, str(source), str(tmp_path / "n.gguf"))
    assert [event.get("code") for event in events] == ["HL_CONVERSION_FAILED"]


def test_every_line_of_the_lock_is_an_exact_version_with_hashes() -> None:
    wrong, lines = read_lock(HERE / "any.lock.txt")
    assert (wrong, len(lines)) == ([], 8)
