"""The verb `convert`: one GGUF file in, a safetensors folder or another GGUF file out."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import llama
from gguf_file import UnreadableError, write_gguf
from hyperllama_service.events import emit
from safetensors_file import write_safetensors
from source import Source, UnsupportedError
from tokenizer import write_json, write_tokenizer

FORMATS = ("safetensors", "gguf")
DTYPES = ("bfloat16", "float32")


def convert(argv: list[str]) -> int:
    """Convert as `argv` says; the last line tells how it ended."""
    parser = argparse.ArgumentParser(prog="service.py convert", allow_abbrev=False)
    parser.add_argument("--from", dest="path", required=True, help="GGUF file")
    parser.add_argument("--to", choices=FORMATS, required=True)
    parser.add_argument("--dtype", choices=DTYPES, required=True)
    parser.add_argument("--out", required=True, help="folder or file to make")
    wanted = parser.parse_args(argv)
    try:
        source = Source(wanted.path)
        if wanted.to == "gguf":
            write_gguf(source, wanted.out, wanted.dtype)
        else:
            write_folder(source, wanted.out, wanted.dtype)
    except UnsupportedError as error:
        return _fail("HL_MODEL_FORMAT_UNSUPPORTED", str(error))
    except NotImplementedError as error:
        # What the library says of a block type that it cannot read.
        return _fail("HL_MODEL_FORMAT_UNSUPPORTED", f"its weights cannot be read: {error}")
    except UnreadableError as error:
        return _fail("HL_CONVERSION_FAILED", str(error))
    except (ValueError, FileNotFoundError) as error:
        return _fail("HL_MODEL_CORRUPT", str(error))
    except (ArithmeticError, LookupError, TypeError) as error:
        # So the reader ends where a file is cut, or its numbers contradict each other.
        because = f"its header cannot be read: {type(error).__name__}: {error}"
        return _fail("HL_MODEL_CORRUPT", because)
    except OSError as error:
        # 28 is ENOSPC, 122 EDQUOT.
        is_full = error.errno in (28, 122)
        return _fail("HL_DISK_FULL" if is_full else "HL_CONVERSION_FAILED", str(error))
    emit({"event": "converted", "out": wanted.out})
    return 0


def write_folder(source: Source, folder: str, dtype: str) -> None:
    """Write a model folder as transformers, vLLM, MAX and mlx-lm read it.

    Raises:
        UnsupportedError: another architecture or tokenizer than is known here.
    """
    architecture = source.need("general.architecture")
    if architecture != "llama":
        raise UnsupportedError(f"its architecture is `{architecture}`; `llama` can be converted")
    config = llama.config(source, dtype)
    tensors = llama.tensors(source)
    os.makedirs(folder)
    write_tokenizer(source, folder)
    write_safetensors(os.path.join(folder, "model.safetensors"), tensors, dtype)
    ids = {name: config[name] for name in config if name.endswith("_token_id")}
    write_json(Path(folder, "generation_config.json"), ids)
    # Last: a folder with this file is a whole one.
    write_json(Path(folder, "config.json"), config)


def _fail(code: str, because: str) -> int:
    emit({"event": "failed", "code": code, "because": because})
    return 1
