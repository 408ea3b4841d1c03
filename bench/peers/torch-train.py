"""Steps of training in PyTorch, on the CPU: the same architecture, shapes and work as `mimo bench train`.

    python3 torch-train.py MODEL --batch 8 --length 512 --mtp-heads 1 --threads 2 --rounds 5
    python3 torch-train.py ../../test/golden/train-grad --check

MODEL is a Hugging Face folder as `mimo init --type f32` makes it. Written as one writes fast eager PyTorch: products over
all rows, attention fused where it can be and banded where a window bounds it, tokens sorted by expert, fused AdamW.
One line of JSON goes to standard output. Refuses to know mimo: it reads config.json and model.safetensors alone.
"""

import argparse
import json
import math
import statistics
import struct
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}


def read_weights(folder):
    """Tensors by name, in float32."""
    weights = {}
    for path in sorted(folder.glob("*.safetensors")):
        data = bytearray(path.read_bytes())
        (size,) = struct.unpack("<Q", data[:8])
        for name, entry in json.loads(data[8 : 8 + size]).items():
            if name == "__metadata__":
                continue
            begin, end = (8 + size + offset for offset in entry["data_offsets"])
            flat = torch.frombuffer(data[begin:end], dtype=DTYPES[entry["dtype"]])
            weights[name] = flat.reshape(entry["shape"]).float()
    return weights


def rotation(length, theta, dim):
    """Cosines and sines of all positions: [length, dim / 2] each."""
    frequencies = theta ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    angles = torch.outer(torch.arange(length, dtype=torch.float64), frequencies)
    return angles.cos().float(), angles.sin().float()


def rotate(x, cos, sin):
    """Rotates the first dimensions of every head: x [B, heads, L, H]."""
    half = cos.shape[-1]
    a, b, rest = x.split((half, half, x.shape[-1] - 2 * half), dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin, rest), dim=-1)


class Attention(nn.Module):
    def __init__(self, config, take, is_sliding):
        super().__init__()
        prefix = "swa_" if is_sliding else ""
        self.heads = config[f"{prefix}num_attention_heads"]
        self.kv_heads = config[f"{prefix}num_key_value_heads"]
        self.head_dim = config[f"{prefix}head_dim"]
        self.value_dim = config[f"{prefix}v_head_dim"]
        self.theta = config["swa_rope_theta" if is_sliding else "rope_theta"]
        self.rotary_dim = int(self.head_dim * config["partial_rotary_factor"]) // 2 * 2
        self.window = config["sliding_window"] if is_sliding else None
        self.value_scale = config["attention_value_scale"]
        # One product for queries, keys and values.
        self.qkv = take("q_proj.weight", "k_proj.weight", "v_proj.weight")
        self.o = take("o_proj.weight")
        self.sinks = take("attention_sink_bias") if is_sliding and config["add_swa_attention_sink_bias"] else None
        self.tables = None

    def forward(self, x):
        batch, length, _ = x.shape
        widths = (self.heads * self.head_dim, self.kv_heads * self.head_dim, self.kv_heads * self.value_dim)
        q, k, v = (
            part.view(batch, length, -1, width).transpose(1, 2)
            for part, width in zip(
                F.linear(x, self.qkv).split(widths, dim=-1), (self.head_dim, self.head_dim, self.value_dim)
            )
        )
        if self.tables is None or self.tables[0].shape[0] != length:
            self.tables = rotation(length, self.theta, self.rotary_dim)
        q, k = rotate(q, *self.tables), rotate(k, *self.tables)
        v = v * self.value_scale
        attended = self.whole(q, k, v) if self.window is None else self.banded(q, k, v)
        return F.linear(attended.transpose(1, 2).reshape(batch, length, -1), self.o)

    def whole(self, q, k, v):
        # Equal widths let the fused kernel run: faster than the products, though a third of the values is zeros.
        padded = F.pad(v, (0, self.head_dim - self.value_dim))
        groups = self.heads // self.kv_heads
        k, padded = k.repeat_interleave(groups, dim=1), padded.repeat_interleave(groups, dim=1)
        return F.scaled_dot_product_attention(q, k, padded, is_causal=True)[..., : self.value_dim]

    def banded(self, q, k, v):
        """Blocks of a window's length, each against itself and the block before."""
        batch, _, length, _ = q.shape
        window = self.window
        blocks = math.ceil(length / window)
        short = blocks * window - length
        groups = self.heads // self.kv_heads

        def blocked(x):
            return F.pad(x, (0, 0, 0, short)).unflatten(2, (blocks, window))

        def with_previous(x):
            x = blocked(x)
            before = F.pad(x[:, :, :-1], (0, 0, 0, 0, 1, 0))
            return torch.cat((before, x), dim=3).unsqueeze(2)

        q = blocked(q).unflatten(1, (self.kv_heads, groups)) * self.head_dim**-0.5
        scores = q @ with_previous(k).transpose(-1, -2)
        row = torch.arange(window).unsqueeze(1) + window
        column = torch.arange(2 * window)
        hidden = (column > row) | (column <= row - window)
        first = hidden | (column < window)
        mask = torch.stack((first, *[hidden] * (blocks - 1)))
        scores = scores.masked_fill(mask, -math.inf)
        if self.sinks is not None:
            sink = self.sinks.view(1, self.kv_heads, groups, 1, 1, 1).expand(*scores.shape[:-1], 1)
            scores = torch.cat((scores, sink), dim=-1).softmax(dim=-1)[..., :-1]
        else:
            scores = scores.softmax(dim=-1)
        out = scores @ with_previous(v)
        return out.flatten(3, 4)[..., :length, :].flatten(1, 2)


class Dense(nn.Module):
    def __init__(self, take):
        super().__init__()
        self.gate_up = take("gate_proj.weight", "up_proj.weight")
        self.down = take("down_proj.weight")

    def forward(self, x):
        gate, up = F.linear(x, self.gate_up).chunk(2, dim=-1)
        return F.linear(F.silu(gate) * up, self.down)


class Mixture(nn.Module):
    def __init__(self, config, take):
        super().__init__()
        self.experts = config["n_routed_experts"]
        self.chosen = config["num_experts_per_tok"]
        self.scale = config["routed_scaling_factor"] or 1.0
        self.router = take("gate.weight")
        self.register_buffer("bias", take("gate.e_score_correction_bias").detach().clone())
        names = [f"experts.{e}." for e in range(self.experts)]
        self.gate_up = nn.ParameterList(take(f"{n}gate_proj.weight", f"{n}up_proj.weight") for n in names)
        self.down = nn.ParameterList(take(f"{n}down_proj.weight") for n in names)
        self.load = torch.zeros(self.experts)
        self.balance = None

    def forward(self, x):
        shape = x.shape
        x = x.flatten(0, 1)
        scores = F.linear(x, self.router).sigmoid()
        ids = (scores.detach() + self.bias).topk(self.chosen, dim=-1, sorted=False).indices
        weights = scores.gather(1, ids)
        weights = weights / (weights.sum(dim=-1, keepdim=True) + 1e-20) * self.scale
        # Sorted by expert, each expert's rows lie together.
        order = ids.flatten().argsort()
        rows = order // self.chosen
        counts = ids.flatten().bincount(minlength=self.experts)
        outputs = []
        for expert, part in enumerate(x[rows].split(counts.tolist())):
            gate, up = F.linear(part, self.gate_up[expert]).chunk(2, dim=-1)
            outputs.append(F.linear(F.silu(gate) * up, self.down[expert]))
        weighted = torch.cat(outputs) * weights.flatten()[order].unsqueeze(1)
        self.load = counts.float()
        self.balance = self.balance_loss(scores.view(*shape[:2], -1), ids.view(*shape[:2], -1))
        return torch.zeros_like(x).index_add(0, rows, weighted).view(shape)

    def balance_loss(self, scores, ids):
        """Sequence-wise, equations 17 to 20 of the DeepSeek-V3 report, without its factor."""
        batch, length, experts = scores.shape
        share = scores / (scores.sum(dim=-1, keepdim=True) + 1e-20)
        flat = ids.flatten(1)
        frequency = torch.zeros(batch, experts).scatter_add_(1, flat, torch.ones(flat.shape))
        frequency *= experts / (self.chosen * length)
        return (frequency * share.mean(dim=1)).sum(dim=-1).mean()

    @torch.no_grad()
    def move_bias(self, rate):
        signs = (self.load.mean() - self.load).sign()
        self.bias += rate * (signs - signs.mean())


class Block(nn.Module):
    def __init__(self, config, take_from, is_sliding, has_experts, second_norm):
        super().__init__()
        self.epsilon = config["layernorm_epsilon"]
        self.first = take_from("")("input_layernorm.weight")
        self.second = take_from("")(second_norm)
        self.attention = Attention(config, take_from("self_attn."), is_sliding)
        mlp = take_from("mlp.")
        self.feed_forward = Mixture(config, mlp) if has_experts else Dense(mlp)

    def forward(self, x):
        x = x + self.attention(F.rms_norm(x, self.first.shape, self.first, self.epsilon))
        return x + self.feed_forward(F.rms_norm(x, self.second.shape, self.second, self.epsilon))


class MtpHead(nn.Module):
    def __init__(self, config, take_from):
        super().__init__()
        self.epsilon = config["layernorm_epsilon"]
        take = take_from("")
        self.enorm, self.hnorm = take("enorm.weight"), take("hnorm.weight")
        self.projection = take("eh_proj.weight")
        self.block = Block(config, take_from, True, False, "pre_mlp_layernorm.weight")
        self.norm = take("final_layernorm.weight")

    def forward(self, embedded, hidden):
        embedded = F.rms_norm(embedded, self.enorm.shape, self.enorm, self.epsilon)
        hidden = F.rms_norm(hidden, self.hnorm.shape, self.hnorm, self.epsilon)
        return self.block(F.linear(torch.cat((embedded, hidden), dim=-1), self.projection))


class Model(nn.Module):
    def __init__(self, config, weights, mtp_heads):
        super().__init__()

        def take_from(prefix):
            return lambda part: lambda *names: nn.Parameter(
                torch.cat([weights[prefix + part + name] for name in names]).contiguous()
            )

        self.epsilon = config["layernorm_epsilon"]
        take = take_from("")("")
        self.embedding, self.lm_head = take("model.embed_tokens.weight"), take("lm_head.weight")
        self.norm = take("model.norm.weight")
        plans = zip(config["hybrid_layer_pattern"], config["moe_layer_freq"])
        self.layers = nn.ModuleList(
            Block(config, take_from(f"model.layers.{i}."), bool(sliding), bool(moe), "post_attention_layernorm.weight")
            for i, (sliding, moe) in enumerate(plans)
        )
        self.heads = nn.ModuleList(
            MtpHead(config, take_from(f"model.mtp.layers.{head}.")) for head in range(mtp_heads)
        )

    def losses(self, ids):
        """Mean cross-entropies of the trunk and of each MTP head: ids [B, L]."""
        hidden = F.embedding(ids, self.embedding)
        for layer in self.layers:
            hidden = layer(hidden)
        losses = [self.loss(hidden, self.norm, ids, 1)]
        for number, head in enumerate(self.heads, start=1):
            # The tokens `number` places on; no target depends on the zeros behind them.
            shifted = F.pad(ids[:, number:], (0, number))
            out = head(F.embedding(shifted, self.embedding), hidden)
            losses.append(self.loss(out, head.norm, ids, number + 1))
        return losses

    def loss(self, hidden, norm, ids, distance):
        hidden = F.rms_norm(hidden[:, :-distance], norm.shape, norm, self.epsilon)
        return F.cross_entropy(F.linear(hidden.flatten(0, 1), self.lm_head), ids[:, distance:].flatten())

    def mixtures(self):
        return [layer.feed_forward for layer in self.layers if isinstance(layer.feed_forward, Mixture)]


MTP_WEIGHT, BALANCE_WEIGHT, BIAS_RATE, CLIP_NORM, LEARNING_RATE = 0.3, 1e-5, 1e-3, 1.0, 1e-4


def make_optimizer(model):
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": 0.1},
        {"params": [p for p in parameters if p.dim() == 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.95), eps=1e-8, fused=True)


def step(model, optimizer, ids):
    """One whole step; milliseconds of forward with losses, backward, and the update."""
    begin = time.perf_counter()
    trunk, *heads = model.losses(ids)
    loss = trunk + (MTP_WEIGHT * sum(heads) / len(heads) if heads else 0)
    loss = loss + BALANCE_WEIGHT * sum(mixture.balance for mixture in model.mixtures())
    forward = time.perf_counter()
    loss.backward()
    backward = time.perf_counter()
    nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    for mixture in model.mixtures():
        mixture.move_bias(BIAS_RATE)
    end = time.perf_counter()
    return [1000 * ms for ms in (end - begin, forward - begin, backward - forward, end - backward)]


def measure(model, vocabulary, options):
    optimizer = make_optimizer(model)
    generator = torch.Generator().manual_seed(0)
    times = []
    for _ in range(1 + options.rounds):
        ids = torch.randint(vocabulary, (options.batch, options.length), generator=generator)
        times.append(step(model, optimizer, ids))
    # The first step finds memory.
    names = ("step", "forward", "backward", "update")
    milliseconds = {name: statistics.median(column) for name, column in zip(names, zip(*times[1:]))}
    return {
        "torch": torch.__version__,
        "parameters": sum(p.numel() for p in model.parameters()),
        "tokensPerSecond": 1000 * options.batch * options.length / milliseconds["step"],
        "milliseconds": milliseconds,
    }


def check(model, folder):
    """Losses and norms of all gradients against what an independent float64 implementation found."""
    expected = json.loads((folder / "expected.json").read_text())
    trunk, *heads = model.losses(torch.tensor([expected["input_ids"]]))
    loss = trunk + MTP_WEIGHT * sum(heads) / len(heads)
    loss.backward()
    found = [trunk.item(), *(head.item() for head in heads), loss.item()]
    wanted = [expected["loss_main"], *expected["loss_mtp"], expected["loss"]]
    largest = max(abs(a - b) for a, b in zip(found, wanted))
    # Of all parameters together: some are parts of one tensor here.
    norm = math.sqrt(sum(float(p.grad.double().square().sum()) for p in model.parameters()))
    wanted_norm = math.sqrt(sum(norm * norm for norm in expected["grad_norm"].values()))
    error = abs(norm / wanted_norm - 1)
    if largest > 1e-5 or error > 1e-4:
        sys.exit(f"Expected losses {wanted} and gradients of norm {wanted_norm}, found {found} and {norm}.")
    return {"largestLossError": largest, "relativeNormError": error}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a Hugging Face folder with weights in F32, BF16 or F16")
    parser.add_argument("--batch", type=int, default=8, help="documents in a step")
    parser.add_argument("--length", type=int, default=512, help="tokens of each document")
    parser.add_argument("--mtp-heads", type=int, default=1, help="MTP heads that are trained along")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5, help="steps to take the median of, after one to warm up")
    parser.add_argument("--check", action="store_true", help="compare with MODEL/expected.json instead of measuring")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    config = json.loads((options.model / "config.json").read_text())
    mtp_heads = 3 if options.check else options.mtp_heads
    model = Model(config, read_weights(options.model), mtp_heads)
    result = check(model, options.model) if options.check else measure(model, config["vocab_size"], options)
    print(json.dumps(result))


main()
