"""A tiny Llama model in the GGUF format, with a tokenizer of bytes."""

from pathlib import Path

import numpy as np

WIDTH, LAYERS, HEADS, FFN = 32, 3, 2, 64


def save_tiny_gguf(path: Path) -> Path:
    import gguf
    from tokenizers import pre_tokenizers

    pieces = ["<s>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet()), "th", "the"]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(LAYERS)
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(FFN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(pieces))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(pieces)
    writer.add_token_types([3, 3] + [1] * (len(pieces) - 2))
    writer.add_token_merges(["t h", "th e"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_unk_token_id(0)
    random = np.random.default_rng(0)

    def add(name: str, *shape: int) -> None:
        writer.add_tensor(name, random.normal(scale=0.1, size=shape).astype("f4"))

    add("token_embd.weight", len(pieces), WIDTH)
    add("output_norm.weight", WIDTH)
    for i in range(LAYERS):
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"blk.{i}.{part}.weight", WIDTH, WIDTH)
        for part in ("attn_norm", "ffn_norm"):
            add(f"blk.{i}.{part}.weight", WIDTH)
        for part in ("ffn_gate", "ffn_up"):
            add(f"blk.{i}.{part}.weight", FFN, WIDTH)
        add(f"blk.{i}.ffn_down.weight", WIDTH, FFN)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
